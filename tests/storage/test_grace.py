"""Grace windows as rows: they follow their streaks, and people are told once of what concerns them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.connections import Connection
from domain.events import MEMBER_ID, Event, Identity, SourcePolicy
from storage import absences, configurations, grace, intake, outages, streaks
from storage.game_tables import grace_windows
from storage.ids import new_id
from storage.tables import connections, notifications, outbox
from tests.programs import apply, make_member, make_program

MONDAY = date(2027, 3, 1)
LEARNING = {
    "title": "Learning",
    "cadence": "daily",
    "qualifying": [{"event_type": "course.completed"}],
    "grace": {"missed": 1, "window": 5},
    "holidays": False,
}
STREAKS: dict[str, Any] = {
    "event_types": {"course.completed": {"fields": {}}},
    "streaks": {"learning": LEARNING},
}
STRICT = STREAKS | {"streaks": {"learning": LEARNING | {"grace": {"missed": 0}}}}


def at(day: int, hour: float = 12) -> datetime:
    return datetime(2027, 3, 1, tzinfo=UTC) + timedelta(days=day, hours=hour)


class Program:
    """A program with a daily streak, which Ada keeps."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str):
        self.session = session
        self.id = program_id
        self.ada = ada

    async def learn(self, *days: int, as_of: datetime | None = None) -> None:
        for day in days:
            event = Event("lms", f"course-{day}", "course.completed", Identity("crm", "ada"), at(day), {})
            await intake.record(self.session, self.id, [event], SourcePolicy(), as_of=as_of or at(day, 13))

    async def retract(self, day: int, *, as_of: datetime) -> None:
        name = f"course-{day}"
        event = Event("lms", f"{name}/undo", "course.completed", Identity("crm", "ada"), as_of, {}, retracts=name)
        await intake.record(self.session, self.id, [event], SourcePolicy(), as_of=as_of)

    async def settle(self, as_of: datetime) -> None:
        while await streaks.settle_page(self.session, self.id, "learning", as_of=as_of, limit=10):
            pass

    async def be_sick(self, first: int, last: int, *, as_of: datetime) -> None:
        days = MONDAY + timedelta(days=first), MONDAY + timedelta(days=last)
        away = Away(Identity(MEMBER_ID, self.ada), AbsenceKind.SICK, *days)
        await absences.write(self.session, self.id, [AbsenceChange("hr", f"sick-{first}", away)], as_of=as_of)

    async def windows(self) -> list[tuple[str, int, datetime]]:
        rows = select(grace_windows.c.state, grace_windows.c.length, grace_windows.c.ends_at)
        return [tuple(row) for row in await self.session.execute(rows.order_by(grace_windows.c.id))]

    async def told(self) -> list[str]:
        rows = select(notifications.c.kind).where(notifications.c.kind.startswith("streak_"))
        return list((await self.session.execute(rows.order_by(notifications.c.id))).scalars())

    async def effects(self) -> list[str]:
        rows = select(outbox.c.kind).where(outbox.c.kind.in_(("start_grace", "wake_grace")))
        return list((await self.session.execute(rows.order_by(outbox.c.id))).scalars())


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    return await make(session, STREAKS)


async def make(session: AsyncSession, body: dict[str, Any]) -> Program:
    program_id = await make_program(session, body)
    return Program(session, program_id, await make_member(session, program_id, "ada"))


async def test_a_missed_day_opens_a_window_that_an_event_closes(program: Program) -> None:
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))
    opened = await program.windows()

    await program.learn(4)

    assert opened == [("open", 3, at(5, 0))]
    assert await program.windows() == [("kept", 3, at(5, 0))]
    assert await program.effects() == ["start_grace", "wake_grace"]
    assert await program.told() == []


async def test_a_streak_that_is_not_worth_it_opens_none(program: Program) -> None:
    await program.learn(0, 1)

    await program.settle(at(3, 0))

    assert await program.windows() == []


