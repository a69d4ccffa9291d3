"""What definitions must keep beyond their shape: each fault at its place, and only there."""

import copy
from pathlib import Path
from typing import Any

import pytest

from cli.configurations import read_folder
from domain.definition_checks import check_definitions
from domain.definitions import Definitions, read_definitions
from domain.shapes import Fault

SOUND: dict[str, Any] = {
    "event_types": {
        "deal.won": {
            "fields": {
                "amount": {"type": "integer", "required": True, "minimum": 0, "maximum": 1_000_000},
                "currency": {"type": "string", "enum": ["EUR", "USD"]},
            }
        },
    },
    "aggregates": {"sum": {"event_type": "deal.won", "per": "week", "field": "amount"}},
    "rules": {
        "deal": {
            "event_type": "deal.won",
            "when": [{"name": "is big", "expression": "event.amount > 100 && totals.sum > 200"}],
            "award": {"expression": "event.amount / 10"},
            "reward": "mug",
            "caps": [{"per": "day", "points": 50, "times": 2}],
            "starts_at": "2027-01-01T00:00:00Z",
            "ends_at": "2028-01-01T00:00:00Z",
        }
    },
    "milestones": {"every-500": {"every": 500, "reward": "mug"}},
    "rewards": {"mug": {"title": "A mug", "items": ["mug"], "value_minor": 500, "currency": "EUR", "automatic": True}},
    "catalog": {"mug": {"name": "Mug", "vendor": "own", "currency": "EUR", "denominations": [500, 1000]}},
    "units": {
        "kudos": {
            "kind": "allowance",
            "expiry": {"policy": "end_of_period", "per": "month"},
            "transfer": {"at_once": 10},
            "refill": {"amount": 100},
        },
        "cashback": {"kind": "money", "currency": "EUR", "exponent": 2, "renew_days": 30},
    },
    "recognition": {
        "thanks": {
            "unit": "kudos",
            "amount": 5,
            "values": ["Care"],
            "pair_caps": [{"per": "week", "times": 2}],
            "emoji": {"laurel": 5},
            "channels": ["C024BE91L"],
        }
    },
    "conversions": {"out": {"from_unit": "points", "to_unit": "cashback", "from_amount": 10, "to_amount": 1}},
    "sources": {"crm": {"late_hours": 72}},
}


def read(body: dict[str, Any]) -> Definitions:
    faults: list[Fault] = []
    found = read_definitions(body, faults)
    assert faults == []
    return found


def changed(path: str, value: Any) -> Definitions:
    """The sound definitions with one value put in, or taken out if it is `...`."""
    body = copy.deepcopy(SOUND)
    *parents, last = path.split("/")
    inner: Any = body
    for name in parents:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return read(body)


def test_sound_definitions_have_no_faults() -> None:
    assert check_definitions(read(SOUND)) == []


def test_the_sample_company_is_sound() -> None:
    assert len(read_folder(Path("config"))) > 30


