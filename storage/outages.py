"""Outages of sources: begun and ended once each, by whoever notices; what they protected is folded again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection
from domain.outages import BACKLOG, InvalidOutage, Outage, check
from storage import streaks
from storage.game_tables import outages
from storage.ids import new_id
from storage.notices import OPEN
from storage.tables import notices

MAX_LISTED = 100  # outages of one program

_COLUMNS = tuple(outages.c[name] for name in Outage.__dataclass_fields__)


async def begin(session: AsyncSession, connection: Connection, *, began_at: datetime, now: datetime) -> Outage | None:
    """What the connection's source says does not come since that instant; None if that is known already."""
    row = _row(connection, began_at, None, now)
    once = (
        insert(outages)
        .values(row)
        .on_conflict_do_nothing(index_elements=["connection_id", "source"], index_where=outages.c.ended_at.is_(None))
    )
    found = (await session.execute(once.returning(*_COLUMNS))).mappings().first()
    return await _follow(session, connection, found, now)


async def end(session: AsyncSession, connection: Connection, *, ended_at: datetime, now: datetime) -> Outage | None:
    """The source has caught up, at the instant or when its outage began; None if it is not down."""
    own = update(outages).where(
        outages.c.program_id == connection.program_id,
        outages.c.connection_id == connection.id,
        outages.c.source == connection.name,
        outages.c.ended_at.is_(None),
    )
    ended = own.values(ended_at=func.greatest(ended_at, outages.c.began_at))
    found = (await session.execute(ended.returning(*_COLUMNS))).mappings().first()
    return await _follow(session, connection, found, now)


async def _follow(
    session: AsyncSession, connection: Connection, changed: Mapping[Any, Any] | None, now: datetime
) -> Outage | None:
    """What an outage means for streaks is settled page by page, as if their deadlines had come."""
    if changed is None:
        return None
    await streaks.make_all_due(session, connection.program_id, as_of=now)
    return Outage(**changed)


async def note_failure(session: AsyncSession, connection: Connection, *, now: datetime) -> None:
    """The connection was asked in vain: if a notice of it has waited for long, its source is down since then."""
    oldest = await _find_oldest_open(session, connection)
    if oldest is not None and oldest < now - BACKLOG:
        await begin(session, connection, began_at=oldest, now=now)


async def note_success(session: AsyncSession, connection: Connection, *, now: datetime) -> None:
    """The connection has answered: once no notice of it has waited for long, its source has caught up."""
    if await _is_down(session, connection):
        oldest = await _find_oldest_open(session, connection)
        if oldest is None or oldest >= now - BACKLOG:
            await end(session, connection, ended_at=now, now=now)


async def tell(
    session: AsyncSession,
    connection: Connection,
    *,
    began_at: datetime | None,
    ended_at: datetime | None,
    now: datetime,
) -> Outage:
    """What an operator knows: a time that is over, the beginning of one, or (no beginning) the end of the open one.

    Raises InvalidOutage.
    """
    check(began_at, ended_at, now)
    if began_at is None:
        assert ended_at is not None, "an outage has a beginning or an end"
        told = await end(session, connection, ended_at=ended_at, now=now)
    elif ended_at is None:
        told = await begin(session, connection, began_at=began_at, now=now)
    else:
        row = insert(outages).values(_row(connection, began_at, ended_at, now)).returning(*_COLUMNS)
        told = await _follow(session, connection, (await session.execute(row)).mappings().one(), now)
    if told is None:
        raise InvalidOutage(f"{connection.name} is {'not' if began_at is None else 'already'} down")
    return told


async def list_of(session: AsyncSession, program_id: str, *, connection_id: str | None = None) -> list[Outage]:
    """The program's outages, the newest first, at most MAX_LISTED."""
    own = select(*_COLUMNS).where(outages.c.program_id == program_id)
    if connection_id is not None:
        own = own.where(outages.c.connection_id == connection_id)
    rows = await session.execute(own.order_by(outages.c.began_at.desc(), outages.c.id.desc()).limit(MAX_LISTED))
    return [Outage(**row) for row in rows.mappings()]


async def _is_down(session: AsyncSession, connection: Connection) -> bool:
    own = select(outages.c.id).where(
        outages.c.connection_id == connection.id, outages.c.source == connection.name, outages.c.ended_at.is_(None)
    )
    return await session.scalar(own) is not None


async def _find_oldest_open(session: AsyncSession, connection: Connection) -> datetime | None:
    """Since when the notice waits that has waited longest."""
    own = select(func.min(notices.c.recorded_at)).where(
        notices.c.connection_id == connection.id, notices.c.state == OPEN
    )
    found: datetime | None = await session.scalar(own)
    return found


def _row(connection: Connection, began_at: datetime, ended_at: datetime | None, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id("out"),
        "program_id": connection.program_id,
        "connection_id": connection.id,
        "source": connection.name,
        "began_at": began_at,
        "ended_at": ended_at,
        "recorded_at": now,
    }
