"""`laurel reports` for people, spreadsheets and scripts, and that it ends badly when something is wrong."""

import asyncio
import csv
import io
from datetime import timedelta
from pathlib import Path

import orjson
import psycopg
import pytest

from storage.database import Database
from tests.cli.conftest import Laurel
from tests.programs import NOW, SAMPLE, make_member, make_program
from tests.redeemed import place, send
from tests.tellers import Teller

CASH = {"units": {"cash": {"kind": "money", "currency": "USD", "exponent": 2}}}
ALL = ("trial-balance", "liability", "breakage", "spend", "holds", "clearing", "journal")
MARCH = ("--from", "2026-03-01", "--until", "2026-04-01")


@pytest.fixture
def program(database_url: str) -> str:
    """A program with points earned, spent, and changed into money."""

    async def make() -> str:
        database = Database(database_url)
        async with database.begin() as session:
            program_id = await make_program(session, SAMPLE | CASH)
            ada = await make_member(session, program_id, "ada")
            teller = Teller(session, program_id)
            await teller.earn(ada, 9_000, NOW + timedelta(days=365))
            await send(session, await place(session, program_id, ada, NOW), NOW)
            await teller.convert(ada, 1_000, "cash")
        await database.dispose()
        return program_id

    return asyncio.run(make())


def rows(told: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(told)))


@pytest.mark.parametrize("name", ALL)
def test_every_report_is_there_as_a_table_as_csv_and_as_json(laurel: Laurel, program: str, name: str):
    period = MARCH if name in ("breakage", "spend", "journal") else ()
    shown, told, written = (laurel("reports", name, *period, *form) for form in ((), ("--json",), ("--csv",)))

    assert [one.exit_code for one in (shown, told, written)] == [0, 0, 0]
    assert shown.stdout
    found = orjson.loads(told.stdout)
    found = found["what_differs"] if name == "holds" else found
    assert [list(one) for one in rows(written.stdout)] == [list(one) for one in found]
    assert found or name == "holds"


def test_people_see_money_as_money(laurel: Laurel, program: str):
    shown = laurel("reports", "trial-balance").stdout

    assert "5,500" in shown
    assert "20.00" in shown


def test_the_journal_names_the_accounts_of_a_chart_of_ones_own(laurel: Laurel, program: str, tmp_path: Path):
    chart = tmp_path / "chart.yaml"
    chart.write_text('accounts: {available.cash: {code: "3320", name: Cash of employees}}')

    found = rows(laurel("reports", "journal", *MARCH, "--chart", str(chart), "--csv").stdout)

    assert sum(int(row["debit"]) for row in found) == sum(int(row["credit"]) for row in found) > 0
    assert [row["code"] for row in found if row["unit"] == "cash"] == ["2900", "3320"]
    assert list(found[0]) == [
        *("transaction_id", "line", "recorded_at", "effective_at", "kind", "unit", "exponent", "code", "account"),
        *("debit", "credit", "member_id", "event_id", "order_id", "reverses_id"),
    ]


def test_the_journal_is_of_the_programs_own_accounts(laurel: Laurel, program: str, tmp_path: Path):
    chart = tmp_path / "chart.yaml"
    chart.write_text(f'programs: {{{program}: {{available.cash: {{code: "3320", name: Cash of employees}}}}}}')

    found = rows(laurel("reports", "journal", *MARCH, "--chart", str(chart), "--csv").stdout)

    assert [row["code"] for row in found if row["unit"] == "cash"] == ["2900", "3320"]


def test_a_chart_that_cannot_be_read_is_refused_in_one_line(laurel: Laurel, program: str, tmp_path: Path):
    told = laurel("reports", "journal", "--chart", str(tmp_path / "none.yaml"))

    assert (told.exit_code, "none.yaml" in str(told.exception)) == (1, True)


@pytest.mark.parametrize(
    ("name", "tampering", "why"),
    [
        ("trial-balance", "UPDATE entries SET amount = amount + 1 WHERE version = 1", "points makes"),
        ("holds", "UPDATE orders SET state = 'placed'", "1 orders and holds differ"),
        ("clearing", "UPDATE conversions SET from_amount = 1", "not explained: liquidity of points"),
    ],
)
def test_a_report_that_finds_something_wrong_ends_with_status_1(
    laurel: Laurel, program: str, owner_url: str, name: str, tampering: str, why: str
):
    with psycopg.connect(owner_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(tampering)

    told = laurel("reports", name)

    assert told.exit_code == 1
    assert why in str(told.exception)
