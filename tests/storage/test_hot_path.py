"""What is sent together arrives whole, whatever its size; what is sent ahead fails where it is next asked."""

import asyncio
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from storage import hot_path
from storage.database import Database
from storage.hot_path import Query, ahead, run, run_together, send

LONG = "x" * 3_000_000  # more than the kernel takes at once while the server does something else
SLOW: Query = "SELECT pg_sleep(0.3)", {}
IMPOSSIBLE = "SELECT 1 / %(zero)s::int", {"zero": 0}
LENGTH = "SELECT length(CAST(%(text)s AS text))", {"text": LONG}
SECONDS = 20.0


async def test_a_long_statement_after_a_slow_one_is_sent_whole(session: AsyncSession):
    async with asyncio.timeout(SECONDS):
        _, found = await run_together(session, SLOW, LENGTH)

    assert found == [(len(LONG),)]


async def test_long_answers_do_not_keep_a_long_statement_from_being_sent(session: AsyncSession):
    many: Query = "SELECT repeat('y', 1000) FROM generate_series(1, 5000)", {}

    async with asyncio.timeout(SECONDS):
        answers, found = await run_together(session, many, LENGTH)

    assert (len(answers), found) == (5_000, [(len(LONG),)])


async def test_what_is_read_ahead_of_an_answer_sees_what_was_sent_before(session: AsyncSession):
    await run(session, "CREATE TEMP TABLE sent (of bigint)", {})

    async with asyncio.timeout(SECONDS), ahead(session):
        await send(session, *SLOW)
        await send(session, "INSERT INTO sent SELECT length(CAST(%(text)s AS text))", {"text": LONG})
        assert await run(session, "SELECT of FROM sent", {}) == [(len(LONG),)]


async def test_what_went_wrong_is_raised_by_whoever_asks_next(database_url: str):
    database = Database(database_url)
    async with database.begin() as session, hot_path.savepoint(session):
        with suppress(psycopg.errors.DivisionByZero):
            async with ahead(session):
                await send(session, *IMPOSSIBLE)
                await run(session, "SELECT 1", {})
                pytest.fail("it was asked after what went wrong")
        await run(session, "ROLLBACK TO SAVEPOINT hot_path", {})
        assert await run(session, "SELECT 1", {}) == [(1,)]
    await database.dispose()


async def test_what_went_wrong_is_raised_at_the_end_at_the_latest(database_url: str):
    database = Database(database_url)
    async with database.begin() as session, hot_path.savepoint(session):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await _send_only(session)
        await run(session, "ROLLBACK TO SAVEPOINT hot_path", {})
    await database.dispose()


async def _send_only(session: AsyncSession) -> None:
    async with ahead(session):
        await send(session, *IMPOSSIBLE)
