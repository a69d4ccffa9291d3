"""Streaks: what keeps one, what breaks it, and that only facts decide, in whatever order they come."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deciding import Person
from domain.game import Cadence, Freezes, Grace, OnMiss, Qualifying, StreakPolicy
from domain.streak_fold import fold, walk
from domain.streak_steps import MAX_PERIODS, step
from domain.streaks import Away, Down, Facts, Given, Mark, Streak, StreakState, knows, needed_since

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MONDAY = date(2027, 3, 1)
STRICT = Grace(missed=0)
WALKS = ("walk.done",)
DAILY = StreakPolicy("walk", 1, Cadence.DAILY, (Qualifying("walk.done"),), grace=STRICT, holidays=False)
WEEKLY = replace(DAILY, cadence=Cadence.WEEKLY)
MONTHLY = replace(DAILY, cadence=Cadence.MONTHLY)
EVERY_DAY = replace(DAILY, working_days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"))


def person(zone: str = "UTC", version: int = 1, **attributes: Any) -> Person:
    return Person("mem_1", version, zone, {"status": "active", "time_zone": zone, "custom": {}, **attributes})


def at(day: date | int, hour: float = 12, zone: str = "UTC") -> datetime:
    """So many hours into the day, by the zone's clock; a number is counted from the Monday."""
    on = day if isinstance(day, date) else MONDAY + timedelta(days=day)
    return (datetime.combine(on, time(), ZoneInfo(zone)) + timedelta(hours=hour)).astimezone(UTC)


def mark(when: datetime, amount: int = 1, arrived: datetime | None = None) -> Mark:
    return Mark(when, f"evt_{when:%y%m%d%H%M}", amount, arrived or when)


def marks(*days: date | int, zone: str = "UTC") -> list[Mark]:
    return [mark(at(day, zone=zone)) for day in days]


def facts(policy: StreakPolicy, done: Sequence[Mark], who: Person | None = None, **more: Any) -> Facts:
    return Facts([(LONG_AGO, policy)], more.pop("people", [(LONG_AGO, who or person())]), done, **more)


def away(first: int, last: int, recorded: datetime = LONG_AGO) -> Away:
    return Away(MONDAY + timedelta(days=first), MONDAY + timedelta(days=last), recorded)


def judged(streak: Streak) -> list[str]:
    return [period.judgement.value for period in streak.periods]


# -- What keeps a streak -------------------------------------------------------------------------------------------


def test_nothing_done_is_no_streak() -> None:
    assert fold(facts(DAILY, []), at(0)) == Streak()


def test_each_day_counts_and_the_weekend_asks_for_nothing() -> None:
    streak = fold(facts(DAILY, marks(3, 4, 7)), at(7, 13))

    assert (streak.current, streak.state, streak.started_on) == (3, StreakState.ACTIVE, MONDAY + timedelta(days=3))
    assert judged(streak) == ["met", "met", "day_off", "day_off", "met"]


def test_what_is_done_on_a_day_off_counts() -> None:
    assert fold(facts(DAILY, marks(4, 5, 7)), at(7, 13)).current == 3


def test_a_day_that_goes_on_breaks_nothing_and_is_the_next_deadline() -> None:
    streak = fold(facts(DAILY, marks(0, 1)), at(2, 23))

    assert (streak.current, streak.state, streak.next_deadline_at) == (2, StreakState.ACTIVE, at(3, 0))


def test_a_missed_day_breaks_it_and_the_next_one_begins_anew() -> None:
    assert fold(facts(DAILY, marks(0, 1)), at(3, 0)).state is StreakState.BROKEN

    streak = fold(facts(DAILY, marks(0, 1, 3)), at(3, 13))

    assert (streak.current, streak.longest, streak.started_on) == (1, 2, MONDAY + timedelta(days=3))
    assert [run.length for run in streak.runs] == [2, 1]


def test_what_is_broken_has_no_deadline() -> None:
    assert fold(facts(DAILY, marks(0)), at(9)).next_deadline_at is None


def test_a_period_asks_for_as_much_as_the_policy_says() -> None:
    policy = replace(WEEKLY, at_least="3")

    assert fold(facts(policy, marks(0, 1)), at(2)).current == 0
    assert fold(facts(policy, marks(0, 1, 6)), at(6, 13)).current == 1
    assert fold(facts(policy, [mark(at(0), amount=3)]), at(2)).current == 1


