"""`laurel statement` for people, spreadsheets and scripts."""

import asyncio
import csv
import io
from datetime import timedelta

import orjson
import pytest

from storage.database import Database
from tests.cli.conftest import Laurel
from tests.programs import NOW, make_member, make_program
from tests.tellers import Teller


@pytest.fixture
def ada(database_url: str) -> str:
    """A member with 250 lines and one that was backdated."""

    async def make() -> str:
        database = Database(database_url)
        async with database.begin() as session:
            program_id = await make_program(session)
            ada = await make_member(session, program_id, "ada", time_zone="America/New_York")
            teller = Teller(session, program_id)
            for _ in range(250):
                await teller.earn(ada, 10, NOW + timedelta(days=365))
            teller.now += timedelta(days=10)
            await teller.adjust(ada, -7, effective_at=NOW, reason="=counted twice")
        await database.dispose()
        return ada

    return asyncio.run(make())


def test_a_spreadsheet_gets_every_line_with_its_running_balance(laurel: Laurel, ada: str):
    told = laurel("statement", ada, "--from", "2026-03-04", "--until", "2026-03-05", "--csv")

    rows = list(csv.DictReader(io.StringIO(told.stdout)))
    assert (told.exit_code, len(rows)) == (0, 251)
    assert [int(row["balance"]) for row in rows] == [*range(10, 2501, 10), 2493]
    assert rows[-1]["effective_at"] == "2026-03-04T12:00:00Z"
    assert rows[-1]["recorded_at"] == "2026-03-14T12:00:00Z"
    assert rows[-1]["reason"] == "'=counted twice"  # a text, and no formula


def test_a_script_gets_the_statement_as_it_was_known(laurel: Laurel, ada: str):
    told = laurel(
        *("statement", "ada@example.com", "--json", "--from", "2026-03-04"),
        *("--until", "2026-03-05", "--known-at", "2026-03-06"),
    )

    answer = orjson.loads(told.stdout)
    assert answer["summary"]["closing"]["balance"] == 2500
    assert len(answer["lines"]) == 250


def test_a_person_sees_where_it_began_what_changed_it_and_where_it_ended(laurel: Laurel, ada: str):
    shown = laurel("statement", ada, "--from", "2026-03-04T13:00:00+01:00", "--until", "2026-03-20").stdout

    assert "2,493" in shown
    assert "bonus" in shown
    assert "=counted twice" in shown
    assert "2027-03" in shown
    assert "next: 2027-03-04" in shown


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nobody@example.com",), "no member"),
        (("ada@example.com", "--unit", "gold"), "no unit gold"),
        (("ada@example.com", "--from", "yesterday"), "'yesterday' is neither a day"),
        (("ada@example.com", "--from", "2026-03-05", "--until", "2026-03-04"), "ends before it begins"),
    ],
)
def test_what_cannot_be_stated_is_said_in_one_line(laurel: Laurel, ada: str, arguments: tuple[str, ...], why: str):
    told = laurel("statement", *arguments)

    assert told.exit_code == 1
    assert why in str(told.exception)