FAULTS: list[tuple[str, Any, str, str]] = [
    # Event types and aggregates.
    ("event_types/Deal Won", {"fields": {}}, "event_types/Deal Won", "a key has at most 64 characters"),
    ("event_types/x", {"fields": {"1a": {"type": "string"}}}, "event_types/x/fields/1a", "a field's name"),
    ("event_types/x", {"fields": {"source": {"type": "string"}}}, "event_types/x/fields/source", "cannot name a field"),
    ("event_types/x", {"fields": {"in": {"type": "string"}}}, "event_types/x/fields/in", "cannot name a field"),
    ("event_types/x", {"fields": {"a": {"type": "text"}}}, "event_types/x/fields/a/type", "unknown type text"),
    (
        "event_types/x",
        {"fields": {"a": {"type": "string", "minimum": 1}}},
        "event_types/x/fields/a/minimum",
        "for integer and number fields",
    ),
    (
        "event_types/x",
        {"fields": {"a": {"type": "integer", "minimum": 2, "maximum": 1}}},
        "event_types/x/fields/a/minimum",
        "above the maximum",
    ),
    (
        "event_types/x",
        {"fields": {"a": {"type": "integer", "maximum": 2**53}}},
        "event_types/x/fields/a/maximum",
        "within 9007199254740991",
    ),
    (
        "event_types/x",
        {"fields": {"a": {"type": "integer", "enum": ["1"]}}},
        "event_types/x/fields/a/enum",
        "for string fields",
    ),
    (
        "event_types/x",
        {"fields": {"a": {"type": "string", "enum": ["b", "b"]}}},
        "event_types/x/fields/a/enum/1",
        "b is listed twice",
    ),
    (
        "event_types/x",
        {"fields": {"a": {"type": "string", "enum": ["bcd"], "max_length": 2}}},
        "event_types/x/fields/a/enum",
        "more than 2 characters",
    ),
    (
        "event_types/x",
        {"fields": {"a": {"type": "string", "max_length": 0}}},
        "event_types/x/fields/a/max_length",
        "must be 1 to 10000",
    ),
    (
        "event_types/x",
        {"fields": {f"a{n}": {"type": "string"} for n in range(101)}},
        "event_types/x/fields",
        "101 fields, at most 100",
    ),
    ("aggregates/a-b", {"event_type": "deal.won", "per": "day"}, "aggregates/a-b", "letters, digits and _"),
    (
        "aggregates/n",
        {"event_type": "deal.one", "per": "day"},
        "aggregates/n/event_type",
        "no event type deal.one: did you mean deal.won?",
    ),
    (
        "aggregates/n",
        {"event_type": "deal.won", "per": "day", "field": "amounts"},
        "aggregates/n/field",
        "deal.won has no amounts: did you mean amount?",
    ),
    (
        "aggregates/n",
        {"event_type": "deal.won", "per": "day", "field": "currency"},
        "aggregates/n/field",
        "only integer fields can be summed",
    ),
    # Rules.
    ("rules/deal/event_type", "deal.wonn", "rules/deal/event_type", "no event type deal.wonn"),
    ("rules/deal/reward", "jug", "rules/deal/reward", "no reward jug: did you mean mug?"),
    ("rules/x", {"event_type": "deal.won"}, "rules/x", "an award, a reward or both"),
    ("rules/deal/ends_at", "2027-01-01T00:00:00Z", "rules/deal/ends_at", "is not after starts_at"),
    ("rules/deal/award/unit", "dollars", "rules/deal/award/unit", "no unit dollars"),
    ("rules/deal/award/expires_after_days", 0, "rules/deal/award/expires_after_days", "must be 1 to 3650"),
    ("rules/deal/caps", [{"per": "day"}], "rules/deal/caps/0", "limits points, times or both"),
    ("rules/deal/caps", [{"per": "event", "times": 1}], "rules/deal/caps/0/times", "once anyway"),
    ("rules/deal/caps", [{"per": "day", "points": 0}], "rules/deal/caps/0/points", "must be 1 to"),
    (
        "rules/deal/caps",
        [{"per": "day", "points": 1}, {"per": "day", "times": 1}],
        "rules/deal/caps/1",
        "another cap has the same period",
    ),
    (
        "rules/x",
        {"event_type": "deal.won", "reward": "mug", "caps": [{"per": "day", "points": 1}]},
        "rules/x/caps/0/points",
        "awards no points",
    ),
    ("rules/deal/title", "x" * 201, "rules/deal/title", "longer than 200"),
    ("rules/deal/when/0/name", "award", "rules/deal/when/0/name", "already names something else"),
    ("rules/deal/when/0/name", "", "rules/deal/when/0/name", "1 to 200 characters"),
    ("rules/deal/when", [{"name": f"{n}", "expression": "true"} for n in range(21)], "rules/deal/when", "at most 20"),
    ("rules/deal/when/0/expression", "event.amount >", "rules/deal/when/0/expression", "line 1, character 15"),
    (
        "rules/deal/when/0/expression",
        "event.amonut > 3",
        "rules/deal/when/0/expression",
        "event.amonut: deal.won has no amonut: did you mean amount?",
    ),
    (
        "rules/deal/when/0/expression",
        "totals.sums > 3",
        "rules/deal/when/0/expression",
        "totals.sums: there is no aggregate sums: did you mean sum?",
    ),
    (
        "rules/deal/when/0/expression",
        "member.name == 'Ada'",
        "rules/deal/when/0/expression",
        "member.name: a member has no name",
    ),
    (
        "rules/deal/when/0/expression",
        "event.currency == 'EUR'",
        "rules/deal/when/0/expression",
        "KeyError: 'currency' when event.amount is 1, event.currency is absent",
    ),
    ("rules/deal/award/expression", "event.amount * 0.5", "rules/deal/award/expression", "TypeError"),
    (
        "rules/deal/award/expression",
        "50 - event.amount",
        "rules/deal/award/expression",
        "gave -999950, not between 0 and",
    ),
    # Milestones, rewards and catalog.
    ("milestones/x", {"reward": "mug"}, "milestones/x", "either every or at"),
    ("milestones/x", {"reward": "mug", "every": 5, "at": 5}, "milestones/x", "either every or at"),
    ("milestones/x", {"reward": "mug", "every": 5, "on": "balance"}, "milestones/x/every", "crossed once: write at"),
    ("milestones/x", {"reward": "mug", "at": 5, "on": "total"}, "milestones/x/on", "known are lifetime, balance"),
    ("milestones/every-500/every", 0, "milestones/every-500/every", "must be 1 to"),
    ("milestones/every-500/unit", "kudo", "milestones/every-500/unit", "no unit kudo: did you mean kudos?"),
    ("milestones/every-500/reward", "jug", "milestones/every-500/reward", "no reward jug"),
    ("rewards/mug/items", ["jug"], "rewards/mug/items/0", "no catalog item jug: did you mean mug?"),
    ("rewards/mug/items", [], "rewards/mug/items", "at least one catalog item"),
    ("rewards/mug/items", ["mug", "jug"], "rewards/mug/items", "an automatic reward has exactly one item"),
    ("rewards/mug/items", ["mug", "mug"], "rewards/mug/items/1", "mug is listed twice"),
    ("rewards/mug/value_minor", 700, "rewards/mug/items/0", "not offered at 700: its denominations are 500, 1000"),
    ("rewards/mug/value_minor", 0, "rewards/mug/value_minor", "must be 1 to"),
    ("rewards/mug/currency", "USD", "rewards/mug/items/0", "mug is in EUR, this reward in USD"),
    ("rewards/mug/currency", "euro", "rewards/mug/currency", "ISO 4217"),
    ("rewards/mug/price_points", -1, "rewards/mug/price_points", "must be 0 to"),
    (
        "rewards/x",
        {"title": "X", "items": ["mug"], "value_minor": 500, "currency": "EUR", "offer_days": 5, "remind_days": 5},
        "rewards/x/remind_days",
        "less than offer_days (5)",
    ),
    ("catalog/mug/currency", ..., "catalog/mug/currency", "ISO 4217"),
    ("catalog/mug/denominations", ..., "catalog/mug", "denominations is required"),
    ("catalog/mug/denominations", [0], "catalog/mug/denominations/0", "must be 1 to"),
    ("catalog/mug/vendor", "tremendous", "catalog/mug", "product is required: the code under which tremendous"),
    ("catalog/mug/countries", ["USA"], "catalog/mug/countries/0", "ISO 3166"),
    ("catalog/mug/images", ["http://example.com/mug.png"], "catalog/mug/images/0", "https://"),
    ("catalog/mug/points_per_unit", 0, "catalog/mug/points_per_unit", "must be 1 to"),
    ("catalog/mug/terms", "x" * 5_001, "catalog/mug/terms", "longer than 5000"),
    # Recognition.
    ("recognition/zest", {"unit": "kudos"}, "recognition/zest", "one policy: thanks is it"),
    ("recognition/thanks/unit", "kudo", "recognition/thanks/unit", "did you mean kudos?"),
    ("recognition/thanks/unit", "cashback", "recognition/thanks/unit", "cashback is of kind money"),
    ("recognition/thanks/amount", 0, "recognition/thanks/amount", "must be 1 to"),
    ("recognition/thanks/values", ["Care", " "], "recognition/thanks/values/1", "1 to 200 characters"),
    ("recognition/thanks/values", ["Care", "Care"], "recognition/thanks/values/1", "listed twice"),
    ("recognition/thanks/reason_at_least", -1, "recognition/thanks/reason_at_least", "must be 0 to"),
    ("recognition/thanks/receivers", 51, "recognition/thanks/receivers", "must be 1 to 50"),
    ("recognition/thanks/pair_caps", [{"per": "day"}], "recognition/thanks/pair_caps/0", "limits times, or amount"),
    (
        "recognition/thanks/pair_caps",
        [{"per": "day", "amount": 4}],
        "recognition/thanks/pair_caps/0/amount",
        "must be 5 to",
    ),
    ("recognition/thanks/emoji", {":laurel:": 5}, "recognition/thanks/emoji/:laurel:", "without colons"),
    ("recognition/thanks/emoji/laurel", 0, "recognition/thanks/emoji/laurel", "must be 1 to"),
    ("recognition/thanks/channels", ["#kudos"], "recognition/thanks/channels/0", "not the id of a channel"),
    # Units and conversions.
    ("units/eu.points", {}, "units/eu.points", "a-z, 0-9 and _ -"),
    ("units/held", {}, "units/held", "cannot name a unit"),
    ("units/points", {"kind": "voucher"}, "units/points/kind", "they stay points"),
    ("units/cashback/currency", "euro", "units/cashback/currency", "ISO 4217"),
    ("units/cashback/exponent", 0, "units/cashback/exponent", "EUR has an exponent of 2"),
    ("units/cashback/currency", "JPY", "units/cashback/exponent", "JPY has an exponent of 0"),
    ("units/kudos/currency", "EUR", "units/kudos/currency", "only money"),
    ("units/kudos/exponent", 7, "units/kudos/exponent", "must be 0 to 6"),
    ("units/badges", {"kind": "asset", "exponent": 1}, "units/badges/exponent", "must be 0 to 0"),
    ("units/kudos/refill", ..., "units/kudos/refill", "an allowance has a refill"),
    ("units/cashback/refill", {"amount": 1}, "units/cashback/refill", "nothing else has one"),
    ("units/kudos/refill/amount", 0, "units/kudos/refill/amount", "must be 1 to"),
    ("units/kudos/refill/by_role", {"Lead": 0}, "units/kudos/refill/by_role/Lead", "must be 1 to"),
    ("units/kudos/expiry/per", ..., "units/kudos/expiry", "per is required"),
    ("units/kudos/expiry/days", 3, "units/kudos/expiry/days", "end_of_period takes only per"),
    ("units/kudos/expiry", {"policy": "never", "per": "week"}, "units/kudos/expiry/per", "never takes nothing"),
    ("units/kudos/expiry", {"policy": "fixed"}, "units/kudos/expiry", "at is required"),
    ("units/kudos/expiry", {"policy": "rolling", "days": 0}, "units/kudos/expiry/days", "must be 1 to 3650"),
    ("units/kudos/expiry/warn_days", [7, 0], "units/kudos/expiry/warn_days/1", "must be 1 to 3650"),
    ("units/kudos/transfer/at_once", 0, "units/kudos/transfer/at_once", "must be 1 to"),
    ("units/kudos/transfer", {"per_month": -1}, "units/kudos/transfer/per_month", "must be 1 to"),
    ("units/kudos/approval_above", -1, "units/kudos/approval_above", "must be 0 to"),
    ("units/kudos/backdate_days", 4_000, "units/kudos/backdate_days", "must be 0 to 3650"),
    ("units/cashback/renew_days", 0, "units/cashback/renew_days", "must be 1 to 3650"),
    ("conversions/out/to_unit", "cashbak", "conversions/out/to_unit", "no unit cashbak: did you mean cashback?"),
    ("conversions/out/from_unit", "cashback", "conversions/out/to_unit", "between two units"),
    ("conversions/out/to_amount", 0, "conversions/out/to_amount", "must be 1 to"),
    # Sources; one with no hours at all is believed for nothing that it tells later.
    ("sources/crm/late_hours", -1, "sources/crm/late_hours", "must be 0 to 744"),
    ("sources/crm/late_hours", 745, "sources/crm/late_hours", "must be 0 to 744"),
    ("sources/laurel", {"late_hours": 72}, "sources/laurel", "laurel is Laurel's own"),
    ("sources/crm/title", "x" * 201, "sources/crm/title", "longer than 200 characters"),
]