def test_how_much_is_asked_may_follow_from_the_member() -> None:
    policy = replace(WEEKLY, at_least="member.role == 'trainee' ? 1 : 2")

    assert fold(facts(policy, marks(0), person(role="trainee")), at(1)).current == 1
    assert fold(facts(policy, marks(0), person(role="partner")), at(1)).current == 0


def test_how_much_is_asked_is_settled_by_the_period_s_start() -> None:
    policy = replace(WEEKLY, at_least="member.role == 'trainee' ? 1 : 2")
    people = [(LONG_AGO, person(role="trainee")), (at(2), person(version=2, role="partner"))]

    assert fold(facts(policy, marks(0, 7), people=people), at(8)).current == 1
    assert judged(fold(facts(policy, marks(0, 7), people=people), at(14))) == ["met", "missed"]


@pytest.mark.parametrize("broken", ["member.nonsense + 1", "'many'", "-4", "true"])
def test_where_nothing_can_be_asked_one_is(broken: str) -> None:
    assert fold(facts(replace(DAILY, at_least=broken), marks(0)), at(0, 13)).current == 1


def test_a_policy_that_changes_asks_anew_from_the_next_period_on() -> None:
    versions = [(LONG_AGO, WEEKLY), (at(9), replace(WEEKLY, at_least="2"))]
    known = facts(WEEKLY, marks(0, 7, 14))._replace(policies=versions)

    assert judged(fold(known, at(21, 1))) == ["met", "met", "missed"]


# -- Grace, freezes, decay -----------------------------------------------------------------------------------------


def test_grace_forgives_so_many_periods_within_its_window() -> None:
    policy = replace(EVERY_DAY, grace=Grace(missed=1, window=4))

    assert judged(fold(facts(policy, marks(0, 2, 3, 5)), at(5, 13))) == [
        "met",
        "forgiven",
        "met",
        "met",
        "missed",
        "met",
    ]
    assert fold(facts(policy, marks(0, 2, 3, 4, 6)), at(6, 13)).current == 5


def test_a_forgiven_period_puts_it_at_risk_until_the_next_one_ends() -> None:
    policy = replace(EVERY_DAY, grace=Grace(missed=1, window=4))

    streak = fold(facts(policy, marks(0, 1)), at(3, 1))

    assert (streak.state, streak.current, streak.grace_until) == (StreakState.AT_RISK, 2, at(4, 0))
    assert fold(facts(policy, marks(0, 1, 3)), at(3, 13)).state is StreakState.ACTIVE
    assert fold(facts(policy, marks(0, 1)), at(4, 0)).state is StreakState.BROKEN


def test_grace_lasts_as_long_as_nothing_is_asked() -> None:
    policy = replace(DAILY, grace=Grace(missed=1, window=4))

    streak = fold(facts(policy, marks(2, 3)), at(5, 1))

    assert streak.grace_until == at(8, 0)


def test_what_is_done_in_the_hours_after_counts_for_the_period_that_it_saves_and_for_no_other() -> None:
    policy = replace(EVERY_DAY, grace=Grace(missed=0, hours=6))
    waiting = fold(facts(policy, marks(0)), at(2, 5))

    assert (waiting.state, waiting.next_deadline_at, waiting.grace_until) == (
        StreakState.AT_RISK,
        at(2, 6),
        at(2, 6),
    )
    saved = fold(facts(policy, [*marks(0), mark(at(2, 5))]), at(2, 7))
    assert (saved.current, saved.state, judged(saved)) == (2, StreakState.ACTIVE, ["met", "late", "open"])
    assert fold(facts(policy, [*marks(0), mark(at(2, 6))]), at(2, 7)).current == 1


def test_what_saves_nothing_counts_for_its_own_period() -> None:
    policy = replace(EVERY_DAY, at_least="2", grace=Grace(missed=1, window=5, hours=6))
    done = [mark(at(0, 8)), mark(at(0, 9)), mark(at(2, 1)), mark(at(2, 10))]

    assert judged(fold(facts(policy, done), at(2, 11))) == ["met", "forgiven", "met"]


def test_freezes_are_used_when_grace_is_used_up() -> None:
    policy = replace(EVERY_DAY, grace=Grace(missed=1, window=9), freezes=Freezes(granted=1))

    streak = fold(facts(policy, marks(0)), at(3, 1))

    assert judged(streak) == ["met", "forgiven", "frozen", "open"]
    assert (streak.freezes, streak.state) == (0, StreakState.PROTECTED)
    assert fold(facts(policy, marks(0)), at(4, 1)).state is StreakState.BROKEN


