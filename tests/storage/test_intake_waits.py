"""Who waits for whom: members who share nothing for nobody, and nobody for who waits for him."""

import asyncio

from sqlalchemy import text

from domain.events import SourcePolicy, Told
from domain.outcomes import Outcome
from storage import facts, intake
from storage.database import Database
from tests.programs import NOW, deal, make_member, make_program

POLICY = SourcePolicy()
VERSIONED = SourcePolicy(amendments="redecide")


async def test_members_who_share_nothing_do_not_wait_for_each_other(database_url: str):
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session)
        for member in ("ada", "bea", "cleo"):
            await make_member(session, program_id, member)
        # The program's own accounts are there, as they are in any program that has given points before.
        await intake.record(session, program_id, [deal(0, "cleo")], POLICY, as_of=NOW)

    async with database.begin() as first, database.begin() as second:
        await second.execute(text("SET LOCAL lock_timeout = '100ms'"))
        await intake.record(first, program_id, [deal(1, "ada")], POLICY, as_of=NOW)
        (outcome,) = await intake.record(second, program_id, [deal(2, "bea")], POLICY, as_of=NOW)

    assert outcome.points == 50
    await database.dispose()


# -- Events before members, all at once ----------------------------------------------------------------------------


async def test_events_of_several_policies_are_locked_before_any_member(database_url: str):
    database = Database(database_url)
    program_id = await _with_deals(database)
    told = [Told(deal(1, amount_minor=1, source_version=2), VERSIONED), Told(deal(2), SourcePolicy())]

    async with asyncio.TaskGroup() as group, database.begin() as other:
        await facts.lock(other, program_id, [("crm", "deal-2")])
        both = group.create_task(_record_all(database, program_id, told))
        await _until_waiting(database, 1)
        await intake.record(other, program_id, [deal(2, amount_minor=1)], VERSIONED, as_of=NOW)

    assert [outcome.status for outcome in both.result()] == ["amended", "conflict"]
    await database.dispose()


async def _with_deals(database: Database) -> str:
    async with database.begin() as session:
        program_id = await make_program(session)
        await make_member(session, program_id, "ada")
        await intake.record(session, program_id, [deal(1), deal(2)], SourcePolicy(), as_of=NOW)
    return program_id


async def _record_all(database: Database, program_id: str, told: list[Told]) -> list[Outcome]:
    """Without another try: a deadlock is an error here."""
    async with database.begin() as session:
        return await intake.record_all(session, program_id, told, as_of=NOW)


async def _until_waiting(database: Database, count: int) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(10):
        while True:
            async with database.begin() as session:
                if (await session.execute(waiting)).scalar_one() >= count:
                    return
            await asyncio.sleep(0.01)
