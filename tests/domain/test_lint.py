"""Lint: what is hardly meant is warned of, with an example that shows it; what may be meant is left alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.configurations import read_folder
from domain.definition_checks import check_definitions
from domain.definitions import Definitions
from domain.expressions import context
from domain.lint import LintCode, LintWarning, audiences, empty_audience, lint
from domain.rules import judge
from domain.samples import UNUSED
from tests.programs import definitions

NOW = datetime(2027, 3, 1, tzinfo=UTC)
TYPES = {
    "deal.won": {
        "fields": {
            "amount": {"type": "integer", "required": True, "minimum": 0, "maximum": 1000},
            "currency": {"type": "string", "required": True, "enum": ["EUR", "USD"]},
            "signed_on": {"type": "date"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
        }
    },
    "survey.submitted": {"fields": {}},
}
AGGREGATES = {
    "deals": {"event_type": "deal.won", "per": "week"},
    "surveys": {"event_type": "survey.submitted", "per": "week"},
    "sales": {"event_type": "deal.won", "per": "month", "field": "amount"},
}
ONCE = [{"per": "month", "times": 1}]


def rule(*conditions: str, award: str = "50", **more: Any) -> dict[str, Any]:
    """A rule that warns of nothing by itself."""
    when = [{"name": f"condition {n}", "expression": text} for n, text in enumerate(conditions, 1)]
    return {"event_type": "deal.won", "when": when, "award": {"expression": award}, "caps": ONCE} | more


def made(rules: dict[str, Any], **sections: Any) -> Definitions:
    found = definitions({"event_types": TYPES, "aggregates": AGGREGATES, "rules": rules, **sections})
    assert check_definitions(found) == []
    return found


def warned(rules: dict[str, Any], **sections: Any) -> list[LintWarning]:
    return lint(made(rules, **sections), NOW)


def codes(found: list[LintWarning]) -> list[tuple[str, str]]:
    return [(warning.code.value, ".".join(map(str, warning.path))) for warning in found]


# -- Never matches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "conditions",
    [
        ("event.amount > 1000",),
        ("event.currency == 'GBP'",),
        ("totals.deals == 0",),
        ("event.amount > 500", "event.amount < 400"),
        ("event.amount > 500 && event.currency == 'EUR'", "member.country == 'DE' && event.currency == 'USD'"),
        ("has(event.signed_on) && event.signed_on < '2027-01-01'", "event.signed_on >= '2027-01-01'"),
        ("has(event.score) && event.score > 0.7", "event.score < 0.65"),
        ("event.occurred_at.getHours() >= 24",),
        ("event.occurred_at.getHours() > 17", "event.occurred_at.getHours() < 9"),
    ],
)
def test_conditions_that_nothing_meets_are_told(conditions: tuple[str, ...]) -> None:
    [warning] = warned({"never": rule(*conditions)})

    assert warning.code is LintCode.NEVER_MATCHES
    assert warning.path[:2] == ("rules", "never")
    assert warning.example["event"]["type"] == "deal.won"


@pytest.mark.parametrize(
    "conditions",
    [
        ("event.amount == 1000",),
        (
            "event.amount == 123 && event.currency == 'USD'",
            "totals.deals == 3 && totals.sales >= 15000 && totals.surveys == 2",
            "member.country == 'DE' && member.department == 'Sales' && member.role in ['lead', 'head']",
            "has(event.score) && event.score == 0.75 && has(event.signed_on) && event.signed_on == '2027-05-05'",
        ),
        ("has(event.signed_on) && event.signed_on > '2027-01-01' && event.signed_on < '2027-01-03'",),
        ("event.occurred_at > timestamp('2029-05-05T00:00:00Z')",),
        ("event.occurred_at.getHours() == 11 && event.occurred_at.getDayOfWeek() == 3",),
        ("member.hired_on != null && member.hired_on < '2020-02-29'",),
        ("member.status == 'active'", "has(member.custom.level) && member.custom.level == 7"),
        ("event.amount == 1 || event.amount == 2 && event.amount == 3",),
    ],
)
def test_whatever_can_happen_is_found(conditions: tuple[str, ...]) -> None:
    assert warned({"sometimes": rule(*conditions)}) == []


@pytest.mark.parametrize("text", ["event.amount * 2 == 1999", "event.currency.matches('^X')", "event.amount % 7 == 9"])
def test_what_trying_cannot_decide_is_not_warned_of(text: str) -> None:
    assert warned({"who-knows": rule(text)}) == []


def test_a_single_hopeless_condition_is_named_with_its_place() -> None:
    [warning] = warned({"never": rule("event.amount > 5", "event.currency == 'GBP'")})

    assert warning.path == ("rules", "never", "when", 1, "expression")
    assert warning.message == "no event meets this: event.currency == 'GBP'"


def test_a_window_and_a_condition_may_contradict_each_other() -> None:
    spring = rule("event.occurred_at > timestamp('2027-06-01T00:00:00Z')", ends_at="2027-05-01T00:00:00Z")

    assert codes(warned({"spring": spring})) == [("never_matches", "rules.spring.when.0.expression")]


@pytest.mark.parametrize("state", ["draft", "retired"])
def test_rules_that_do_not_decide_are_left_alone(state: str) -> None:
    assert warned({"old": rule("event.amount > 1000", state=state, ends_at="2027-01-01T00:00:00Z")}) == []


@pytest.mark.parametrize(
    ("ends_at", "expected"),
    [("2027-03-01T00:00:00Z", [("window_over", "rules.winter.ends_at")]), ("2027-03-01T00:00:01Z", [])],
)
def test_a_window_that_is_over_is_told(ends_at: str, expected: list[tuple[str, str]]) -> None:
    found = warned({"winter": rule(starts_at="2026-12-01T00:00:00Z", ends_at=ends_at)})

    assert codes(found) == expected
    assert all(warning.example["event"]["occurred_at"] == "2026-12-01T00:00:00+00:00" for warning in found)


# -- Pays twice ----------------------------------------------------------------------------------------------------


def test_copies_whose_windows_overlap_pay_twice() -> None:
    spring = rule("event.amount > 100", starts_at="2027-03-01T00:00:00Z", ends_at="2027-06-01T00:00:00Z")
    early = rule("event.amount>100", award="60", starts_at="2027-01-01T00:00:00Z", ends_at="2027-04-01T00:00:00Z")

    [warning] = warned({"early": early, "spring": spring})

    assert codes([warning]) == [("pays_twice", "rules.spring")]
    assert warning.example["event"]["occurred_at"] == "2027-03-01T00:00:00+00:00"
    assert warning.example["event"]["data"]["amount"] > 100


@pytest.mark.parametrize(
    "second",
    [
        rule("event.amount > 100", starts_at="2027-06-01T00:00:00Z"),
        rule("event.amount > 200"),
        rule("event.amount > 100", audience="member.country == 'DE'"),
        rule("event.amount > 100", state="shadow"),
        rule("event.amount > 100") | {"award": {"expression": "1", "unit": "badges"}},
    ],
    ids=["afterwards", "other conditions", "other people", "a shadow", "another unit"],
)
def test_rules_that_stand_beside_each_other_on_purpose_are_left_alone(second: dict[str, Any]) -> None:
    first = rule("event.amount > 100", ends_at="2027-06-01T00:00:00Z")

    assert warned({"first": first, "second": second}, units={"badges": {"kind": "asset"}}) == []


def test_copies_of_which_a_group_pays_one_are_left_alone() -> None:
    rules = {"one": rule(group="deals"), "two": rule(award="60", group="deals")}

    assert warned(rules, groups={"deals": {"stacking": "best"}}) == []
    assert codes(warned(rules, groups={"deals": {}})) == [("pays_twice", "rules.two")]


def test_multipliers_that_overlap_multiply_twice() -> None:
    double = {"event_type": "deal.won", "multiplier": "2"}

    found = warned({"deal": rule(), "double": double, "double-week": {**double, "starts_at": "2027-05-03T00:00:00Z"}})

    assert codes(found) == [("pays_twice", "rules.double-week")]
    assert "both multiply" in found[0].message


# -- Caps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "path"),
    [
        ({"caps": [{"per": "day", "points": 40}]}, "rules.deal.caps.0.points"),
        ({"caps": [{"per": "month", "points": 100}, {"per": "event", "points": 49}]}, "rules.deal.caps.1.points"),
        ({"budgets": [{"per": "month", "points": 49}]}, "rules.deal.budgets.0.points"),
        ({"caps": [], "group": "inner"}, "groups.outer.caps.0.points"),
    ],
)
def test_a_limit_below_every_award_is_told(limits: dict[str, Any], path: str) -> None:
    groups = {"inner": {"within": "outer"}, "outer": {"caps": [{"per": "week", "points": 45}]}}

    [warning] = warned({"deal": rule(**limits)}, groups=groups)

    assert codes([warning]) == [("cap_below_award", path)]
    assert warning.message.endswith(" of 50")


def test_a_cap_that_cuts_only_large_awards_is_meant() -> None:
    capped = rule("event.amount >= 100", award="event.amount", caps=[{"per": "event", "points": 100}, *ONCE])

    assert warned({"deal": capped}) == []


def test_the_example_of_a_cap_is_the_least_award() -> None:
    capped = rule("event.amount >= 100", award="event.amount", caps=[{"per": "week", "points": 99}])

    [warning] = warned({"deal": capped})

    assert warning.message == "is less than rule deal awards at once: 99 of 100"
    assert warning.example["event"]["data"]["amount"] == 100


# -- A month without a bound ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "open_ended",
    [
        rule(caps=[]),
        rule(award="event.amount", caps=[{"per": "event", "points": 100}]),
        rule("totals.deals >= 3", caps=[]),
        rule("totals.surveys == 1", caps=[]),
        rule("totals.sales < 1000", caps=[]),
    ],
    ids=["no cap", "a cap per event", "from the third on", "another type's count", "a sum"],
)
def test_a_rule_that_may_pay_without_end_is_told(open_ended: dict[str, Any]) -> None:
    found = warned({"deal": open_ended})

    assert codes(found) == [("unbounded_month", "rules.deal")]


@pytest.mark.parametrize(
    "bounded",
    [
        rule(caps=[{"per": "day", "points": 500}]),
        rule(caps=[], budgets=[{"per": "year", "points": 500}]),
        rule("totals.deals == 3", caps=[]),
        rule("totals.deals <= 5 && event.amount > 3", caps=[]),
        rule(caps=[], group="inner"),
    ],
    ids=["a cap", "a budget", "the third", "the first five", "a cap of the group"],
)
def test_a_month_that_something_bounds_is_left_alone(bounded: dict[str, Any]) -> None:
    groups = {"inner": {"within": "outer"}, "outer": {"caps": [{"per": "quarter", "times": 9}]}}

    assert warned({"deal": bounded}, groups=groups) == []


def test_what_laurel_itself_tells_once_needs_no_cap() -> None:
    assert warned({"years": {"event_type": "work.anniversary", "award": {"expression": "100 * event.years"}}}) == []


# -- Groups --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stacking", ["first", "exclusive"])
def test_what_comes_after_one_that_always_pays_is_told(stacking: str) -> None:
    always = rule(caps=[], group="deals", priority=1)
    later = rule("event.amount > 500", award="90", group="deals", priority=2)

    found = warned({"a-later": later, "z-always": always}, groups={"deals": {"stacking": stacking}})

    assert ("always_left_out", "rules.a-later") in codes(found)
    [warning] = [one for one in found if one.code is LintCode.ALWAYS_LEFT_OUT]
    assert "as z-always here" in warning.message
    assert warning.example["event"]["data"]["amount"] > 500


@pytest.mark.parametrize(
    "earlier",
    [
        rule(group="deals"),
        rule("event.amount < 900", caps=[], group="deals"),
        rule("event.currency == 'EUR'", caps=[], group="deals"),
        rule("member.country == 'DE' || event.currency == 'EUR'", caps=[], group="deals"),
        rule(caps=[], group="deals", ends_at="2027-06-01T00:00:00Z"),
    ],
    ids=["capped", "small", "one currency", "two ways", "ends"],
)
def test_what_has_its_turn_now_and_then_is_left_alone(earlier: dict[str, Any]) -> None:
    rules = {"earlier": earlier, "later": rule("event.amount > 500", award="90", group="deals", priority=2)}

    found = warned(rules, groups={"deals": {"stacking": "first"}})

    assert LintCode.ALWAYS_LEFT_OUT not in {warning.code for warning in found}


def test_a_multiplier_without_anything_to_multiply_is_told() -> None:
    double = {"event_type": "deal.won", "multiplier": "2", "group": "other"}

    found = warned({"deal": rule(), "double": double}, groups={"other": {}})

    assert codes(found) == [("multiplies_nothing", "rules.double.multiplier")]


# -- All of them ---------------------------------------------------------------------------------------------------


def test_audiences_are_for_whoever_knows_the_members() -> None:
    found = made({"deal": rule(audience="member.country == 'DE'"), "old": rule(audience="true", state="retired")})

    [(path, text)] = audiences(found).items()
    warning = empty_audience(found, path)

    assert (path, text) == (("rules", "deal", "audience"), "member.country == 'DE'")
    assert warning.code is LintCode.EMPTY_AUDIENCE
    assert warning.example["member"] == {"country": "DE"}


def test_the_example_is_an_event_that_the_rule_matches() -> None:
    found = made({"deal": rule("event.amount > 700", "member.country == 'DE'", "totals.surveys == 2", caps=[])})
    [warning] = lint(found, NOW)

    shown, member = warning.example["event"], warning.example["member"]
    using = context(shown["data"], member, warning.example["totals"])

    assert judge(found.rules["deal"], datetime.fromisoformat(shown["occurred_at"]), using, UNUSED).points == 50


def test_the_sample_company_has_no_warnings() -> None:
    assert codes(lint(read_folder(Path("config")), NOW)) == []
