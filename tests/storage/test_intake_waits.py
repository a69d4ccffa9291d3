"""Members of one program who share nothing do not wait for each other: no row of the program itself is hot."""

from sqlalchemy import text

from domain.events import SourcePolicy
from storage import intake
from storage.database import Database
from tests.programs import NOW, deal, make_member, make_program

POLICY = SourcePolicy()


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
