"""What a challenge must keep beyond its shape: a window that can be, limits that fit each other, sound expressions."""

from collections.abc import Iterator
from datetime import timedelta

from domain.challenges import CALLED_OFF, KNOWN_LATE, TOLD_LATE, overlaps, watched
from domain.checks import MAX_LATE_HOURS, MAX_LIST, MAX_POINTS, MAX_TITLE, Told, bounded, close, listed, refers, within
from domain.configuration import Award, Calendar, Condition, EventType, Rule
from domain.definitions import Definitions
from domain.expressions import ExpressionError, check, fields_used, totals_used
from domain.game import Challenge, Fairness
from domain.members import ATTRIBUTES
from domain.rules import OUTSIDE
from domain.samples import EVENT_ATTRIBUTES, breakages
from domain.shapes import Fault, Path

MAX_CONDITIONS = 20
MAX_EVENT_TYPES = 20
MAX_PLACES = 100_000
MAX_PRIZES = 20
MAX_LENGTH = timedelta(days=366)
YEARS = range(2000, 2200)
MAX_REPEATING_KEY = 53  # characters: the key of each that follows ends with its first day

# What fits between two starts at most; an hour more where clocks go back meanwhile.
_LONGEST = {
    Calendar.WEEK: timedelta(days=7, hours=1),
    Calendar.MONTH: timedelta(days=31, hours=1),
    Calendar.QUARTER: timedelta(days=92, hours=1),
    Calendar.YEAR: timedelta(days=366, hours=1),
}
_TAKEN = {"audience", "multiplier", "bonus", CALLED_OFF, OUTSIDE, KNOWN_LATE, TOLD_LATE}


def challenge(path: Path, found: Challenge, definitions: Definitions) -> Told:
    """Every fault of the challenge."""
    yield from _window(path, found)
    yield from _types(path, found, definitions)
    yield from _gives(path, found)
    yield from _limits(path, found)
    yield from _goal(path, found, definitions)
    yield from _prizes(path, found)
    yield from _conditions(path, found)
    yield from _expressions(path, found, definitions)


def overlapping(path: Path, found: Challenge, time_zone: str) -> list[Fault]:
    """The fault of one that repeats and is longer than a period of the program's calendar; `_window` knows no zone."""
    if not overlaps(found, time_zone):
        return []
    return [Fault((*path, "repeats"), f"one would begin before the one ahead of it ends: a {found.repeats} is shorter")]


def _window(path: Path, found: Challenge) -> Told:
    for name in ("starts_at", "ends_at"):
        if getattr(found, name).year not in YEARS:
            yield Fault((*path, name), f"must lie in the years {YEARS[0]} to {YEARS[-1]}")
    if found.ends_at <= found.starts_at:
        yield Fault((*path, "ends_at"), "is not after starts_at")
    elif found.until - found.starts_at > MAX_LENGTH:
        yield Fault((*path, "ends_at"), f"is more than {MAX_LENGTH.days} days after starts_at")
    yield from within((*path, "late_hours"), found.late_hours, 0, MAX_LATE_HOURS)
    if found.repeats is None:
        return
    if found.ends_at - found.starts_at > _LONGEST[found.repeats]:
        yield Fault(
            (*path, "repeats"), f"the next would begin before this one ends: it is longer than a {found.repeats}"
        )
    if len(found.key) > MAX_REPEATING_KEY:
        yield Fault((*path, "repeats"), f"the key of what repeats has at most {MAX_REPEATING_KEY} characters")


def _types(path: Path, found: Challenge, definitions: Definitions) -> Told:
    yield from bounded((*path, "event_types"), found.event_types, MAX_EVENT_TYPES)
    yield from listed(path, "event_types", found.event_types)
    by_streak = found.goal is not None and found.goal.streak is not None
    if by_streak and found.event_types:
        yield Fault((*path, "event_types"), "a streak completes this one: it takes no event types")
    if not by_streak and not found.event_types:
        yield Fault((*path, "event_types"), "names at least one event type")
    for n, event_type in enumerate(found.event_types):
        for fault in refers(path, "event_types", event_type, "event_types", definitions):
            yield Fault((*path, "event_types", n), fault.message, fault.refers_to)


def _gives(path: Path, found: Challenge) -> Told:
    if found.multiplier is not None and found.bonus is not None:
        yield Fault((*path, "bonus"), "a challenge multiplies or adds a bonus, not both")
    if found.multiplier is None and found.bonus is None and found.goal is None and not found.prizes:
        yield Fault(path, "a challenge gives something: a multiplier, a bonus, a goal or prizes")


def _limits(path: Path, found: Challenge) -> Told:
    if found.first is not None:
        yield from within((*path, "first"), found.first, 1, MAX_PLACES)
    for name in ("member_points", "budget_points"):
        if (limit := getattr(found, name)) is not None:
            yield from within((*path, name), limit, 1, MAX_POINTS)
    if found.fairness is Fairness.EVENT_TIME and found.first is None:
        yield Fault((*path, "fairness"), "decides who was among the first: write first")
    if found.exceptions_points is not None:
        yield from within((*path, "exceptions_points"), found.exceptions_points, 1, MAX_POINTS)
        if found.fairness is not Fairness.EVENT_TIME:
            yield Fault((*path, "exceptions_points"), "only fairness by event_time takes a place away again")
    yield from within((*path, "priority"), found.priority, -MAX_LIST, MAX_LIST)


