"""Periods of streaks: what each asks of a member, and which marks count in it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from domain.days import Days, first_of, last_of
from domain.expressions import ExpressionError, context, evaluate
from domain.game import Cadence, StreakPolicy
from domain.streaks import Facts, Mark

_DAY = timedelta(days=1)


def due(policy: StreakPolicy, attributes: Mapping[str, Any]) -> int:
    """How much the policy asks of this member in a period; 1 where its expression gives nothing that can be asked."""
    if (number := _number(policy.at_least)) is not None:
        return number
    try:
        wanted = evaluate(policy.at_least, context({}, attributes, {}))
    except ExpressionError:
        return 1
    return wanted if type(wanted) is int and wanted >= 1 else 1


@lru_cache(maxsize=1_000)
def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def policy_at(facts: Facts, at: datetime) -> StreakPolicy:
    """The version of the policy that is in effect at the instant."""
    versions = facts.policies
    if len(versions) == 1:
        return versions[0][1]
    return next((policy for since, policy in reversed(versions) if since <= at), versions[0][1])


def by_period(facts: Facts, days: Days) -> dict[date, list[Mark]]:
    """What was done, by the first day of its period, in the order in which it was done."""
    found: dict[date, list[Mark]] = {}
    cadence = facts.policies[-1][1].cadence
    for mark in sorted(facts.marks):
        day = days.day_at(mark.occurred_at)
        first = day if cadence is Cadence.DAILY else first_of(cadence, day)
        if mark.arrived_at <= mark.occurred_at or _is_in_time(facts, days, first, mark):
            found.setdefault(first, []).append(mark)
    return found


def _is_in_time(facts: Facts, days: Days, first: date, mark: Mark) -> bool:
    """Whether the event had come before its period could no longer be restored."""
    policy = facts.policies[0][1]
    if len(facts.policies) > 1:
        policy = policy_at(facts, days.end_of(first - _DAY))
    late = mark.arrived_at - timedelta(days=policy.restore_days)
    return late <= mark.occurred_at or late <= days.end_of(last_of(policy.cadence, first))


def enough(marks: Sequence[Mark], needed: int) -> tuple[Sequence[Mark], int]:
    """The first of the marks that make what is needed, or all, and what they come to."""
    amount = 0
    for n, mark in enumerate(marks, 1):
        amount += mark.amount
        if amount >= needed:
            return marks[:n], amount
    return marks, amount


def marks_between(
    marks: Mapping[date, Sequence[Mark]], days: Days, cadence: Cadence, after: date, until: datetime
) -> Iterator[Mark]:
    """What was done in the periods after the day, before the instant."""
    first = after + _DAY
    while days.end_of(first - _DAY) < until:
        yield from (mark for mark in marks.get(first, ()) if mark.occurred_at < until)
        first = last_of(cadence, first) + _DAY
