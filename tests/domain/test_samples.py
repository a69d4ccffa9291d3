"""Trying a rule before it counts: what breaks in some situation is found, and what cannot break is left alone."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.configuration import Aggregate, Award, Condition, EventType, Field, Period, Rule
from domain.samples import MAX_SITUATIONS, breakages, situations
from domain.schemas import CHECKS, faults

DEAL = EventType(
    "deal.won",
    1,
    {
        "amount": Field("integer", required=True, minimum=0, maximum=10**9),
        "currency": Field("string", required=True, max_length=3),
        "kind": Field("string", enum=("new", "renewal")),
        "score": Field("number", minimum=0, maximum=100),
        "signed_at": Field("timestamp"),
        "pilot": Field("boolean"),
    },
)
TOTALS = {
    "deals": Aggregate("deals", "deal.won", Period.WEEK),
    "courses": Aggregate("courses", "course.completed", Period.WEEK),
    "sum": Aggregate("sum", "deal.won", Period.WEEK, field="amount"),
}


def rule(*conditions: str, award: str = "1") -> Rule:
    when = tuple(Condition(f"condition {n}", text) for n, text in enumerate(conditions))
    return Rule("r", 1, "deal.won", when=when, award=Award(award))


@pytest.mark.parametrize(
    "sound",
    [
        rule("event.amount >= 100000", award="double(event.amount) / 1000.0"),
        rule("has(event.score)", "event.score > 50", award="event.score * 2.0"),
        rule("has(event.kind) && event.kind == 'renewal'", award="event.amount / 10"),
        rule("event.amount > 0", award="1000 / event.amount"),
        rule("totals.deals > 1", award="100 / (totals.deals - 1)"),
        rule("totals.courses >= 1", award="10 / totals.courses"),
        rule("member.country == 'US' && member.department in ['Sales']"),
        rule("member.country != null && member.country.startsWith('U')"),
        rule("has(member.custom.level) && member.custom.level > 3"),
        rule("has(event.signed_at) && event.signed_at > timestamp('2027-01-01T00:00:00Z')"),
        rule("has(event.pilot) ? !event.pilot : true"),
        rule("event.occurred_at.getDayOfWeek() == 5", award="event.occurred_at.getHours()"),
        rule("event.source == 'crm'", "event.type == 'deal.won'", award="totals.sum"),
        rule("event.currency == 'EUR' && event.amount == 12345 && totals.deals == 3", award="totals.deals"),
    ],
    ids=lambda rule: " / ".join([*(c.expression for c in rule.when), rule.award.expression]),
)
def test_a_rule_that_cannot_break_passes(sound: Rule) -> None:
    assert breakages(sound, DEAL, TOTALS) == []


@pytest.mark.parametrize(
    ("broken", "name", "cause"),
    [
        (rule("event.score > 50"), "condition 0", "KeyError: 'score' when event.score is absent"),
        (rule("event.amount > 5", award="event.total"), "award", "KeyError: 'total' when event.amount is"),
        (rule("event.amount > 0.5 * 3"), "condition 0", "TypeError"),
        (rule("event.amount"), "condition 0", "gave int, not true or false"),
        (rule(award="'ten'"), "award", "gave 'ten', not a number"),
        (rule(award="event.amount - 10"), "award", "gave -9, not between 0 and 1000000000"),
        (rule(award="event.amount * 2"), "award", "gave 2000000000, not between 0 and 1000000000"),
        (
            rule(award="100 / event.amount"),
            "award",
            "ZeroDivisionError: division by zero in CEL expression when event.amount is 0",
        ),
        (rule(award="10 / totals.courses"), "award", "ZeroDivisionError"),
        (rule("totals.deals > 6", award="12 / (totals.deals - 7)"), "award", "ZeroDivisionError"),
        (rule("member.country.startsWith('U')"), "condition 0", "when member.country is null"),
        (rule("member.custom.level > 3"), "condition 0", "KeyError: 'level' when member.custom.level is absent"),
        (rule("has(event.kind)", "event.kind > 3"), "condition 1", "TypeError"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_breaks_in_some_situation_is_found(broken: Rule, name: str, cause: str) -> None:
    found = breakages(broken, DEAL, TOTALS)

    assert [breakage.name for breakage in found] == [name]
    assert cause in found[0].cause


def test_an_expression_whose_turn_never_comes_is_tried_alone() -> None:
    never = rule("event.currency == 'EURO'", "event.nothing > 1", award="event.amount * 0.5")

    assert [breakage.name for breakage in breakages(never, DEAL, TOTALS)] == ["condition 1", "award"]


def test_an_expression_whose_turn_never_comes_and_that_works_somewhere_passes() -> None:
    assert breakages(rule("event.currency == 'EURO'", award="10 / (event.amount - 3)"), DEAL, TOTALS) == []


numbers = st.integers(-(10**6), 10**6)
schema_fields = st.builds(
    Field,
    type=st.sampled_from(sorted(CHECKS)),
    required=st.booleans(),
    minimum=st.none() | st.integers(-(10**6), -1),
    maximum=st.none() | st.integers(1, 10**6),
    max_length=st.integers(1, 30),
)


@given(st.dictionaries(st.sampled_from("abcdefgh"), schema_fields, max_size=8), st.lists(numbers, max_size=3))
def test_every_situation_fits_the_schema_and_there_are_not_too_many(
    fields: dict[str, Field], compared: list[int]
) -> None:
    event_type = EventType("any", 1, fields)
    reads = [f"event.{name} == {number}" for name in fields for number in compared or [0]]

    found = list(situations(rule(*reads), event_type, {}))

    assert 1 <= len(found) <= MAX_SITUATIONS
    for situation in found:
        sent = {name: as_sent(value) for name, value in situation.event.items() if name in fields}
        assert faults(event_type, sent) == []


def as_sent(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def test_each_edge_of_a_field_that_is_read_is_visited() -> None:
    reads = rule("event.amount > 700", "has(event.kind) && has(event.pilot) && event.currency == 'EUR'")

    found = [situation.event for situation in situations(reads, DEAL, TOTALS)]

    assert {0, 10**9, 699, 700, 701} <= {event["amount"] for event in found}
    assert {"new", "renewal", None} == {event.get("kind") for event in found}
    assert {True, False, None} == {event.get("pilot") for event in found}
    assert {"EUR", "", "xxx"} <= {event["currency"] for event in found}
