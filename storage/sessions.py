"""Sessions whose transaction is the driver's own: begun by the first statement, ended by one call.

SQLAlchemy takes part where it has a statement of its own to run, and where something went wrong: it knows what a lost
connection means for the others of its pool. What it does to begin and end a transaction costs more than most
transactions do.
"""

from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

Driver = psycopg.AsyncConnection[tuple[Any, ...]]


class _Joining(Session):
    """SQLAlchemy's side, on the connection that the driver may have begun with."""

    pooled: PoolProxiedConnection | None = None
    joined: Connection | None = None

    def connect(self) -> PoolProxiedConnection:
        if self.pooled is None:
            try:
                self.pooled = self._engine.raw_connection()
            except psycopg.OperationalError as error:
                raise OperationalError(None, None, error) from error
        return self.pooled

    def get_bind(self, *_: Any, **__: Any) -> Connection:
        if self.joined is None:
            self.joined = Connection(self._engine, self.connect())
        return self.joined

    @property
    def _engine(self) -> Engine:
        assert isinstance(self.bind, Engine), "a session of an engine"
        return self.bind


class DirectSession(AsyncSession):
    """One transaction on one connection of the pool, which is taken for the first statement."""

    sync_session_class = _Joining
    sync_session: _Joining

    async def driver(self) -> Driver:
        """The connection itself; what it runs is part of this session's transaction."""
        pooled = self.sync_session.pooled
        if pooled is None:
            pooled = await greenlet_spawn(self.sync_session.connect)
        return cast("Driver", pooled.driver_connection)

    async def commit(self) -> None:
        """Keep what was done, by the driver and by SQLAlchemy."""
        if self.sync_session.joined is not None:
            await super().commit()
        elif self.sync_session.pooled is not None:
            await (await self.driver()).commit()

    async def rollback(self) -> None:
        """Undo what was done."""
        if self.sync_session.pooled is None:
            return
        if self.sync_session.joined is None:
            await self.connection()
        await super().rollback()

    async def close(self) -> None:
        """Give the connection back; what was not committed is undone."""
        session = self.sync_session
        if session.joined is not None:
            await super().close()
            await greenlet_spawn(session.joined.close)
        elif session.pooled is not None:
            await greenlet_spawn(session.pooled.close)
        session.pooled = session.joined = None