def test_freezes_come_with_what_is_kept_up_to_the_most() -> None:
    policy = replace(EVERY_DAY, freezes=Freezes(every=2, at_most=2))

    assert [fold(facts(policy, marks(*range(n))), at(n - 1, 13)).freezes for n in (1, 2, 4, 8)] == [0, 1, 2, 2]


def test_a_freeze_that_is_given_is_there_from_its_day_on() -> None:
    given_ = [Given(MONDAY + timedelta(days=1), 1, at(1))]

    assert judged(fold(facts(EVERY_DAY, marks(0, 2), freezes=given_), at(2, 13))) == ["met", "frozen", "met"]
    late = [Given(MONDAY + timedelta(days=2), 1, at(2))]
    assert judged(fold(facts(EVERY_DAY, marks(0, 2), freezes=late), at(2, 13))) == ["met", "missed", "met"]


def test_a_freeze_that_is_given_for_a_past_day_restores() -> None:
    given_ = [Given(MONDAY + timedelta(days=1), 1, at(20))]

    assert fold(facts(EVERY_DAY, marks(0, 2), freezes=given_), at(2, 13)).current == 2
    too_late = [Given(MONDAY + timedelta(days=1), 1, at(40))]
    assert fold(facts(EVERY_DAY, marks(0, 2), freezes=too_late), at(2, 13)).current == 1


def test_a_streak_that_decays_loses_some_and_is_broken_when_nothing_is_left() -> None:
    policy = replace(EVERY_DAY, on_miss=OnMiss.DECAY, decay=2, reached=(3,))
    done = marks(0, 1, 2)

    assert [fold(facts(policy, done), at(n, 1)).current for n in (3, 4, 5)] == [3, 1, 0]
    again = fold(facts(policy, [*done, *marks(4, 5)]), at(5, 13))
    assert (again.current, again.longest, len(again.reached)) == (3, 3, 1)


# -- What protects -------------------------------------------------------------------------------------------------


def test_an_absence_skips_its_days_and_protects() -> None:
    known = facts(DAILY, marks(0, 3), absences=[away(1, 2)])

    assert judged(fold(known, at(3, 13))) == ["met", "absent", "absent", "met"]
    assert fold(known, at(2)).state is StreakState.PROTECTED
    assert fold(known, at(3)).current == 2


def test_sick_leave_told_on_thursday_heals_what_broke_on_monday() -> None:
    before = fold(facts(DAILY, marks(-4, -3, 1, 2, 3)), at(3, 13))
    after = fold(facts(DAILY, marks(-4, -3, 1, 2, 3), absences=[away(0, 0, recorded=at(3))]), at(3, 13))

    assert (before.current, after.current, len(after.runs)) == (3, 5, 1)
    assert after.periods[4].detail == "told on 2027-03-04"


def test_what_is_told_after_the_restore_window_changes_nothing() -> None:
    policy = replace(EVERY_DAY, restore_days=2)
    in_time, too_late = away(1, 1, recorded=at(4, 0)), away(1, 1, recorded=at(4, 0.1))

    assert fold(facts(policy, marks(0, 2), absences=[in_time]), at(2, 13)).current == 2
    assert fold(facts(policy, marks(0, 2), absences=[too_late]), at(2, 13)).current == 1
    done = [*marks(0, 2), mark(at(1), arrived=at(4, 0.1))]
    assert fold(facts(policy, done), at(5, 0)).longest == 1


def test_a_week_is_skipped_if_no_working_day_of_it_is_left() -> None:
    assert fold(facts(WEEKLY, marks(0, 14), absences=[away(7, 11)]), at(15)).current == 2
    assert fold(facts(WEEKLY, marks(0, 14), absences=[away(7, 10)]), at(15)).current == 1


