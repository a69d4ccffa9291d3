"""What an expression may be, before any event comes."""

from typing import Any

import pytest

from domain.expressions import (
    MAX_EXPRESSION_LENGTH,
    ExpressionError,
    check,
    context,
    evaluate,
    fields_used,
    is_read_whole,
    literals,
    totals_used,
)


@pytest.mark.parametrize(
    "text",
    [
        "50",
        "event.amount >= 1000 && member.country in ['US', \"DE\"]",
        "has(member.custom.level) && totals.deals > 2",
        "event.name == 'x.map(y)'",
        "event.occurred_at.getDayOfWeek() == 1 // .exists(no loop)",
        "double(event.amount) / 3.0",
    ],
)
def test_a_sound_expression_passes(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("event.amount >", "line 1, character 15: "),
        ("event.amount **\n2", "line 1, character 15: "),
        ("", "line 1"),
        ("amount > 5", "unknown name amount: an expression sees event, member and totals"),
        ("abs(event.amount)", "unknown function abs: known are contains, "),
        ("event['amount'] > 5", r"access by \[...\] is not offered"),
        ("[1, 2].exists(event, event > 1)", r"exists\(...\) is not offered"),
        ("[1].map(event, [2] . map (member, 3))", r"map\(...\) is not offered"),
        ("event.a == '\\'' && [1].all(event, true)", r"all\(...\) is not offered"),
        ("1" * (MAX_EXPRESSION_LENGTH + 1), "longer than 1000 characters"),
        ("(" * 450 + "1" + ")" * 450, "line 1"),
    ],
)
def test_an_expression_that_cannot_be_sound_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        check(text)


def test_what_an_expression_reads_and_compares_with_is_known() -> None:
    text = "event.kind == 'a.b' && has(event.score) && event.score > 90 && member.custom.level == totals.deals + 0.5"

    assert fields_used(text, "event") == {"kind", "score"}
    assert fields_used(text, "member") == {"custom"}
    assert fields_used(text, "member.custom") == {"level"}
    assert totals_used(text) == {"deals"}
    assert literals(text) == (frozenset({"a.b"}), frozenset({90}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("event.nothing", "KeyError: 'nothing'"),
        ("event.amount / 0", "ZeroDivisionError"),
        ("event.amount * 0.5", "TypeError"),
        ("9223372036854775807 + event.amount", "OverflowError"),
        ("member.country.startsWith('U')", "RuntimeError"),
    ],
)
def test_what_fails_on_an_event_says_why(text: str, reason: str) -> None:
    using = context({"amount": 3}, {"country": None}, {})

    with pytest.raises(ExpressionError, match=reason):
        evaluate(text, using)


@pytest.mark.parametrize(
    ("text", "value"), [("event.amount / 2", 1), ("double(event.amount) / 2.0", 1.5), ("1 < 2", True)]
)
def test_an_expression_has_the_value_of_its_event(text: str, value: Any) -> None:
    assert evaluate(text, context({"amount": 3}, {}, {})) == value


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("event.amount > 1 && event.kind == 'event'", False),
        ("event .amount > 1", True),
        ("size(event) > 1", True),
        ("'event' in ['a'] // event", False),
        ("has(event.amount)", False),
        ("member.event == 1", False),
    ],
)
def test_an_expression_that_names_the_event_itself_reads_it_whole(text: str, whole: bool):
    assert is_read_whole(text, "event") is whole
