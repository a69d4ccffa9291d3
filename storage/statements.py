"""xAPI statements as they were sent, each under its id in its connection. They are never changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection
from storage import sets
from storage.sets import Rows
from storage.tables import statements

_COLUMNS = ("program_id", "connection_id", "statement_id", "body", "voids", "stored_at")


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """One statement; `voids` is the id of the statement that it voids, if it does."""

    id: str
    body: Mapping[str, Any]
    voids: str | None
    stored_at: datetime


async def insert_new(session: AsyncSession, connection: Connection, arrived: Sequence[StoredStatement]) -> set[str]:
    """Store the statements whose ids are not taken; the ids of those that were stored."""
    values = [
        (connection.program_id, connection.id, one.id, one.body, one.voids, one.stored_at)
        for one in sorted(arrived, key=lambda one: one.id)
    ]
    suffix = "ON CONFLICT (connection_id, statement_id) DO NOTHING RETURNING statement_id"
    stored = await sets.insert(session, Rows(statements, _COLUMNS, values, suffix))
    return {statement_id for (statement_id,) in stored}


async def list_by_id(
    session: AsyncSession, connection: Connection, statement_ids: Collection[str]
) -> list[StoredStatement]:
    """Those of the statements that are stored."""
    mine = _columns().where(*_of(connection), statements.c.statement_id.in_(statement_ids))
    return [StoredStatement(*row) for row in await session.execute(mine)]


async def find(
    session: AsyncSession, connection: Connection, statement_id: str, *, voided: bool
) -> StoredStatement | None:
    """The statement of this id if it is voided or not, as asked; a voiding statement cannot be voided itself."""
    voiding = statements.alias("voiding")
    is_voided = exists().where(
        voiding.c.connection_id == statements.c.connection_id,
        voiding.c.voids == statements.c.statement_id,
        statements.c.voids.is_(None),
    )
    mine = _columns().where(*_of(connection), statements.c.statement_id == statement_id)
    row = (await session.execute(mine.where(is_voided if voided else ~is_voided))).one_or_none()
    return None if row is None else StoredStatement(*row)


def _columns() -> Any:
    return select(statements.c.statement_id, statements.c.body, statements.c.voids, statements.c.stored_at)


def _of(connection: Connection) -> tuple[Any, ...]:
    return (statements.c.program_id == connection.program_id, statements.c.connection_id == connection.id)