def test_absence_holiday_and_part_time_together_may_leave_no_working_day() -> None:
    easter = date(2027, 3, 29)  # Monday, a holiday in Germany; the member works Mondays and Tuesdays
    who = person("Europe/Berlin", country="DE", custom={"working_days": "mon,tue"})
    sick = Away(easter + timedelta(days=1), easter + timedelta(days=1), LONG_AGO)
    done = marks(easter - timedelta(days=6), easter + timedelta(days=7), zone="Europe/Berlin")
    policy = replace(WEEKLY, holidays=True)

    assert fold(facts(policy, done, who, absences=[sick]), at(easter + timedelta(days=8))).current == 2
    assert fold(facts(policy, done, who), at(easter + timedelta(days=8))).current == 1


def test_public_holidays_are_those_of_the_member_s_country() -> None:
    fourth = date(2028, 7, 4)  # a Tuesday
    done = marks(fourth - timedelta(days=1), fourth + timedelta(days=1))
    policy = replace(DAILY, holidays=True)

    def current(country: str | None) -> int:
        return fold(facts(policy, done, person(country=country)), at(fourth + timedelta(days=1), 13)).current

    assert [current("US"), current("FR"), current(None)] == [2, 1, 1]


def test_a_member_on_leave_is_asked_for_nothing() -> None:
    people = [
        (LONG_AGO, person()),
        (at(1, 0), person(version=2, status="on_leave")),
        (at(3, 0), person(version=3)),
    ]

    assert judged(fold(facts(DAILY, marks(0, 3), people=people), at(3, 13))) == ["met", "absent", "absent", "met"]


def test_the_streak_of_who_has_left_ends() -> None:
    people = [(LONG_AGO, person()), (at(1), person(version=2, status="left"))]
    policy = replace(DAILY, grace=Grace(missed=2), freezes=Freezes(granted=2))

    streak = fold(facts(policy, marks(0), people=people), at(3))

    assert (streak.state, streak.next_deadline_at, judged(streak)) == (StreakState.BROKEN, None, ["met", "left"])


def test_a_day_on_which_a_source_was_down_is_skipped() -> None:
    policy = replace(DAILY, sources=("lms",))

    def current(source: str, began: datetime, ended: datetime | None) -> int:
        return fold(facts(policy, marks(0, 2), outages=[Down(source, began, ended, WALKS)]), at(2, 13)).current

    assert current("lms", at(1, 23), at(1, 23.5)) == 2
    assert current("crm", at(1, 23), at(1, 23.5)) == 1
    assert current("lms", at(0, 1), at(1, 0)) == 1


def test_a_policy_that_names_no_source_is_protected_by_those_that_bring_its_events() -> None:
    def current(*types: str) -> int:
        down = Down("lms", at(1, 23), at(1, 23.5), types)
        return fold(facts(DAILY, marks(0, 2), outages=[down]), at(2, 13)).current

    assert (current("walk.done"), current("deal.won", "walk.done"), current("deal.won"), current()) == (2, 2, 1, 1)


def test_nothing_is_missed_while_a_source_has_not_caught_up() -> None:
    def at_the_weekend(ended: datetime | None) -> Streak:
        return fold(facts(WEEKLY, marks(0), outages=[Down("lms", at(12), ended, WALKS)]), at(15))

    assert at_the_weekend(None).state is StreakState.PROTECTED
    assert at_the_weekend(at(14, 10)).state is StreakState.BROKEN


# -- Hard cases of the calendar ------------------------------------------------------------------------------------

BERLIN, LA, TOKYO, HAVANA = "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "America/Havana"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("policy", "zone", "done", "current"),
    [
        pytest.param(
            EVERY_DAY,
            BERLIN,
            ["2027-03-27T22:59", "2027-03-28T21:59", "2027-03-28T22:00"],
            3,
            id="the day on which clocks go forward has 23 hours",
        ),
        pytest.param(
            EVERY_DAY,
            BERLIN,
            ["2027-10-30T21:59", "2027-10-31T22:59", "2027-10-31T23:00"],
            3,
            id="the day on which clocks go back has 25 hours",
        ),
        pytest.param(
            EVERY_DAY, "UTC", ["2028-02-28T12:00", "2028-02-29T12:00", "2028-03-01T12:00"], 3, id="a leap day is a day"
        ),
        pytest.param(
            EVERY_DAY, "UTC", ["2028-02-28T12:00", "2028-03-01T12:00"], 1, id="a leap day that is missed is missed"
        ),
        pytest.param(
            MONTHLY, "UTC", ["2028-01-31T12:00", "2028-02-29T12:00", "2028-03-01T12:00"], 3, id="months of any length"
        ),
        pytest.param(
            WEEKLY,
            "UTC",
            ["2026-12-27T12:00", "2027-01-03T12:00", "2027-01-04T12:00"],
            3,
            id="the last week of an ISO year ends in January",
        ),
        pytest.param(
            WEEKLY, "UTC", ["2026-12-31T12:00", "2027-01-01T12:00"], 1, id="the turn of the year parts no week"
        ),
        pytest.param(
            MONTHLY, "UTC", ["2026-12-31T23:59", "2027-01-01T00:00"], 2, id="the turn of the year parts months"
        ),
        pytest.param(
            EVERY_DAY, "Pacific/Apia", ["2011-12-29T22:00", "2011-12-30T22:00"], 2, id="Samoa had no 30 December 2011"
        ),
    ],
)
def test_hard_cases_of_the_calendar(policy: StreakPolicy, zone: str, done: list[str], current: int) -> None:
    known = facts(policy, [mark(utc(text)) for text in done], person(zone))

    assert fold(known, utc(done[-1]) + timedelta(minutes=1)).current == current


