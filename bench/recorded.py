"""Recorded writes: the very statements that taking events made, so that a yardstick can write the same rows again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from storage import hot_path, sets

Write = list[tuple[str, dict[str, Any]]]


@contextmanager
def recording() -> Iterator[list[Write]]:
    """While it lasts, every insert is kept with its arrays: one list for each transaction."""
    writes: list[Write] = []

    async def keep(session: AsyncSession, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        if statement.startswith("INSERT INTO events "):
            writes.append([])
        writes[-1].append((statement, dict(parameters)))
        return await hot_path.run(session, statement, parameters)

    setattr(sets, "run", keep)  # noqa: B010 - its own name for it, which nobody else may use
    try:
        yield writes
    finally:
        setattr(sets, "run", hot_path.run)  # noqa: B010


async def connect(url: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """A connection that prepares what it repeats, without anything between us and the server."""
    return await psycopg.AsyncConnection.connect(url, prepare_threshold=1)


async def write(connection: psycopg.AsyncConnection[Any], statements: Write) -> None:
    """Write one transaction's rows again, as they were."""
    async with connection.transaction(), connection.pipeline():
        for statement, arrays in statements:
            await connection.execute(statement, arrays)
