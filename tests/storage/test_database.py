"""Connections that died while nobody used them are replaced, unnoticed."""

import psycopg
import pytest
from sqlalchemy import text

from storage import database as module
from storage.database import Database


async def test_a_connection_that_died_while_it_idled_is_replaced(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    database = Database(database_url, pool_size=1)
    async with database.begin() as session:
        pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])

    async with database.begin() as session:
        assert (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one() != pid
    await database.dispose()


async def test_a_snapshot_changes_nothing(database_url: str):
    database = Database(database_url)

    with pytest.raises(Exception, match="read-only transaction"):
        async with database.snapshot() as session:
            await session.execute(text("DELETE FROM outbox"))
    await database.dispose()


async def test_two_snapshots_see_the_same_instant(database_url: str, owner_url: str):
    database = Database(database_url)
    count = text("SELECT count(*) FROM programs")
    insert = "INSERT INTO programs (program_id, name, kind, created_at) VALUES ('prg_a', 'Acme', 'sandbox', now())"

    async with database.snapshots() as (first, second):
        with psycopg.connect(owner_url, autocommit=True) as other:
            other.execute(insert)
        seen = [await session.scalar(count) for session in (first, second)]

    assert seen == [0, 0]
    await database.dispose()
