"""Groups: what rules pay beside each other, with multipliers, ceilings and caps; every step is told and adds up."""

import decimal
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.configuration import Configuration
from domain.counters import Counts, counts_as_json
from domain.deciding import ENGINE, Inputs, Person, Verdict, decide
from domain.definitions import snapshot
from domain.events import Event, Identity
from domain.explanations import RecordedDecision, explain
from tests.programs import definitions

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = date(2026, 3, 4)
ADA = Person("mem_ada", 1, "UTC", {"time_zone": "UTC", "status": "active", "department": "Sales", "country": "DE"})
DEAL = Event("crm", "deal-1", "deal.won", Identity("crm", "ada"), AT, {"amount": 300})


def configured(rules: Mapping[str, Any], groups: Mapping[str, Any] | None = None) -> Configuration:
    """A program of these rules for one event type; a rule is written as its award, or with what else it has."""
    written = {
        key: {
            "event_type": "deal.won",
            **({"award": {"expression": str(rule)}} if isinstance(rule, int | float) else rule),
        }
        for key, rule in rules.items()
    }
    fields = {"amount": {"type": "integer"}}
    return snapshot(
        "prg_1",
        1,
        definitions({"event_types": {"deal.won": {"fields": fields}}, "rules": written, "groups": dict(groups or {})}),
    )


def award(amount: float | str, **more: Any) -> dict[str, Any]:
    rounding = {"rounding": more.pop("rounding")} if "rounding" in more else {}
    return {"award": {"expression": str(amount), **rounding}, **more}


def decided(configuration: Configuration, **used: Any) -> Verdict:
    return decide(configuration, DEAL, ADA, Inputs(used.get("counters", {}), 0, 0, {}, {}, used.get("shared", {})), AT)


def paid(rules: Mapping[str, Any], groups: Mapping[str, Any] | None = None, **used: Any) -> dict[str, int]:
    return {result.rule: result.points for result in decided(configured(rules, groups), **used).results}


def recorded(verdict: Verdict, used: Counts) -> RecordedDecision:
    """The decision as the database gives it back, whose counters of the member and of all were the same."""
    inputs = {
        "engine": ENGINE,
        "lifetime": 0,
        "balance": 0,
        "counters": counts_as_json(used),
        "shared": counts_as_json(used),
    }
    kept = orjson.loads(orjson.dumps(verdict.as_json()))
    return RecordedDecision(1, 1, "award", verdict.points, kept, inputs, DEAL, "mem_ada", None, AT)


# -- Stacking ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stacking", "expected"),
    [
        ("sum", {"a": 10, "b": 30, "c": 20}),
        ("best", {"a": 0, "b": 30, "c": 0}),
        ("first", {"a": 0, "b": 0, "c": 20}),
        ("exclusive", {"a": 0, "b": 0, "c": 20}),
    ],
)
def test_a_groups_stacking_says_which_of_its_rules_pay(stacking: str, expected: dict[str, int]) -> None:
    """The rule c comes first, because its priority is the lowest."""
    rules = {"a": award(10, group="g"), "b": award(30, group="g"), "c": award(20, group="g", priority=-1)}

    assert paid(rules, {"g": {"stacking": stacking}}) == expected


def test_what_stands_beside_an_exclusive_group_pays_nothing_when_it_pays() -> None:
    rules = {"alone": award(10, group="g"), "other": 50, "third": award(70, group="h")}
    groups = {"g": {"stacking": "exclusive"}, "h": {}}

    assert paid(rules, groups) == {"alone": 10, "other": 0, "third": 0}
    never = {**rules, "alone": award(10, group="g", when=[{"name": "is big", "expression": "event.amount > 999"}])}
    assert paid(never, groups) == {"alone": 0, "other": 50, "third": 70}


def test_who_is_left_out_is_told_with_the_group_that_did_it() -> None:
    verdict = decided(configured({"a": award(1, group="g"), "b": award(2, group="g")}, {"g": {"stacking": "best"}}))

    assert verdict.as_json()["rules"] == [
        {"rule": "a", "version": 0, "points": 0, "raw": 1, "rounded": 1, "left_out": ["g", "best"]},
        {"rule": "b", "version": 0, "points": 2},
    ]


