"""Tiers: the level of a ladder on which a member stands, by what was earned in all or within the last days.

A level is reached at once and kept until less is left than it asks to keep; only the passing of time, or value that was
taken back, takes it away, and that is found by a settling run. Settling is the same whoever asks and however often.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain import derived
from domain.events import Event
from domain.game import Level, TierLadder


@dataclass(frozen=True, slots=True)
class Tier:
    """Where a member stands on a ladder (`key` None: below the lowest level), by the `n`-th change."""

    key: str | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class TierChange:
    """One change of a member's tier, what had been earned then, and the event by which; a silent one tells nobody."""

    member_id: str
    ladder: TierLadder
    before: str | None
    tier: Tier
    amount: int
    event_id: str | None = None
    silent: bool = False

    @property
    def upgraded(self) -> bool:
        return _height(self.ladder, self.tier.key) > _height(self.ladder, self.before)


@dataclass(frozen=True, slots=True)
class Rise:
    """What a member has just earned: of a unit, on a day of the program, by an event if there was one."""

    member_id: str
    unit: str
    amount: int
    day: date
    event_id: str | None


def first_day(ladder: TierLadder, today: date) -> date | None:
    """The first day that counts today; None if all do."""
    return None if ladder.days is None else today - timedelta(days=ladder.days - 1)


def reached(ladder: TierLadder, amount: int) -> Level | None:
    """The highest level for which the amount is enough."""
    return next((level for level in reversed(ladder.levels) if amount >= level.at), None)


def settled(ladder: TierLadder, held: str | None, amount: int) -> str | None:
    """The level of whoever holds this one and has so much: the highest that is reached, or still kept."""
    height = _height(ladder, held)
    enough = [
        level.key for n, level in enumerate(ladder.levels) if amount >= (level.kept_at if n <= height else level.at)
    ]
    return enough[-1] if enough else None


def climb(
    ladders: Iterable[TierLadder],
    held: Mapping[tuple[str, str], Tier],
    earned: Mapping[tuple[str, str], int],
    rises: Sequence[Rise],
    today: date,
) -> list[TierChange]:
    """The levels that members come to by what they earn, one rise after the other.

    By member and ladder, `held` is where they stand, and `earned` what counted before the first rise.
    """
    now, amounts, changes = dict(held), dict(earned), []
    of_unit: dict[str, list[TierLadder]] = {}
    for ladder in ladders:
        of_unit.setdefault(ladder.unit, []).append(ladder)
    for rise in rises:
        for ladder in of_unit.get(rise.unit, ()):
            since = first_day(ladder, today)
            if since is not None and rise.day < since:
                continue
            key = rise.member_id, ladder.key
            amounts[key] = amounts.get(key, 0) + rise.amount
            if rise.amount > 0 and (change := _up(ladder, rise, now.get(key, Tier()), amounts[key])):
                now[key] = change.tier
                changes.append(change)
    return changes


def settle(ladder: TierLadder, member_id: str, held: Tier, amount: int, *, silent: bool = False) -> TierChange | None:
    """Where time, or what was taken back, leaves a member; None if nothing changes."""
    key = settled(ladder, held.key, amount)
    if key == held.key:
        return None
    return TierChange(member_id, ladder, held.key, Tier(key, held.n + 1), amount, silent=silent)


def event_of(change: TierChange, at: datetime) -> Event:
    """The fact that the member has come to another tier, for rules to reward."""
    data = {"ladder": change.ladder.key, "upgraded": change.upgraded}
    data |= {name: key for name, key in (("tier", change.tier.key), ("before", change.before)) if key}
    name = name_of(change.ladder.key, change.member_id, change.tier.n)
    return derived.event(derived.TIER_CHANGED, name, change.member_id, at, data)


def name_of(ladder: str, member_id: str, n: int) -> str:
    """What the `n`-th change of a member's tier is told as."""
    return f"{ladder}:{member_id}:{n}"


def _up(ladder: TierLadder, rise: Rise, held: Tier, amount: int) -> TierChange | None:
    level = reached(ladder, amount)
    if level is None or _height(ladder, level.key) <= _height(ladder, held.key):
        return None
    return TierChange(rise.member_id, ladder, held.key, Tier(level.key, held.n + 1), amount, rise.event_id)


def _height(ladder: TierLadder, key: str | None) -> int:
    """0 for the lowest level; -1 below it, and for a level that the ladder has no more."""
    return next((n for n, level in enumerate(ladder.levels) if level.key == key), -1)
