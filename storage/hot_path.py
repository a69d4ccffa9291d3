"""The hot path: SQL text run by the driver itself, on the session's own connection and transaction.

What SQLAlchemy adds to a statement costs three times as much as the statement, and taking events in runs a dozen.
"""

from collections.abc import Mapping
from typing import Any, cast

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import SessionTransaction

_KEY = "driver connection"


async def run(session: AsyncSession, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement, whose parameters are written %(name)s; raises psycopg's own errors."""
    connection = await _driver(session)
    cursor = await connection.execute(statement, parameters)
    result = cursor.pgresult
    return await cursor.fetchall() if result is not None and result.nfields else []


async def _driver(session: AsyncSession) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """The connection under the session; asking for it is what makes SQLAlchemy begin a transaction or savepoint."""
    kept = session.info.get(_KEY)
    if kept is not None and kept[0] is _transaction(session):
        return cast("psycopg.AsyncConnection[tuple[Any, ...]]", kept[1])
    raw = await (await session.connection()).get_raw_connection()
    driver = cast("psycopg.AsyncConnection[tuple[Any, ...]]", raw.driver_connection)
    session.info[_KEY] = _transaction(session), driver
    return driver


def _transaction(session: AsyncSession) -> SessionTransaction | None:
    return session.sync_session.get_nested_transaction() or session.sync_session.get_transaction()
