"""Checkpoints: a program's chain at one length, signed, kept, and left to the relay to be told outside."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.chain import HASH_BYTES, Tree
from domain.checkpoints import Checkpoint, SigningKeys
from domain.outbox import Kind, Lane, OutboxRow
from storage import outbox
from storage.hot_path import run
from storage.tables import checkpoints

PAGE_ROWS = 10_000

_PAGE = """SELECT digest, link FROM seals WHERE program_id = %(program_id)s AND position >= %(start)s
    AND position < %(stop)s ORDER BY position"""


async def make(session: AsyncSession, program_id: str, keys: SigningKeys, *, now: datetime) -> Checkpoint | None:
    """Sign what the chain is now, in the turn of sealing; None if nothing was sealed since the last checkpoint."""
    tree, head = await _last_tree(session, program_id), b""
    before = tree.size
    async for digest, link in digests(session, program_id, before):
        tree.add(digest)
        head = link
    if tree.size == before:
        return None
    made = Checkpoint(program_id, tree.size, tree.root(), head, now)
    values = {"size": made.size, "roots": b"".join(tree.roots), "note": keys.sign(made), "key_id": keys.current}
    await session.execute(checkpoints.insert().values(program_id=program_id, created_at=now, **values))
    told = OutboxRow(program_id, Lane.CHECKPOINTS, Kind.CHECKPOINT, {"size": made.size})
    await outbox.add(session, [told], now=now)
    return made


async def last_made_at(session: AsyncSession, program_id: str) -> datetime | None:
    """When the program's last checkpoint was made."""
    made_at: datetime | None = await session.scalar(_newest(program_id, checkpoints.c.created_at))
    return made_at


async def find_last(session: AsyncSession, program_id: str) -> str | None:
    """The signed note of the program's last checkpoint."""
    note: str | None = await session.scalar(_newest(program_id, checkpoints.c.note))
    return note


async def get_note(session: AsyncSession, program_id: str, size: int) -> str:
    """The signed note of the checkpoint of this size."""
    note = select(checkpoints.c.note).where(checkpoints.c.program_id == program_id, checkpoints.c.size == size)
    return str((await session.execute(note)).scalar_one())


async def find_covering(session: AsyncSession, program_id: str, position: int) -> tuple[int, str] | None:
    """Size and note of the first checkpoint that covers the position."""
    covering = select(checkpoints.c.size, checkpoints.c.note).where(
        checkpoints.c.program_id == program_id, checkpoints.c.size > position
    )
    row = (await session.execute(covering.order_by(checkpoints.c.size).limit(1))).one_or_none()
    return None if row is None else (row.size, row.note)


async def digests(
    session: AsyncSession, program_id: str, start: int, stop: int = 2**62
) -> AsyncIterator[tuple[bytes, bytes]]:
    """Digest and link of each seal from position `start` to before `stop`, page by page."""
    while start < stop:
        query = {"program_id": program_id, "start": start, "stop": min(stop, start + PAGE_ROWS)}
        page = await run(session, _PAGE, query)
        for digest, link in page:
            yield digest, link
        if len(page) < PAGE_ROWS:
            return
        start += PAGE_ROWS


async def _last_tree(session: AsyncSession, program_id: str) -> Tree:
    row = (await session.execute(_newest(program_id, checkpoints.c.size, checkpoints.c.roots))).one_or_none()
    if row is None:
        return Tree()
    return Tree(row.size, [row.roots[n : n + HASH_BYTES] for n in range(0, len(row.roots), HASH_BYTES)])


def _newest(program_id: str, *columns: Column[Any]) -> Select[Any]:
    mine = select(*columns).where(checkpoints.c.program_id == program_id)
    return mine.order_by(checkpoints.c.size.desc()).limit(1)
