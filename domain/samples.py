"""Samples: situations in which a rule may find itself, made from the schema, to try its expressions before they count.

The CEL library checks no field and no type until an expression runs, so a rule is judged in up to MAX_SITUATIONS
situations: each field that it reads at its least, its greatest, around every number that it compares with, with every
text that it compares with, and absent. What breaks in one of them would one day break on a real event.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from math import gcd, prod
from typing import Any, TypeVar

import cel

from domain.configuration import Aggregate, EventType, Field, Rule
from domain.counters import Used
from domain.expressions import context, decimals, fields_used, literals, totals_used
from domain.members import ATTRIBUTES
from domain.rules import AUDIENCE, judge
from domain.schemas import faults, limits, values

MAX_SITUATIONS = 300
MAX_TOTAL = 1_000_000

# Of a member's attributes all but these may be null.
ALWAYS_TEXT = frozenset({"time_zone", "status"})
EVENT_ATTRIBUTES = ("type", "source", "occurred_at")
AT = ("event", "occurred_at")

ABSENT = object()
_MONDAY = datetime(2027, 1, 4, 12, tzinfo=UTC)
UNUSED = Used({}, {}, _MONDAY, "UTC", "UTC")
# Over a week these fall on each weekday and on many hours.
_INSTANTS = tuple(_MONDAY + timedelta(days=n, hours=5 * n) for n in range(7))
_EDGES = {
    "boolean": (True, False),
    "timestamp": ("1970-01-01T00:00:00Z", "2100-12-31T23:59:59+02:00"),
    "date": ("1970-01-01", "2100-12-31"),
}
_PROBES = {kind: EventType("probe", 0, {"value": Field(kind, required=True)}) for kind in ("date", "timestamp")}

_LAST_AND_FIRST = ("9999", "0001")  # years that have no year after or before them

_Named = TypeVar("_Named")
Name = tuple[str, str]
Candidates = Mapping[Name, list[Any]]


@dataclass(frozen=True, slots=True)
class Situation:
    """What expressions see, and what of it differs between situations: by ("event", "amount") and the like."""

    differing: Mapping[Name, Any]
    event: Mapping[str, Any]
    member: Mapping[str, Any]
    totals: Mapping[str, int]
    data: Mapping[str, Any]  # of the event, as it is sent

    @property
    def guessed(self) -> bool:
        """Whether it holds a custom attribute, whose type no schema tells."""
        return bool(self.member["custom"])

    def context(self) -> cel.Context:
        return context(self.event, self.member, self.totals)

    def __str__(self) -> str:
        return ", ".join(f"{'.'.join(name)} is {_shown(value)}" for name, value in self.differing.items())


@dataclass(frozen=True, slots=True)
class Breakage:
    """Why an expression of a rule broke (by its name in `expressions`), and where."""

    name: str
    cause: str


def expressions(rule: Rule) -> dict[str, str]:
    """The rule's expressions in the order of evaluation: its audience, conditions by name, "multiplier", "award"."""
    texts = {AUDIENCE: rule.audience} if rule.audience is not None else {}
    texts |= {condition.name: condition.expression for condition in rule.when}
    texts |= {"multiplier": rule.multiplier} if rule.multiplier is not None else {}
    return texts | ({"award": rule.award.expression} if rule.award else {})


def breakages(rule: Rule, event_type: EventType, aggregates: Mapping[str, Aggregate]) -> list[Breakage]:
    """Each expression that breaks when its turn comes in some situation, or whenever it runs if its turn never came."""
    always = replace(rule, starts_at=None, ends_at=None, caps=(), budgets=())
    tried = list(situations(rule, event_type, aggregates))
    broken, reached = _judged(always, tried)
    for name in expressions(rule).keys() - reached:
        alone, _ = _judged(_only(always, name), tried, every=True)
        broken |= alone
    return [Breakage(name, broken[name]) for name in expressions(rule) if name in broken]


def situations(rule: Rule, event_type: EventType, aggregates: Mapping[str, Aggregate]) -> Iterator[Situation]:
    """Up to MAX_SITUATIONS situations that differ in what the rule's expressions read."""
    candidates = candidates_of(list(expressions(rule).values()), event_type, aggregates)
    return (situated(event_type, candidates, chosen) for chosen in combinations(candidates))


def candidates_of(
    texts: list[str], event_type: EventType, aggregates: Mapping[str, Aggregate]
) -> dict[Name, list[Any]]:
    """What is worth trying of each value that the expressions may see."""
    reads = _Reads(texts)
    candidates: dict[Name, list[Any]] = {
        ("event", name): _of_field(field, reads) if name in reads.event else _one_of_field(field, reads)
        for name, field in event_type.fields.items()
    }
    candidates |= {("event", name): _of_event(name, reads) for name in EVENT_ATTRIBUTES if name in reads.event}
    candidates |= {("member", name): _of_member(name, reads) for name in reads.member - {"custom"}}
    candidates |= {("member.custom", name): [ABSENT, *reads.texts, *reads.numbers, True] for name in reads.custom}
    return candidates | {
        ("totals", name): _of_total(aggregates[name], event_type, reads) for name in reads.totals & aggregates.keys()
    }


