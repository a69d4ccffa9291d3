"""Streak marks: which events count for which streak policies, and for how much."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cel

from domain.configuration import Configuration
from domain.events import Event
from domain.expressions import ExpressionError, evaluate
from domain.game import Qualifying


class Watcher(NamedTuple):
    """A policy that an event type may count for, and what of it does."""

    policy: str
    qualifying: tuple[Qualifying, ...]


def watchers(configuration: Configuration, event_type: str) -> tuple[Watcher, ...]:
    """The policies that look at events of this type, in key order."""
    found = (
        Watcher(key, tuple(one for one in policy.qualifying if one.event_type == event_type))
        for key, policy in sorted(configuration.streaks.items())
    )
    return tuple(watcher for watcher in found if watcher.qualifying)


def texts(watching: Sequence[Watcher]) -> list[str]:
    """The expressions that deciding a mark evaluates."""
    return [condition.expression for watcher in watching for one in watcher.qualifying for condition in one.when]


def marks(watching: Sequence[Watcher], event: Event, using: cel.Context) -> Iterator[tuple[str, int]]:
    """Each policy that the event counts for, and for how much: by the first of what qualifies that it meets."""
    for watcher in watching:
        amount = next((amount for one in watcher.qualifying if (amount := _amount(one, event, using)) > 0), 0)
        if amount:
            yield watcher.policy, amount


def _amount(qualifying: Qualifying, event: Event, using: cel.Context) -> int:
    try:
        if not all(evaluate(condition.expression, using) is True for condition in qualifying.when):
            return 0
    except ExpressionError:
        return 0
    if qualifying.field is None:
        return 1
    amount = event.data.get(qualifying.field, 0)
    return int(amount) if isinstance(amount, int | float) and not isinstance(amount, bool) else 0
