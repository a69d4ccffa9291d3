"""Streaks in back-tests: what counts for policies that were not live, and the lengths that come of it.

A streak is folded once, from all that is known at the end of the window: by then every length has been paid once,
however late the facts came.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from domain import derived
from domain.configuration import Configuration
from domain.events import Event
from domain.game import says_the_same
from domain.streak_book import StreakKey
from domain.streak_fold import fold
from domain.streaks import Facts, Mark


def differing(candidate: Configuration, live: Configuration) -> frozenset[str]:
    """The policies of the candidate that were not live like this."""
    return frozenset(
        key for key, policy in candidate.streaks.items() if not says_the_same(policy, live.streaks.get(key))
    )


@dataclass(slots=True)
class Marks:
    """The marks of events that stand, by streak and event."""

    of: dict[StreakKey, dict[str, Mark]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, key: StreakKey, mark: Mark) -> None:
        """An event counts for a streak."""
        self.of[key][mark.event_id] = mark

    def remove(self, member_id: str, event_id: str) -> None:
        """An event counts for nothing any more."""
        for (whose, _), marks in self.of.items():
            if whose == member_id:
                marks.pop(event_id, None)


def lengths(key: StreakKey, facts: Facts, *, since: datetime, until: datetime) -> Iterator[Event]:
    """The lengths that the streak has reached in [since, until), as the events that tell of them."""
    member_id, policy = key
    streak = fold(facts, until)
    for n, reached in enumerate(streak.reached):
        if since <= reached.reached_at < until:
            days = {"started_on": reached.started_on.isoformat(), "reached_on": reached.reached_on.isoformat()}
            data = {"streak": policy, "length": reached.length, **days}
            name = f"{policy}:{member_id}:{reached.length}:{n}"
            yield derived.event(derived.STREAK_REACHED, name, member_id, reached.reached_at, data)
