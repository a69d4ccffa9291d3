"""Two processes take events of the same members at once: no deadlock, nothing lost, nothing twice."""

import asyncio
import random
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, text

from domain.events import Event, SourcePolicy
from storage import intake, ledger
from storage.database import Database
from storage.tables import decisions, events
from tests.programs import NOW, course, deal, make_member, make_program, retraction

MEMBERS = 12
EVENTS = 300
PROCESSES = 2
CALLERS = 4
POLICY = SourcePolicy(amendments="redecide")


def facts(seed: int) -> list[Event]:
    """The same facts in every process, in an order of its own, some amended and some taken back."""
    taken: list[Event] = []
    for number in range(EVENTS):
        member, at = f"member{number % MEMBERS}", NOW - timedelta(days=number % 30)
        made = (deal if number % 3 else course)(number, member, occurred_at=at)
        taken.append(made)
        if number % 10 == 0:
            taken.append(retraction(made))
    random.Random(seed).shuffle(taken)
    return taken


async def take(database_url: str, program_id: str, seed: int) -> None:
    """Take all facts in batches of random sizes, by several callers of this process at once."""
    database, order = Database(database_url), random.Random(seed)
    left = facts(seed)

    async def caller() -> None:
        while left:
            batch = [left.pop() for _ in range(min(order.randint(1, 40), len(left)))]
            await intake.record_batch(database, program_id, batch, POLICY, as_of=NOW)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await database.dispose()


async def test_two_processes_over_shared_members_never_deadlock(database_url: str):
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session)
        for number in range(MEMBERS):
            await make_member(session, program_id, f"member{number}")

    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, database_url, program_id, str(seed), cwd=Path(__file__).parents[2]
        )
        for seed in range(PROCESSES)
    ]
    ended = [await process.wait() for process in running]

    async with database.begin() as session:
        own = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert (await session.execute(own)).scalar_one() == 0
        assert ended == [0] * PROCESSES
        retracted = select(func.count()).select_from(events).where(events.c.state == "retracted")
        assert (await session.execute(retracted)).scalar_one() == EVENTS // 10
        decided = select(func.count()).select_from(decisions).where(decisions.c.kind == "award")
        assert (await session.execute(decided)).scalar_one() == EVENTS
        assert [check for check in await ledger.verify(session, program_id) if check.violations] == []
    await database.dispose()


if __name__ == "__main__":
    asyncio.run(take(sys.argv[1], sys.argv[2], int(sys.argv[3])))
