"""What definitions must keep beyond their shape: limits, references between sections, and expressions that hold.

Each check yields Faults with the path to the value, so that whoever read the value can say where it stands.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from domain import (
    challenge_checks,
    game_checks,
    nomination_checks,
    notification_checks,
    recognition_checks,
    rule_checks,
    streak_checks,
)
from domain.checks import (
    CURRENCY,
    MAX_DAYS,
    MAX_KEY,
    MAX_LATE_HOURS,
    MAX_MONEY_MINOR,
    MAX_POINTS,
    MAX_TEXT,
    MAX_TITLE,
    Told,
    close,
    counts_in,
    currency,
    days,
    joined,
    listed,
    refers,
    within,
)
from domain.configuration import (
    POINTS,
    Aggregate,
    CatalogItem,
    Conversion,
    EventType,
    Expiry,
    ExpiryPolicy,
    Field,
    Milestone,
    Reward,
    Source,
    Unit,
    UnitKind,
)
from domain.definitions import SECTIONS, Definitions
from domain.derived import EVENT_TYPES as DERIVED_TYPES
from domain.derived import SOURCE
from domain.samples import EVENT_ATTRIBUTES
from domain.schemas import CHECKS, MAX_INTEGER
from domain.shapes import Fault, Path
from domain.units import exponent_of

MAX_DEFINITIONS = 1_000  # in one section
MAX_RULES = 100  # of one event type
MAX_FIELDS = 100
MAX_STRING_FIELD = 10_000
MAX_ROLLING_DAYS = 92
MAX_EXPONENT = 6

_KEY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*", re.ASCII)
_UNIT = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
# What CEL keeps for itself (its language definition, "Identifiers") or fields already have.
_RESERVED = {
    *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
    *("namespace", "null", "package", "return", "true", "var", "void", "while", *EVENT_ATTRIBUTES),
}
# What ends the id of an account that holds another kind of value than what its member can spend.
_ACCOUNT_WORDS = {"held", "pending"}
# The fields that each policy of expiry has.
_EXPIRY_FIELDS = {
    ExpiryPolicy.NEVER: None,
    ExpiryPolicy.FIXED: "at",
    ExpiryPolicy.ROLLING: "days",
    ExpiryPolicy.END_OF_PERIOD: "per",
    ExpiryPolicy.INACTIVITY: "days",
}

_KEYS = {"aggregates": (_NAME, "letters, digits and _"), "units": (_UNIT, "a-z, 0-9 and _ -")}


def check_definitions(definitions: Definitions) -> list[Fault]:
    """Every fault of the definitions, in the order of their sections and keys."""
    known = replace(definitions, event_types={**definitions.event_types, **DERIVED_TYPES})
    return [
        *_sizes(definitions),
        *(
            fault
            for section in SECTIONS
            for key, definition in definitions.section(section).items()
            for fault in _check_one(known, section, key, definition)
        ),
    ]


def check_definition(definitions: Definitions, section: str, key: str) -> list[Fault]:
    """Every fault of one definition among the others."""
    known = replace(definitions, event_types={**definitions.event_types, **DERIVED_TYPES})
    return list(_check_one(known, section, key, definitions.section(section)[key]))


def _sizes(definitions: Definitions) -> Told:
    for section in SECTIONS:
        if (count := len(definitions.section(section))) > MAX_DEFINITIONS:
            yield Fault((section,), f"{count} definitions, at most {MAX_DEFINITIONS} are taken")
    counts: dict[str, int] = {}
    for key, rule in definitions.rules.items():
        counts[rule.event_type] = counts.get(rule.event_type, 0) + 1
        if counts[rule.event_type] == MAX_RULES + 1:
            yield Fault(("rules", key), f"{rule.event_type} has more than {MAX_RULES} rules")


def _check_one(definitions: Definitions, section: str, key: str, definition: Any) -> Told:
    pattern, wanted = _KEYS.get(section, (_KEY, "a-z, 0-9 and . _ -"))
    path = (section, key)
    if len(key) > MAX_KEY or not pattern.fullmatch(key):
        yield Fault(path, f"a key has at most {MAX_KEY} characters: {wanted}")
    if (section == "event_types" and key in DERIVED_TYPES) or key.startswith("laurel."):
        yield Fault(path, f"{key} is Laurel's own")
    yield from _texts(path, definition)
    checks: Mapping[str, Callable[[Path, Any, Definitions], Iterable[Fault]]] = {
        "event_types": _event_type,
        "aggregates": _aggregate,
        "rules": rule_checks.rule,
        "milestones": _milestone,
        "rewards": _reward,
        "catalog": _item,
        "units": _unit,
        "conversions": _conversion,
        "groups": rule_checks.group,
        "streaks": streak_checks.streak,
        "challenges": challenge_checks.challenge,
        "tiers": game_checks.tier,
        "badges": game_checks.badge,
        "boards": game_checks.board,
        "recognition": recognition_checks.recognition,
        "sources": _source,
        "nominations": nomination_checks.category,
        "notifications": notification_checks.policy,
    }
    yield from checks[section](path, definition, definitions)


def _texts(path: Path, definition: Any) -> Told:
    for name, most in (("title", MAX_TITLE), ("name", MAX_TITLE), ("description", MAX_TEXT), ("terms", MAX_TEXT)):
        if len(getattr(definition, name, "")) > most:
            yield Fault((*path, name), f"longer than {most} characters")


def _source(path: Path, source: Source, _: Definitions) -> Told:
    if source.key == SOURCE:
        yield Fault(path, f"{source.key} is Laurel's own")
    yield from within((*path, "late_hours"), source.late_hours, 0, MAX_LATE_HOURS)


# -- Event types and aggregates ------------------------------------------------------------------------------------


def _event_type(path: Path, event_type: EventType, _: Definitions) -> Told:
    if len(event_type.fields) > MAX_FIELDS:
        yield Fault((*path, "fields"), f"{len(event_type.fields)} fields, at most {MAX_FIELDS} are taken")
    for name, field in event_type.fields.items():
        yield from _field((*path, "fields", name), name, field)


def _field(path: Path, name: str, field: Field) -> Told:
    if len(name) > MAX_KEY or not _NAME.fullmatch(name):
        yield Fault(path, f"a field's name has at most {MAX_KEY} letters, digits and _, and begins with no digit")
    if name in _RESERVED:
        yield Fault(path, f"{name} cannot name a field: expressions give it another meaning")
    if field.type not in CHECKS:
        yield Fault((*path, "type"), f"unknown type {field.type}: known are {', '.join(CHECKS)}")
        return
    yield from _texts(path, field)
    numeric, text = field.type in ("integer", "number"), field.type == "string"
    for limit, value in (("minimum", field.minimum), ("maximum", field.maximum)):
        if value is not None and not numeric:
            yield Fault((*path, limit), f"{limit} is for integer and number fields")
        if value is not None and abs(value) > MAX_INTEGER:
            yield Fault((*path, limit), f"must lie within {MAX_INTEGER} of zero")
    if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:
        yield Fault((*path, "minimum"), "is above the maximum")
    if not 1 <= field.max_length <= MAX_STRING_FIELD:
        yield Fault((*path, "max_length"), f"must be 1 to {MAX_STRING_FIELD}")
    if field.enum and not text:
        yield Fault((*path, "enum"), "enum is for string fields")
    yield from listed(path, "enum", field.enum)
    if any(len(value) > field.max_length for value in field.enum):
        yield Fault((*path, "enum"), f"has a value of more than {field.max_length} characters (max_length)")


def _aggregate(path: Path, aggregate: Aggregate, definitions: Definitions) -> Told:
    yield from refers(path, "event_type", aggregate.event_type, "event_types", definitions)
    if (aggregate.per is None) == (aggregate.days is None):
        yield Fault(path, "an aggregate has either per or days")
    if aggregate.days is not None:
        yield from within((*path, "days"), aggregate.days, 1, MAX_ROLLING_DAYS)
    event_type = definitions.event_types.get(aggregate.event_type)
    if aggregate.field is None or event_type is None:
        return
    field = event_type.fields.get(aggregate.field)
    if field is None:
        yield Fault(
            (*path, "field"), f"{event_type.key} has no {aggregate.field}{close(aggregate.field, event_type.fields)}"
        )
    elif field.type != "integer":
        yield Fault((*path, "field"), f"only integer fields can be summed, {aggregate.field} is a {field.type}")


# -- Milestones, rewards, catalog ----------------------------------------------------------------------------------


def _milestone(path: Path, milestone: Milestone, definitions: Definitions) -> Told:
    yield from refers(path, "reward", milestone.reward, "rewards", definitions)
    if milestone.on not in ("lifetime", "balance"):
        yield Fault((*path, "on"), f"unknown {milestone.on}: known are lifetime, balance")
    if (milestone.every is None) == (milestone.at is None):
        yield Fault(path, "a milestone has either every or at")
    if milestone.every is not None and milestone.on == "balance":
        yield Fault((*path, "every"), "on balance a milestone is crossed once: write at")
    for name, points in (("every", milestone.every), ("at", milestone.at)):
        if points is not None:
            yield from within((*path, name), points, 1, MAX_POINTS)
    yield from counts_in(path, "unit", milestone.unit, definitions)


def _reward(path: Path, reward: Reward, definitions: Definitions) -> Told:
    yield from listed(path, "items", reward.items)
    if not reward.items:
        yield Fault((*path, "items"), "a reward has at least one catalog item")
    if reward.automatic and len(reward.items) > 1:
        yield Fault((*path, "items"), "an automatic reward has exactly one item, there is nobody to choose")
    yield from within((*path, "value_minor"), reward.value_minor, 1, MAX_MONEY_MINOR)
    yield from currency(path, reward.currency)
    yield from within((*path, "price_points"), reward.price_points, 0, MAX_POINTS)
    yield from within((*path, "offer_days"), reward.offer_days, 1, MAX_DAYS)
    yield from within((*path, "remind_days"), reward.remind_days, 0, MAX_DAYS)
    if not reward.automatic and reward.remind_days >= reward.offer_days:
        yield Fault((*path, "remind_days"), f"must be less than offer_days ({reward.offer_days})")
    for n, key in enumerate(reward.items):
        yield from _reward_item((*path, "items", n), reward, key, definitions.catalog)


def _reward_item(path: Path, reward: Reward, key: str, catalog: Mapping[str, CatalogItem]) -> Told:
    item = catalog.get(key)
    if item is None:
        yield Fault(path, f"no catalog item {key}{close(key, catalog)}", ("catalog", key))
    elif item.currency != reward.currency:
        yield Fault(path, f"{key} is in {item.currency}, this reward in {reward.currency}")
    elif item.denominations and reward.value_minor not in item.denominations:
        yield Fault(
            path, f"{key} is not offered at {reward.value_minor}: its denominations are {joined(item.denominations)}"
        )


def _item(path: Path, item: CatalogItem, _: Definitions) -> Told:
    yield from currency(path, item.currency)
    yield from within((*path, "points_per_unit"), item.points_per_unit, 1, MAX_POINTS)
    for name in ("images", "countries", "denominations"):
        yield from listed(path, name, getattr(item, name))
    for n, country in enumerate(item.countries):
        if not _COUNTRY.fullmatch(country):
            yield Fault((*path, "countries", n), f"{country!r} is not an ISO 3166 code of two letters, as US")
    for n, value in enumerate(item.denominations):
        yield from within((*path, "denominations", n), value, 1, MAX_MONEY_MINOR)
    for n, image in enumerate(item.images):
        if not image.startswith("https://") or len(image) > MAX_TITLE * 10:
            yield Fault((*path, "images", n), "an image is an https:// address")
    if item.vendor != "own" and not item.product:
        yield Fault(path, f"product is required: the code under which {item.vendor} sells it")
    if item.vendor == "own" and not item.denominations:
        yield Fault(path, "denominations is required: no vendor says what the program's own item is worth")


# -- Units and conversions -----------------------------------------------------------------------------------------


def _unit(path: Path, unit: Unit, _: Definitions) -> Told:
    if unit.key in _ACCOUNT_WORDS:
        yield Fault(path, f"{unit.key} cannot name a unit: it ends the ids of other accounts")
    if unit.key == POINTS.key and unit.kind is not UnitKind.POINTS:
        yield Fault((*path, "kind"), "prices are in points: they stay points")
    yield from _scale(path, unit)
    yield from _expiry((*path, "expiry"), unit.expiry)
    yield from days(path, "renew_days", unit.renew_days)
    if (unit.refill is None) == (unit.kind is UnitKind.ALLOWANCE):
        yield Fault((*path, "refill"), "an allowance has a refill, and nothing else has one")
    if unit.refill:
        yield from within((*path, "refill", "amount"), unit.refill.amount, 1, MAX_POINTS)
        for role, amount in unit.refill.by_role.items():
            yield from within((*path, "refill", "by_role", role), amount, 1, MAX_POINTS)
    for name in ("at_once", "per_day", "per_month") if unit.transfer else ():
        if (limit := getattr(unit.transfer, name)) is not None:
            yield from within((*path, "transfer", name), limit, 1, MAX_MONEY_MINOR)
    if unit.approval_above is not None:
        yield from within((*path, "approval_above"), unit.approval_above, 0, MAX_MONEY_MINOR)
    yield from within((*path, "backdate_days"), unit.backdate_days, 0, MAX_DAYS)


def _scale(path: Path, unit: Unit) -> Told:
    if unit.kind is not UnitKind.MONEY:
        if unit.currency:
            yield Fault((*path, "currency"), "only money has a currency")
        most = 0 if unit.kind is UnitKind.ASSET else MAX_EXPONENT
        yield from within((*path, "exponent"), unit.exponent, 0, most)
        return
    yield from currency(path, unit.currency)
    if CURRENCY.fullmatch(unit.currency) and unit.exponent != exponent_of(unit.currency):
        yield Fault((*path, "exponent"), f"{unit.currency} has an exponent of {exponent_of(unit.currency)}")


def _expiry(path: Path, expiry: Expiry) -> Told:
    wanted = _EXPIRY_FIELDS[expiry.policy]
    for name in ("days", "at", "per"):
        given = getattr(expiry, name) is not None
        if given and name != wanted:
            yield Fault((*path, name), f"{expiry.policy} takes {f'only {wanted}' if wanted else 'nothing'}")
        if not given and name == wanted:
            yield Fault(path, f"{name} is required: {expiry.policy} counts by it")
    yield from days(path, "days", expiry.days)
    yield from listed(path, "warn_days", expiry.warn_days)
    for n, before in enumerate(expiry.warn_days):
        yield from within((*path, "warn_days", n), before, 1, MAX_DAYS)


def _conversion(path: Path, conversion: Conversion, definitions: Definitions) -> Told:
    yield from counts_in(path, "from_unit", conversion.from_unit, definitions)
    yield from counts_in(path, "to_unit", conversion.to_unit, definitions)
    if conversion.from_unit == conversion.to_unit:
        yield Fault((*path, "to_unit"), "is what it was before: a conversion is between two units")
    for name in ("from_amount", "to_amount"):
        yield from within((*path, name), getattr(conversion, name), 1, MAX_MONEY_MINOR)
