"""Counters: what was counted under a name in a calendar period, as (uses, total); of one member, or of all together.

What one member counts goes by the member's time zone when the event occurred, what all count by the program's.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from domain.configuration import Budget, Cap, Group, Period, Rule, RuleState
from domain.time import LIFETIME_ON, period_on

# What is counted, the period's kind and its first day.
CounterKey = tuple[str, str, date]
Counts = Mapping[CounterKey, tuple[int, int]]

NOTHING = (0, 0)


def counter_key(name: str, period: Period, at: datetime, time_zone: str) -> CounterKey:
    """The counter of the period in which the instant lies."""
    return name, period.value, period_on(period, at, time_zone)


def lifetime_key(name: str) -> CounterKey:
    """The counter that never begins anew."""
    return name, Period.LIFETIME.value, LIFETIME_ON


def counter_keys_back(name: str, days: int, at: datetime, time_zone: str) -> list[CounterKey]:
    """The counters of the instant's day and of those before it, so many in all."""
    today = period_on(Period.DAY, at, time_zone)
    return [(name, Period.DAY.value, today - timedelta(days=back)) for back in range(days)]


def name_of(counted: Rule | Group) -> str:
    """What the use of a rule's or a group's caps and budgets is counted under; a shadow uses nothing of a rule's."""
    if isinstance(counted, Group):
        return f"group:{counted.key}"
    return f"{'shadow' if counted.state is RuleState.SHADOW else 'rule'}:{counted.key}"


class Used(NamedTuple):
    """What was used before an event, by its member and by all members together: one is made for every event."""

    by_member: Counts
    by_all: Counts
    at: datetime
    member_zone: str
    program_zone: str

    def of_cap(self, capped: Rule | Group, cap: Cap) -> tuple[int, int]:
        """How often and how much the member has had of it in the cap's period."""
        if cap.per is None:
            return NOTHING
        return self.by_member.get(counter_key(name_of(capped), cap.per, self.at, self.member_zone), NOTHING)

    def of_budget(self, rule: Rule, budget: Budget) -> int:
        """How much the rule has given to all members together in the budget's period."""
        return self.by_all.get(counter_key(name_of(rule), budget.per, self.at, self.program_zone), NOTHING)[1]


def counts_as_json(counts: Counts) -> list[list[Any]]:
    """Counters as a decision keeps them."""
    return [[name, period, on.isoformat(), *counted] for (name, period, on), counted in counts.items()]


def counts_from_json(kept: Iterable[Any]) -> dict[CounterKey, tuple[int, int]]:
    """The inverse of `counts_as_json`."""
    return {(name, period, date.fromisoformat(on)): (uses, total) for name, period, on, uses, total in kept}
