"""Recorded writes: the very statements that taking events made, so that a yardstick can write the same rows again."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from storage import hot_path, sets

Write = list[tuple[str, dict[str, Any]]]
Execute = Callable[[AsyncSession, str, Mapping[str, Any]], Awaitable[Any]]


@contextmanager
def recording() -> Iterator[list[Write]]:
    """While it lasts, every insert is kept with its arrays: one list for each transaction."""
    writes: list[Write] = []

    def keeping(execute: Execute) -> Execute:
        async def keep(session: AsyncSession, statement: str, parameters: Mapping[str, Any]) -> Any:
            if statement.startswith("INSERT INTO events "):
                writes.append([])
            writes[-1].append((statement, dict(parameters)))
            return await execute(session, statement, parameters)

        return keep

    own = {"run": hot_path.run, "send": hot_path.send}
    for name, execute in own.items():
        setattr(sets, name, keeping(execute))  # its own names for them, which nobody else may use
    try:
        yield writes
    finally:
        for name, execute in own.items():
            setattr(sets, name, execute)


async def connect(url: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """A connection that prepares what it repeats, without anything between us and the server."""
    return await psycopg.AsyncConnection.connect(url, prepare_threshold=1)


async def write(connection: psycopg.AsyncConnection[Any], statements: Write) -> None:
    """Write one transaction's rows again, as they were."""
    async with connection.transaction(), connection.pipeline():
        for statement, arrays in statements:
            await connection.execute(statement, arrays)
