"""The outbox table: add rows with a change, claim them by lease, settle each claim.

A claim is committed before anything is acted upon, so no call is made inside a transaction; a relay that dies leaves a
lease that ends. A row with an order key is claimable only while no earlier row of its lane and key is unfinished.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import CursorResult, case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.outbox import SUPERSEDABLE, Backlog, ClaimedRow, DeadRow, OutboxRow
from storage import sets
from storage.database import LANES
from storage.hot_path import run
from storage.sets import Rows
from storage.tables import outbox

ATTEMPTS_LIMIT = 8
FIRST_BACKOFF_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 300.0
ERROR_LIMIT_CHARACTERS = 1_000
DEAD_PAGE_ROWS = 500

# A new row is due whatever the writer's clock says, which is not always the relay's.
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)

_COLUMNS = ("program_id", "lane", "kind", "order_key", "payload")

# As text, because the reader of a claim must see the lock, the order and the blocking rule in one place.
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id FROM outbox AS mine
        WHERE state = 'open' AND lane = %(lane)s AND available_at <= %(now)s
          AND (claimed_until IS NULL OR claimed_until <= %(now)s)
          AND (order_key IS NULL OR NOT EXISTS (
              SELECT FROM outbox AS earlier
              WHERE earlier.order_key = mine.order_key AND earlier.state <> 'done' AND earlier.id < mine.id
                AND earlier.lane = mine.lane AND earlier.program_id = mine.program_id
                AND (earlier.state = 'open' OR NOT earlier.kind = ANY(CAST(%(supersedable)s AS text[])))))
        ORDER BY id LIMIT %(limit)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE outbox SET claimed_until = %(claimed_until)s
    FROM due WHERE outbox.id = due.id
    RETURNING outbox.id, outbox.program_id, outbox.lane, outbox.kind, outbox.payload, outbox.attempts"""
_DONE = """UPDATE outbox SET state = 'done', done_at = %(now)s, claimed_until = NULL, error = NULL
    WHERE id = ANY(CAST(%(ids)s AS bigint[])) AND state = 'open'"""


def rows(session: AsyncSession, effects: Sequence[OutboxRow], *, now: datetime) -> Rows:
    """The effects as rows, for a writer that inserts them together with its own in this session."""
    if effects:
        session.info.setdefault(LANES, set()).update(row.lane for row in effects)
    values = [(row.program_id, row.lane, row.kind, row.order_key, row.payload) for row in effects]
    return Rows(outbox, _COLUMNS, values, fixed={"available_at": AT_ONCE, "created_at": now})


async def add(session: AsyncSession, effects: Sequence[OutboxRow], *, now: datetime) -> None:
    """Leave the effects to the relay, from the moment in which the session's transaction commits."""
    await sets.insert_all(session, [rows(session, effects, now=now)])


async def claim(session: AsyncSession, lane: str, now: datetime, lease: timedelta, limit: int) -> list[ClaimedRow]:
    """Take up to `limit` rows that are due, oldest first; nobody else gets them before the lease ends."""
    parameters = {
        "lane": lane,
        "now": now,
        "claimed_until": now + lease,
        "supersedable": sets.texts(sorted(SUPERSEDABLE)),
        "limit": limit,
    }
    return [ClaimedRow(*row) for row in sorted(await run(session, _CLAIM, parameters))]


async def take(session: AsyncSession, program_id: str, lane: str, *, now: datetime, limit: int) -> list[ClaimedRow]:
    """Settle up to `limit` open rows of one program, oldest first, for whoever acts upon them in this transaction."""
    query = select(*(outbox.c[name] for name in ClaimedRow.__dataclass_fields__)).where(
        outbox.c.program_id == program_id, outbox.c.lane == lane, outbox.c.state == "open"
    )
    locked = query.order_by(outbox.c.id).limit(limit).with_for_update(key_share=True, skip_locked=True)
    rows = [ClaimedRow(**row) for row in (await session.execute(locked)).mappings()]
    await done(session, [row.id for row in rows], now=now)
    return rows