class _Reads:
    """What some expressions read and compare with."""

    def __init__(self, texts: list[str]) -> None:
        self.event = self._all(texts, lambda text: fields_used(text, "event"))
        self.member = self._all(texts, lambda text: fields_used(text, "member"))
        self.custom = self._all(texts, lambda text: fields_used(text, "member.custom"))
        self.totals = self._all(texts, totals_used)
        self.texts = sorted(self._all(texts, lambda text: literals(text)[0]))
        self.decimals = self._all(texts, decimals)
        named = self._all(texts, lambda text: literals(text)[1]) | {int(number) for number in self.decimals}
        self.numbers = sorted({n + d for n in named for d in (-1, 0, 1)})

    @staticmethod
    def _all(texts: list[str], names: Callable[[str], Iterable[_Named]]) -> frozenset[_Named]:
        return frozenset(name for text in texts for name in names(text))


def _of_field(field: Field, reads: _Reads) -> list[Any]:
    """Valid values first, the absence of an optional field last."""
    probe = EventType("probe", 0, {"value": field})
    given = [value for value in _unchecked(field, reads) if not faults(probe, {"value": value})]
    return list(dict.fromkeys(given)) + ([] if field.required else [ABSENT])


def _one_of_field(field: Field, reads: _Reads) -> list[Any]:
    return _of_field(field, reads)[:1] if field.required else [ABSENT]


def _unchecked(field: Field, reads: _Reads) -> Iterable[Any]:
    if field.type == "string":
        return [*field.enum, *reads.texts, "", "x", "x" * field.max_length]
    if field.type in ("integer", "number"):
        least, most = limits(field)
        fractions = [0.5, *(n + d for n in sorted(reads.decimals) for d in (-0.001, 0, 0.001))]
        between = fractions if field.type == "number" else []
        return [max(least, min(most, 1)), least, most, 0, *reads.numbers, *between]
    return [*_EDGES[field.type], *_moments(reads)]


def _moments(reads: _Reads) -> Iterable[str]:
    """The texts, and of those that are days or instants what comes right before and after."""
    yield from reads.texts
    for text in reads.texts:
        if text.startswith(_LAST_AND_FIRST):
            continue
        if not faults(_PROBES["date"], {"value": text}):
            yield from ((date.fromisoformat(text) + timedelta(days=by)).isoformat() for by in (-1, 1))
        if not faults(_PROBES["timestamp"], {"value": text}):
            yield from ((datetime.fromisoformat(text) + timedelta(seconds=by)).isoformat() for by in (-1, 1))


def _of_event(name: str, reads: _Reads) -> list[Any]:
    if name != "occurred_at":
        return ["api", *reads.texts]
    named = (text for text in _moments(reads) if not faults(_PROBES["timestamp"], {"value": text}))
    return [*_INSTANTS, *map(datetime.fromisoformat, named)]


def _of_member(name: str, reads: _Reads) -> list[Any]:
    texts = [*_EDGES["date"], *_moments(reads)] if name == "hired_on" else reads.texts
    return ["x", *texts, *([] if name in ALWAYS_TEXT else [None])]


def _of_total(aggregate: Aggregate, event_type: EventType, reads: _Reads) -> list[Any]:
    """The event itself is counted, so the count of its own type begins at 1."""
    least = 1 if aggregate.event_type == event_type.key and not aggregate.field else 0
    return list(dict.fromkeys([least, *(n for n in reads.numbers if n > least), MAX_TOTAL]))


def combinations(candidates: Candidates) -> Iterator[dict[Name, Any]]:
    """All combinations, or MAX_SITUATIONS spread evenly over them: a golden step visits every region early."""
    sizes = [len(values) for values in candidates.values()]
    total = prod(sizes)
    step = 1 if total <= MAX_SITUATIONS else int(total * 0.618)
    while gcd(step, total) != 1:
        step += 1
    for n in islice(range(0, total * step, step), MAX_SITUATIONS):
        index, chosen = n % total, {}
        for name, options in candidates.items():
            index, place = divmod(index, len(options))
            chosen[name] = options[place]
        yield chosen


def situated(event_type: EventType, candidates: Candidates, chosen: Mapping[Name, Any]) -> Situation:
    """The situation in which each value is what was chosen of its candidates."""

    def of(part: str) -> dict[str, Any]:
        return {name: value for (where, name), value in chosen.items() if where == part and value is not ABSENT}

    event = of("event")
    data = {name: value for name, value in event.items() if name in event_type.fields}
    around = {"type": event_type.key, "source": "api", "occurred_at": _MONDAY, **event}
    member = dict.fromkeys(ATTRIBUTES, "x") | of("member") | {"custom": of("member.custom")}
    differing = {name: value for name, value in chosen.items() if len(candidates[name]) > 1}
    return Situation(differing, {**around, **values(event_type, data)}, member, of("totals"), data)


def _judged(rule: Rule, tried: list[Situation], *, every: bool = False) -> tuple[dict[str, str], set[str]]:
    """The first breakage of each expression, or with `every` only of those that broke in all; and whose turn came."""
    order = list(expressions(rule))
    broken: dict[str, str] = {}
    reached: set[str] = set()
    for situation in tried:
        result = judge(rule, _MONDAY, situation.context(), UNUSED)
        reached.update(order if result.matched else order[: order.index(result.failed or "") + 1])
        if every and not result.error:
            return {}, reached
        if result.error and result.failed and (every or not situation.guessed):
            broken.setdefault(result.failed, result.error + (f" when {situation}" if situation.differing else ""))
    return broken, reached


def _only(rule: Rule, name: str) -> Rule:
    when = tuple(condition for condition in rule.when if condition.name == name)
    return replace(
        rule,
        when=when,
        award=rule.award if name == "award" else None,
        multiplier=rule.multiplier if name == "multiplier" else None,
        audience=rule.audience if name == AUDIENCE else None,
    )


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    return value.isoformat() if isinstance(value, datetime) else json.dumps(value)[:40]
