"""Celebrations: days that are told are celebrated once, at their hour, and birthdays without a year."""

from datetime import date

import pytest

from domain import employment
from domain.celebrations import (
    MAX_WORDS_LENGTH,
    Occasion,
    WordsRefused,
    check_words,
    is_celebrated,
)
from domain.derived import MEMBER_BIRTHDAY, PROBATION_ENDED, WORK_ANNIVERSARY
from domain.employment import Telling, TellingState, facts_of_birthday
from domain.notifications import Celebrations
from domain.sentences import english

TODAY = date(2026, 3, 10)
WITHDRAWN, CLOSED = TellingState.WITHDRAWN, TellingState.CLOSED


def telling(on: str, state: TellingState = TellingState.STANDING, type: str = WORK_ANNIVERSARY) -> Telling:
    return Telling("mem_1", type, "5", 1, {"on": on, "years": 5}, state)


@pytest.mark.parametrize(
    ("on", "before", "expected"),
    [
        ("2026-03-10", [], True),
        # Found late, or after the date of hire was corrected.
        ("2026-02-07", [], True),
        ("2026-02-06", [], False),
        # It was celebrated on a day that turned out to be wrong: by a day, and by months.
        ("2026-03-10", [telling("2026-03-09", WITHDRAWN)], False),
        ("2026-03-10", [telling("2025-10-01", WITHDRAWN)], True),
        # Years of another employment count for themselves.
        ("2026-03-10", [telling("2026-03-01", CLOSED)], True),
    ],
)
def test_a_day_is_celebrated_once(on: str, before: list[Telling], expected: bool) -> None:
    assert is_celebrated(telling(on), before, Celebrations(), TODAY) is expected


def test_what_the_program_does_not_celebrate_is_told_without() -> None:
    today = TODAY.isoformat()
    none = Celebrations(anniversaries=False, birthdays=False)

    assert not is_celebrated(telling(today), [], none, TODAY)
    assert not is_celebrated(telling(today, type=MEMBER_BIRTHDAY), [], none, TODAY)
    assert not is_celebrated(telling(today, type=PROBATION_ENDED), [], Celebrations(), TODAY)


def test_an_occasion_is_read_as_it_was_written() -> None:
    occasion = Occasion.of(telling("2026-03-10"))

    assert Occasion.read(occasion.reference) == occasion
    assert (occasion.kind, english(occasion.subject)) == ("celebration_anniversary", "5 years of work")


@pytest.mark.parametrize(
    ("birthday", "today", "days"),
    [
        ("03-10", date(2026, 3, 9), []),
        ("03-10", date(2026, 3, 10), ["2026-03-10"]),
        ("03-10", date(2026, 3, 13), ["2026-03-10"]),
        ("03-10", date(2026, 3, 14), []),
        ("02-29", date(2026, 2, 28), ["2026-02-28"]),
        ("02-29", date(2028, 2, 28), []),
        ("02-29", date(2028, 2, 29), ["2028-02-29"]),
        ("12-31", date(2026, 1, 2), ["2025-12-31"]),
    ],
)
def test_a_birthday_is_told_on_its_day_or_within_three(birthday: str, today: date, days: list[str]) -> None:
    assert [fact.data["on"] for fact in facts_of_birthday(birthday, today, [])] == days


def test_a_birthday_that_was_told_stays_and_one_that_is_taken_out_takes_nothing_back() -> None:
    known = [Telling("mem_1", MEMBER_BIRTHDAY, year, 1, {"on": f"{year}-03-10"}) for year in ("2024", "2025", "2026")]
    later = date(2026, 12, 1)

    holds = facts_of_birthday("03-10", later, known)

    assert [fact.name for fact in holds] == ["2025", "2026"]
    assert not employment.settle("mem_1", holds, employment.comparable(known, "03-10", later), since=later)
    assert employment.comparable(known, None, later) == []


@pytest.mark.parametrize("words", ["", "  \n ", "x" * (MAX_WORDS_LENGTH + 1), "a\x00b"])
def test_words_that_cannot_be_shown_are_refused(words: str) -> None:
    with pytest.raises(WordsRefused):
        check_words(words)


def test_words_are_one_line() -> None:
    assert check_words(" Well\n done  ") == "Well done"
