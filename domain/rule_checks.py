"""What rules and their groups must keep beyond their shape: limits, references, and expressions that hold."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from domain.checks import (
    MAX_KEY,
    MAX_MONEY_MINOR,
    MAX_POINTS,
    MAX_TITLE,
    Told,
    bounded,
    close,
    counts_in,
    days,
    refers,
    within,
)
from domain.configuration import Cap, EventType, Group, Rule, Stacking
from domain.definitions import Definitions
from domain.expressions import ExpressionError, check, fields_used, names_used, totals_used
from domain.groups import DEFAULT, MAX_DEPTH
from domain.members import ATTRIBUTES
from domain.rules import AUDIENCE, MAX_MULTIPLIER, OUTSIDE
from domain.samples import EVENT_ATTRIBUTES, breakages, expressions
from domain.schemas import CHECKS
from domain.shapes import Fault, Path

MAX_CONDITIONS = 20
MAX_CAPS = 10
MAX_PRIORITY = 1_000

_WORDS = {"award", "multiplier", OUTSIDE, AUDIENCE}


# -- Rules ---------------------------------------------------------------------------------------------------------


def rule(path: Path, found: Rule, definitions: Definitions) -> Told:
    """Every fault of the rule."""
    yield from refers(path, "event_type", found.event_type, "event_types", definitions)
    if found.reward is not None:
        yield from refers(path, "reward", found.reward, "rewards", definitions)
    if found.group not in (None, DEFAULT):
        yield from refers(path, "group", found.group, "groups", definitions)
    if found.starts_at and found.ends_at and found.starts_at >= found.ends_at:
        yield Fault((*path, "ends_at"), "is not after starts_at")
    yield from within((*path, "priority"), found.priority, -MAX_PRIORITY, MAX_PRIORITY)
    yield from _gives(path, found)
    yield from _award(path, found, definitions)
    yield from _caps(path, found.caps)
    yield from _caps_of_rule(path, found)
    yield from _budgets(path, found)
    yield from _conditions(path, found)
    yield from _expressions(path, found, definitions)


def _gives(path: Path, found: Rule) -> Told:
    if found.multiplier is None:
        if found.award is None and found.reward is None:
            yield Fault(path, "a rule gives an award, a reward or both, or it multiplies")
        return
    for name in ("award", "reward", "caps", "budgets"):
        if getattr(found, name):
            yield Fault((*path, name), "a rule that multiplies gives nothing itself: give this to what it multiplies")


def _award(path: Path, found: Rule, definitions: Definitions) -> Told:
    if found.award is None:
        return
    yield from counts_in((*path, "award"), "unit", found.award.unit, definitions)
    yield from days((*path, "award"), "expires_after_days", found.award.expires_after_days)


def _caps(path: Path, caps: Sequence[Cap]) -> Told:
    yield from bounded((*path, "caps"), caps, MAX_CAPS)
    for n, cap in enumerate(caps):
        at = (*path, "caps", n)
        if cap.per in (other.per for other in caps[:n]):
            yield Fault(at, "another cap has the same period: write points and times in one")
        if cap.points is None and cap.times is None:
            yield Fault(at, "a cap limits points, times or both")
        if cap.points is not None:
            yield from within((*at, "points"), cap.points, 1, MAX_POINTS)
        if cap.times is not None:
            yield from within((*at, "times"), cap.times, 1, MAX_POINTS)
        if cap.times is not None and cap.per is None:
            yield Fault((*at, "times"), "an event is awarded once anyway: cap the points, or the times per period")


def _caps_of_rule(path: Path, found: Rule) -> Told:
    for n, cap in enumerate(found.caps):
        if cap.points is not None and found.award is None:
            yield Fault((*path, "caps", n, "points"), "this rule awards no points")


def _budgets(path: Path, found: Rule) -> Told:
    yield from bounded((*path, "budgets"), found.budgets, MAX_CAPS)
    if found.budgets and found.award is None:
        yield Fault((*path, "budgets"), "this rule awards nothing that a budget could count")
    for n, budget in enumerate(found.budgets):
        at = (*path, "budgets", n)
        if budget.per in (other.per for other in found.budgets[:n]):
            yield Fault((*at, "per"), "another budget has the same period")
        yield from within((*at, "points"), budget.points, 1, MAX_MONEY_MINOR)


def _conditions(path: Path, found: Rule) -> Told:
    yield from bounded((*path, "when"), found.when, MAX_CONDITIONS)
    names = [condition.name for condition in found.when]
    for n, name in enumerate(names):
        if not 1 <= len(name) <= MAX_TITLE:
            yield Fault((*path, "when", n, "name"), f"a condition's name has 1 to {MAX_TITLE} characters")
        if name in _WORDS or name in names[:n]:
            yield Fault((*path, "when", n, "name"), f"{name!r} already names something else in this rule")


def _expressions(path: Path, found: Rule, definitions: Definitions) -> Told:
    """Faults that reading the expressions shows; when there are none, those that trying them shows."""
    event_type = definitions.event_types.get(found.event_type)
    where: dict[str, Path] = {c.name: (*path, "when", n, "expression") for n, c in enumerate(found.when)}
    where |= {"award": (*path, "award", "expression"), "multiplier": (*path, "multiplier")}
    where[AUDIENCE] = (*path, "audience")
    seen = list(_read_expressions(found, where, event_type, definitions))
    yield from seen
    if (
        not seen
        and event_type
        and len(where) == len(found.when) + 3
        and all(f.type in CHECKS for f in event_type.fields.values())
    ):
        for broken in breakages(found, event_type, definitions.aggregates):
            yield Fault(where[broken.name], broken.cause)


def _read_expressions(
    found: Rule, where: Mapping[str, Path], event_type: EventType | None, definitions: Definitions
) -> Told:
    for name, text in expressions(found).items():
        try:
            check(text)
        except ExpressionError as error:
            yield Fault(where[name], str(error))
            continue
        if name == AUDIENCE and (other := sorted(names_used(text) - {"member"})):
            yield Fault(where[name], f"an audience looks at the member alone, not at {other[0]}")
        yield from _unknown_totals(where[name], text, definitions)
        yield from _unknown(where[name], "member", fields_used(text, "member"), ATTRIBUTES, "a member")
        if event_type:
            known = [*event_type.fields, *EVENT_ATTRIBUTES]
            yield from _unknown(where[name], "event", fields_used(text, "event"), known, event_type.key)


def _unknown_totals(path: Path, text: str, definitions: Definitions) -> Told:
    for name in sorted(totals_used(text) - definitions.aggregates.keys()):
        meant = close(name, definitions.aggregates)
        yield Fault(path, f"totals.{name}: there is no aggregate {name}{meant}", ("aggregates", name))


def _unknown(path: Path, of: str, used: Collection[str], known: Collection[str], whose: str) -> Told:
    for name in sorted(set(used) - set(known)):
        yield Fault(path, f"{of}.{name}: {whose} has no {name}{close(name, known)}")


# -- Groups --------------------------------------------------------------------------------------------------------


def group(path: Path, found: Group, definitions: Definitions) -> Told:
    """Every fault of the group."""
    yield from within((*path, "priority"), found.priority, -MAX_PRIORITY, MAX_PRIORITY)
    yield from _within(path, found, definitions)
    yield from _caps(path, found.caps)
    if found.ceiling is not None:
        yield from _ceiling((*path, "ceiling"), found.ceiling)
    units = {one.award.unit for one in _rules_in(found.key, definitions) if one.award}
    counts = found.stacking is Stacking.BEST or any(cap.points is not None for cap in found.caps)
    if counts and len(units) > 1:
        yield Fault(path, f"its rules award {' and '.join(sorted(units))}, which cannot be compared or capped together")


def _within(path: Path, found: Group, definitions: Definitions) -> Told:
    if found.within is None:
        return
    if found.within != DEFAULT:
        yield from refers(path, "within", found.within, "groups", definitions)
    around = _around(found, definitions)
    if found.key in around:
        circle = " within ".join((found.key, *around[: around.index(found.key) + 1]))
        yield Fault((*path, "within"), f"groups stand in a circle: {circle}")
    elif len(around) >= MAX_DEPTH:
        yield Fault((*path, "within"), f"more than {MAX_DEPTH} groups stand within each other")


def _around(found: Group, definitions: Definitions) -> list[str]:
    """The groups around this one, from the innermost; where they stand in a circle, each once."""
    around: list[str] = []
    within = found.within
    while within is not None and within not in around:
        around.append(within)
        outer = definitions.groups.get(within)
        within = outer.within if outer else None
    return around


def _rules_in(key: str, definitions: Definitions) -> Iterator[Rule]:
    """The rules of the group and of all groups within it."""
    for one in definitions.rules.values():
        own = one.group or DEFAULT
        inner = definitions.groups.get(own)
        if key == own or (inner and key in _around(inner, definitions)):
            yield one


def _ceiling(path: Path, ceiling: str) -> Told:
    try:
        number = Decimal(ceiling)
    except InvalidOperation:
        number = Decimal("nan")
    if not (number.is_finite() and 1 <= number <= MAX_MULTIPLIER and len(ceiling) <= MAX_KEY):
        yield Fault(path, f"a ceiling is a number from 1 to {MAX_MULTIPLIER} in quotes, as '2.5'")