def test_what_a_cap_keeps_back_leaves_the_place_to_the_next() -> None:
    rules = {"a": award(10, group="g", caps=[{"per": "day", "times": 1}]), "b": award(5, group="g")}
    counters = {("rule:a", "day", DAY): (1, 10)}

    assert paid(rules, {"g": {"stacking": "first"}}, counters=counters) == {"a": 0, "b": 5}


def test_a_group_within_another_is_weighed_as_one() -> None:
    rules = {"a": award(10, group="in"), "b": award(15, group="in"), "c": award(20, group="out")}
    groups = {"out": {"stacking": "best"}, "in": {"within": "out"}}

    assert paid(rules, groups) == {"a": 10, "b": 15, "c": 0}


def test_groups_stand_in_the_order_of_priority_among_the_rules() -> None:
    rules = {"a": award(10, group="in"), "c": award(20, group="out")}

    assert paid(rules, {"out": {"stacking": "first"}, "in": {"within": "out", "priority": 5}}) == {"a": 0, "c": 20}
    assert paid(rules, {"out": {"stacking": "first"}, "in": {"within": "out", "priority": -5}}) == {"a": 10, "c": 0}


def test_rules_of_no_group_belong_to_the_default_one() -> None:
    assert paid({"a": 10, "b": 30}, {"default": {"stacking": "best"}}) == {"a": 0, "b": 30}


# -- Multipliers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({}, 30),
        ({"combining": "additive"}, 25),
        ({"ceiling": "2.2"}, 22),
        ({"combining": "additive", "ceiling": "2.2"}, 22),
        ({"ceiling": "5"}, 30),
    ],
)
def test_multipliers_are_combined_as_their_group_says_up_to_its_ceiling(group: dict[str, Any], expected: int) -> None:
    rules = {"a": 10, "half-more": {"multiplier": "1.5"}, "twice": {"multiplier": "2"}}

    assert paid(rules, {"default": group}) == {"a": expected, "half-more": 0, "twice": 0}


def test_a_multiplier_multiplies_its_own_group_and_those_within_it() -> None:
    rules = {
        "a": award(10, group="in"),
        "b": award(10, group="out"),
        "c": 10,
        "twice": {"multiplier": "2", "group": "out"},
    }

    assert paid(rules, {"out": {}, "in": {"within": "out"}}) == {"a": 20, "b": 20, "c": 10, "twice": 0}


def test_the_ceiling_of_the_outer_group_bounds_what_all_multiply_together() -> None:
    rules = {
        "a": award(10, group="in"),
        "three": {"multiplier": "3", "group": "in"},
        "two": {"multiplier": "2", "group": "out"},
    }

    assert paid(rules, {"out": {"ceiling": "4"}, "in": {"within": "out", "ceiling": "2.5"}})["a"] == 40


@pytest.mark.parametrize(("rounding", "expected"), [("floor", 2), ("ceiling", 3), ("half_up", 3), ("half_even", 2)])
def test_a_product_is_rounded_once_as_its_group_says(rounding: str, expected: int) -> None:
    """The rounding of the rule itself, upwards, is not asked: it would give 3 whatever the group says."""
    rules = {"a": award(2.5, rounding="ceiling"), "same": {"multiplier": "1.0"}}

    assert paid(rules, {"default": {"rounding": rounding}})["a"] == expected


def test_products_are_decimal_and_floats_never_decide() -> None:
    """As floats, 1.1 * 1.1 * 100 is 121.00000000000001, and 0.1 + 0.2 is more than 0.3."""
    rules = {"a": award(100), "x": {"multiplier": "1.1"}, "y": {"multiplier": "1.1"}}

    assert paid(rules, {"default": {"rounding": "ceiling"}})["a"] == 121


def test_a_multiplier_whose_conditions_do_not_hold_multiplies_nothing() -> None:
    never = {"multiplier": "2", "when": [{"name": "is big", "expression": "event.amount > 999"}]}

    assert paid({"a": award(2.5, rounding="ceiling"), "never": never}, {"default": {"rounding": "floor"}})["a"] == 3


