"""Lists of holds and promises: what they show, and that a member's cost what the member has."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Cancel, Earn, PlaceHold, Settle
from storage import accounts
from tests.storage.test_account_statements import read_of
from tests.storage.test_commands import Program, make, order

# Closed holds and promises of somebody else.
MANY = 2_000
_HOLDS = """INSERT INTO holds (id, program_id, account_id, held_account_id, transaction_id, amount, settled, state,
        closed_by, created_at)
    SELECT 'hld_' || lpad(n::text, 26, '0'), program_id, account_id, held_account_id, transaction_id, amount, amount,
        'settled', transaction_id, created_at FROM holds, generate_series(1, :many) AS n WHERE id = :id"""
_PENDINGS = """INSERT INTO pendings (id, program_id, account_id, pending_account_id, transaction_id, amount, state,
        closed_by, created_at)
    SELECT 'pnd_' || lpad(n::text, 26, '0'), program_id, account_id, pending_account_id, transaction_id, amount,
        'cancelled', transaction_id, created_at FROM pendings, generate_series(1, :many) AS n WHERE id = :id"""


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    return await make(session)


async def test_closed_holds_of_a_member_are_found_without_reading_everybodys(program: Program):
    held = await _held(program, program.ada)
    theirs = await _held(program, program.ben)
    await program.done(order(Settle, hold_id=held))
    await program.session.execute(text(_HOLDS), {"id": theirs, "many": MANY})
    await program.session.execute(text("ANALYZE holds"))
    before = await read_of(program.session, "holds")

    found = await _list(program, accounts.list_holds, state="settled")

    assert [one.id for one in found] == [held]
    assert await read_of(program.session, "holds") - before <= 10


async def test_closed_promises_of_a_member_are_found_without_reading_everybodys(program: Program):
    kept, theirs = [await _promised(program, member) for member in (program.ada, program.ben)]
    await program.done(order(Cancel, pending_id=kept))
    await program.session.execute(text(_PENDINGS), {"id": theirs, "many": MANY})
    await program.session.execute(text("ANALYZE pendings"))
    before = await read_of(program.session, "pendings")

    found = await _list(program, accounts.list_pendings, state="cancelled")

    assert [one.id for one in found] == [kept]
    assert await read_of(program.session, "pendings") - before <= 10


async def _held(program: Program, member: str) -> str:
    await program.done(order(Earn, member_id=member, amount=10))
    return str((await program.done(order(PlaceHold, member_id=member, amount=10))).hold_id)


async def _promised(program: Program, member: str) -> str:
    return str((await program.done(order(Earn, member_id=member, amount=10, awaits_approval=True))).pending_id)


async def _list(program: Program, listing: Any, state: str) -> Any:
    return await listing(program.session, program.id, member_id=program.ada, state=state, before=None, limit=10)
