"""Connections to PostgreSQL: one engine per process, one transaction per `begin`."""

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import psycopg
from sqlalchemy import event, text
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from storage import measures
from storage.balance_changes import CHANGED, Changed
from storage.sessions import DirectSession

# A statement that runs longer than this is ended by the server: milliseconds.
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 10_000
# A connection that idled for longer is asked whether it is still there before it is used.
IDLE_SECONDS = 1.0
# A statement that a connection has run as often is prepared: planning one costs more than running it.
PREPARED_AFTER = 2
# In a session's `info`, the lanes of the outbox that it has written to.
LANES = "lanes"
OPTIONS = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS} -c TimeZone=UTC"


def with_driver(url: str) -> str:
    """The URL with psycopg named as the driver; postgres:// and postgresql:// are both taken."""
    scheme, rest = url.split("://", 1)
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else f"{scheme}://{rest}"


class Database:
    """The application's engine. Every session is one READ COMMITTED transaction on one connection.

    `ring` is called after each commit that left rows in the outbox, with their lanes; `tell` after each that
    changed balances, with whose.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        ring: Callable[[Collection[str]], None] = lambda _: None,
        tell: Callable[[Changed], None] = lambda _: None,
    ) -> None:
        self._ring = ring
        self._tell = tell
        self.engine = create_async_engine(
            with_driver(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_use_lifo=True,  # the connection that was used last has most statements prepared
            pool_timeout=10,
            hide_parameters=True,  # errors are logged, and parameters are people's data
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={"connect_timeout": 10, "options": OPTIONS, "prepare_threshold": PREPARED_AFTER},
        )

        event.listen(self.engine.sync_engine.pool, "checkin", _note_time)
        event.listen(self.engine.sync_engine.pool, "checkout", _ping_after_idling)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction that commits when the block ends, and rolls back when it raises."""
        session = DirectSession(self.engine)
        try:
            yield session
            await session.commit()
        except BaseException:
            async with session:  # closed, whatever else comes meanwhile
                with suppress(OperationalError):  # the connection is gone, and with it everything
                    await session.rollback()
            raise
        await session.close()
        measures.count_committed(session)
        if changed := session.info.get(CHANGED):
            self._tell(changed)
        if lanes := session.info.get(LANES):
            self._ring(lanes)

    @asynccontextmanager
    async def rehearse(self) -> AsyncIterator[AsyncSession]:
        """A session whose transaction is rolled back, whatever it did."""
        async with DirectSession(self.engine) as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one instant of the database throughout and can change nothing."""
        reading = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with AsyncSession(reading, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def snapshots(self) -> AsyncIterator[tuple[AsyncSession, AsyncSession]]:
        """Two such sessions that see the same instant, for work that can be done side by side."""
        async with self.snapshot() as first, self.snapshot() as second:
            exported = await first.scalar(text("SELECT pg_export_snapshot()"))
            await second.execute(text(f"SET TRANSACTION SNAPSHOT '{exported}'"))
            yield first, second

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _note_time(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _ping_after_idling(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Have the pool replace a connection that died while nobody used it; a busy one is not asked."""
    if time.monotonic() - record.info.get("used", time.monotonic()) < IDLE_SECONDS:
        return
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT 1")
        connection.commit()  # after a rollback the driver would forget all that it has prepared
        cursor.close()
    except psycopg.Error:
        raise DisconnectionError from None