def test_midnight_is_where_the_clocks_skip_it() -> None:
    """In Havana clocks go from 00:00 to 01:00: the day begins then."""
    spring = date(2027, 3, 14)
    streak = fold(
        facts(EVERY_DAY, marks(spring - timedelta(days=1), zone=HAVANA), person(HAVANA)),
        at(spring - timedelta(days=1), 20, HAVANA),
    )

    assert streak.next_deadline_at == datetime(2027, 3, 14, 5, tzinfo=UTC)


def moved(*stays: tuple[datetime, str]) -> list[tuple[datetime, Person]]:
    return [(since, person(zone, version)) for version, (since, zone) in enumerate(stays, 1)]


def test_who_travels_west_has_more_of_the_day() -> None:
    """Tuesday ends in Tokyo; hours later the member is in Los Angeles, where it is Tuesday."""
    people = moved((LONG_AGO, TOKYO), (at(2, 3, TOKYO), LA))
    done = [mark(at(0, 12, TOKYO)), mark(at(1, 20, LA))]

    assert fold(facts(EVERY_DAY, done, people=people), at(1, 21, LA)).current == 2
    assert fold(facts(EVERY_DAY, done[:1], people=people), at(1, 21, LA)).state is StreakState.ACTIVE
    assert fold(facts(EVERY_DAY, done[:1], people=people), at(2, 0, LA)).state is StreakState.BROKEN


def test_who_travels_east_has_less_of_the_day_and_it_counts_once() -> None:
    people = moved((LONG_AGO, LA), (at(1, 2, LA), TOKYO))  # Tuesday 2:00 there is Tuesday 19:00 in Tokyo

    assert fold(facts(EVERY_DAY, marks(0, zone=LA), people=people), at(1, 23, TOKYO)).state is StreakState.ACTIVE
    assert fold(facts(EVERY_DAY, marks(0, zone=LA), people=people), at(2, 0, TOKYO)).state is StreakState.BROKEN


def test_two_events_hours_apart_are_two_days_where_the_member_was() -> None:
    people = moved((LONG_AGO, LA), (at(0, 23.5, LA), TOKYO))
    done = [mark(at(0, 23, LA)), mark(at(0, 23.75, LA))]

    assert fold(facts(EVERY_DAY, done, people=people), at(2, 1, TOKYO)).current == 2


def test_a_day_that_a_traveller_never_had_is_no_miss() -> None:
    """Across the date line from Honolulu to Auckland the 2nd of March is over before it began."""
    people = moved((LONG_AGO, "Pacific/Honolulu"), (at(0, 23, "Pacific/Honolulu"), "Pacific/Kiritimati"))
    done = [mark(at(0, 12, "Pacific/Honolulu")), mark(at(1, 23.5, "Pacific/Kiritimati"))]

    assert fold(facts(EVERY_DAY, done, people=people), at(2, 12, "Pacific/Kiritimati")).current == 2


# -- Late, amended, taken back -------------------------------------------------------------------------------------


def test_an_event_that_comes_days_late_heals() -> None:
    done = marks(0, 1, 3)
    late = mark(at(2), arrived=at(6))

    assert fold(facts(EVERY_DAY, done), at(3, 13)).current == 1
    assert fold(facts(EVERY_DAY, [*done, late]), at(3, 13)).current == 4


