"""Challenges on paper: who is among the first by the event's time, when one settles, and what follows it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.challenges import (
    CHALLENGE_ARROWS,
    ChallengeEvent,
    ChallengeState,
    Checkpoint,
    Claim,
    ClaimState,
    IllegalChallenge,
    adjudicate,
    challenge_after,
    checkpoints,
    ordinal,
    overlaps,
    settles_at,
)
from domain.configuration import Calendar
from domain.game import Challenge, Fairness

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
END = datetime(2026, 3, 6, 17, tzinfo=UTC)


def challenge(**changes: object) -> Challenge:
    values: dict[str, object] = {"first": 3, "fairness": Fairness.EVENT_TIME, "bonus": "50", **changes}
    return Challenge("sprint", 1, START, END, ("deal.won",), **values)  # type: ignore[arg-type]


def lent(minutes: Sequence[int], first: int, due: int = 50) -> list[Claim]:
    """Claims in the order in which they came, each so many minutes after the start; the first ones were paid."""
    return [
        Claim(
            "sprint",
            f"evt_{number}",
            f"mem_{number}",
            START + timedelta(minutes=minute),
            number,
            state=ClaimState.STANDING if number <= first else ClaimState.BEYOND,
            points=due if number <= first else 0,
            due=due,
            prize=f"prize-{number}" if number <= first else None,
        )
        for number, minute in enumerate(minutes, 1)
    ]


@pytest.mark.parametrize("state", ChallengeState)
@pytest.mark.parametrize("event", ChallengeEvent)
def test_whatever_is_no_arrow_is_refused(state: ChallengeState, event: ChallengeEvent) -> None:
    if (state, event) in CHALLENGE_ARROWS:
        assert challenge_after(state, event) is CHALLENGE_ARROWS[state, event]
    else:
        with pytest.raises(IllegalChallenge):
            challenge_after(state, event)


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 5), st.none() | st.integers(1, 200))
def test_places_go_to_the_earliest_and_nobody_is_paid_beyond_them_but_by_exception(
    minutes: list[int], first: int, exceptions: int | None
) -> None:
    claims = lent(minutes, first)

    decided = adjudicate(challenge(first=first, exceptions_points=exceptions), claims, {})

    earliest = sorted(claims, key=lambda one: (one.occurred_at, one.number or 0))[:first]
    assert [one.event_id for one in decided if one.place is not None] == [one.event_id for one in earliest]
    assert sorted(one.place for one in decided if one.place) == list(range(1, len(earliest) + 1))
    assert all(one.points == 50 for one in decided if one.place is not None)
    honoured = [one.points for one in decided if one.state is ClaimState.HONOURED]
    assert sum(honoured) <= (exceptions or 0)
    assert sum(one.points for one in decided) == 50 * len(earliest) + sum(honoured)


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 5))
def test_deciding_again_changes_nothing(minutes: list[int], first: int) -> None:
    once = adjudicate(challenge(first=first), lent(minutes, first), {})

    again = adjudicate(challenge(first=first), once, {})

    assert {one.event_id: one.place for one in again} == {one.event_id: one.place for one in once}
    assert sum(one.points for one in again) == sum(one.points for one in once)


def test_whoever_counts_once_gets_one_place_by_the_earliest_claim() -> None:
    claims = [
        replace(one, member_id=who)
        for one, who in zip(lent([4, 5, 1, 2], 2), ("ada", "cleo", "ben", "ben"), strict=True)
    ]

    decided = adjudicate(challenge(first=2, once=True), claims, {})

    assert [(one.member_id, one.occurred_at.minute) for one in decided if one.place] == [("ben", 1), ("ada", 4)]
    assert sum(one.points for one in decided) == 100


def test_the_order_in_which_claims_are_read_does_not_matter() -> None:
    claims = lent([3, 1, 2, 0], first=2)

    decided = [adjudicate(challenge(first=2), some, {}) for some in permutations(claims)]

    assert all(one == decided[0] for one in decided)


def test_whoever_gets_in_is_paid_what_the_budget_has_left() -> None:
    decided = adjudicate(challenge(first=2, budget_points=80), lent([5, 1, 2], first=2), {})

    assert [(one.number, one.points) for one in decided if one.place] == [(2, 50), (3, 30)]


def test_it_settles_after_the_late_window_and_the_last_day_of_the_last_zone() -> None:
    assert settles_at(challenge(late_hours=0), "UTC") == datetime(2026, 3, 7, 12, 1, tzinfo=UTC)
    assert settles_at(challenge(late_hours=48), "UTC") == END + timedelta(hours=48, minutes=1)


def test_an_end_at_midnight_belongs_to_the_day_before() -> None:
    midnight = datetime(2026, 3, 6, 23, tzinfo=UTC)  # in Berlin

    found = settles_at(challenge(late_hours=0, extended_to=midnight), "Europe/Berlin")

    assert found == datetime(2026, 3, 7, 12, 1, tzinfo=UTC)


def test_half_time_and_the_last_day_are_spoken_of() -> None:
    week = challenge()
    day = Challenge("a-day", 1, START, START + timedelta(days=1), ("deal.won",), bonus="1")

    assert checkpoints(week) == [
        (START + (END - START) / 2, Checkpoint.HALF_TIME),
        (END - timedelta(days=1), Checkpoint.LAST_DAY),
    ]
    assert [name for _, name in checkpoints(day)] == [Checkpoint.HALF_TIME]


@pytest.mark.parametrize(("n", "told"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (23, "23rd")])
def test_ordinals(n: int, told: str) -> None:
    assert ordinal(n) == told


@pytest.mark.parametrize(
    ("per", "starts_at", "ends_at", "expected"),
    [
        (Calendar.WEEK, "2026-03-02T00:00+01:00", "2026-03-09T00:00+01:00", False),
        (Calendar.WEEK, "2026-03-02T00:00+01:00", "2026-03-09T00:01+01:00", True),
        # Seven days of 24 hours in a week in which the clocks go forward are an hour more than the week.
        (Calendar.WEEK, "2026-03-23T00:00+01:00", "2026-03-30T00:00+02:00", False),
        (Calendar.WEEK, "2026-03-23T00:00+01:00", "2026-03-30T01:00+02:00", True),
        # The hour more of the week in which they go back.
        (Calendar.WEEK, "2026-10-19T00:00+02:00", "2026-10-26T00:00+01:00", False),
        (Calendar.MONTH, "2026-01-01T00:00+01:00", "2026-02-01T00:00+01:00", False),
        (Calendar.MONTH, "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00", False),
        (Calendar.MONTH, "2026-02-01T00:00+01:00", "2026-03-01T00:01+01:00", True),
        (Calendar.MONTH, "2026-01-29T00:00+01:00", "2026-03-01T00:00+01:00", True),
        # From the last day at nine to the last but one at six: the same day in a month of thirty.
        (Calendar.MONTH, "2026-05-31T09:00+02:00", "2026-06-30T18:00+02:00", True),
        (Calendar.QUARTER, "2026-01-01T00:00+01:00", "2026-04-01T00:00+02:00", False),
        (Calendar.QUARTER, "2026-02-01T00:00+01:00", "2026-05-02T00:00+02:00", True),
        (Calendar.YEAR, "2028-01-01T00:00+01:00", "2029-01-01T00:00+01:00", False),
        (Calendar.YEAR, "2028-01-01T00:00+01:00", "2029-01-01T00:01+01:00", True),
        (None, "2026-01-01T00:00+01:00", "2026-09-01T00:00+02:00", False),
    ],
)
def test_what_repeats_ends_before_the_next_begins(
    per: Calendar | None, starts_at: str, ends_at: str, expected: bool
) -> None:
    begins, ends = datetime.fromisoformat(starts_at), datetime.fromisoformat(ends_at)

    assert overlaps(replace(challenge(repeats=per), starts_at=begins, ends_at=ends), "Europe/Berlin") is expected
