"""Counters in back-tests: by how much the candidate has moved them more than the record, and what it alone counts."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from domain.backtest_outcomes import Did
from domain.challenges import given_back
from domain.configuration import Configuration, Period
from domain.counters import NOTHING, CounterKey, Counts
from domain.deciding import Person, as_seen, keys_needed, plan, shared_needed
from domain.events import Event

ALL = ""  # who counts what all members count together
EVENTS = "event:"  # begins the names of counters of events

# Counters by name and period, of whatever day.
Counted = frozenset[tuple[str, str]]


class Read(NamedTuple):
    """Counters before a decision, of members and of all together."""

    by_member: Mapping[tuple[str, CounterKey], tuple[int, int]]
    by_all: Counts


class Moves(dict[tuple[str, CounterKey], tuple[int, int]]):
    """By how much counters are moved, by who counts and key; two are added key by key."""

    def __add__(self, other: "Moves") -> "Moves":
        return Moves(
            {key: added(self.get(key, NOTHING), other.get(key, NOTHING)) for key in self.keys() | other.keys()}
        )


class Tally:
    """Counters of whoever counts: of members by id, of all together under ALL."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, CounterKey], tuple[int, int]] = {}

    def of(self, who: str, key: CounterKey) -> tuple[int, int]:
        return self._counted.get((who, key), NOTHING)

    def add(self, who: str, key: CounterKey, by: tuple[int, int]) -> None:
        now = added(self.of(who, key), by)
        if now == NOTHING:
            self._counted.pop((who, key), None)
        else:
            self._counted[who, key] = now


def moves_of(did: Did, member_id: str, sign: int) -> Moves:
    """What doing it, or (sign -1) taking it back, moves."""
    shared = did.shared if sign > 0 else given_back(did.shared)
    moved = [((member_id, key), by) for key, by in did.moved.items()]
    moved += [((ALL, key), by) for key, by in shared.items()]
    return Moves({key: (sign * uses, sign * total) for key, (uses, total) in moved})


def added(one: tuple[int, int], other: tuple[int, int], sign: int = 1) -> tuple[int, int]:
    """Uses and total, of two counters."""
    return one[0] + sign * other[0], one[1] + sign * other[1]


def counted_then(
    live: Configuration, event: Event, person: Person, at: datetime, completed: Collection[str]
) -> set[CounterKey]:
    """What the record counts where the event is decided at this instant and has completed these challenges before."""
    seen = as_seen(live, event)
    return {*keys_needed(live, seen, person, at, completed), *shared_needed(live, seen, at, completed)}


def read_alone(candidate: Configuration, live: Configuration) -> Counted:
    """The counters of events that some event's rules read, or count, under the candidate and did not then."""
    found = set()
    for event_type in candidate.event_types:
        now, then = plan(candidate, event_type), plan(live, event_type)
        shown = {(name, per) for name, per, _ in then.counters}
        found |= {(name, per) for name, per, _ in now.counters if name.startswith(EVENTS)} - shown
        back = dict(sorted(then.rolling, key=lambda one: one[1]))
        found |= {(name, Period.DAY.value) for name, days in now.rolling if days > back.get(name, 1)}
    return frozenset(found)
