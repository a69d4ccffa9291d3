"""Dispatches as rows: what became of notifications in conversations, and what waits there.

Whoever decides takes the turn of the member first, so that a day's limit is counted and not guessed. What is due
becomes an effect of the outbox again, whose retries are everybody's.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.dispatches import Dispatch, DispatchState, Place
from domain.notifications import Notification
from domain.outbox import Kind, Lane, OutboxRow
from domain.slack_workspaces import WorkspaceState
from storage import outbox
from storage.hot_path import run
from storage.preference_tables import dispatches
from storage.sets import texts
from storage.slack_tables import slack_workspaces
from storage.tables import connections, notifications

PAGE = 500  # notifications that become due in one transaction
MAX_GATHERED = 100  # notifications of one digest
# What was gathered and not told is tried again so much later.
AGAIN = timedelta(hours=1)

_DUE = text("""
    SELECT program_id, notification_id, member_id, state FROM dispatches
    WHERE state IN ('waiting', 'gathered') AND due_at <= :now
    ORDER BY due_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
""")

# Streaks are folded while statements are sent ahead, where SQLAlchemy's own have no place. What is about a row has its
# id as the reference or before its first "/"; "0" is the character behind that.
_ABOUT = """SELECT n.id FROM unnest(CAST(%(kinds)s AS text[])) AS kind, unnest(CAST(%(about)s AS text[])) AS about
    JOIN notifications n ON n.program_id = %(program_id)s AND n.reference >= about AND n.reference < about || '0'
        AND split_part(n.reference, '/', 1) = about
    WHERE n.kind = kind.kind AND EXISTS (
        SELECT FROM slack_workspaces WHERE program_id = %(program_id)s AND state = 'installed') ORDER BY n.id"""


async def take_turn(session: AsyncSession, whose: str) -> None:
    """Nobody else decides what this member, or about this notification, until the transaction ends."""
    key = func.hashtextextended(f"dispatch:{whose}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def find_place(session: AsyncSession, program_id: str, workspace: str, channel: str) -> Place | None:
    """The channel in the program's workspace of this connection, or in the first one; None if none is connected."""
    own = (
        select(slack_workspaces.c.connection_id)
        .join(connections, connections.c.id == slack_workspaces.c.connection_id)
        .where(slack_workspaces.c.program_id == program_id, slack_workspaces.c.state == WorkspaceState.INSTALLED)
        .order_by(slack_workspaces.c.installed_at, slack_workspaces.c.team_id)
        .limit(1)
    )
    connection_id = await session.scalar(own.where(connections.c.name == workspace) if workspace else own)
    return Place(connection_id, channel) if connection_id else None


async def find(session: AsyncSession, program_id: str, notification_id: str) -> Dispatch | None:
    """What became of the notification so far."""
    own = select(dispatches).where(
        dispatches.c.program_id == program_id, dispatches.c.notification_id == notification_id
    )
    row = (await session.execute(own)).mappings().one_or_none()
    if row is None:
        return None
    place = Place(row["connection_id"], row["conversation"]) if row["connection_id"] else None
    state = DispatchState(row["state"])
    return Dispatch(notification_id, row["member_id"], state, row["due_at"], place, row["told_at"])


async def put(session: AsyncSession, program_id: str, found: Dispatch) -> None:
    """This is what became of it, whatever was before."""
    values = {
        "member_id": found.member_id,
        "state": found.state,
        "due_at": found.due_at,
        "connection_id": found.place.connection_id if found.place else None,
        "conversation": found.place.conversation if found.place else None,
        "told_at": found.told_at,
    }
    row = insert(dispatches).values(program_id=program_id, notification_id=found.notification_id, **values)
    await session.execute(row.on_conflict_do_update(index_elements=["notification_id"], set_=values))


async def count_told(session: AsyncSession, program_id: str, member_id: str, *, since: datetime) -> int:
    """How much the member was told since then; the lines of a digest count."""
    own = select(func.count()).where(
        dispatches.c.program_id == program_id,
        dispatches.c.member_id == member_id,
        dispatches.c.state == DispatchState.TOLD,
        dispatches.c.told_at >= since,
    )
    return int(await session.scalar(own) or 0)


async def list_gathered(session: AsyncSession, program_id: str, member_id: str) -> list[Notification]:
    """What is gathered for the member, oldest first; at most MAX_GATHERED."""
    columns = [notifications.c[name] for name in Notification.__dataclass_fields__]
    own: Select[tuple[object, ...]] = (
        select(*columns)
        .join(dispatches, dispatches.c.notification_id == notifications.c.id)
        .where(
            dispatches.c.program_id == program_id,
            dispatches.c.member_id == member_id,
            dispatches.c.state == DispatchState.GATHERED,
        )
        .order_by(notifications.c.id)
        .limit(MAX_GATHERED)
    )
    return [Notification(**row) for row in (await session.execute(own)).mappings()]


async def pass_due(session: AsyncSession, *, now: datetime) -> int:
    """What is due, of all programs, is left to the relay; of how many notifications. At most PAGE."""
    found = (await session.execute(_DUE, {"now": now, "limit": PAGE})).all()
    waiting = [row for row in found if row.state == DispatchState.WAITING]
    gathered = {(row.program_id, row.member_id) for row in found if row.state == DispatchState.GATHERED}
    await _put_off(session, [row.notification_id for row in found], until=now + AGAIN)
    effects = [_effect(row.program_id, Kind.NOTIFICATION, notification_id=row.notification_id) for row in waiting]
    effects += [_effect(program_id, Kind.GATHERED, member_id=member_id) for program_id, member_id in sorted(gathered)]
    await outbox.add(session, effects, now=now)
    return len(found)


async def _put_off(session: AsyncSession, notification_ids: Sequence[str], *, until: datetime) -> None:
    """Unless the relay has done it by then, it is left to it again."""
    own = update(dispatches).where(dispatches.c.notification_id.in_(notification_ids))
    await session.execute(own.values(due_at=until))


def _effect(program_id: str, kind: Kind, **payload: str) -> OutboxRow:
    return OutboxRow(program_id, Lane.NOTIFY, kind, payload)


async def retell(
    session: AsyncSession, program_id: str, kinds: Collection[str], about: Collection[str], *, now: datetime
) -> None:
    """Messages of these kinds about these rows, by id, are to say what holds now.

    Also what is being told at this moment by somebody who has read before this: whether it was told is asked in turn.
    """
    if not about:
        return
    asked = {"program_id": program_id, "about": texts(sorted(about)), "kinds": texts(sorted(kinds))}
    await retell_each(session, program_id, [one for (one,) in await run(session, _ABOUT, asked)], now=now)


async def retell_each(
    session: AsyncSession, program_id: str, notification_ids: Collection[str], *, now: datetime
) -> None:
    """The messages that told these are to say what holds now."""
    effects = [_effect(program_id, Kind.RETELL, notification_id=one) for one in notification_ids]
    await outbox.add(session, effects, now=now)