async def done(session: AsyncSession, ids: Sequence[int], *, now: datetime) -> None:
    """The effects of these rows have taken place."""
    if not ids:
        return
    await run(session, _DONE, {"ids": sets.array(outbox.c.id, ids), "now": now})


async def release(session: AsyncSession, ids: Sequence[int], *, available_at: datetime) -> None:
    """Nothing was learnt about these rows: they are due again at the instant, and no attempt is counted."""
    if not ids:
        return
    claimed = update(outbox).where(outbox.c.id.in_(ids), outbox.c.state == "open")
    await session.execute(claimed.values(claimed_until=None, available_at=available_at))


def backoff_seconds(attempts: int) -> float:
    """2, 4, 8, ... seconds after the first, second, third refusal, at most five minutes."""
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** (attempts - 1), LONGEST_BACKOFF_SECONDS)


async def fail(session: AsyncSession, row: ClaimedRow, error: str, *, now: datetime) -> bool:
    """The row itself was refused: due again after a back-off, or dead after `ATTEMPTS_LIMIT`; whether it is dead."""
    attempts = row.attempts + 1
    dead = attempts >= ATTEMPTS_LIMIT
    refused = update(outbox).where(outbox.c.id == row.id, outbox.c.state == "open", outbox.c.attempts == row.attempts)
    await session.execute(
        refused.values(
            state="dead" if dead else "open",
            attempts=attempts,
            error=error[:ERROR_LIMIT_CHARACTERS],
            available_at=now + timedelta(seconds=backoff_seconds(attempts)),
            claimed_until=None,
        )
    )
    return dead


async def list_dead(session: AsyncSession, program_id: str, limit: int = DEAD_PAGE_ROWS) -> list[DeadRow]:
    """The program's dead rows, oldest first."""
    columns = [outbox.c[name] for name in DeadRow.__dataclass_fields__]
    dead = select(*columns).where(outbox.c.program_id == program_id, outbox.c.state == "dead")
    result = await session.execute(dead.order_by(outbox.c.id).limit(limit))
    return [DeadRow(**row) for row in result.mappings()]


async def requeue(session: AsyncSession, program_id: str, ids: Sequence[int]) -> int:
    """Make dead rows due again with their attempts forgotten; how many there were."""
    return await _revive(session, program_id, ids, state="open", attempts=0, available_at=AT_ONCE)


async def skip(session: AsyncSession, program_id: str, ids: Sequence[int], *, now: datetime) -> int:
    """Give dead rows up, so that they no longer hold up their keys; how many there were."""
    return await _revive(session, program_id, ids, state="done", done_at=now)


async def _revive(session: AsyncSession, program_id: str, ids: Sequence[int], **values: object) -> int:
    dead = update(outbox).where(outbox.c.program_id == program_id, outbox.c.id.in_(ids), outbox.c.state == "dead")
    return _count(await session.execute(dead.values(**values)))


async def purge(session: AsyncSession, done_before: datetime, limit: int) -> int:
    """Forget up to `limit` rows that were done before the instant; how many there were."""
    oldest = select(outbox.c.id).where(outbox.c.state == "done", outbox.c.done_at < done_before)
    page = oldest.order_by(outbox.c.done_at).limit(limit).with_for_update(skip_locked=True)
    return _count(await session.execute(delete(outbox).where(outbox.c.id.in_(page))))


async def list_backlog(session: AsyncSession, *, now: datetime) -> list[Backlog]:
    """Every lane with anything left to do, over all programs, for metrics."""
    waiting = func.min(case((outbox.c.state == "open", outbox.c.created_at)))
    left = select(
        outbox.c.lane,
        func.count().filter(outbox.c.state == "open").label("open"),
        func.count().filter(outbox.c.state == "dead").label("dead"),
        func.coalesce(func.extract("epoch", now - waiting), 0).label("oldest_seconds"),
    ).where(outbox.c.state.in_(("open", "dead")))
    result = await session.execute(left.group_by(outbox.c.lane))
    return [Backlog(row.lane, row.open, row.dead, max(float(row.oldest_seconds), 0.0)) for row in result]


def _count(result: object) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
