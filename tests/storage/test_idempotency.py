"""Idempotency keys in PostgreSQL: locked by one, kept with their outcome, forgotten when their time is over."""

from datetime import timedelta

import pytest
from psycopg.errors import UniqueViolation
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.idempotency import IdempotencyKey
from storage import idempotency
from tests.programs import NOW, make_program

ONE = IdempotencyKey("key_1 POST /v1/orders", "a", b"1")
OTHER = IdempotencyKey("key_1 POST /v1/orders", "b", b"2")


async def test_a_key_is_locked_by_one_transaction_at_a_time(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as first, first.begin():
        held = await idempotency.try_lock(first, "prg_1", [ONE])
        async with AsyncSession(engine) as second, second.begin():
            left = await idempotency.try_lock(second, "prg_1", [ONE, OTHER])
            elsewhere = await idempotency.try_lock(second, "prg_2", [ONE])

    async with AsyncSession(engine) as third, third.begin():
        free = await idempotency.try_lock(third, "prg_1", [ONE, OTHER])

    assert (held, left, elsewhere) == ({ONE.name}, {OTHER.name}, {ONE.name})
    assert free == {ONE.name, OTHER.name}


async def test_an_outcome_is_found_by_the_name_of_its_key(session: AsyncSession) -> None:
    program_id = await make_program(session)
    await idempotency.insert(session, program_id, [(ONE, {"status": 201})], now=NOW)

    found = await idempotency.find(session, program_id, [ONE.name, OTHER.name])

    assert {name: (kept.fingerprint, kept.outcome) for name, kept in found.items()} == {
        ONE.name: (b"1", {"status": 201})
    }
    assert await idempotency.find(session, await make_program(session), [ONE.name]) == {}


async def test_a_key_has_one_outcome_for_ever(session: AsyncSession) -> None:
    program_id = await make_program(session)
    await idempotency.insert(session, program_id, [(ONE, {})], now=NOW)

    with pytest.raises(UniqueViolation):
        await idempotency.insert(session, program_id, [(ONE, {})], now=NOW)


async def test_keys_are_forgotten_page_by_page_when_their_time_is_over(session: AsyncSession) -> None:
    program_id = await make_program(session)
    for n in range(5):
        key = IdempotencyKey("scope", str(n), b"")
        await idempotency.insert(session, program_id, [(key, {})], now=NOW + timedelta(days=n))

    purged = [await idempotency.purge(session, NOW + timedelta(days=3), 2) for _ in range(3)]

    assert purged == [2, 1, 0]
    left = await idempotency.find(session, program_id, [("scope", str(n)) for n in range(5)])
    assert left.keys() == {("scope", "3"), ("scope", "4")}
