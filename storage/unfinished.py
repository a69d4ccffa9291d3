"""What a workflow or an activity should be working on, over all programs: rows that are not in a final state.

Pages go by id, so that a reader can go on where it stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.orders import ENDED
from storage.tables import connections, notices, orders, rewards


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A row that something must still happen to."""

    program_id: str
    id: str


@dataclass(frozen=True, slots=True)
class UnfetchedObject:
    """An object of an outside system with notices that nobody has handled; `kind` is the connection's."""

    program_id: str
    connection_id: str
    object_id: str
    kind: str


async def list_orders(
    session: AsyncSession, *, before: datetime, after: Unfinished | None, limit: int
) -> Sequence[Unfinished]:
    """Orders that have not ended and were made before the instant, by id from the one after `after`."""
    return await _page(session, orders, orders.c.state.not_in(sorted(ENDED)), before, after, limit)


async def list_rewards(
    session: AsyncSession, *, before: datetime, after: Unfinished | None, limit: int
) -> Sequence[Unfinished]:
    """Rewards that wait for their workflow or their member's choice, made before the instant, by id."""
    return await _page(session, rewards, rewards.c.state.in_(("unlocked", "offered")), before, after, limit)


async def _page(
    session: AsyncSession,
    table: Table,
    unfinished: ColumnElement[bool],
    before: datetime,
    after: Unfinished | None,
    limit: int,
) -> Sequence[Unfinished]:
    rows = select(table.c.program_id, table.c.id).where(unfinished, table.c.created_at < before)
    if after:
        rows = rows.where(table.c.id > after.id)
    result = await session.execute(rows.order_by(table.c.id).limit(limit))
    return [Unfinished(*row) for row in result]


async def list_objects(
    session: AsyncSession, *, before: datetime, after: UnfetchedObject | None, limit: int
) -> Sequence[UnfetchedObject]:
    """Objects with open notices from before the instant, by connection and object."""
    key = (notices.c.connection_id, notices.c.object_id)
    rows = select(notices.c.program_id, *key, connections.c.kind).distinct()
    rows = rows.join(connections, connections.c.id == notices.c.connection_id)
    rows = rows.where(notices.c.state == "open", notices.c.recorded_at < before)
    if after:
        rows = rows.where(tuple_(*key) > tuple_(after.connection_id, after.object_id))
    result = await session.execute(rows.order_by(*key).limit(limit))
    return [UnfetchedObject(*row) for row in result]
