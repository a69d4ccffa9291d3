"""Decisions explained by running them again, and shown as facts alone where that cannot be."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from domain.configuration import Configuration
from domain.deciding import ENGINE, Inputs, Person, decide
from domain.definitions import snapshot
from domain.events import Event, Identity
from domain.explanations import CapExplained, DecisionExplained, RecordedDecision, RuleExplained, explain
from tests.programs import definitions

AT = datetime(2027, 3, 3, 12, tzinfo=UTC)
DAY, MONTH = AT.date(), AT.date().replace(day=1)
ADA = Person("mem_ada", 1, "UTC", {"time_zone": "UTC", "status": "active", "custom": {}})

BODY: dict[str, Any] = {
    "event_types": {"deal.won": {"fields": {"amount": {"type": "integer"}, "share": {"type": "number"}}}},
    "aggregates": {"deals": {"event_type": "deal.won", "per": "month"}},
    "rules": {
        "a-fixed": {"event_type": "deal.won", "award": {"expression": "50"}, "title": "Any deal"},
        "b-part": {
            "event_type": "deal.won",
            "award": {"expression": "event.share * 10.5", "rounding": "half_up", "expires_after_days": 30},
            "reward": "mug",
            "caps": [{"per": "event", "points": 20}, {"per": "day", "points": 25, "times": 9}],
        },
        "c-big": {
            "event_type": "deal.won",
            "when": [
                {"name": "is a deal", "expression": "event.amount > 0"},
                {"name": "is big", "expression": "event.amount > 1000"},
            ],
            "award": {"expression": "1"},
        },
        "d-broken": {
            "event_type": "deal.won",
            "when": [{"name": "has a name", "expression": "event.name == 'x'"}],
            "award": {"expression": "1"},
        },
        "e-over": {"event_type": "deal.won", "award": {"expression": "1"}, "ends_at": "2027-01-01T00:00:00Z"},
        "f-negative": {"event_type": "deal.won", "award": {"expression": "1 - event.amount"}},
        "g-once": {
            "event_type": "deal.won",
            "when": [{"name": "is the third", "expression": "totals.deals == 3"}],
            "reward": "mug",
            "caps": [{"per": "month", "times": 1}],
        },
    },
    "rewards": {"mug": {"title": "A mug", "items": ["mug"], "value_minor": 500, "currency": "USD"}},
    "catalog": {"mug": {"name": "Mug", "vendor": "own", "currency": "USD", "denominations": [500]}},
}
CONFIGURATION = snapshot("prg_1", 4, definitions(BODY))
EVENT = Event("crm", "deal-1", "deal.won", Identity("crm", "ada"), AT, {"amount": 300, "share": 3})
COUNTERS = {
    ("event:deal.won", "month", MONTH): (2, 2),
    ("rule:b-part", "day", DAY): (1, 15),
    ("rule:g-once", "month", MONTH): (1, 0),
}


def recorded(configuration: Configuration = CONFIGURATION, **changes: Any) -> RecordedDecision:
    """A decision as the database gives it back."""
    seen = replace(EVENT, data={"amount": 300, "share": 3.0})
    verdict = decide(configuration, seen, ADA, Inputs(COUNTERS, 480, 480, {}), AT)
    inputs = {
        "engine": ENGINE,
        "configuration": configuration.number,
        "member_version": 1,
        "lifetime": 480,
        "balance": 480,
        "counters": [[*key[:2], key[2].isoformat(), *used] for key, used in COUNTERS.items()],
    }
    values: dict[str, Any] = {
        "n": 1,
        "revision": 1,
        "kind": "award",
        "points": verdict.points,
        "verdict": orjson.loads(orjson.dumps(verdict.as_json())),
        "inputs": orjson.loads(orjson.dumps(inputs)),
        "event": EVENT,
        "member_id": "mem_ada",
        "transaction_id": "txn_1",
        "recorded_at": AT,
    }
    return RecordedDecision(**{**values, **changes})


def rules(explained: DecisionExplained) -> dict[str, RuleExplained]:
    return {rule.rule: rule for rule in explained.rules}


def test_a_rule_that_matched_is_explained_with_its_arithmetic_and_its_caps() -> None:
    explained = explain(recorded(), CONFIGURATION, ADA)

    assert explained.not_derived is None
    assert (explained.points, explained.totals, explained.lifetime) == (60, {"deals": 3}, 480)
    assert rules(explained)["a-fixed"] == RuleExplained(
        "a-fixed", 0, "Any deal", expression="50", raw=50, rounding="floor", rounded=50, points=50
    )
    assert rules(explained)["b-part"] == RuleExplained(
        "b-part",
        0,
        "",
        expression="event.share * 10.5",
        raw=31.5,
        rounding="half_up",
        rounded=32,
        caps=(
            CapExplained("event", 20, None, used_points=0, used_times=0, before=32, after=20, bit=True),
            CapExplained("day", 25, 9, used_points=15, used_times=1, before=20, after=10, bit=True),
        ),
        points=10,
        expires_after_days=30,
        reward="mug",
    )


def test_a_rule_that_did_not_match_is_explained_by_the_condition_that_failed() -> None:
    found = rules(explain(recorded(), CONFIGURATION, ADA))

    assert (found["c-big"].failed, found["c-big"].expression) == ("is big", "event.amount > 1000")
    assert (found["d-broken"].failed, found["d-broken"].error) == ("has a name", "KeyError: 'name'")
    assert (found["e-over"].failed, found["e-over"].expression) == ("outside its window", None)
    assert (found["f-negative"].failed, found["f-negative"].expression) == ("award", "1 - event.amount")
    assert found["f-negative"].error == "gave -299, not between 0 and 1000000000"


def test_a_reward_that_a_used_up_cap_kept_back_is_named() -> None:
    once = rules(explain(recorded(), CONFIGURATION, ADA))["g-once"]

    assert (once.matched, once.reward, once.withheld) == (True, None, "mug")
    assert once.caps == (CapExplained("month", None, 1, used_points=0, used_times=1, before=0, after=0, bit=True),)


other = snapshot(
    "prg_1", 4, definitions(BODY | {"rules": {"a-fixed": {"event_type": "deal.won", "award": {"expression": "51"}}}})
)


@pytest.mark.parametrize(
    ("decision", "configuration", "person", "reason"),
    [
        (recorded(points=61), CONFIGURATION, ADA, "another verdict"),
        (recorded(verdict={"rules": []}), CONFIGURATION, ADA, "another verdict"),
        (recorded(), other, ADA, "another verdict"),
        (recorded(), None, ADA, "not there any more"),
        (recorded(), CONFIGURATION, None, "not there any more"),
        (recorded(inputs={**recorded().inputs, "engine": 0}), CONFIGURATION, ADA, "made by engine 0"),
        (recorded(inputs={"engine": ENGINE}), CONFIGURATION, ADA, "another shape"),
        (recorded(event=replace(EVENT, data={"share": "much"})), CONFIGURATION, ADA, "another shape"),
    ],
)
def test_what_cannot_be_derived_again_is_shown_as_facts_alone(
    decision: RecordedDecision, configuration: Configuration | None, person: Person | None, reason: str
) -> None:
    explained = explain(decision, configuration, person)

    assert reason in (explained.not_derived or "")
    assert explained.rules == ()
    assert (explained.points, explained.verdict, explained.transaction_id) == (
        decision.points,
        decision.verdict,
        "txn_1",
    )


def test_a_retraction_has_facts_and_nothing_to_derive() -> None:
    taken = recorded(kind="retraction", points=-60, verdict={"retracts": "evt_1", "was": "decided"}, inputs={})

    explained = explain(taken, None, None)

    assert (explained.points, explained.not_derived, explained.rules) == (-60, None, ())


def test_a_member_who_had_left_is_the_reason() -> None:
    gone = replace(ADA, attributes={**ADA.attributes, "status": "left"})
    verdict = decide(CONFIGURATION, EVENT, gone, Inputs(COUNTERS, 480, 480, {}), AT)

    explained = explain(recorded(points=0, verdict=verdict.as_json()), CONFIGURATION, gone)

    assert (explained.reason, explained.not_derived, explained.rules) == ("member_left", None, ())
