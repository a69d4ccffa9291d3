"""What a streak policy must keep beyond its shape: windows that can be, events that exist, sound expressions."""

from collections.abc import Mapping

from domain.calendars import WEEKDAYS
from domain.checks import MAX_LIST, MAX_POINTS, MAX_TITLE, Told, bounded, close, listed, refers, within
from domain.configuration import Award, EventType, Rule
from domain.definitions import Definitions
from domain.derived import STREAK_REACHED
from domain.expressions import ExpressionError, check, fields_used, names_used, totals_used
from domain.game import Cadence, Freezes, Grace, OnMiss, Qualifying, StreakPolicy
from domain.members import ATTRIBUTES
from domain.samples import EVENT_ATTRIBUTES, breakages
from domain.shapes import Fault, Path

MAX_CONDITIONS = 20
MAX_QUALIFYING = 20
MAX_WINDOW = 366  # periods
MAX_FREEZES = 100
MAX_RESTORE_DAYS = 366
# Grace ends before the next period does, whose events it takes.
MAX_HOURS = {Cadence.DAILY: 24, Cadence.WEEKLY: 7 * 24, Cadence.MONTHLY: 28 * 24}


def streak(path: Path, policy: StreakPolicy, definitions: Definitions) -> Told:
    """Every fault of the policy."""
    yield from _qualifying(path, policy, definitions)
    yield from _at_least((*path, "at_least"), policy.at_least)
    yield from _working_days(path, policy)
    yield from listed(path, "sources", policy.sources)
    yield from _grace((*path, "grace"), policy.grace, policy.cadence)
    yield from _freezes((*path, "freezes"), policy.freezes)
    yield from within((*path, "restore_days"), policy.restore_days, 0, MAX_RESTORE_DAYS)
    yield from within((*path, "decay"), policy.decay, 1, MAX_POINTS)
    if policy.decay != 1 and policy.on_miss is not OnMiss.DECAY:
        yield Fault((*path, "decay"), "only a policy that decays (on_miss) loses so much")
    yield from _lengths(path, policy)
    yield from within((*path, "remind_hours"), policy.remind_hours, 0, MAX_HOURS[Cadence.MONTHLY])
    yield from within((*path, "worth_protecting"), policy.worth_protecting, 1, MAX_POINTS)


def changed_cadences(before: Mapping[str, StreakPolicy], after: Mapping[str, StreakPolicy]) -> list[str]:
    """The policies whose periods would be others, so that none of their streaks would mean anything any more."""
    return [key for key in sorted(before.keys() & after.keys()) if before[key].cadence is not after[key].cadence]


def _qualifying(path: Path, policy: StreakPolicy, definitions: Definitions) -> Told:
    if not policy.qualifying:
        yield Fault((*path, "qualifying"), "names at least one event type")
    yield from bounded((*path, "qualifying"), policy.qualifying, MAX_QUALIFYING)
    for n, one in enumerate(policy.qualifying):
        at = (*path, "qualifying", n)
        yield from refers(at, "event_type", one.event_type, "event_types", definitions)
        if one.event_type == STREAK_REACHED:
            yield Fault((*at, "event_type"), "a streak cannot be kept by streaks")
        event_type = definitions.event_types.get(one.event_type)
        yield from _conditions(at, one)
        if event_type is not None:
            yield from _of_type(at, one, event_type, definitions)


def _conditions(path: Path, qualifying: Qualifying) -> Told:
    yield from bounded((*path, "when"), qualifying.when, MAX_CONDITIONS)
    names = [condition.name for condition in qualifying.when]
    for n, name in enumerate(names):
        if not 1 <= len(name) <= MAX_TITLE:
            yield Fault((*path, "when", n, "name"), f"a condition's name has 1 to {MAX_TITLE} characters")
        if name in names[:n]:
            yield Fault((*path, "when", n, "name"), f"{name!r} already names something else here")


