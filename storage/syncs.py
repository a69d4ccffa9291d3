"""How far each connection was read, and which connections there are to read."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.syncs import Sync, SyncCursor
from storage.game_tables import sync_cursors
from storage.tables import connections

MAX_LISTED = 1_000  # connections of the deployment

_COLUMNS = tuple(sync_cursors.c[name] for name in SyncCursor.__dataclass_fields__)


async def list_connections(session: AsyncSession, kinds: Collection[str]) -> list[Sync]:
    """The connections of these kinds, of all programs, oldest first."""
    columns = (connections.c.program_id, connections.c.id, connections.c.kind)
    found = select(*columns).where(connections.c.kind.in_(kinds)).order_by(connections.c.id).limit(MAX_LISTED)
    return [Sync(*row) for row in await session.execute(found)]


async def find_cursor(session: AsyncSession, sync: Sync) -> SyncCursor | None:
    """How far the connection was read, or None before its first full run has ended."""
    own = select(*_COLUMNS).where(
        sync_cursors.c.program_id == sync.program_id, sync_cursors.c.connection_id == sync.connection_id
    )
    row = (await session.execute(own)).first()
    return SyncCursor(*row) if row else None


async def keep_cursor(session: AsyncSession, sync: Sync, cursor: SyncCursor) -> None:
    """The connection is read so far."""
    values = {name: getattr(cursor, name) for name in SyncCursor.__dataclass_fields__}
    row = insert(sync_cursors).values(program_id=sync.program_id, connection_id=sync.connection_id, **values)
    await session.execute(row.on_conflict_do_update(index_elements=["connection_id"], set_=values))
