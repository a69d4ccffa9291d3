"""Employment: each anniversary, probation and promotion is told once, and what was wrong is put right."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import employment
from domain.derived import MEMBER_PROMOTED, PROBATION_ENDED, WORK_ANNIVERSARY
from domain.employment import LATE, Fact, Promotion, Settlement, Telling, TellingState, facts_of_dates, settle

TODAY = date(2026, 3, 10)
SINCE = TODAY - LATE
DAYS = st.dates(date(2015, 1, 1), date(2026, 12, 31))


class Told:
    """All that was told of one member, run after run."""

    def __init__(self) -> None:
        self.tellings: list[Telling] = []

    def run(self, holds: list[Fact], since: date = SINCE) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """What is told and what is taken back now, each as name and day."""
        found = settle("mem_1", holds, self.tellings, since=since)
        gone = [replace(one, state=TellingState.WITHDRAWN) for one in found.withdrawn]
        kept = [one for one in self.tellings if one not in found.withdrawn]
        self.tellings = [*kept, *gone, *found.told]
        return _days(found.told), _days(found.withdrawn)

    def leave(self) -> None:
        self.tellings = [
            replace(one, state=TellingState.CLOSED) if one.state is TellingState.STANDING else one
            for one in self.tellings
        ]

    @property
    def standing(self) -> list[tuple[str, str]]:
        return _days([one for one in self.tellings if one.state is TellingState.STANDING])


def _days(tellings: object) -> list[tuple[str, str]]:
    return [(one.name, one.data["on"]) for one in tellings]  # type: ignore[attr-defined]


def hired(on: date, today: date = TODAY) -> list[Fact]:
    return facts_of_dates(on, None, today)


@pytest.mark.parametrize(
    ("hired_on", "years", "day"),
    [
        (date(2020, 3, 10), 6, date(2026, 3, 10)),
        (date(2024, 2, 29), 1, date(2025, 2, 28)),
        (date(2024, 2, 29), 4, date(2028, 2, 29)),
        (date(1999, 12, 31), 1, date(2000, 12, 31)),
    ],
)
def test_an_anniversary_is_on_the_day_of_hire_or_the_last_of_february(hired_on: date, years: int, day: date) -> None:
    assert employment.anniversary(hired_on, years) == day


def test_an_anniversary_is_told_on_its_day_and_never_again() -> None:
    told = Told()

    assert told.run(hired(date(2020, 3, 10), TODAY - timedelta(days=1))) == ([], [])
    assert told.run(hired(date(2020, 3, 10))) == ([("6", "2026-03-10")], [])
    assert told.run(hired(date(2020, 3, 10), TODAY + timedelta(days=20))) == ([], [])


def test_the_day_of_hire_is_no_anniversary_and_old_ones_are_not_told() -> None:
    assert Told().run(hired(TODAY)) == ([], [])
    assert Told().run(hired(date(2010, 7, 1))) == ([], [])


def test_one_that_nobody_knew_of_is_told_while_it_is_not_too_late() -> None:
    assert Told().run(hired(date(2021, 1, 5))) == ([("5", "2026-01-05")], [])


def test_a_corrected_day_of_hire_takes_back_the_wrong_one_and_tells_the_right_one() -> None:
    told = Told()
    told.run(hired(date(2020, 3, 10)))

    later = told.run(hired(date(2020, 5, 1)))
    nothing = told.run(hired(date(2020, 5, 1)))
    then = told.run(hired(date(2020, 5, 1), date(2026, 5, 1)))

    assert (later, nothing) == (([], [("6", "2026-03-10")]), ([], []))
    assert then == ([("6", "2026-05-01")], [])


def test_the_right_one_is_told_even_if_it_was_long_ago() -> None:
    told = Told()
    told.run(hired(date(2020, 3, 10)))

    assert told.run(hired(date(2020, 4, 1), date(2026, 3, 11))) == ([], [("6", "2026-03-10")])
    assert told.run(hired(date(2019, 4, 1), date(2026, 3, 12))) == ([("6", "2025-04-01")], [])


def test_a_correction_that_is_corrected_is_told_under_another_name() -> None:
    told = Told()
    for on in (date(2020, 3, 10), date(2020, 3, 9), date(2020, 3, 10)):
        told.run(hired(on))

    names = [employment.event(one, "UTC").external_id for one in told.tellings]

    assert told.standing == [("6", "2026-03-10")]
    assert len(set(names)) == 3


def test_probation_ends_once_and_another_day_takes_its_place() -> None:
    told = Told()

    assert told.run(facts_of_dates(None, TODAY, TODAY)) == ([("probation", "2026-03-10")], [])
    assert told.run(facts_of_dates(None, TODAY + timedelta(days=30), TODAY)) == ([], [("probation", "2026-03-10")])
    assert told.run(facts_of_dates(None, None, TODAY)) == ([], [])


def test_a_promotion_that_was_none_is_taken_back() -> None:
    told = Told()
    promotion = Promotion(TODAY, "Lead", "Engineer")

    assert told.run(employment.facts_of_promotions([promotion], TODAY)) == ([("2026-03-10", "2026-03-10")], [])
    assert told.run([]) == ([], [("2026-03-10", "2026-03-10")])
    assert told.run(employment.facts_of_promotions([replace(promotion, on=TODAY + timedelta(days=1))], TODAY)) == (
        [],
        [],
    )


def test_two_promotions_on_one_day_are_told_as_the_last_of_them() -> None:
    both = [Promotion(TODAY, "Senior", "Engineer"), Promotion(TODAY, "Lead", "Senior")]
    found = settle("mem_1", employment.facts_of_promotions(both, TODAY), [], since=SINCE)

    assert [one.data["role"] for one in found.told] == ["Lead"]


def test_who_is_hired_again_begins_anew_and_keeps_what_was_told() -> None:
    told = Told()
    told.run(hired(date(2020, 3, 10)))
    told.leave()

    again = told.run(hired(date(2026, 6, 1), date(2026, 6, 1)))
    a_year_later = told.run(hired(date(2026, 6, 1), date(2027, 6, 1)))

    assert again == ([], [])
    assert a_year_later == ([("1", "2027-06-01")], [])


def test_who_comes_back_with_the_old_day_of_hire_is_not_told_of_the_same_anniversary_again() -> None:
    told = Told()
    told.run(hired(date(2020, 3, 10)))
    told.leave()

    assert told.run(hired(date(2020, 3, 10), TODAY + timedelta(days=5))) == ([], [])


def test_of_what_was_told_as_two_members_the_first_stays() -> None:
    [fact] = facts_of_dates(None, TODAY, TODAY)
    ours, theirs = (Telling(whose, fact.type, fact.name, 1, fact.data) for whose in ("mem_1", "mem_2"))
    closed = replace(theirs, state=TellingState.CLOSED)

    assert settle("mem_1", [fact], [theirs, ours], since=SINCE) == Settlement((), (ours,))
    assert settle("mem_1", [fact], [ours, closed], since=SINCE) == Settlement((), (ours,))


@given(st.lists(st.tuples(DAYS, st.integers(0, 40)), min_size=1, max_size=8))
def test_after_every_run_each_year_is_told_at_most_once_and_only_as_it_is(runs: list[tuple[date, int]]) -> None:
    """Whatever the day of hire is corrected to, and however often somebody looks."""
    told, today = Told(), TODAY
    for hired_on, days in runs:
        today += timedelta(days=days)
        told.run(hired(hired_on, today), today - LATE)
        holds = {(fact.name, fact.on.isoformat()) for fact in hired(hired_on, today)}

        assert set(told.standing) <= holds
        assert len({name for name, _ in told.standing}) == len(told.standing)
        assert {one for one in holds if one[1] >= str(today - LATE)} <= set(told.standing)


def test_facts_are_events_at_the_beginning_of_their_day_where_the_member_is() -> None:
    [fact] = facts_of_dates(None, TODAY, TODAY)
    telling = Telling("mem_1", fact.type, fact.name, 1, fact.data)

    event = employment.event(telling, "America/New_York")

    assert (event.type, event.occurred_at) == (PROBATION_ENDED, datetime(2026, 3, 10, 4, tzinfo=UTC))
    assert (event.external_id, event.data) == ("probation.ended:mem_1:probation", {"on": "2026-03-10"})


def test_the_three_kinds_have_types_of_their_own() -> None:
    dates = facts_of_dates(date(2020, 3, 10), TODAY, TODAY)
    [promotion] = employment.facts_of_promotions([Promotion(TODAY, "Lead", None)], TODAY)

    assert {fact.type for fact in (*dates, promotion)} == {WORK_ANNIVERSARY, PROBATION_ENDED, MEMBER_PROMOTED}
    assert promotion.data == {"on": "2026-03-10", "role": "Lead"}