def test_what_is_taken_back_was_never_done() -> None:
    assert fold(facts(EVERY_DAY, marks(0, 2)), at(2, 13)) == fold(facts(EVERY_DAY, marks(2, 0)), at(2, 13))
    assert [run.length for run in fold(facts(EVERY_DAY, marks(0, 2)), at(2, 13)).runs] == [1, 1]


def test_lengths_that_the_policy_names_are_reached_by_the_event_that_brings_them() -> None:
    policy = replace(EVERY_DAY, reached=(2,), reached_every=3)
    streak = fold(facts(policy, marks(*range(6))), at(5, 13))

    assert [(one.length, one.reached_on, one.reached_at) for one in streak.reached] == [
        (n, MONDAY + timedelta(days=n - 1), at(n - 1)) for n in (2, 3, 6)
    ]


# -- Any order, and from any tally ---------------------------------------------------------------------------------

DAYS = 40
START = at(0, 0)
ZONES = ("UTC", BERLIN, LA, "Asia/Kolkata", "Pacific/Auckland")
INSTANTS = st.integers(0, DAYS * 24).map(lambda hours: START + timedelta(hours=hours, minutes=7))
ON = st.integers(0, DAYS).map(lambda n: MONDAY + timedelta(days=n))
POLICIES = st.builds(
    StreakPolicy,
    key=st.just("p"),
    version=st.just(1),
    cadence=st.sampled_from(Cadence),
    qualifying=st.just((Qualifying("walk.done"),)),
    at_least=st.sampled_from(["1", "2", "member.role == 'trainee' ? 1 : 3"]),
    working_days=st.sampled_from([DAILY.working_days, EVERY_DAY.working_days, ("tue", "sat")]),
    holidays=st.just(False),
    grace=st.builds(Grace, missed=st.integers(0, 2), window=st.integers(2, 6), hours=st.sampled_from([0, 5, 24])),
    freezes=st.builds(Freezes, granted=st.integers(0, 2), every=st.none() | st.integers(1, 4)),
    on_miss=st.sampled_from(OnMiss),
    restore_days=st.sampled_from([2, 30]),
    reached=st.just((2, 5)),
    reached_every=st.none() | st.just(3),
)


@st.composite
def histories(draw: Callable[..., Any]) -> tuple[StreakPolicy, list[tuple[datetime, str, Any]]]:
    """A policy, and facts with the instant at which each was told, as (instant, field of Facts, fact)."""
    told: list[tuple[datetime, str, Any]] = []
    for n, when in enumerate(draw(st.lists(INSTANTS, max_size=25))):
        arrived = when + draw(st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=30), timedelta(days=6)]))
        told.append((arrived, "marks", Mark(when, f"evt_{n}", draw(st.integers(1, 2)), arrived)))
    for when, first in draw(st.lists(st.tuples(INSTANTS, ON), max_size=3)):
        last = first + timedelta(days=draw(st.integers(0, 9)))
        told.append((when, "absences", Away(first, last, when)))
    for when in draw(st.lists(INSTANTS, max_size=1)):
        began = when - timedelta(hours=draw(st.integers(0, 60)))
        told.append((when, "outages", Down("lms", began, None, WALKS)))
    told += [(when, "freezes", Given(on, 1, when)) for when, on in draw(st.lists(st.tuples(INSTANTS, ON), max_size=2))]
    return draw(POLICIES), told


@st.composite
def travels(draw: Callable[..., Any]) -> list[tuple[datetime, Person]]:
    """Versions of a member, by the instant since which each is in effect and known."""
    since = [LONG_AGO, *sorted(draw(st.lists(INSTANTS, max_size=2, unique=True)))]
    return [
        (when, person(draw(st.sampled_from(ZONES)), n, role=draw(st.sampled_from(["trainee", "partner"]))))
        for n, when in enumerate(since, 1)
    ]


def gathered(policy: StreakPolicy, told: Sequence[tuple[datetime, str, Any]], people: Any) -> Facts:
    fields: dict[str, list[Any]] = {"marks": [], "absences": [], "outages": [], "freezes": []}
    for _, name, fact in told:
        fields[name].append(fact)
    return Facts([(LONG_AGO, policy)], people, **fields)


@given(history=histories(), people=travels(), as_of=INSTANTS, data=st.data())
def test_any_order_of_the_same_facts_gives_the_same_streak(
    history: Any, people: Any, as_of: datetime, data: st.DataObject
) -> None:
    policy, told = history

    assert fold(gathered(policy, data.draw(st.permutations(told)), people), as_of) == fold(
        gathered(policy, told, people), as_of
    )


