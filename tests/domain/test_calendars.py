"""Calendars: weekly patterns, and the public holidays of a member's country."""

from datetime import date

import pytest

from domain.calendars import is_holiday, pattern, pattern_of

WEEK = ("mon", "tue", "wed", "thu", "fri")


@pytest.mark.parametrize(
    ("custom", "days"),
    [
        ({}, {0, 1, 2, 3, 4}),
        ({"working_days": "mon,tue,wed"}, {0, 1, 2}),
        ({"working_days": " Monday, SAT "}, {0, 5}),
        ({"working_days": "never"}, {0, 1, 2, 3, 4}),
        ({"working_days": 3}, {0, 1, 2, 3, 4}),
    ],
)
def test_a_member_works_on_days_of_their_own_if_they_can_be_read(custom: dict[str, object], days: set[int]) -> None:
    assert pattern_of({"custom": custom}, WEEK) == days


def test_what_is_no_weekday_is_in_no_pattern() -> None:
    assert pattern(("sun", "moonday")) == {6}


@pytest.mark.parametrize(
    ("country", "day", "is_one"),
    [
        ("DE", date(2026, 10, 3), True),
        ("DE", date(2026, 7, 4), False),
        ("US", date(2026, 11, 26), True),  # Thanksgiving: the fourth Thursday
        ("DE", date(2027, 3, 26), True),  # Good Friday moves
        ("XX", date(2026, 1, 1), False),
        (None, date(2026, 1, 1), False),
    ],
)
def test_public_holidays_are_those_of_the_country(country: str | None, day: date, is_one: bool) -> None:
    assert is_holiday(country, day) == is_one
