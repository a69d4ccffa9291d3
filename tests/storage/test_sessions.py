"""A session's transaction is one, whoever runs its statements, and leaves nothing behind that fails."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from storage.database import Database
from storage.failures import is_transient
from storage.hot_path import run

PID = "SELECT pg_backend_pid()"
COUNT = "SELECT count(*)::int FROM programs"
INSERT = "INSERT INTO programs (program_id, name, kind, created_at) VALUES ('prg_{0}', '{0}', 'sandbox', now())"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=1)
    yield database
    await database.dispose()


async def count(database: Database) -> int:
    async with database.begin() as session:
        [(found,)] = await run(session, COUNT, {})
    return int(found)


@pytest.mark.parametrize("driver_first", [True, False])
async def test_the_driver_and_sqlalchemy_share_one_transaction(database: Database, driver_first: bool) -> None:
    async with database.begin() as session:
        if driver_first:
            await run(session, INSERT.format("a"), {})
        await session.execute(text(INSERT.format("b")))
        [(by_driver,)] = await run(session, COUNT, {})
        by_sqlalchemy = await session.scalar(text(COUNT))

    assert by_driver == by_sqlalchemy == await count(database) == 1 + driver_first


@pytest.mark.parametrize("joined", [True, False])
async def test_what_raises_leaves_nothing_behind(database: Database, joined: bool) -> None:
    async def work() -> None:
        async with database.begin() as session:
            await run(session, INSERT.format("a"), {})
            if joined:
                await session.execute(text(INSERT.format("b")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()

    assert await count(database) == 0


async def test_what_is_rolled_back_leaves_nothing_behind(database: Database) -> None:
    async with database.begin() as session:
        await run(session, INSERT.format("a"), {})
        await session.rollback()

    assert await count(database) == 0


async def test_a_cancelled_statement_leaves_the_connection_in_order(database: Database) -> None:
    async def work() -> None:
        async with database.begin() as session:
            await run(session, INSERT.format("a"), {})
            await run(session, "SELECT pg_sleep(30)", {})

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work(), 0.2)

    assert await count(database) == 0


@pytest.mark.parametrize("last", [PID, None])
async def test_a_lost_connection_is_a_transient_failure_and_the_next_transaction_has_another(
    database: Database, database_url: str, last: str | None
) -> None:
    pids = []

    async def work() -> None:
        async with database.begin() as session:
            await run(session, INSERT.format("a"), {})
            [(pid,)] = await run(session, PID, {})
            pids.append(pid)
            with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
            if last:
                await run(session, last, {})

    with pytest.raises(psycopg.errors.AdminShutdown) as caught:
        await work()

    assert is_transient(caught.value)
    async with database.begin() as session:
        assert await run(session, PID, {}) != [(pids[0],)]
    assert await count(database) == 0


async def test_a_server_that_is_away_is_a_transient_failure() -> None:
    database = Database("postgresql+psycopg://nobody@/nothing?host=/nonexistent")

    async def work() -> None:
        async with database.begin() as session:
            await run(session, PID, {})

    with pytest.raises(OperationalError) as caught:
        await work()

    assert is_transient(caught.value)