def _goal(path: Path, found: Challenge, definitions: Definitions) -> Told:
    goal = found.goal
    if goal is None:
        return
    yield from within((*path, "goal", "target"), goal.target, 1, MAX_POINTS)
    yield from within((*path, "goal", "points"), goal.points, 0, MAX_POINTS)
    if goal.team is not None and goal.team not in ATTRIBUTES:
        yield Fault((*path, "goal", "team"), f"a member has no {goal.team}{close(goal.team, ATTRIBUTES)}")
    if goal.streak is not None:
        yield from _streak((*path, "goal"), found, definitions)
    for event_type in _known(found, definitions) if goal.field is not None else ():
        field = event_type.fields.get(goal.field or "")
        if field is None or field.type != "integer":
            yield Fault((*path, "goal", "field"), f"{event_type.key} has no integer field {goal.field}")


def _streak(path: Path, found: Challenge, definitions: Definitions) -> Told:
    goal = found.goal
    assert goal is not None, "a goal by a streak"
    assert goal.streak is not None, "a goal by a streak"
    if goal.team is not None or goal.field is not None:
        yield Fault(path, "a goal by a streak is a length of one member's: it has no team and no field")
    policy = definitions.streaks.get(goal.streak)
    if policy is None:
        yield from refers(path, "streak", goal.streak, "streaks", definitions)
    elif not (any(length >= goal.target for length in policy.reached) or (policy.reached_every is not None)):
        yield Fault((*path, "target"), f"{policy.key} tells of no length from {goal.target} on: add it to its reached")


def _prizes(path: Path, found: Challenge) -> Told:
    yield from bounded((*path, "prizes"), found.prizes, MAX_PRIZES)
    taken = 0
    for n, prize in enumerate(found.prizes):
        at = (*path, "prizes", n)
        yield from within((*at, "points"), prize.points, 1, MAX_POINTS)
        if prize.first <= taken:
            yield Fault((*at, "first"), f"must be {taken + 1} or more: ranks have one prize each, in order")
        if prize.last < prize.first or prize.last > MAX_PLACES:
            yield Fault((*at, "last"), f"must be {prize.first} to {MAX_PLACES}")
        taken = max(taken, prize.last)


def _conditions(path: Path, found: Challenge) -> Told:
    yield from bounded((*path, "when"), found.when, MAX_CONDITIONS)
    names = [condition.name for condition in found.when]
    for n, name in enumerate(names):
        if not 1 <= len(name) <= MAX_TITLE:
            yield Fault((*path, "when", n, "name"), f"a condition's name has 1 to {MAX_TITLE} characters")
        if name in _TAKEN or name in names[:n]:
            yield Fault((*path, "when", n, "name"), f"{name!r} already names something else in this challenge")


# -- Expressions ---------------------------------------------------------------------------------------------------


def _expressions(path: Path, found: Challenge, definitions: Definitions) -> Told:
    """Faults that reading the expressions shows; when there are none, those that trying them shows."""
    seen = [fault for at, text in _texts(path, found) for fault in _read(at, text, found, definitions)]
    yield from seen
    for event_type in _known(found, definitions) if not seen else ():
        yield from _tried(path, found, event_type, definitions)


def _texts(path: Path, found: Challenge) -> Iterator[tuple[Path, str]]:
    for n, condition in enumerate(found.when):
        yield (*path, "when", n, "expression"), condition.expression
    for name in ("audience", "multiplier", "bonus"):
        if (text := getattr(found, name)) is not None:
            yield (*path, name), text


def _read(path: Path, text: str, found: Challenge, definitions: Definitions) -> Told:
    try:
        check(text)
    except ExpressionError as error:
        yield Fault(path, str(error))
        return
    if path[-1] == "audience" and (fields_used(text, "event") or totals_used(text)):
        yield Fault(path, "an audience is told by member alone")
    for name in sorted(totals_used(text) - definitions.aggregates.keys()):
        yield Fault(path, f"totals.{name}: there is no aggregate {name}{close(name, definitions.aggregates)}")
    for name in sorted(fields_used(text, "member") - set(ATTRIBUTES)):
        yield Fault(path, f"member.{name}: a member has no {name}{close(name, ATTRIBUTES)}")
    for event_type in _known(found, definitions):
        known = [*event_type.fields, *EVENT_ATTRIBUTES]
        for name in sorted(fields_used(text, "event") - set(known)):
            yield Fault(path, f"event.{name}: {event_type.key} has no {name}{close(name, known)}")


def _tried(path: Path, found: Challenge, event_type: EventType, definitions: Definitions) -> Told:
    """What breaks on a sample of the event type: a challenge's expressions are tried as a rule's are."""
    given = found.multiplier if found.multiplier is not None else found.bonus
    audience = (Condition("audience", found.audience),) if found.audience is not None else ()
    rule = Rule(found.key, 0, event_type.key, when=(*audience, *found.when), award=Award(given or "0"))
    where: dict[str, Path] = {one.name: (*path, "when", n, "expression") for n, one in enumerate(found.when)}
    where |= {"audience": (*path, "audience")}
    where |= {"award": (*path, "multiplier" if found.multiplier is not None else "bonus")}
    for broken in breakages(rule, event_type, definitions.aggregates):
        yield Fault(where[broken.name], broken.cause)


def _known(found: Challenge, definitions: Definitions) -> list[EventType]:
    return [definitions.event_types[key] for key in watched(found) if key in definitions.event_types]
