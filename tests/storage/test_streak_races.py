"""Sessions race on one streak: its row is what its facts give, and no length is paid twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.events import Event, Identity
from domain.streaks import Streak
from storage import absences, intake, streak_verification, streaks
from storage.database import Database
from storage.failures import retry
from storage.game_tables import streak_awards
from storage.tables import outbox
from tests.programs import make_member, make_program
from tests.storage.test_streaks import MONDAY, POLICY, STREAKS, at, course

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
Work = Callable[[AsyncSession], Awaitable[object]]


class Company:
    """A program in which Ada learns, and sessions of its own for everybody who tells something."""

    def __init__(self, database: Database, program_id: str, ada: str):
        self.database = database
        self.id = program_id
        self.ada = ada

    def learned(self, day: int) -> Work:
        return partial(self._learned, course(day))

    async def _learned(self, event: Event, session: AsyncSession) -> None:
        await intake.record(session, self.id, [event], POLICY, as_of=at(10))

    async def sick(self, session: AsyncSession, day: int = 1) -> None:
        on = MONDAY + timedelta(days=day)
        away = Away(Identity("crm", "ada"), AbsenceKind.SICK, on, on)
        await absences.write(session, self.id, [AbsenceChange("hris", f"sick-{day}", away)], as_of=at(10))

    async def alone(self, work: Work) -> None:
        async with self.database.begin() as session:
            await work(session)

    async def race(self, first: Work, second: Work) -> None:
        """The second begins while the first has done its work and not committed, and has to wait for it."""
        async with self.database.begin() as session:
            await first(session)
            waiting = asyncio.create_task(self.alone(second))
            await self._is_blocked(waiting)
        await waiting

    async def _is_blocked(self, task: asyncio.Task[None]) -> None:
        async with asyncio.timeout(10):
            while not task.done():
                async with self.database.begin() as session:
                    if (await session.execute(WAITING)).scalar_one():
                        return
                await asyncio.sleep(0.01)
        raise AssertionError("the second did not wait for the first")

    async def standing(self) -> list[tuple[int, int]]:
        """The lengths that are paid, each with how often it was told and not taken back."""
        async with self.database.begin() as session:
            paid = select(streak_awards.c.length, streak_awards.c.n).where(streak_awards.c.state == "paid")
            awarded = (await session.execute(paid.order_by(streak_awards.c.length))).all()
            told = select(outbox.c.payload).where(outbox.c.kind == "derived")
            rows = [row for (row,) in await session.execute(told)]
        net = Counter[str]()
        for row in rows:
            net[row["retracts"] or row["external_id"]] += -1 if row["retracts"] else 1
        names = [f"streak.reached:learning:{self.ada}:{length}:{n}" for length, n in awarded]
        assert {name for name, count in net.items() if count} == set(names), "what is told is what is paid"
        return [(length, net[name]) for (length, _), name in zip(awarded, names, strict=True)]

    async def check(self) -> Streak:
        """The row, which is what its facts give."""
        async with self.database.begin() as session:
            verified = await streak_verification.verify_page(session, self.id, as_of=at(10), after="")
            assert (verified.differences, verified.due) == ([], 0)
            return dict(await streaks.list_of(session, self.id, self.ada))["learning"]


@pytest.fixture
async def company(database_url: str) -> AsyncIterator[Company]:
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session, STREAKS)
        ada = await make_member(session, program_id, "ada")
    yield Company(database, program_id, ada)
    await database.dispose()


@pytest.mark.parametrize("days", [(0, 1), (1, 0)])
async def test_two_events_of_one_member_at_once_are_one_run_that_is_paid_once(
    company: Company, days: tuple[int, int]
) -> None:
    await company.race(company.learned(days[0]), company.learned(days[1]))

    assert (await company.check()).longest == 2
    assert await company.standing() == [(2, 1)]


@pytest.mark.parametrize("absence_first", [True, False])
async def test_an_event_against_a_late_absence_joins_the_run_that_is_paid_once(
    company: Company, absence_first: bool
) -> None:
    await company.alone(company.learned(0))
    both = (company.sick, company.learned(2)) if absence_first else (company.learned(2), company.sick)

    await company.race(*both)

    assert (await company.check()).longest == 2
    assert await company.standing() == [(2, 1)]


async def test_whatever_comes_at_once_the_row_is_the_fold_and_each_length_is_paid_once(company: Company) -> None:
    told: list[Work] = [company.learned(day) for day in range(10) if day != 1] + [company.sick]

    await asyncio.gather(*(retry(partial(company.alone, work)) for work in told))

    assert (await company.check()).longest == 9
    assert await company.standing() == [(2, 1), (5, 1)]
