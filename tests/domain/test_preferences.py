"""When members are told: urgency, quiet hours, limits; clocks that jump, midnights, and members who move."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.preferences import (
    OWED,
    URGENT,
    At,
    Gathered,
    Never,
    Now,
    Preferences,
    Quiet,
    Topic,
    When,
    Wishes,
    day_began,
    hour_of,
    next_at,
    next_digest,
    topic_of,
    when,
)
from domain.time import zone

WISHES = Wishes()
BERLIN, LONDON, TOKYO, KATHMANDU = "Europe/Berlin", "Europe/London", "Asia/Tokyo", "Asia/Kathmandu"
NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)  # Wednesday, 12:00 in Berlin
NIGHT = datetime(2026, 3, 4, 22, tzinfo=UTC)  # 23:00 in Berlin
MORNING = datetime(2026, 3, 5, 7, tzinfo=UTC)  # Thursday, 08:00 in Berlin
DIGEST = datetime(2026, 3, 5, 8, tzinfo=UTC)  # 09:00 in Berlin


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def without(*topics: Topic, quiet: Quiet = WISHES.quiet) -> Wishes:
    return Wishes(opted_out=frozenset(topics), quiet=quiet)


@pytest.mark.parametrize(
    ("kind", "wishes", "told_today", "now", "expected"),
    [
        ("badge", WISHES, 0, NOON, Now()),
        ("badge", WISHES, 9, NOON, Now()),
        ("badge", WISHES, 10, NOON, Gathered(DIGEST)),
        ("badge", WISHES, 0, NIGHT, At(MORNING)),
        ("badge", WISHES, 10, NIGHT, At(MORNING)),
        ("badge", without(Topic.POINTS), 0, NOON, Never()),
        ("badge", without(Topic.POINTS), 0, NIGHT, Never()),
        ("badge", without(Topic.DIGEST), 10, NOON, Never()),
        ("badge", Wishes(daily_limit=0), 0, NOON, Gathered(DIGEST)),
        ("streak_at_risk", WISHES, 10, NOON, Now()),
        ("streak_at_risk", without(Topic.STREAKS), 0, NOON, Never()),
        ("order_failed", WISHES, 10, NOON, Now()),
        ("order_failed", without(*Topic), 10, NOON, Now()),
        ("order_failed", WISHES, 0, NIGHT, At(MORNING)),
        ("reward_reminder", WISHES, 10, NOON, Now()),
        ("reward_reminder", without(Topic.REWARDS), 0, NOON, Never()),
        ("weekly_digest", WISHES, 10, NOON, Now()),
        ("weekly_digest", without(Topic.DIGEST), 0, NOON, Never()),
        ("celebration_birthday", WISHES, 10, NOON, Now()),
        ("celebration_birthday", without(Topic.BIRTHDAYS), 0, NOON, Never()),
        ("celebration_birthday", without(Topic.ANNIVERSARIES), 0, NOON, Now()),
        ("celebration_anniversary", without(Topic.ANNIVERSARIES), 0, NOON, Never()),
        ("something_new", without(*Topic), 0, NOON, Now()),
    ],
)
def test_a_notification_is_told_in_its_time(
    kind: str, wishes: Wishes, told_today: int, now: datetime, expected: When
) -> None:
    assert when(kind, wishes, BERLIN, told_today=told_today, now=now) == expected


def test_what_the_member_has_just_asked_for_comes_at_night_too() -> None:
    just_now, earlier = (NIGHT - timedelta(minutes=n) for n in (15, 16))

    at_once = when("order_delivered", WISHES, BERLIN, told_today=99, now=NIGHT, asked_at=just_now)
    later = when("order_delivered", WISHES, BERLIN, told_today=99, now=NIGHT, asked_at=earlier)

    assert (at_once, later) == (Now(), At(MORNING))


def test_what_has_an_hour_waits_for_it_and_for_the_end_of_quiet_hours() -> None:
    early = utc("2026-03-04T00:30+01:00")

    at_nine = when("weekly_digest", WISHES, BERLIN, told_today=0, now=early, not_before=utc("2026-03-04T09:00+01:00"))
    at_seven = when("weekly_digest", WISHES, BERLIN, told_today=0, now=early, not_before=utc("2026-03-04T07:00+01:00"))

    assert at_nine == At(utc("2026-03-04T09:00+01:00"))
    assert at_seven == At(utc("2026-03-04T08:00+01:00"))


@pytest.mark.parametrize(
    ("quiet", "time_zone", "now", "over"),
    [
        # Over midnight, and at both edges.
        (Quiet(), BERLIN, "2026-03-04T19:59:59+01:00", "2026-03-04T19:59:59+01:00"),
        (Quiet(), BERLIN, "2026-03-04T20:00+01:00", "2026-03-05T08:00+01:00"),
        (Quiet(), BERLIN, "2026-03-05T00:00+01:00", "2026-03-05T08:00+01:00"),
        (Quiet(), BERLIN, "2026-03-05T07:59:59+01:00", "2026-03-05T08:00+01:00"),
        (Quiet(), BERLIN, "2026-03-05T08:00+01:00", "2026-03-05T08:00+01:00"),
        # From Friday evening to Monday morning.
        (Quiet(), BERLIN, "2026-03-06T20:00+01:00", "2026-03-09T08:00+01:00"),
        (Quiet(), BERLIN, "2026-03-08T12:00+01:00", "2026-03-09T08:00+01:00"),
        # The same instant is Monday in Tokyo and still Sunday in Berlin.
        (Quiet(), TOKYO, "2026-03-09T08:30+09:00", "2026-03-09T08:30+09:00"),
        (Quiet(), BERLIN, "2026-03-09T08:30+09:00", "2026-03-09T08:00+01:00"),
        # Hours within a day; equal hours are none, without them only whole days are quiet.
        (Quiet(time(12), time(13)), BERLIN, "2026-03-04T12:30+01:00", "2026-03-04T13:00+01:00"),
        (Quiet(time(12), time(13)), BERLIN, "2026-03-04T03:00+01:00", "2026-03-04T03:00+01:00"),
        (Quiet(time(0), time(0)), BERLIN, "2026-03-04T00:00+01:00", "2026-03-04T00:00+01:00"),
        (Quiet(time(0), time(0)), BERLIN, "2026-03-07T00:00+01:00", "2026-03-09T00:00+01:00"),
        # Working weeks that begin on Sunday, offsets of a quarter of an hour.
        (Quiet(days=frozenset({"fri", "sat"})), KATHMANDU, "2026-03-06T10:00+05:45", "2026-03-08T08:00+05:45"),
        # The night in which clocks go forward is an hour shorter, and the one in which they go back an hour longer.
        (Quiet(days=frozenset()), BERLIN, "2026-03-28T22:00+01:00", "2026-03-29T08:00+02:00"),
        (Quiet(days=frozenset()), BERLIN, "2026-10-24T22:00+02:00", "2026-10-25T08:00+01:00"),
        # An end that the clocks jump over comes when they have jumped; one that they show twice comes the first time,
        # and the time that they show again is quiet again.
        (Quiet(time(20), time(2, 30), frozenset()), BERLIN, "2026-03-29T01:59+01:00", "2026-03-29T03:30+02:00"),
        (Quiet(time(20), time(2, 30), frozenset()), BERLIN, "2026-10-25T01:00+02:00", "2026-10-25T02:30+02:00"),
        (Quiet(time(20), time(2, 30), frozenset()), BERLIN, "2026-10-25T02:10+01:00", "2026-10-25T02:30+01:00"),
        # Where clocks go forward at midnight, the day after a quiet one begins at one.
        (Quiet(time(5), time(5)), "Africa/Cairo", "2026-04-23T12:00+02:00", "2026-04-23T12:00+02:00"),
        (
            Quiet(time(5), time(5), frozenset({"thu"})),
            "Africa/Cairo",
            "2026-04-23T12:00+02:00",
            "2026-04-24T01:00+03:00",
        ),
    ],
)
def test_quiet_time_ends_where_the_member_is(quiet: Quiet, time_zone: str, now: str, over: str) -> None:
    assert quiet.over_at(utc(now), time_zone) == utc(over)


def test_who_moves_is_asked_for_the_time_where_they_are_then() -> None:
    waits = when("badge", WISHES, LONDON, told_today=0, now=utc("2026-03-05T07:30+00:00"))
    moved = when("badge", WISHES, TOKYO, told_today=0, now=utc("2026-03-05T08:00+00:00"))

    assert waits == At(utc("2026-03-05T08:00+00:00"))
    assert moved == Now()


def test_the_day_of_the_limit_is_the_members() -> None:
    at = utc("2026-03-04T16:00+00:00")

    assert day_began(at, TOKYO) == utc("2026-03-05T00:00+09:00")
    assert day_began(at, BERLIN) == utc("2026-03-04T00:00+01:00")
    assert day_began(utc("2026-04-24T12:00+03:00"), "Africa/Cairo") == utc("2026-04-24T01:00+03:00")


def test_the_digest_comes_on_the_next_day_that_is_not_quiet() -> None:
    assert next_digest(WISHES, BERLIN, utc("2026-03-06T19:00+01:00")) == utc("2026-03-09T09:00+01:00")
    assert next_digest(WISHES, BERLIN, utc("2026-03-05T00:30+01:00")) == utc("2026-03-06T09:00+01:00")


def test_an_hour_that_is_now_has_come() -> None:
    assert next_at(NOON, time(12), BERLIN) == NOON
    assert next_at(NOON, time(11), BERLIN) == NOON + timedelta(hours=23)


@pytest.mark.parametrize(
    ("found_at", "at"),
    [
        ("2026-03-10T00:30+09:00", "2026-03-10T09:00+09:00"),
        ("2026-03-10T15:00+09:00", "2026-03-10T09:00+09:00"),
        ("2026-03-20T15:00+09:00", "2026-03-21T09:00+09:00"),
        ("2026-03-20T03:00+09:00", "2026-03-20T09:00+09:00"),
    ],
)
def test_what_has_an_hour_comes_on_its_day_or_in_the_next_morning(found_at: str, at: str) -> None:
    assert hour_of(date(2026, 3, 10), utc(found_at), time(9), TOKYO) == utc(at)


def test_what_members_say_stands_before_what_the_program_declares() -> None:
    declared = Wishes(quiet=Quiet(time(19), time(9), frozenset({"sun"})), daily_limit=3)

    own = Preferences(quiet_from=time(22), quiet_until=time(6), daily_limit=0).over(declared)

    assert own == Wishes(quiet=Quiet(time(22), time(6), frozenset({"sun"})), daily_limit=0)
    assert Preferences().over(declared) == declared


@given(
    wanted=st.builds(Quiet, since=st.sampled_from([time(20), time(22)]), until=st.just(time(8))),
    opted_out=st.frozensets(st.sampled_from(Topic)),
    daily_limit=st.integers(0, 12),
)
def test_who_says_what_they_want_gets_it_and_says_no_more_than_that(
    wanted: Quiet, opted_out: frozenset[Topic], daily_limit: int
) -> None:
    wishes = Wishes(opted_out, wanted, daily_limit)

    said = Preferences.of(wishes, WISHES)

    assert said.over(WISHES) == wishes
    assert Preferences.of(WISHES, WISHES) == Preferences()


def test_a_week_has_a_day_on_which_something_can_be_told() -> None:
    week = frozenset({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})

    with pytest.raises(ValueError, match="one day of the week"):
        Quiet(days=week)
    with pytest.raises(ValueError, match="caturday is no day"):
        Quiet(days=frozenset({"caturday"}))


def test_everything_urgent_has_a_topic_and_what_is_owed_is_urgent() -> None:
    assert all(topic_of(kind) for kind in URGENT)
    assert OWED <= URGENT


hours = st.times().map(lambda found: found.replace(second=0, microsecond=0))
instants = st.integers(-1_000_000, 1_000_000).map(lambda minutes: NOON + timedelta(minutes=minutes))
zones = st.sampled_from([BERLIN, TOKYO, KATHMANDU, "America/Havana", "Australia/Lord_Howe", "Africa/Cairo"])
days = st.frozensets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), max_size=6)


@given(since=hours, until=hours, quiet_days=days, time_zone=zones, now=instants)
def test_quiet_time_is_over_once_and_within_a_week(
    since: time, until: time, quiet_days: frozenset[str], time_zone: str, now: datetime
) -> None:
    quiet = Quiet(since, until, quiet_days)

    over = quiet.over_at(now, time_zone)

    assert now <= over <= now + timedelta(days=9)
    assert quiet.over_at(over, time_zone) == over
    assert over.astimezone(zone(time_zone)).strftime("%a").lower() not in quiet_days
