from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.api_keys import digest, is_well_formed
from domain.programs import Program, ProgramKind
from domain.scopes import Scope
from storage import api_keys, programs, tables

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    return await programs.insert(session, name="Acme", kind=ProgramKind.SANDBOX, now=NOW)


async def test_a_new_key_is_found_by_its_digest(session: AsyncSession, program: Program) -> None:
    key, secret = await api_keys.insert(session, program, name="CRM", scopes={Scope.EVENTS_WRITE}, now=NOW)

    found = await api_keys.find_by_digest(session, digest(secret))

    assert is_well_formed(secret)
    assert found == key
    assert found.valid_at(NOW)


async def test_the_key_itself_is_not_kept(session: AsyncSession, program: Program) -> None:
    _, secret = await api_keys.insert(session, program, name="CRM", scopes={Scope.EVENTS_WRITE}, now=NOW)

    row = (await session.execute(select(tables.api_keys))).mappings().one()

    assert secret[len(row["prefix"]) :] not in str(dict(row))


async def test_nothing_is_found_by_the_digest_of_another_text(session: AsyncSession) -> None:
    assert await api_keys.find_by_digest(session, digest("lrl_test_something")) is None


async def test_a_key_is_revoked_once_and_for_ever(session: AsyncSession, program: Program) -> None:
    key, secret = await api_keys.insert(session, program, name="CRM", scopes={Scope.EVENTS_WRITE}, now=NOW)

    first = await api_keys.revoke(session, program.id, key.id, now=NOW)
    second = await api_keys.revoke(session, program.id, key.id, now=NOW + timedelta(days=1))

    found = await api_keys.find_by_digest(session, digest(secret))
    assert (first, second) == (True, False)
    assert found
    assert found.revoked_at == NOW


async def test_another_program_can_neither_list_nor_revoke_a_key(session: AsyncSession, program: Program) -> None:
    other = await programs.insert(session, name="Other", kind=ProgramKind.LIVE, now=NOW)
    key, _ = await api_keys.insert(session, program, name="CRM", scopes={Scope.EVENTS_WRITE}, now=NOW)

    revoked = await api_keys.revoke(session, other.id, key.id, now=NOW)

    assert not revoked
    assert await api_keys.list_of(session, other.id) == []
    assert await api_keys.list_of(session, program.id) == [key]


async def test_a_key_needs_a_scope_and_a_future(session: AsyncSession, program: Program) -> None:
    with pytest.raises(ValueError, match="without scopes"):
        await api_keys.insert(session, program, name="CRM", scopes=set(), now=NOW)
    with pytest.raises(ValueError, match="expires after"):
        await api_keys.insert(session, program, name="CRM", scopes=set(Scope), expires_at=NOW, now=NOW)
