"""Notices as they came, and what is known of the objects that they are about.

A notice is open until its object was fetched after it came.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection
from domain.notices import Matters, Notice
from domain.outbox import Kind, Lane, OutboxRow
from storage import outbox, sets
from storage.hot_path import run
from storage.sets import Rows
from storage.tables import notices, outside_objects

IGNORED, OPEN, HANDLED = "ignored", "open", "handled"

_COLUMNS = (
    "program_id",
    "connection_id",
    "notice_key",
    "object_id",
    "kind",
    "state",
    "body",
    "occurred_at",
    "recorded_at",
)


async def insert_new(session: AsyncSession, connection: Connection, arrived: Sequence[Notice], *, now: datetime) -> int:
    """Keep the notices that are not repeats, and have their objects fetched if they matter; how many were new."""
    doubtful = {notice.object_id for notice in arrived if notice.matters is Matters.IF_KNOWN}
    known = await _find_known(session, connection, doubtful)
    values = [
        (
            connection.program_id,
            connection.id,
            notice.notice_key,
            notice.object_id,
            notice.kind,
            OPEN if _is_worth_a_fetch(notice, known) else IGNORED,
            notice.raw,
            notice.occurred_at,
            now,
        )
        for notice in sorted(arrived, key=lambda notice: notice.notice_key)
    ]
    suffix = "ON CONFLICT (program_id, connection_id, notice_key) DO NOTHING RETURNING object_id, state"
    new = await sets.insert(session, Rows(notices, _COLUMNS, values, suffix))
    wanted = sorted({object_id for object_id, state in new if state == OPEN})
    await outbox.add(session, [_fetch(connection, object_id) for object_id in wanted], now=now)
    return len(new)


_LATEST_OPEN = f"""SELECT id, body FROM notices
    WHERE connection_id = %(connection_id)s AND object_id = %(object_id)s AND state = '{OPEN}'
    ORDER BY id DESC LIMIT 1"""
_HANDLE = f"""UPDATE notices SET state = '{HANDLED}', handled_at = %(now)s
    WHERE program_id = %(program_id)s AND connection_id = %(connection_id)s AND object_id = %(object_id)s
        AND id <= %(highest)s AND state = '{OPEN}'"""


async def find_latest_open(
    session: AsyncSession, connection_id: str, object_id: str
) -> tuple[int, Mapping[str, Any]] | None:
    """The number of the latest notice that nobody has handled and what it said, or None."""
    found = await run(session, _LATEST_OPEN, {"connection_id": connection_id, "object_id": object_id})
    return (found[0][0], found[0][1]) if found else None


async def find_highest_open(session: AsyncSession, connection_id: str, object_id: str) -> int | None:
    """The number of the latest notice that nobody has handled, or None."""
    latest = await find_latest_open(session, connection_id, object_id)
    return latest[0] if latest else None


async def find_facts(session: AsyncSession, connection_id: str, object_id: str) -> list[str]:
    """The external ids of the facts that the object has given."""
    key = (outside_objects.c.connection_id == connection_id, outside_objects.c.object_id == object_id)
    return (await session.execute(select(outside_objects.c.facts).where(*key))).scalar() or []


async def handle(session: AsyncSession, connection: Connection, object_id: str, highest: int, *, now: datetime) -> None:
    """The object's notices up to `highest` are answered."""
    answered = {"program_id": connection.program_id, "connection_id": connection.id, "object_id": object_id}
    await run(session, _HANDLE, answered | {"highest": highest, "now": now})


async def keep_facts(
    session: AsyncSession, connection: Connection, object_id: str, facts: Collection[str], *, now: datetime
) -> None:
    """These are the facts that the object gives now, and no others."""
    found = {"facts": sorted(facts), "fetched_at": now}
    key = {"program_id": connection.program_id, "connection_id": connection.id, "object_id": object_id}
    row = insert(outside_objects).values(**key, **found)
    await session.execute(row.on_conflict_do_update(index_elements=["connection_id", "object_id"], set_=found))


def _is_worth_a_fetch(notice: Notice, known: Collection[str]) -> bool:
    return notice.matters is Matters.ALWAYS or (notice.matters is Matters.IF_KNOWN and notice.object_id in known)


async def _find_known(session: AsyncSession, connection: Connection, object_ids: Collection[str]) -> set[str]:
    """Those of the objects that gave a fact or have an open notice. One snapshot: a fetch is before it or after it."""
    if not object_ids:
        return set()
    gave = select(outside_objects.c.object_id).where(
        outside_objects.c.connection_id == connection.id,
        outside_objects.c.object_id.in_(object_ids),
        func.jsonb_array_length(outside_objects.c.facts) > 0,
    )
    asked = select(notices.c.object_id).where(
        notices.c.connection_id == connection.id, notices.c.object_id.in_(object_ids), notices.c.state == OPEN
    )
    return set((await session.execute(union(gave, asked))).scalars())


def _fetch(connection: Connection, object_id: str) -> OutboxRow:
    payload = {"connection_id": connection.id, "object_id": object_id, "kind": connection.kind}
    return OutboxRow(connection.program_id, Lane.TEMPORAL, Kind.FETCH_OBJECT, payload)
