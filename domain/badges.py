"""Badges: what members have achieved, found when the event that completes it is taken in.

A badge that was earned stays, also when the counts fall by other facts; it is withdrawn when the event by which it was
earned is taken back and nothing else makes it hold. Whoever had earned a badge when it was introduced has it without an
event: nobody is told, and no rule sees it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain import derived
from domain.configuration import Aggregate, Configuration
from domain.counters import CounterKey, lifetime_key
from domain.deciding import counter_name
from domain.events import Event
from domain.game import Badge

# The total of an aggregate for a member.
Total = Callable[[Aggregate], int]


@dataclass(slots=True)
class EarnedBadge:
    """A badge that a member has earned for the `n`-th time; by no event, when it was introduced."""

    member_id: str
    badge: str
    n: int
    event_id: str | None
    earned_at: datetime
    standing: bool = True

    @property
    def fact(self) -> Event:
        """The fact that it was earned, for rules to reward."""
        return derived.event(derived.BADGE_EARNED, self._name, self.member_id, self.earned_at, {"badge": self.badge})

    @property
    def retraction(self) -> Event:
        """The fact does not hold."""
        return derived.retraction(derived.BADGE_EARNED, self._name, self.member_id, self.earned_at)

    @property
    def _name(self) -> str:
        return f"{self.badge}:{self.member_id}:{self.n}"


@dataclass(slots=True)
class Badges:
    """What the transaction has read of members' badges, and in the last two lists what it must write."""

    configuration: Configuration
    held: dict[tuple[str, str], EarnedBadge] = field(default_factory=dict)  # by member and badge, the last one
    new: list[EarnedBadge] = field(default_factory=list, init=False)
    withdrawn: list[EarnedBadge] = field(default_factory=list, init=False)

    def earn(self, member_id: str, event_id: str, event: Event, total: Total) -> None:
        """Give the member what this event completes."""
        found = [badge for badge in achievable(self.configuration, event.type) if self._holds(badge, event, total)]
        while missing := [badge for badge in found if not self._stands(member_id, badge.key)]:
            for badge in missing:
                self._give(member_id, badge, event_id, event.occurred_at)
            found = [badge for badge in self._composites() if self._complete(member_id, badge)]

    def review(self, member_id: str, event_id: str, event: Event | None, total: Total) -> None:
        """Withdraw what was earned by this event and does not hold any more; `event` is what it is now, if it is."""
        mine = [one for one in self.held.values() if (one.member_id, one.event_id) == (member_id, event_id)]
        doubted = [one for one in mine if one.standing]
        while gone := [one for one in doubted if one.standing and not self._still(one, event, total)]:
            for one in gone:
                one.standing = False
                self.withdrawn.append(one)

    def _give(self, member_id: str, badge: Badge, event_id: str, at: datetime) -> None:
        before = self.held.get((member_id, badge.key))
        earned = EarnedBadge(member_id, badge.key, before.n + 1 if before else 1, event_id, at)
        self.held[member_id, badge.key] = earned
        self.new.append(earned)

    def _still(self, one: EarnedBadge, event: Event | None, total: Total) -> bool:
        badge = self.configuration.badges.get(one.badge)
        if badge is None:
            return True
        return self._complete(one.member_id, badge) if badge.badges else self._holds(badge, event, total)

    def _holds(self, badge: Badge, event: Event | None, total: Total) -> bool:
        if badge.aggregate is not None:
            aggregate = self.configuration.aggregates.get(badge.aggregate)
            return aggregate is not None and total(aggregate) >= badge.at_least
        if event is None:
            return False
        if badge.streak is not None:
            return event.data.get("streak") == badge.streak and event.data.get("length", 0) >= badge.at_least
        return badge.challenge is not None and event.data.get("challenge") == badge.challenge

    def _composites(self) -> Iterable[Badge]:
        return (badge for badge in self.configuration.badges.values() if badge.badges)

    def _complete(self, member_id: str, badge: Badge) -> bool:
        return all(self._stands(member_id, part) for part in badge.badges)

    def _stands(self, member_id: str, badge: str) -> bool:
        found = self.held.get((member_id, badge))
        return found is not None and found.standing


def achievable(configuration: Configuration, event_type: str) -> list[Badge]:
    """The badges that an event of this type may complete, composites left out."""
    return [badge for badge in configuration.badges.values() if _event_type(configuration, badge) == event_type]


def _event_type(configuration: Configuration, badge: Badge) -> str | None:
    if badge.aggregate is not None:
        aggregate = configuration.aggregates.get(badge.aggregate)
        return aggregate.event_type if aggregate else None
    if badge.streak is not None:
        return derived.STREAK_REACHED
    return derived.CHALLENGE_PRIZE if badge.challenge is not None else None


def counter_of(aggregates: Mapping[str, Aggregate], badge: Badge) -> str | None:
    """What the badge's aggregate is counted under, if it has one."""
    found = aggregates.get(badge.aggregate or "")
    return counter_name(found) if found else None


def counter_key(aggregates: Mapping[str, Aggregate], badge: Badge) -> CounterKey:
    """The counter of the badge's aggregate, which it must have."""
    return lifetime_key(counter_name(aggregates[badge.aggregate or ""]))