async def test_a_window_that_nothing_saves_is_broken_and_its_member_told_once(program: Program) -> None:
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))

    await program.settle(at(5, 0))
    await program.settle(at(6, 0))

    assert await program.windows() == [("broken", 3, at(5, 0))]
    assert await program.effects() == ["start_grace", "wake_grace"]
    assert await program.told() == ["streak_broken"]


async def test_sick_leave_that_is_told_late_restores_what_was_broken_and_says_so_once(program: Program) -> None:
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))
    await program.settle(at(5, 0))

    await program.be_sick(3, 7, as_of=at(7))
    await program.be_sick(4, 7, as_of=at(7, 13))

    assert await program.windows() == [("restored", 3, at(5, 0))]
    assert await program.told() == ["streak_broken", "streak_restored"]
    [(_, streak)] = await streaks.list_of(program.session, program.id, program.ada)
    assert (streak.state, streak.current) == ("protected", 3)


async def test_an_absence_that_is_said_anew_was_known_before_as_far_as_it_is_the_same(program: Program) -> None:
    await program.be_sick(3, 100, as_of=at(0, 9))
    await program.learn(0, 1, 2)
    await program.settle(at(10))

    await program.be_sick(3, 95, as_of=at(80))

    [(_, streak)] = await streaks.list_of(program.session, program.id, program.ada)
    assert (streak.state, streak.current) == ("protected", 3)
    assert await program.told() == []


async def test_an_absence_in_time_ends_the_wait(program: Program) -> None:
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))

    await program.be_sick(3, 4, as_of=at(4, 9))

    assert [state for state, *_ in await program.windows()] == ["kept"]
    assert await program.effects() == ["start_grace", "wake_grace"]


async def test_a_freeze_wakes_the_wait_and_moves_its_end(program: Program) -> None:
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))
    freeze = streaks.Freeze(program.ada, "learning", MONDAY + timedelta(days=4), 1, "a move", "a test")

    await streaks.grant_freeze(program.session, program.id, freeze, as_of=at(4, 9))
    moved = await program.windows()
    await program.settle(at(5, 0))

    assert moved == [("open", 3, at(8, 0))]
    # The freeze was used: the streak is protected.
    assert await program.windows() == [("kept", 3, at(8, 0))]
    assert await program.effects() == ["start_grace", "wake_grace", "wake_grace"]


async def test_a_weekend_moves_the_end_of_a_window(program: Program) -> None:
    await program.learn(2, 3, 1)

    await program.settle(at(5, 0))

    assert await program.windows() == [("open", 3, at(8, 0))]


async def test_a_streak_without_grace_is_broken_at_once_and_a_late_event_restores_it(session: AsyncSession) -> None:
    program = await make(session, STRICT)
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))
    broken = await program.windows()

    await program.learn(3, as_of=at(4, 9))

    assert broken == [("broken", 3, at(4, 0))]
    assert [state for state, *_ in await program.windows()] == ["restored"]
    assert await program.told() == ["streak_broken", "streak_restored"]
    assert await program.effects() == []


async def test_a_new_streak_restores_nothing(session: AsyncSession) -> None:
    program = await make(session, STRICT)
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))

    await program.learn(4)

    assert [state for state, *_ in await program.windows()] == ["broken"]
    assert await program.told() == ["streak_broken"]


async def test_a_retraction_may_put_a_streak_at_risk_again(program: Program) -> None:
    await program.learn(0, 1, 2, 3, 4)

    await program.retract(3, as_of=at(4, 15))

    # Day 4 was kept, so nothing is at risk; without it the day before is what was missed.
    assert await program.windows() == []
    await program.retract(4, as_of=at(4, 16))
    assert [(state, length) for state, length, _ in await program.windows()] == [("open", 3)]


async def test_who_was_lost_while_a_source_was_down_gets_the_streak_back(session: AsyncSession) -> None:
    program = await make(session, STRICT)
    connection = await _connect(session, program.id)
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))

    await outages.tell(session, connection, began_at=at(3, 1), ended_at=at(3, 20), now=at(4, 9))
    await program.settle(at(4, 9))

    assert await program.told() == ["streak_broken", "streak_restored"]