def _of_type(path: Path, qualifying: Qualifying, event_type: EventType, definitions: Definitions) -> Told:
    """Faults that the event type shows: of the field, and of conditions when they are read and then tried."""
    if qualifying.field is not None:
        field = event_type.fields.get(qualifying.field)
        if field is None:
            meant = close(qualifying.field, event_type.fields)
            yield Fault((*path, "field"), f"{event_type.key} has no {qualifying.field}{meant}")
        elif field.type != "integer":
            yield Fault((*path, "field"), f"only integer fields can be summed, {qualifying.field} is a {field.type}")
    where = {condition.name: (*path, "when", n, "expression") for n, condition in enumerate(qualifying.when)}
    seen = [
        fault for one in qualifying.when for fault in _read(where[one.name], one.expression, event_type, definitions)
    ]
    yield from seen
    if not seen and qualifying.when:
        tried = Rule("tried", 0, event_type.key, when=qualifying.when, award=Award("0"))
        for broken in breakages(tried, event_type, definitions.aggregates):
            yield Fault(where[broken.name], broken.cause)


def _read(path: Path, text: str, event_type: EventType, definitions: Definitions) -> Told:
    try:
        check(text)
    except ExpressionError as error:
        yield Fault(path, str(error))
        return
    if totals_used(text):
        yield Fault(path, "totals are not seen here: what counts depends on event and member alone")
    known = [*event_type.fields, *EVENT_ATTRIBUTES]
    for name in sorted(fields_used(text, "event") - set(known)):
        yield Fault(path, f"event.{name}: {event_type.key} has no {name}{close(name, known)}")
    yield from _unknown_attributes(path, text)


def _unknown_attributes(path: Path, text: str) -> Told:
    for name in sorted(fields_used(text, "member") - set(ATTRIBUTES)):
        yield Fault(path, f"member.{name}: a member has no {name}{close(name, ATTRIBUTES)}")


def _at_least(path: Path, text: str) -> Told:
    if text.isdecimal():
        yield from within(path, int(text), 1, MAX_POINTS)
        return
    try:
        check(text)
    except ExpressionError as error:
        yield Fault(path, str(error))
        return
    if other := sorted(names_used(text) - {"member"}):
        yield Fault(path, f"how much is asked depends on the member alone, not on {other[0]}")
        return
    yield from _unknown_attributes(path, text)
    tried = Rule("tried", 0, "", award=Award(text))
    for broken in breakages(tried, EventType("", 0, {}), {}):
        yield Fault(path, broken.cause)


def _working_days(path: Path, policy: StreakPolicy) -> Told:
    yield from listed(path, "working_days", policy.working_days)
    if not policy.working_days:
        yield Fault((*path, "working_days"), "a week has at least one working day")
    for n, day in enumerate(policy.working_days):
        if day not in WEEKDAYS:
            yield Fault((*path, "working_days", n), f"unknown day {day}: known are {', '.join(WEEKDAYS)}")


def _grace(path: Path, grace: Grace, cadence: Cadence) -> Told:
    yield from within((*path, "window"), grace.window, 1, MAX_WINDOW)
    yield from within((*path, "missed"), grace.missed, 0, MAX_WINDOW)
    if grace.missed >= grace.window:
        yield Fault((*path, "missed"), f"{grace.missed} of {grace.window} periods: nothing would ever be asked")
    yield from within((*path, "hours"), grace.hours, 0, MAX_HOURS[cadence])


def _freezes(path: Path, freezes: Freezes) -> Told:
    yield from within((*path, "at_most"), freezes.at_most, 0, MAX_FREEZES)
    yield from within((*path, "granted"), freezes.granted, 0, MAX_FREEZES)
    if freezes.granted > freezes.at_most:
        yield Fault((*path, "granted"), f"is above at_most ({freezes.at_most})")
    if freezes.every is not None:
        yield from within((*path, "every"), freezes.every, 1, MAX_POINTS)


def _lengths(path: Path, policy: StreakPolicy) -> Told:
    yield from bounded((*path, "reached"), policy.reached, MAX_LIST)
    yield from listed(path, "reached", policy.reached)
    for n, length in enumerate(policy.reached):
        yield from within((*path, "reached", n), length, 1, MAX_POINTS)
    if policy.reached_every is not None:
        yield from within((*path, "reached_every"), policy.reached_every, 1, MAX_POINTS)
