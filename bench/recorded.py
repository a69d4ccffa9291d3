"""Recorded writes: the very statements that taking events made, so that a yardstick can write the same rows again."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from storage import hot_path
from storage.sessions import Driver

Write = list[tuple[str, dict[str, Any]]]

_WRITES = re.compile(r"(WITH s0 AS \()?(INSERT|UPDATE|DELETE)\b")


@contextmanager
def recording() -> Iterator[list[Write]]:
    """While it lasts, everything that is written is kept with its arrays: one list for each transaction.

    Every statement of the hot path goes through one function, which is replaced meanwhile: a hook there would cost each
    of them something, and only this asks for one.
    """
    writes: list[Write] = []
    execute = hot_path._execute

    async def keep(connection: Driver, statement: str, parameters: Mapping[str, Any]) -> Any:
        if statement.startswith("INSERT INTO events "):
            writes.append([])
        if _WRITES.match(statement):
            writes[-1].append((statement, dict(parameters)))
        return await execute(connection, statement, parameters)

    hot_path._execute = keep
    try:
        yield writes
    finally:
        hot_path._execute = execute


async def connect(url: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """A connection that prepares what it repeats, without anything between us and the server."""
    return await psycopg.AsyncConnection.connect(url, prepare_threshold=1)


async def write(connection: psycopg.AsyncConnection[Any], statements: Write) -> None:
    """Write one transaction's rows again, as they were."""
    async with connection.transaction(), connection.pipeline():
        for statement, arrays in statements:
            await connection.execute(statement, arrays)