async def test_an_outage_that_goes_on_keeps_streaks_until_it_has_ended(session: AsyncSession) -> None:
    program = await make(session, STRICT)
    connection = await _connect(session, program.id)
    await program.learn(0, 1, 2)
    await outages.begin(session, connection, began_at=at(3, 1), now=at(3, 2))
    await program.settle(at(4, 9))
    [(_, during)] = await streaks.list_of(session, program.id, program.ada)

    await outages.end(session, connection, ended_at=at(4, 10), now=at(4, 10))
    await program.settle(at(5, 0))
    [(_, kept)] = await streaks.list_of(session, program.id, program.ada)
    await program.settle(at(8, 0))
    await program.settle(at(9, 0))
    [(_, lost)] = await streaks.list_of(session, program.id, program.ada)

    assert (during.state, during.current) == ("protected", 3)
    assert kept.current == 3
    assert (lost.state, lost.current) == ("broken", 0)


async def _connect(session: AsyncSession, program_id: str) -> Connection:
    connection = Connection(new_id("con"), program_id, "xapi", "lms", at(0))
    row = {"id": connection.id, "program_id": program_id, "kind": "xapi", "name": "lms", "created_at": at(0)}
    await session.execute(insert(connections).values(row | {"secrets": b"", "key_id": "none"}))
    return connection


async def test_whoever_has_left_is_told_nothing(session: AsyncSession) -> None:
    program_id = await make_program(session, STRICT)
    program = Program(session, program_id, await make_member(session, program_id, "ada", status="left"))
    await program.learn(0, 1, 2)

    await program.settle(at(4, 0))

    assert await program.told() == []


async def test_clocks_are_started_with_their_policies_and_look_again_when_those_change(session: AsyncSession) -> None:
    program_id = await make_program(session, STREAKS)
    await apply(session, program_id, STRICT)
    await apply(session, program_id, STREAKS | {"streaks": {}})

    rows: Sequence[Any] = (
        await session.execute(
            select(outbox.c.kind, outbox.c.payload).where(outbox.c.kind.in_(("start_clock", "wake_clock")))
        )
    ).all()
    assert [tuple(row) for row in rows] == [
        ("start_clock", {"policy": "learning"}),
        ("wake_clock", {"policy": "learning"}),
        ("wake_clock", {"policy": "learning"}),
    ]


async def test_ordinary_events_leave_nothing_for_temporal(program: Program) -> None:
    """A thousand events of members with streaks: what they do to streaks is done in their own transactions."""
    session = program.session
    names = [f"member-{n}" for n in range(50)]
    for name in names:
        await make_member(session, program.id, name)
    for day in (0, 1, 2, 3):
        events = [
            Event("lms", f"{name}-{day}-{n}", "course.completed", Identity("crm", name), at(day, 9 + n), {})
            for n in range(5)
            for name in names
        ]
        await intake.record(session, program.id, events, SourcePolicy(), as_of=at(day, 15))

    of_temporal = select(func.count()).where(outbox.c.lane == "temporal", outbox.c.kind != "start_clock")
    assert await session.scalar(of_temporal) == 0
    kept = await streaks.list_page(session, program.id, limit=100)
    assert [streak.current for _, streak in kept] == [4] * 50


async def test_a_reminder_is_told_once(program: Program) -> None:
    await program.learn(0, 1, 2)
    await program.settle(at(4, 0))
    grace_id = await program.session.scalar(select(grace_windows.c.id))
    assert grace_id is not None
    window = await grace.lock(program.session, program.id, grace_id)

    for _ in range(2):
        configuration = await configurations.get_active(program.session, program.id)
        await grace.remind(program.session, window, configuration.streaks["learning"], "Asia/Tokyo", as_of=at(4, 11))

    told = (await program.session.execute(select(notifications.c.subject, notifications.c.body))).all()
    assert [tuple(row) for row in told] == [
        ("Learning: your streak of 3 is at risk", "It goes on if you keep it before 2027-03-06 09:00.")
    ]
    assert (await grace.get(program.session, program.id, grace_id)).reminded_at == at(4, 11)
