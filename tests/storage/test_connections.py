from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection, InvalidConnection
from domain.programs import Program, ProgramKind
from storage import connections, programs, tables
from storage.keyring import CannotOpen, Keyring

NOW, LATER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
KEYRING = Keyring({"a": bytes(32)}, "a")


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    return await programs.insert(session, name="Acme", kind=ProgramKind.SANDBOX, now=NOW)


async def _insert(session: AsyncSession, program: Program, name: str = "crm") -> Connection:
    secrets = {"client_secret": "canary-1", "access_token": "canary-2"}
    config = {"base_url": "http://127.0.0.1:1"}
    return await connections.insert(
        session, KEYRING, program, kind="hubspot", name=name, config=config, secrets=secrets, now=NOW
    )


async def test_a_connection_comes_back_with_its_secrets_by_id_and_by_name(
    session: AsyncSession, program: Program
) -> None:
    made = await _insert(session, program)

    assert await connections.find(session, KEYRING, made.id) == made
    assert await connections.get(session, KEYRING, program.id, made.id) == made
    assert await connections.find_by_name(session, KEYRING, program.id, "crm") == made


async def test_the_database_never_sees_a_secret(session: AsyncSession, program: Program) -> None:
    await _insert(session, program)

    row = (await session.execute(select(tables.connections))).mappings().one()

    assert "canary" not in str(dict(row))


async def test_another_program_has_no_part_in_a_connection(session: AsyncSession, program: Program) -> None:
    made = await _insert(session, program)
    other = await programs.insert(session, name="Other", kind=ProgramKind.SANDBOX, now=NOW)

    assert await connections.list_of(session, other.id) == []
    assert await connections.find_by_name(session, KEYRING, other.id, "crm") is None
    with pytest.raises(LookupError):
        await connections.get(session, KEYRING, other.id, made.id)


async def test_a_list_shows_connections_without_opening_their_secrets(session: AsyncSession, program: Program) -> None:
    made = await _insert(session, program)

    listed = await connections.list_of(session, program.id)

    assert [(one.id, one.config, one.secrets) for one in listed] == [(made.id, made.config, {})]


async def test_a_name_is_taken_once_in_a_program(session: AsyncSession, program: Program) -> None:
    await _insert(session, program)

    with pytest.raises(connections.NameTaken, match="crm"):
        await _insert(session, program)


async def test_rotation_replaces_the_secrets_it_names_and_keeps_the_others(
    session: AsyncSession, program: Program
) -> None:
    made = await _insert(session, program)

    await connections.rotate(session, KEYRING, made, secrets={"access_token": "new"}, now=LATER)

    found = await connections.get(session, KEYRING, program.id, made.id)
    assert found.secrets == {"client_secret": "canary-1", "access_token": "new"}
    assert found.rotated_at == LATER


async def test_rotation_refuses_what_the_kind_does_not_declare(session: AsyncSession, program: Program) -> None:
    made = await _insert(session, program)

    with pytest.raises(InvalidConnection, match="unknown secret fields: colour"):
        await connections.rotate(session, KEYRING, made, secrets={"colour": "red"}, now=LATER)


async def test_secrets_do_not_open_in_another_connections_row(session: AsyncSession, program: Program) -> None:
    first, second = await _insert(session, program, "one"), await _insert(session, program, "two")
    table = tables.connections
    stolen = select(table.c.secrets).where(table.c.id == first.id).scalar_subquery()
    await session.execute(table.update().where(table.c.id == second.id).values(secrets=stolen))

    with pytest.raises(CannotOpen):
        await connections.find(session, KEYRING, second.id)