def test_a_product_beyond_any_award_is_no_award() -> None:
    verdict = decided(configured({"a": 900_000_000, "twice": {"multiplier": "2"}}))

    assert verdict.points == 0
    assert verdict.results[0].failed == "award"
    assert verdict.results[0].error == "gave 1800000000 after multiplying, not between 0 and 1000000000"


def test_a_rules_own_caps_and_budgets_come_after_its_multipliers() -> None:
    rules = {
        "a": award(30, caps=[{"per": "event", "points": 50}]),
        "b": award(30, budgets=[{"points": 100, "per": "month"}]),
        "twice": {"multiplier": "2"},
    }
    shared = {("rule:b", "month", date(2026, 3, 1)): (1, 55)}

    assert paid(rules, shared=shared) == {"a": 50, "b": 45, "twice": 0}


# -- Caps of groups ------------------------------------------------------------------------------------------------


def test_a_groups_cap_lets_its_rules_through_in_order_and_counts_them_together() -> None:
    rules = {"a": award(30, group="g"), "b": award(30, group="g", priority=-1), "c": 7}
    configuration = configured(rules, {"g": {"caps": [{"per": "day", "points": 50}]}})

    verdict = decided(configuration, counters={("group:g", "day", DAY): (1, 10)})

    assert {result.rule: result.points for result in verdict.results} == {"a": 10, "b": 30, "c": 7}
    assert verdict.moved == {("group:g", "day", DAY): (1, 40)}
    assert verdict.results[0].caps == ("g:day",)


def test_a_groups_cap_in_times_counts_events_and_bars_rewards_too() -> None:
    rules = {"a": award(30, group="g"), "b": {"reward": "mug", "group": "g"}}
    body = {
        "event_types": {"deal.won": {"fields": {"amount": {"type": "integer"}}}},
        "rules": {key: {"event_type": "deal.won", **rule} for key, rule in rules.items()},
        "groups": {"g": {"caps": [{"per": "day", "times": 2}]}},
    }
    configuration = snapshot("prg_1", 1, definitions(body))

    once = decided(configuration, counters={("group:g", "day", DAY): (1, 30)})
    used_up = decided(configuration, counters={("group:g", "day", DAY): (2, 60)})

    assert (once.points, [result.reward for result in once.results]) == (30, [None, "mug"])
    assert (used_up.points, [result.reward for result in used_up.results], used_up.moved) == (0, [None, None], {})


# -- States and audiences ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["draft", "retired"])
def test_drafts_and_the_retired_are_not_judged(state: str) -> None:
    verdict = decided(configured({"a": award(10, state=state, caps=[{"per": "day", "times": 1}]), "b": 5}))

    assert [result.rule for result in verdict.results] == ["b"]


def test_a_shadow_is_recorded_with_what_it_would_have_paid_and_pays_nothing() -> None:
    shadow = award(40, state="shadow", caps=[{"per": "event", "points": 30}], budgets=[{"points": 10, "per": "day"}])
    verdict = decided(configured({"a": shadow, "b": 5, "twice": {"multiplier": "2", "state": "shadow"}}))

    assert (verdict.points, verdict.moved, verdict.shared) == (5, {}, {("shadow:a", "day", DAY): (1, 10)})
    assert [kept["rule"] for kept in verdict.as_json()["shadows"]] == ["a", "twice"]
    assert verdict.as_json()["shadows"][0]["points"] == 10


def test_a_shadow_uses_up_its_own_limits_and_no_others() -> None:
    limited = award(40, caps=[{"per": "day", "points": 50}], budgets=[{"points": 90, "per": "day"}])
    configuration = configured({"a": {**limited, "state": "shadow"}})

    first = decided(configuration)
    second = decided(configuration, counters=first.moved, shared=first.shared)
    promoted = decided(configured({"a": limited}), counters=first.moved, shared=first.shared)

    assert first.moved == {("shadow:a", "day", DAY): (1, 40)}
    assert [result.points for result in (*first.shadows, *second.shadows)] == [40, 10]
    assert promoted.points == 40


