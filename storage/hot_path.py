"""The hot path: SQL text run by the driver itself, on the session's own connection and transaction.

What SQLAlchemy adds to a statement costs three times as much as the statement, and taking events in runs a dozen.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import PipelineStatus
from psycopg.pq.abc import PGconn
from psycopg.waiting import Ready, Wait
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import SessionTransaction

from storage.sessions import DirectSession, Driver

_KEY = "driver connection"


Query = tuple[str, Mapping[str, Any]]
Found = list[tuple[Any, ...]]

SAVEPOINT: Query = ("SAVEPOINT hot_path", {})

_NAMED = re.compile(r"%\((\w+)\)s")


async def run(session: AsyncSession, statement: str, parameters: Mapping[str, Any]) -> Found:
    """The rows of a statement, whose parameters are written %(name)s; raises psycopg's own errors.

    Inside `ahead` it waits for all that was sent before it.
    """
    connection = await _driver(session)
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        [found] = await run_together(session, (statement, parameters))
        return found
    return await _rows(await _execute(connection, statement, parameters))


async def send(session: AsyncSession, statement: str, parameters: Mapping[str, Any]) -> None:
    """Run a statement that has nothing to answer: inside `ahead` it is sent and not waited for."""
    await _execute(await _driver(session), statement, parameters)


@asynccontextmanager
async def ahead(session: AsyncSession) -> AsyncIterator[None]:
    """What is sent inside lets the server work while we do; what went wrong is raised by what follows, or at the end.

    SQLAlchemy's own statements have no place in here: it asks for rows before they are there.
    """
    try:
        async with (await _driver(session)).pipeline():
            yield
    except psycopg.errors.PipelineAborted as error:  # what followed the first error, of which others must know the kind
        raise error.__context__ or error from None


async def run_together(session: AsyncSession, *queries: Query) -> list[Found]:
    """The rows of several statements that need nothing of each other's, run in this order in one round trip."""
    connection = await _driver(session)
    async with connection.pipeline():
        cursors = [await _execute(connection, *query) for query in queries]
    return [await _rows(cursor) for cursor in cursors]


@asynccontextmanager
async def savepoint(session: AsyncSession, *, is_set: bool = False) -> AsyncIterator[None]:
    """What raises inside leaves nothing behind. It is not released before the transaction ends.

    Who has asked something else just before has set it already, with SAVEPOINT as its last statement.
    """
    if not is_set:
        await run(session, *SAVEPOINT)
    try:
        yield
    except BaseException:
        with suppress(psycopg.OperationalError):  # the connection is gone, and with it everything
            await _forget_prepared(session)
            await run(session, "ROLLBACK TO SAVEPOINT hot_path", {})
        raise


async def _forget_prepared(session: AsyncSession) -> None:
    """Let statements be prepared anew.

    The driver believes in those that it sent behind one that failed; the server has never seen them. It would ask for
    them by name, and has no way to be told but this one.
    """
    (await _driver(session))._prepared.clear()


async def _execute(
    connection: Driver, statement: str, parameters: Mapping[str, Any]
) -> psycopg.AsyncRawCursor[tuple[Any, ...]]:
    numbered, names = _numbered(statement)
    cursor = psycopg.AsyncRawCursor(connection)
    await cursor.execute(numbered, [parameters[name] for name in names])
    if connection.pgconn.flush():
        await connection.wait(_flushing(connection.pgconn))
    return cursor


def _flushing(connection: PGconn) -> PQGen[None]:
    """Send the rest of a long statement, which the driver's pipelines would leave while they wait for its answer."""
    while connection.flush():
        while not (ready := (yield Wait.RW)):
            continue
        if ready & Ready.R:
            connection.consume_input()


@lru_cache(maxsize=2_000)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement with the server's own $1, $2 ..., and their names: the driver would read long ones each time."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}"

    return _NAMED.sub(number, statement), tuple(numbers)


async def _rows(cursor: psycopg.AsyncRawCursor[tuple[Any, ...]]) -> Found:
    result = cursor.pgresult
    return await cursor.fetchall() if result is not None and result.nfields else []


async def _driver(session: AsyncSession) -> Driver:
    """The connection under the session; asking any other for it is what makes SQLAlchemy begin its transaction."""
    if isinstance(session, DirectSession):
        return await session.driver()
    kept = session.info.get(_KEY)
    if kept is not None and kept[0] is _transaction(session):
        return cast("Driver", kept[1])
    raw = await (await session.connection()).get_raw_connection()
    driver = cast("Driver", raw.driver_connection)
    session.info[_KEY] = _transaction(session), driver
    return driver


def _transaction(session: AsyncSession) -> SessionTransaction | None:
    return session.sync_session.get_nested_transaction() or session.sync_session.get_transaction()
