"""Tiers in back-tests: where members stand on the candidate's ladders, and what would have been told of it.

A member stands as recorded until the ladder is another one, or they have earned something else. From then on they rise
with what they earn, and fall at the end of a day. A change that the record has as well, by the same event or else on
the same day, is told as it was recorded.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from domain import derived
from domain.backtest_outcomes import Elsewhere, Outcome
from domain.configuration import Configuration
from domain.events import Event
from domain.game import TierLadder, says_the_same
from domain.tiers import Rise, Tier, TierChange, climb, event_of, name_of, settle
from domain.time import zone

Key = tuple[str, str]  # member and ladder
_NOWHERE = Tier()


class GivenTier(NamedTuple):
    """A change of a tier as it was recorded."""

    member_id: str
    ladder: str
    tier: Tier
    before: str | None
    event_id: str | None
    silent: bool
    at: datetime


class OtherGain(NamedTuple):
    """What a member earned, or lost of it, by no decision: by a command, or silently by turning out to be another."""

    member_id: str
    unit: str
    amount: int
    earned_at: datetime
    silent: bool
    at: datetime


class TierFound(NamedTuple):
    """A change that only the candidate makes, and when."""

    change: TierChange
    at: datetime

    @property
    def event(self) -> Event:
        return event_of(self.change, self.at)


class _Earned:
    """What counts for ladders: of each unit in all, and by the days that some ladder still looks at."""

    def __init__(self) -> None:
        self.in_all: Counter[tuple[str, str]] = Counter()  # by member and unit
        self._days: dict[str, dict[date, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))

    def add(self, member_id: str, unit: str, day: date, amount: int) -> None:
        self.in_all[member_id, unit] += amount
        self._days[unit][day][member_id] += amount

    def of(self, ladder: TierLadder, member_id: str, today: date) -> int:
        if ladder.days is None:
            return self.in_all[member_id, ladder.unit]
        days = self._days[ladder.unit]
        counting = (today - timedelta(days=back) for back in range(ladder.days))
        return sum(days[day][member_id] for day in counting if day in days)

    def on(self, unit: str, day: date) -> Iterable[str]:
        """Who has earned something on the day."""
        return self._days[unit].get(day, ())

    def forget(self, before: date) -> None:
        for days in self._days.values():
            for day in [one for one in days if one < before]:
                del days[day]


class Tiers:
    """Takes up what is earned, and the days that pass; asked only about programs that have ladders."""

    def __init__(self, given: Iterable[GivenTier]) -> None:
        self._given: dict[Key, list[GivenTier]] = defaultdict(list)
        self._by_event: dict[str, list[GivenTier]] = defaultdict(list)
        for one in given:
            self._given[one.member_id, one.ladder].append(one)
            if one.event_id is not None:
                self._by_event[one.event_id].append(one)
        self._coming = deque(sorted((one for of in self._given.values() for one in of), key=lambda one: one.at))
        self._gains: deque[OtherGain] = deque()
        # Where members stand as recorded, and under the candidate where it goes by itself.
        self._stands: dict[Key, Tier] = {}
        self._own: dict[Key, Tier] = {}
        self._own_ladders: set[str] = set()
        self._differs: set[tuple[str, str]] = set()  # members and units
        self._earned = _Earned()
        self._doubted: set[tuple[str, str]] = set()  # from whom something of a unit was taken back today
        self._today: date | None = None
        self._as_recorded: set[str] = set()  # the facts that tell what both have found

    # -- What the record has ---------------------------------------------------------------------------------------

    def hear_gains(self, gains: Iterable[OtherGain]) -> None:
        """Know what will be earned by no decision, in order."""
        self._gains.extend(gains)

    def hear(self, event_id: str, at: datetime) -> None:
        """A decision about the event was taken up: what it changed then stands in the record."""
        for one in self._by_event.get(event_id, ()):
            if one.at == at:
                self._stand(one)

    def _stand(self, one: GivenTier) -> None:
        if one.tier.n > self._stands.get((one.member_id, one.ladder), _NOWHERE).n:
            self._stands[one.member_id, one.ladder] = one.tier

    # -- What the candidate makes of it ----------------------------------------------------------------------------

    def introduce(self, candidate: Configuration, live: Configuration, at: datetime) -> None:
        """Put everybody silently where they belong on ladders that are not those that are live."""
        for ladder in candidate.tiers.values():
            if ladder.key in self._own_ladders or says_the_same(ladder, live.tiers.get(ladder.key)):
                continue
            self._own_ladders.add(ladder.key)
            known = {member for member, unit in self._earned.in_all if unit == ladder.unit}
            for member_id in known | {member for member, key in self._stands if key == ladder.key}:
                held = self._stands.get((member_id, ladder.key), _NOWHERE)
                amount = self._earned.of(ladder, member_id, self._day_of(candidate, at))
                change = settle(ladder, member_id, held, amount, silent=True)
                self._own[member_id, ladder.key] = change.tier if change else held

    def earn(
        self,
        candidate: Configuration,
        member_id: str,
        unit: str,
        amounts: tuple[int, int],
        earned_at: datetime,
        *,
        by: str | None,
        at: datetime,
    ) -> Iterator[TierFound]:
        """The record has given so much and the candidate so much, by an event; what only the candidate finds."""
        given, would = amounts
        if given != would:
            self._differs.add((member_id, unit))
        today, day = self._day_of(candidate, at), self._day(candidate, earned_at)
        rise = Rise(member_id, unit, would, day, by)
        for ladder in candidate.tiers.values():
            if ladder.unit == unit and (held := self._held(ladder, member_id)) is not None:
                key = member_id, ladder.key
                self._own[key] = held
                before = {key: self._earned.of(ladder, member_id, today)}
                for change in climb([ladder], {key: held}, before, [rise], today):
                    yield from self._find(candidate, change, by, at)
        self._earned.add(member_id, unit, day, would)
        if would < 0:
            self._doubted.add((member_id, unit))

    def pass_to(self, at: datetime, candidate: Configuration) -> Iterator[TierFound]:
        """Let days end and other gains come until the instant."""
        while (midnight := self._midnight(candidate, at)) <= at:
            yield from self._gain(candidate, midnight)
            self._today = self._day(candidate, midnight)
            yield from self._settle(candidate, midnight)
        yield from self._gain(candidate, at)
        while self._coming and self._coming[0].at < at:
            self._stand(self._coming.popleft())

    def is_own(self, candidate: Configuration, told: Event) -> bool:
        """Whether the candidate goes by itself where this tells of a change."""
        ladder = candidate.tiers.get(told.data.get("ladder", ""))
        is_one = told.type == derived.TIER_CHANGED and ladder is not None
        return is_one and ladder is not None and self._held(ladder, told.member.external_id) is not None

    def is_found(self, told: Event) -> bool:
        """Whether the candidate has found the change as well."""
        return told.external_id in self._as_recorded

    def compare(self, candidate: Configuration, outcome: Outcome) -> None:
        """Say who stands where at the end, and who would."""
        for member_id, key in sorted(self._stands.keys() | self._own.keys()):
            given = self._stands.get((member_id, key), _NOWHERE).key
            ladder = candidate.tiers.get(key)
            held = self._held(ladder, member_id) if ladder else _NOWHERE
            would = given if held is None else held.key
            if given is not None:
                outcome.tiers[key, given].add(1, 0)
            if would is not None:
                outcome.tiers[key, would].add(0, 1)
            if given != would:
                outcome.elsewhere.append(Elsewhere(key, member_id, given, would))

    # -- Steps -----------------------------------------------------------------------------------------------------

    def _held(self, ladder: TierLadder, member_id: str) -> Tier | None:
        """Where the candidate has the member by itself; None while they stand as recorded."""
        key = member_id, ladder.key
        if key in self._own or ladder.key in self._own_ladders:
            return self._own.get(key, _NOWHERE)
        return self._stands.get(key, _NOWHERE) if (member_id, ladder.unit) in self._differs else None

    def _find(self, candidate: Configuration, change: TierChange, by: str | None, at: datetime) -> Iterator[TierFound]:
        self._own[change.member_id, change.ladder.key] = change.tier
        if change.silent:
            return
        same = self._given_like(candidate, change, by, at)
        if same is None:
            yield TierFound(change, at)
        else:
            name = name_of(same.ladder, same.member_id, same.tier.n)
            self._as_recorded.add(derived.fact(derived.TIER_CHANGED, name))

    def _given_like(
        self, candidate: Configuration, change: TierChange, by: str | None, at: datetime
    ) -> GivenTier | None:
        wanted = change.before, change.tier.key, by, self._day(candidate, at)
        return next(
            (
                one
                for one in self._given.get((change.member_id, change.ladder.key), ())
                if (one.before, one.tier.key, one.event_id, self._day(candidate, one.at)) == wanted and not one.silent
            ),
            None,
        )

    def _gain(self, candidate: Configuration, until: datetime) -> Iterator[TierFound]:
        while self._gains and self._gains[0].at <= until:
            one = self._gains.popleft()
            amounts = one.amount, one.amount
            found = self.earn(candidate, one.member_id, one.unit, amounts, one.earned_at, by=None, at=one.at)
            yield from (change for change in found if not one.silent)

    def _settle(self, candidate: Configuration, midnight: datetime) -> Iterator[TierFound]:
        """Let those fall who have too little left."""
        assert self._today is not None
        for ladder in candidate.tiers.values():
            doubted = {member for member, unit in self._doubted if unit == ladder.unit}
            if ladder.days is not None:
                doubted.update(self._earned.on(ladder.unit, self._today - timedelta(days=ladder.days)))
            for member_id in sorted(doubted):
                held = self._held(ladder, member_id)
                if held is None:
                    continue
                amount = self._earned.of(ladder, member_id, self._today)
                if (change := settle(ladder, member_id, held, amount)) is not None:
                    yield from self._find(candidate, change, None, midnight)
        self._doubted.clear()
        longest = max((ladder.days or 0 for ladder in candidate.tiers.values()), default=0)
        self._earned.forget(self._today - timedelta(days=longest))

    def _midnight(self, candidate: Configuration, at: datetime) -> datetime:
        """When the day ends."""
        tomorrow = self._day_of(candidate, at) + timedelta(days=1)
        return datetime.combine(tomorrow, time(), zone(candidate.time_zone))

    def _day_of(self, candidate: Configuration, at: datetime) -> date:
        """The day on which the replay is, which begins with the first instant."""
        if self._today is None:
            self._today = self._day(candidate, at)
        return self._today

    def _day(self, candidate: Configuration, at: datetime) -> date:
        return at.astimezone(zone(candidate.time_zone)).date()
