"""Statements: stored once under their id in their connection, and found as voided or not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection
from domain.programs import ProgramKind
from storage import connections, programs, statements
from storage.keyring import Keyring
from storage.statements import StoredStatement

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYRING = Keyring({"a": bytes(32)}, "a")
ONE = StoredStatement("one", {"verb": {"id": "urn:v"}}, None, NOW)


async def make_connection(session: AsyncSession, name: str) -> Connection:
    program = await programs.insert(session, name=name, kind=ProgramKind.SANDBOX, now=NOW)
    return await connections.insert(
        session, KEYRING, program, kind="xapi", name=name, config={}, secrets={"token": "t"}, now=NOW
    )


@pytest.fixture
async def connection(session: AsyncSession) -> Connection:
    return await make_connection(session, "lms")


async def test_a_statement_is_stored_once_and_never_changed(session: AsyncSession, connection: Connection) -> None:
    first = await statements.insert_new(session, connection, [ONE])
    again = await statements.insert_new(session, connection, [replace(ONE, body={}), replace(ONE, id="two")])

    assert (first, again) == ({"one"}, {"two"})
    assert await statements.find(session, connection, "one", voided=False) == ONE
    assert await statements.list_by_id(session, connection, ["one", "three"]) == [ONE]


async def test_connections_know_nothing_of_each_others_statements(
    session: AsyncSession, connection: Connection
) -> None:
    other = await make_connection(session, "other")

    await statements.insert_new(session, connection, [ONE])

    assert await statements.find(session, other, "one", voided=False) is None
    assert await statements.insert_new(session, other, [ONE]) == {"one"}


@pytest.mark.parametrize("order", [("one", "voiding"), ("voiding", "one")])
async def test_a_voided_statement_is_found_as_voided_whichever_came_first(
    session: AsyncSession, connection: Connection, order: tuple[str, str]
) -> None:
    arrived = {"one": ONE, "voiding": StoredStatement("voiding", {}, "one", NOW)}
    for name in order:
        await statements.insert_new(session, connection, [arrived[name]])

    assert await statements.find(session, connection, "one", voided=False) is None
    assert await statements.find(session, connection, "one", voided=True) == ONE
    assert await statements.find(session, connection, "voiding", voided=False) == arrived["voiding"]


async def test_a_voiding_statement_cannot_be_voided(session: AsyncSession, connection: Connection) -> None:
    voiding = StoredStatement("voiding", {}, "one", NOW)
    await statements.insert_new(session, connection, [voiding, StoredStatement("second", {}, "voiding", NOW)])

    assert await statements.find(session, connection, "voiding", voided=False) == voiding
    assert await statements.find(session, connection, "voiding", voided=True) is None