def is_late(streak: Streak, name: str, fact: Any) -> bool:
    """Whether a fact concerns what the tally has judged, as whoever stores streaks has to tell."""
    tally = streak.tally
    if tally is None:
        return False
    if name == "marks":
        return knows(tally, fact.occurred_at)
    return name != "absences" or fact.starts_on <= tally.through_on


@given(history=histories(), people=travels(), looks=st.lists(INSTANTS, max_size=12))
def test_a_fold_from_a_tally_is_the_fold_from_the_start(history: Any, people: Any, looks: list[datetime]) -> None:
    """Whenever somebody looks, the streak has followed fact by fact what a fold of all facts finds."""
    policy, told = history
    streak = Streak()
    known: list[tuple[datetime, str, Any]] = []
    steps = sorted([*((when, n) for n, (when, _, _) in enumerate(told)), *((when, -1) for when in looks)])
    for as_of, n in steps:
        if n >= 0:
            known.append(told[n])
        so_far = [version for version in people if version[0] <= as_of]
        tally = streak.tally
        if tally and (tally.member_version != len(so_far) or (n >= 0 and is_late(streak, *told[n][1:]))):
            tally = None
        everything = gathered(policy, known, so_far)
        needed = [one for one in everything.marks if not tally or one.occurred_at >= needed_since(tally)]
        since = everything._replace(marks=needed)
        streak, whole = fold(since, as_of, tally), fold(everything, as_of)

        assert shown(streak) == shown(whole)
        if tally and (stepped := step(since, as_of, tally)):
            assert stepped == walk(since, as_of, tally)
        assert streak.reached == tuple(one for one in whole.reached if not tally or one.reached_on > tally.through_on)
        assert streak.runs == whole.runs[len(whole.runs) - len(streak.runs) :]


def shown(streak: Streak) -> Streak:
    """All that is stored of a streak but where the next fold begins."""
    return streak._replace(tally=None, runs=(), reached=(), periods=())


@given(days=st.integers(1, 8), hours=st.integers(0, 30), zone=st.sampled_from(ZONES), done=st.integers(0, 9))
def test_a_step_is_the_walk_wherever_each_period_was_met(days: int, hours: int, zone: str, done: int) -> None:
    policy = replace(EVERY_DAY, reached=(2,), reached_every=3, freezes=Freezes(granted=1, every=2))
    tally = fold(facts(policy, marks(-3, -2, -1, 0, zone=zone), person(zone)), at(0, 13, zone)).tally
    assert tally is not None
    since = facts(policy, marks(*range(-2, done), zone=zone), person(zone))
    as_of = at(days, hours, zone)

    stepped = step(since, as_of, tally)

    assert (stepped is not None) == (as_of < at(done + 1, 0, zone) and as_of < at(MAX_PERIODS - 1, 0, zone))
    assert stepped is None or stepped == walk(since, as_of, tally)


@given(history=histories(), people=travels(), as_of=INSTANTS)
def test_a_streak_changes_at_its_deadline_and_not_before(history: Any, people: Any, as_of: datetime) -> None:
    policy, told = history
    known = gathered(policy, told, people)
    # An outage that begins meanwhile is a new fact, and nothing that time alone does.
    known = known._replace(outages=[down for down in known.outages if down.began_at <= as_of])
    streak = fold(known, as_of)
    if streak.next_deadline_at is not None:
        just_before = streak.next_deadline_at - timedelta(seconds=1)
        assert streak.next_deadline_at > as_of
        assert shown(fold(known, max(just_before, as_of))) == shown(streak)


@given(history=histories(), people=travels(), as_of=INSTANTS)
def test_what_is_at_risk_breaks_or_decays_when_its_grace_ends(history: Any, people: Any, as_of: datetime) -> None:
    policy, told = history
    known = gathered(policy, [one for one in told if one[0] <= as_of and one[1] != "outages"], people)
    known = known._replace(marks=[one for one in known.marks if one.occurred_at <= as_of])
    streak = fold(known, as_of)
    if streak.grace_until is not None:
        assert fold(known, streak.grace_until - timedelta(seconds=1)).current == streak.current
        assert fold(known, streak.grace_until).current < streak.current