@pytest.mark.parametrize(("path", "value", "where", "message"), FAULTS, ids=[f"{f[2]}: {f[3]}" for f in FAULTS])
def test_a_fault_is_told_where_it_is(path: str, value: Any, where: str, message: str) -> None:
    told = {"/".join(map(str, fault.path)): fault.message for fault in check_definitions(changed(path, value))}

    assert where in told
    assert message in told[where]


@pytest.mark.parametrize(
    ("written", "where", "message"),
    [
        ({}, "sources/crm", "late_hours is required"),
        ({"late_hours": "72"}, "sources/crm/late_hours", "must be a whole number"),
        ({"late_hours": 1.5}, "sources/crm/late_hours", "must be a whole number"),
        ({"late_hours": True}, "sources/crm/late_hours", "must be a whole number"),
        ({"late_hour": 72}, "sources/crm/late_hour", "did you mean late_hours?"),
    ],
)
def test_a_source_of_another_shape_is_not_read(written: dict[str, Any], where: str, message: str) -> None:
    faults: list[Fault] = []

    read_definitions({"sources": {"crm": written}}, faults)

    told = {"/".join(map(str, fault.path)): fault.message for fault in faults}
    assert message in told.get(where, ""), told


def test_no_hours_at_all_can_be_said_of_a_source() -> None:
    assert check_definitions(changed("sources/crm/late_hours", 0)) == []


def test_one_section_holds_a_thousand_definitions() -> None:
    body = copy.deepcopy(SOUND)
    body["event_types"] |= {f"type{n}": {"fields": {}} for n in range(1_000)}

    assert [fault.message for fault in check_definitions(read(body))] == ["1001 definitions, at most 1000 are taken"]


def test_one_event_type_has_a_hundred_rules() -> None:
    body = copy.deepcopy(SOUND)
    body["rules"] |= {f"r{n}": {"event_type": "deal.won", "award": {"expression": "1"}} for n in range(101)}

    faults = check_definitions(read(body))

    assert [fault.message for fault in faults] == ["deal.won has more than 100 rules"]
