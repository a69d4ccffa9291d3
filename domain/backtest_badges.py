"""Badges in back-tests: who has which under the candidate, and what would have been told of it.

A badge stands as recorded until it is another one, or an event is found to complete it that did not then, or the other
way round. A badge that is not as it was live is given silently to whoever had achieved it when the window begins.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from domain import derived
from domain.backtest_counters import EVENTS
from domain.backtest_outcomes import Badged, Outcome
from domain.badges import Badges, EarnedBadge, counter_key, counter_of
from domain.configuration import Configuration, Period
from domain.counters import CounterKey, Counts
from domain.events import Event
from domain.game import Badge, says_the_same

Key = tuple[str, str]  # member and badge


class GivenBadge(NamedTuple):
    """A badge as it was recorded; by no event, when it was introduced."""

    earned: EarnedBadge
    at: datetime
    withdrawn_at: datetime | None


@dataclass(slots=True)
class _Achieved:
    """What members have achieved: lifetime counters of events, lengths of streaks and prizes of challenges."""

    totals: dict[tuple[str, CounterKey], int] = field(default_factory=dict)
    lengths: dict[tuple[str, str], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    prizes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, member_id: str, event: Event, sign: int) -> None:
        """An event of the member stands, or (sign -1) does not any more."""
        if event.type == derived.STREAK_REACHED:
            self.lengths[member_id, event.data["streak"]][event.data["length"]] += sign
        elif event.type == derived.CHALLENGE_PRIZE:
            self.prizes[member_id, event.data["challenge"]] += sign

    def members(self) -> set[str]:
        return {member_id for known in (self.totals, self.lengths, self.prizes) for member_id, _ in known}

    def has(self, candidate: Configuration, badge: Badge, member_id: str) -> bool:
        if badge.aggregate is not None:
            return self.totals.get((member_id, counter_key(candidate.aggregates, badge)), 0) >= badge.at_least
        if badge.streak is not None:
            lengths = self.lengths.get((member_id, badge.streak), Counter())
            return any(times > 0 and length >= badge.at_least for length, times in lengths.items())
        return self.prizes[member_id, badge.challenge or ""] > 0


class BadgeBook:
    """What members have, as recorded and under the candidate; asked only about programs that have badges."""

    def __init__(self, given: Iterable[GivenBadge]) -> None:
        self._by_event: dict[str, list[GivenBadge]] = defaultdict(list)
        changes: list[tuple[datetime, bool, GivenBadge]] = []
        for one in given:
            if one.earned.event_id is not None:
                self._by_event[one.earned.event_id].append(one)
            changes.append((one.at, True, one))
            if one.withdrawn_at is not None:
                changes.append((one.withdrawn_at, False, one))
        self._coming = deque(sorted(changes, key=lambda one: one[0]))
        # The last one of each, as recorded, and under the candidate where it goes by itself.
        self._stands: dict[str, dict[str, EarnedBadge]] = defaultdict(dict)
        self._own: dict[Key, EarnedBadge | None] = {}
        self._own_badges: frozenset[str] = frozenset()
        self._achieved = _Achieved()
        self._as_recorded: set[str] = set()  # the facts that tell what both have found

    # -- What the record has ---------------------------------------------------------------------------------------

    def hear(self, event_id: str, at: datetime) -> None:
        """A decision about the event was taken up: what it earned or lost then stands in the record."""
        for one in self._by_event.get(event_id, ()):
            if one.at == at:
                self._stand(one, stands=True)
            if one.withdrawn_at == at:
                self._stand(one, stands=False)

    def pass_to(self, at: datetime) -> None:
        """What was recorded before the instant stands."""
        while self._coming and self._coming[0][0] < at:
            _, stands, one = self._coming.popleft()
            self._stand(one, stands=stands)

    def _stand(self, one: GivenBadge, *, stands: bool) -> None:
        of_member = self._stands[one.earned.member_id]
        last = of_member.get(one.earned.badge)
        if last is None or one.earned.n > last.n or (one.earned.n == last.n and not stands):
            of_member[one.earned.badge] = replace(one.earned, standing=stands)

    def believe(self, member_id: str, event: Event, totals: Counts) -> None:
        """What was decided before the window has happened, and left the member's counters at this."""
        self._achieved.note(member_id, event, 1)
        self.count(member_id, totals)

    def doubt(self, member_id: str, event: Event, moved: Counts) -> None:
        """What was decided before the window was taken back."""
        self._achieved.note(member_id, event, -1)
        totals = self._achieved.totals
        less = {key: (0, totals.get((member_id, key), 0) - total) for key, (_, total) in moved.items()}
        self.count(member_id, less)

    def count(self, member_id: str, counters: Counts) -> None:
        """Know what the member's counters of events have come to."""
        for key, (_, total) in counters.items():
            if _counts_events(key):
                self._achieved.totals[member_id, key] = total

    def counters(self, member_id: str, keys: Iterable[CounterKey]) -> dict[tuple[str, CounterKey], tuple[int, int]]:
        """What these counters of events have come to, as far as it is known."""
        known = {(member_id, key): self._achieved.totals.get((member_id, key)) for key in keys if _counts_events(key)}
        return {key: (0, total) for key, total in known.items() if total is not None}

    # -- What the candidate makes of it ----------------------------------------------------------------------------

    def introduce(self, candidate: Configuration, live: Configuration, at: datetime) -> None:
        """Give badges that are not those that are live silently to whoever has achieved them."""
        new = _differing(candidate, live) - self._own_badges
        if not new:
            return
        members = self._achieved.members() | self._stands.keys()
        for key in new:
            self._own |= {(member, key): self._stands[member].get(key) for member in members}
        self._own_badges |= new
        single = [candidate.badges[key] for key in new if not candidate.badges[key].badges]
        composite = [candidate.badges[key] for key in new if candidate.badges[key].badges]
        for member_id in members:
            self._give(member_id, single, at, lambda badge, who: self._achieved.has(candidate, badge, who))
            for _ in composite:  # one may be a part of another
                self._give(
                    member_id, composite, at, lambda badge, who: all(self._has(who, one) for one in badge.badges)
                )

    def _give(
        self, member_id: str, badges: Iterable[Badge], at: datetime, achieved: Callable[[Badge, str], bool]
    ) -> None:
        for badge in badges:
            if not self._has(member_id, badge.key) and achieved(badge, member_id):
                before = self._last(member_id, badge.key)
                n = before.n + 1 if before else 1
                self._own[member_id, badge.key] = EarnedBadge(member_id, badge.key, n, None, at)

    def of(self, candidate: Configuration, member_ids: Iterable[str]) -> Badges:
        """What these members have, for an Intake to go on from."""
        held = {
            (member_id, key): replace(last)
            for member_id in member_ids
            for key in candidate.badges
            if (last := self._last(member_id, key)) is not None
        }
        return Badges(candidate, held)

    def take(self, found: Badges | None, event_id: str, at: datetime) -> Iterator[Event]:
        """Compare what a decision about the event has found (None: there is none) with what the record found then."""
        given = {
            (one.earned.member_id, one.earned.badge): one for one in self._by_event.get(event_id, ()) if one.at == at
        }
        for one in found.new if found else ():
            key = one.member_id, one.badge
            same = given.pop(key, None)
            if not one.standing:
                continue
            if same is None or self._is_own(key):
                self._own[key] = one
            if same is None:
                yield one.fact
            else:
                self._as_recorded.add(same.earned.fact.external_id)
        for key in given:
            self._own.setdefault(key, self._last(*key))
        for one in found.withdrawn if found else ():
            if self._is_own((one.member_id, one.badge)):
                self._own[one.member_id, one.badge] = one
                yield one.retraction

    def is_own(self, told: Event) -> bool:
        """Whether the candidate goes by itself where this tells of a badge."""
        return told.type == derived.BADGE_EARNED and self._is_own((told.member.external_id, told.data.get("badge", "")))

    def is_found(self, told: Event) -> bool:
        """Whether the candidate has found it as well."""
        return told.external_id in self._as_recorded

    def compare(self, candidate: Configuration, outcome: Outcome) -> None:
        """Say who has what at the end, and who would."""
        given = {
            (member, key)
            for member, of_member in self._stands.items()
            for key, one in of_member.items()
            if one.standing
        }
        would = {key for key in given | self._own.keys() if key[1] in candidate.badges and self._has(*key)}
        for member_id, key in sorted(given | would):
            has, had = (member_id, key) in would, (member_id, key) in given
            outcome.badges[key].add(int(had), int(has))
            if has != had:
                outcome.badged.append(Badged(key, member_id, has))

    # -- Steps -----------------------------------------------------------------------------------------------------

    def _is_own(self, key: Key) -> bool:
        return key in self._own or key[1] in self._own_badges

    def _last(self, member_id: str, badge: str) -> EarnedBadge | None:
        if self._is_own((member_id, badge)):
            return self._own.get((member_id, badge))
        return self._stands[member_id].get(badge)

    def _has(self, member_id: str, badge: str) -> bool:
        last = self._last(member_id, badge)
        return last is not None and last.standing


def _counts_events(key: CounterKey) -> bool:
    return key[1] == Period.LIFETIME.value and key[0].startswith(EVENTS)


def _differing(candidate: Configuration, live: Configuration) -> frozenset[str]:
    """The badges that are not as they are live, or are made of such ones, or of another aggregate."""
    found = {key for key, badge in candidate.badges.items() if not _is_same(badge, candidate, live)}
    while more := {key for key, badge in candidate.badges.items() if found.intersection(badge.badges)} - found:
        found |= more
    return frozenset(found)


def _is_same(badge: Badge, candidate: Configuration, live: Configuration) -> bool:
    counts_the_same = counter_of(candidate.aggregates, badge) == counter_of(live.aggregates, badge)
    return counts_the_same and says_the_same(badge, live.badges.get(badge.key))
