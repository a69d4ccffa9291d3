"""`laurel ledger verify` says how much it checked, and ends badly when something is wrong."""

import asyncio

import orjson
import psycopg

from domain.events import SourcePolicy
from storage import intake
from storage.database import Database
from tests.cli.conftest import Laurel
from tests.programs import NOW, deal, make_member, make_program


async def earn_something(database_url: str) -> None:
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session)
        await make_member(session, program_id, "ada")
        await intake.record(session, program_id, [deal(1)], SourcePolicy(), as_of=NOW)
    await database.dispose()


def test_a_sound_ledger_verifies(laurel: Laurel, database_url: str):
    asyncio.run(earn_something(database_url))

    told = laurel("ledger", "verify", "--json")

    answer = orjson.loads(told.stdout)
    assert (told.exit_code, answer["violations"]) == (0, 0)
    assert answer["checked"] > 5


def test_a_ledger_that_was_tampered_with_ends_with_status_1_and_names_what_is_wrong(
    laurel: Laurel, database_url: str, owner_url: str
):
    asyncio.run(earn_something(database_url))
    with psycopg.connect(owner_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("UPDATE accounts SET balance = balance + 1 WHERE running")

    told, shown = laurel("ledger", "verify", "--json"), laurel("ledger", "verify")

    assert (told.exit_code, shown.exit_code) == (1, 1)
    assert orjson.loads(told.stdout)["violations"] > 0
    assert ".points" in shown.stdout


def test_without_programs_there_is_nothing_to_verify(laurel: Laurel):
    assert "no program yet" in laurel("ledger", "verify").stdout