def test_a_program_may_have_nothing_but_shadows() -> None:
    assert decided(configured({"a": award(40, state="shadow")})).as_json() == {
        "rules": [],
        "shadows": [{"rule": "a", "version": 0, "points": 40}],
    }


@pytest.mark.parametrize(
    ("audience", "failed", "error"),
    [
        ("member.department == 'Sales'", None, None),
        ("member.country in ['FR']", "not in its audience", None),
        ("member.role.startsWith('A')", "not in its audience", "KeyError: 'role'"),
    ],
)
def test_only_the_audience_is_awarded(audience: str, failed: str | None, error: str | None) -> None:
    [result] = decided(configured({"a": award(10, audience=audience)})).results

    assert (result.failed, result.error) == (failed, error)


# -- Every number is told ------------------------------------------------------------------------------------------

numbers = st.integers(0, 500) | st.decimals(0, 500, places=2).map(float)
keys = st.sampled_from(["a", "b", "c"])
caps = st.lists(
    st.fixed_dictionaries({"per": st.sampled_from(["event", "day"]), "points": st.integers(1, 400)}),
    max_size=2,
    unique_by=lambda cap: cap["per"],
)
budgets = st.lists(st.just({"per": "day", "points": 300}), max_size=1)
roundings = st.sampled_from(["floor", "ceiling", "half_up", "half_even"])
awarding = st.builds(
    lambda amount, **more: award(amount, **more),
    numbers,
    group=keys,
    caps=caps,
    budgets=budgets,
    rounding=roundings,
    priority=st.integers(-1, 1),
)
multiplying = st.fixed_dictionaries({"multiplier": st.decimals(0, 3, places=2).map(str), "group": keys})
groups = st.fixed_dictionaries(
    {
        key: st.fixed_dictionaries(
            {
                "stacking": st.sampled_from(["sum", "best", "first", "exclusive"]),
                "combining": st.sampled_from(["additive", "multiplicative"]),
                "ceiling": st.sampled_from([None, "1", "2.5"]),
                "rounding": roundings,
                "within": st.sampled_from([None, *within]),
                "caps": caps,
            }
        )
        for key, within in (("a", ()), ("b", ("a",)), ("c", ("a", "b")))
    }
)


@given(
    rules=st.lists(awarding, min_size=1, max_size=5),
    multipliers=st.lists(multiplying, max_size=3),
    groups=groups,
    had=st.integers(0, 500),
)
def test_the_arithmetic_goes_step_by_step_from_every_award_to_what_is_granted(
    rules: list[dict[str, Any]], multipliers: list[dict[str, Any]], groups: dict[str, Any], had: int
) -> None:
    named = {f"r{n}": rule for n, rule in enumerate(rules)} | {f"m{n}": rule for n, rule in enumerate(multipliers)}
    configuration = configured(named, groups)
    used = {(f"{kind}:{key}", "day", DAY): (1, had) for kind, key in (("group", "a"), ("group", "b"), ("rule", "r0"))}

    verdict = decided(configuration, counters=used, shared=used)
    explained = explain(recorded(verdict, used), configuration, ADA)

    assert explained.not_derived is None
    assert verdict.points == sum(rule.points for rule in explained.rules)
    for rule in explained.rules:
        if rule.multiplies or not rule.matched:
            assert rule.points == 0
            continue
        factors = [Decimal(1), *(Decimal(step.after) for step in rule.multiplied)]
        assert [Decimal(step.before) for step in rule.multiplied] == factors[:-1]
        if rule.multiplied:
            mode = getattr(decimal, f"ROUND_{(rule.rounding or '').upper()}")
            product = Decimal(repr(rule.raw)) * factors[-1]
            assert rule.rounded == int(product.to_integral_value(mode))
        amounts = [rule.rounded, *(limit.after for limit in rule.caps)]
        assert [limit.before for limit in rule.caps] == amounts[:-1]
        assert rule.points == (0 if rule.left_out else amounts[-1])
    for key in ("a", "b"):
        limits = {cap["per"]: cap["points"] for cap in groups[key]["caps"]}
        moved = verdict.moved.get((f"group:{key}", "day", DAY), (0, 0))[1]
        assert moved <= max(0, limits.get("day", 10**9) - had)
