"""Trials: looking for a situation in which several expressions hold together, by getting closer step by step.

Samples alone would miss what takes several values at once. A trial starts from those that are closest and changes one
value, or two, as long as more parts hold. What it does not find may still exist where an expression computes or
matches patterns: `is_decidable` says where not finding means something.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations as pairs
from itertools import islice, product
from typing import Any

from domain.configuration import Aggregate, EventType, Rule
from domain.expressions import ExpressionError, conjuncts, evaluate, fields_used, functions_used, is_read_whole
from domain.rules import RuleResult, judge
from domain.samples import AT, UNUSED, Candidates, Name, Situation, candidates_of, combinations, expressions, situated

MAX_STEPS = 20  # from one sample
MAX_PAIRS = 4_000  # changes of two values that are tried in one step
STARTS = 3  # samples from which a trial starts

# Comparing and choosing: what the values that samples are made of cover.
_COVERED = frozenset(
    {
        *("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_&&_", "_||_", "!_", "_?_:_"),
        *("timestamp", "double", "getHours", "getDayOfWeek"),
    }
)

Choice = Mapping[Name, Any]
Window = tuple[datetime | None, datetime | None]


def is_decidable(texts: Iterable[str]) -> bool:
    """Whether the expressions only compare, so that what holds in no situation holds nowhere."""
    return all(functions_used(text) <= _COVERED for text in texts)


def conditions(rule: Rule) -> dict[str, str]:
    """The expressions that decide whether the rule matches, by name."""
    return {name: text for name, text in expressions(rule).items() if name not in ("award", "multiplier")}


def parts(rule: Rule) -> list[str]:
    """All that must hold for the rule to match."""
    return [part for text in conditions(rule).values() for part in conjuncts(text)]


@dataclass(frozen=True, slots=True)
class Space:
    """The situations that some rules of one event type tell apart, within a window."""

    event_type: EventType
    candidates: Candidates

    def situation(self, choice: Choice) -> Situation:
        """What the choice stands for."""
        return situated(self.event_type, self.candidates, choice)

    def only(self, name: Name, values: Sequence[Any]) -> "Space":
        """The same where this value is one of these."""
        return replace(self, candidates={**self.candidates, name: list(values)})

    def samples(self) -> Iterator[Choice]:
        """Choices spread over the space."""
        return combinations(self.candidates)

    def beside(self, choice: Choice) -> Iterator[Choice]:
        """What differs from the choice in one value."""
        for name, values in self.candidates.items():
            yield from ({**choice, name: value} for value in values if value is not choice[name])

    def further(self, choice: Choice) -> Iterator[Choice]:
        """What differs from the choice in two values, as far as MAX_PAIRS go."""
        varied = [name for name, values in self.candidates.items() if len(values) > 1]
        found = (
            {**choice, first: one, second: other}
            for first, second in pairs(varied, 2)
            for one, other in product(self.candidates[first], self.candidates[second])
        )
        return islice(found, MAX_PAIRS)


def space(
    rules: Sequence[Rule], event_type: EventType, aggregates: Mapping[str, Aggregate], window: Window
) -> Space | None:
    """The space of these rules within the window; None if nothing can occur in it."""
    texts = [text for rule in rules for text in expressions(rule).values()]
    candidates = candidates_of(texts, event_type, aggregates)
    edges = [edge for rule in rules for edge in (rule.starts_at, rule.ends_at) if edge]
    hourly = any(AT[1] in fields_used(text, AT[0]) for text in texts)
    instants = list(_instants(candidates.get(AT, ()), edges, window, hourly=hourly))
    return (
        Space(event_type, {AT: instants, **{name: v for name, v in candidates.items() if name != AT}})
        if instants
        else None
    )


def _instants(
    known: Sequence[datetime], edges: Sequence[datetime], window: Window, *, hourly: bool
) -> Iterator[datetime]:
    """Instants within the window: at its edges and those of rules, and every hour of one of its weeks."""
    since, until = window
    start = since or (until - timedelta(weeks=1) if until else UNUSED.at)
    week = (start + timedelta(hours=n) for n in range(24 * 7 if hourly else 1))
    around = (edge + timedelta(seconds=by) for edge in edges for by in (-1, 0))
    found = dict.fromkeys([*week, *known, *around])
    return (at for at in found if (since is None or since <= at) and (until is None or at < until))


# -- Trying --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trial:
    """The choices in which all parts hold, or none; `nearest` is one where most do."""

    found: Sequence[Choice]
    nearest: Choice


def search(where: Space, wanted: Sequence[str]) -> Trial:
    """Try to make all the parts hold."""
    asked = [_Part(where, text) for text in wanted]
    rated = sorted(((_held(asked, choice), n, choice) for n, choice in enumerate(where.samples())), key=_best)
    found = [choice for held, _, choice in rated if held == len(asked)]
    if found:
        return Trial(found, found[0])
    climbed = [_climb(where, choice, held, asked) for held, _, choice in rated[:STARTS]]
    held, nearest = max(climbed, key=lambda one: one[0])
    return Trial([nearest] if held == len(asked) else [], nearest)


def holds(text: str, situation: Situation) -> bool:
    """Whether the expression is true there; what breaks is not."""
    try:
        return evaluate(text, situation.context()) is True
    except ExpressionError:
        return False


def judged(rule: Rule, situation: Situation) -> RuleResult:
    """What the rule makes of the situation when nothing was used of its caps and budgets."""
    return judge(rule, situation.event["occurred_at"], situation.context(), UNUSED)


class _Part:
    """One of the parts, evaluated once for what it reads: choices that differ elsewhere are not tried again."""

    def __init__(self, where: Space, text: str) -> None:
        self._where = where
        self._text = text
        self._reads = [name for name in where.candidates if _reads(text, name)]
        self._known: dict[tuple[tuple[type, Any], ...], bool] = {}

    def holds(self, choice: Choice) -> bool:
        read = tuple((type(choice[name]), choice[name]) for name in self._reads)  # true is 1 to a dictionary
        known = self._known.get(read)
        if known is None:
            known = self._known[read] = holds(self._text, self._where.situation(choice))
        return known


def _reads(text: str, name: Name) -> bool:
    of, field = name
    return field in fields_used(text, of) or is_read_whole(text, of)


def _best(rated: tuple[int, int, Choice]) -> tuple[int, int]:
    held, number, _ = rated
    return -held, number


def _climb(where: Space, choice: Choice, held: int, asked: Sequence[_Part]) -> tuple[int, Choice]:
    for _ in range(MAX_STEPS):
        closer = _closer(where.beside(choice), held, asked) or _closer(where.further(choice), held, asked)
        if closer is None:
            break
        held, choice = closer
    return held, choice


def _closer(choices: Iterable[Choice], held: int, asked: Sequence[_Part]) -> tuple[int, Choice] | None:
    rated = ((_held(asked, choice), choice) for choice in choices)
    return next((one for one in rated if one[0] > held), None)


def _held(asked: Sequence[_Part], choice: Choice) -> int:
    return sum(part.holds(choice) for part in asked)
