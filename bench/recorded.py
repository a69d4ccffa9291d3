"""Recorded writes: the very statements that taking events made, so that a yardstick can write the same rows again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import event

from storage.database import Database

Write = list[tuple[str, dict[str, str]]]


@contextmanager
def recording(database: Database) -> Iterator[list[Write]]:
    """While it lasts, every insert is kept with its arrays: one list for each transaction."""
    writes: list[Write] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("INSERT INTO events "):
            writes.append([])
        if "INSERT INTO" in statement:
            writes[-1].append((statement, dict(parameters)))

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield writes
    finally:
        event.remove(engine, "before_cursor_execute", keep)


async def connect(url: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """A connection that prepares what it repeats, without anything between us and the server."""
    return await psycopg.AsyncConnection.connect(url, prepare_threshold=1)


async def write(connection: psycopg.AsyncConnection[Any], statements: Write) -> None:
    """Write one transaction's rows again, as they were."""
    async with connection.transaction(), connection.pipeline():
        for statement, arrays in statements:
            await connection.execute(statement, arrays)
