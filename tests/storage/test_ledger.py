"""The ledger's rows: what the database refuses, and that verification finds whatever was tampered with."""

from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import SourcePolicy
from domain.ledger import Grant, Hold, held_account, member_account, pending_account
from storage import intake, ledger, verification
from storage.database import Database
from storage.hot_path import run
from storage.sets import insert_all
from tests.programs import NOW, deal, make_member, make_program, retraction


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def program_id(opened: Database) -> str:
    """A program with points earned, taken back, held, spent and released."""
    async with opened.begin() as session:
        program_id = await make_program(session)
        ada = await make_member(session, program_id, "ada")
        taken = [deal(n, amount_minor=10_000_00, occurred_at=NOW - timedelta(days=n)) for n in range(1, 6)]
        await intake.record(session, program_id, taken, SourcePolicy(), as_of=NOW)
        await intake.record(session, program_id, [retraction(taken[0])], SourcePolicy(), as_of=NOW)
        for number, closing in enumerate(("settle", "release", "nothing")):
            await hold_and(closing, session, program_id, ada, f"order {number}")
        await promise_and("confirm", session, program_id, ada)
        await promise_and("nothing", session, program_id, ada)
    return program_id


async def promise_and(closing: str, session: AsyncSession, program_id: str, member: str) -> None:
    book = await ledger.open_book(session, program_id, [member], recorded_at=NOW, pending=True)
    promise = book.pend(
        member=member_account(member, "points"),
        pending=pending_account(member, "points"),
        grant=Grant(40),
        available_at=NOW,
        business_key=f"pend and {closing}",
        effective_at=NOW,
    )
    await ledger.write(session, book)
    await insert_all(session, [ledger.pending_rows(program_id, [promise], created_at=NOW)])
    if closing != "nothing":
        book = await ledger.open_book(session, program_id, [member], recorded_at=NOW, pending=True)
        book.confirm(promise, business_key=closing, effective_at=NOW)
        await ledger.write(session, book)
        ending = ledger.closing_pendings(program_id, [promise])
        assert ending
        await run(session, *ending)


async def hold_and(closing: str, session: AsyncSession, program_id: str, member: str, key: str) -> Hold:
    book = await ledger.open_book(session, program_id, [member], recorded_at=NOW, debited=[member])
    hold = book.hold(
        member=member_account(member, "points"),
        held=held_account(member, "points"),
        amount=70,
        business_key=f"hold {key}",
        effective_at=NOW,
        order_id=f"ord_{key}",
    )
    await ledger.write(session, book)
    await insert_all(session, [ledger.hold_rows(program_id, [hold], created_at=NOW)])
    if closing != "nothing":
        book = await ledger.open_book(session, program_id, [member], recorded_at=NOW, lot_ids=list(hold.lots))
        found = await ledger.find_hold(session, program_id, hold.id)
        assert found == hold
        getattr(book, closing)(found, business_key=f"{closing} {key}", effective_at=NOW)
        await ledger.write(session, book)
        await ledger.close_hold(session, program_id, found)
    return hold


async def violated(opened: Database, program_id: str) -> set[str]:
    async with opened.begin() as session:
        return {check.name for check in await verification.verify(session, program_id) if check.violations}


async def test_every_check_has_something_to_check_and_finds_nothing(opened: Database, program_id: str):
    async with opened.begin() as session:
        checks = await verification.verify(session, program_id)

    assert [check for check in checks if check.violations or not check.checked] == []


# What a person with the owner's role might do, and the first word of each check that must notice.
TAMPERING = {
    "UPDATE entries SET amount = amount + 1 WHERE version = 1": {"I1", "I2", "I4"},
    "UPDATE entries SET balance = balance + 1 WHERE version = 2": {"I2"},
    "DELETE FROM entries WHERE version = 1": {"I1", "I2", "I4"},
    "UPDATE accounts SET balance = balance + 5 WHERE running AND id LIKE '%.points'": {"I2", "I4"},
    "UPDATE accounts SET balance = balance + 5 WHERE id LIKE '%.held'": {"I2", "I3"},
    "UPDATE accounts SET version = version + 1 WHERE running AND id LIKE '%.points'": {"I2"},
    "UPDATE accounts SET lifetime = lifetime + 1 WHERE running AND id LIKE '%.points'": {"I4"},
    "UPDATE lots SET allocated = allocated + 1, remaining = remaining - 1 WHERE remaining > 0": {"I4"},
    "UPDATE lots SET granted = granted + 1, allocated = allocated + 1": {"I4"},
    "UPDATE lot_moves SET amount = amount + 1 WHERE kind = 'hold'": {"I4"},
    "UPDATE holds SET amount = amount + 1 WHERE state = 'open'": {"I3"},
    "UPDATE holds SET state = 'released', settled = 0, released = amount WHERE state = 'settled'": {"I5"},
    "UPDATE transfers SET amount = amount + 1": {"I1", "I4", "I5"},
    "UPDATE transactions SET kind = 'refund' WHERE kind = 'settle'": {"I5"},
}


@pytest.mark.parametrize(("statement", "noticed"), TAMPERING.items(), ids=TAMPERING)
async def test_verification_notices(
    opened: Database, program_id: str, owner_url: str, statement: str, noticed: set[str]
):
    with psycopg.connect(owner_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(statement)

    found = await violated(opened, program_id)

    assert {name.split()[0] for name in found} & noticed


@pytest.mark.parametrize("table", ["transactions", "transfers", "entries", "lot_moves", "decisions"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET program_id = program_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_the_application_cannot_change_what_is_written(program_id: str, database_url: str, table: str, statement: str):
    with (
        psycopg.connect(database_url.replace("+psycopg", "")) as application,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        application.execute(statement.format(table))


REFUSED = {
    "a transfer of nothing": "UPDATE transfers SET amount = 0",
    "a transfer from an account to itself": "UPDATE transfers SET to_account = from_account",
    "a balance below its debt": "UPDATE accounts SET balance = -debt - 1 WHERE running",
    "a balance on a summed account": "UPDATE accounts SET balance = 1 WHERE NOT running",
    "a lot that gives more than it has": "UPDATE lots SET allocated = granted + 1, remaining = -1",
    "a lot whose parts do not add up": "UPDATE lots SET remaining = remaining + 1",
    "two entries of one version": "UPDATE entries SET version = 1 WHERE version IS NOT NULL",
    "a second use of a business key": "UPDATE transactions SET business_key = 'one'",
    "a reversal of nothing": "UPDATE transactions SET kind = 'reverse' WHERE kind = 'earn'",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_the_database_itself_refuses(program_id: str, owner_url: str, statement: str):
    with psycopg.connect(owner_url.replace("+psycopg", "")) as owner, pytest.raises(errors.IntegrityError):
        owner.execute(statement)


async def test_another_program_sees_none_of_it(opened: Database, program_id: str):
    async with opened.begin() as session:
        other = await make_program(session)
        checks = await verification.verify(session, other)

    assert sum(check.checked for check in checks) == 0
