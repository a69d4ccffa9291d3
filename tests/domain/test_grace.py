"""Grace windows: what a change of a streak means for them, and when people are reminded."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.grace import (
    NOTHING,
    GraceEvent,
    GraceState,
    GraceWindow,
    Step,
    concerns,
    follow,
    remind_at,
)
from domain.streaks import Streak, StreakState

MONDAY = date(2026, 3, 2)
AT = datetime(2026, 3, 10, tzinfo=UTC)
UNTIL = AT + timedelta(days=1)
WORTH = 3

ACTIVE = Streak(StreakState.ACTIVE, 5, 5, MONDAY)
AT_RISK = Streak(StreakState.AT_RISK, 5, 5, MONDAY, grace_until=UNTIL)
BROKEN = Streak(longest=5)
WINDOW = GraceWindow("grc_1", "prg_1", "mem_1", "daily", GraceState.OPEN, 5, MONDAY, AT, UNTIL, None, None, None)
LOST = replace(WINDOW, state=GraceState.BROKEN, closed_at=UNTIL)


@pytest.mark.parametrize(
    ("before", "after", "latest", "step"),
    [
        (ACTIVE, AT_RISK, None, Step(None, UNTIL, GraceState.OPEN)),
        (None, AT_RISK, None, Step(None, UNTIL, GraceState.OPEN)),
        (ACTIVE, AT_RISK._replace(current=2), None, NOTHING),
        (AT_RISK, ACTIVE, WINDOW, Step(GraceEvent.KEEP)),
        (AT_RISK, AT_RISK._replace(state=StreakState.PROTECTED), WINDOW, Step(GraceEvent.KEEP)),
        (AT_RISK, AT_RISK._replace(grace_until=AT), WINDOW, Step(ends_at=AT)),
        (AT_RISK, AT_RISK, WINDOW, NOTHING),
        (AT_RISK, BROKEN, WINDOW, Step(GraceEvent.BREAK)),
        (ACTIVE, BROKEN, None, Step(opens=GraceState.BROKEN)),
        (ACTIVE._replace(current=2), BROKEN, None, NOTHING),
        (BROKEN, ACTIVE, LOST, Step(GraceEvent.RESTORE)),
        (BROKEN, AT_RISK, LOST, Step(GraceEvent.RESTORE, UNTIL, GraceState.OPEN)),
        # A new streak is not the old one.
        (BROKEN, Streak(StreakState.ACTIVE, 1, 5, date(2026, 3, 11)), LOST, NOTHING),
        (ACTIVE, AT_RISK, replace(WINDOW, state=GraceState.KEPT), Step(None, UNTIL, GraceState.OPEN)),
    ],
)  # fmt: skip
def test_a_window_follows_its_streak(
    before: Streak | None, after: Streak, latest: GraceWindow | None, step: Step
) -> None:
    assert follow(before, after, latest, WORTH) == step
    assert step == NOTHING or concerns(before, after, WORTH)


def test_an_ordinary_day_concerns_no_window() -> None:
    longer = ACTIVE._replace(current=6)

    assert not concerns(ACTIVE, longer, WORTH)
    assert not concerns(None, Streak(StreakState.ACTIVE, 1, 1, MONDAY), WORTH)


def test_a_run_that_grew_backwards_may_be_one_that_was_lost() -> None:
    new = Streak(StreakState.ACTIVE, 1, 5, date(2026, 3, 11))

    assert concerns(new, ACTIVE._replace(current=8), WORTH)
    assert follow(new, ACTIVE._replace(current=8), LOST, WORTH) == Step(GraceEvent.RESTORE)


BERLIN = "Europe/Berlin"


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour - 1, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opened_at", "ends_at", "hours", "reminded_at"),
    [
        (berlin(9, 1), berlin(10, 18), 4, berlin(10, 14)),
        (berlin(9, 1), berlin(10, 23, 59), 2, berlin(10, 20)),
        (berlin(8, 1), berlin(10, 10), 4, berlin(9, 20)),
        (berlin(10, 12), berlin(10, 14), 4, berlin(10, 12)),
        (berlin(10, 2), berlin(10, 6), 1, None),
        (berlin(9, 1), berlin(10, 18), 0, None),
    ],
)  # fmt: skip
def test_people_are_reminded_by_day(
    opened_at: datetime, ends_at: datetime, hours: int, reminded_at: datetime | None
) -> None:
    assert remind_at(opened_at, ends_at, BERLIN, hours) == reminded_at


def test_the_day_is_the_members() -> None:
    opened_at, ends_at = datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 3, 10, 12, tzinfo=UTC)

    zones = ("Asia/Tokyo", "America/Los_Angeles")
    reminded = [remind_at(opened_at, ends_at, time_zone, 4) for time_zone in zones]

    assert reminded == [datetime(2026, 3, 10, 8, tzinfo=UTC), datetime(2026, 3, 10, 3, tzinfo=UTC)]
