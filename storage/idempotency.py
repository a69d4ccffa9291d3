"""Idempotency keys in PostgreSQL: locked for the transaction that does the work, kept with its outcome.

Take the locks in one statement and read what is kept in a later one: only then is what a former holder committed seen.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.idempotency import IdempotencyKey, KeptOutcome
from storage import sets
from storage.sets import Rows
from storage.tables import idempotency_keys

# How long a key is known after its first use; facts and orders have business keys of their own, which never expire.
KEPT = timedelta(days=7)

Name = tuple[str, str]

_TRY_LOCKS = text(
    "SELECT id, pg_try_advisory_xact_lock(id) FROM unnest(CAST(:ids AS bigint[])) AS locks(id)",
)


async def try_lock(session: AsyncSession, program_id: str, keys: Iterable[IdempotencyKey]) -> set[Name]:
    """Lock these keys until the transaction ends, without waiting; the names of those that were free."""
    names = {key.lock_id(program_id): key.name for key in keys}
    tried = await session.execute(_TRY_LOCKS, {"ids": list(names)})
    return {names[lock_id] for lock_id, obtained in tried if obtained}


async def find(session: AsyncSession, program_id: str, names: Collection[Name]) -> Mapping[Name, KeptOutcome]:
    """What is kept under these names."""
    columns = idempotency_keys.c
    kept = select(columns.scope, columns.key, columns.fingerprint, columns.outcome).where(
        columns.program_id == program_id, tuple_(columns.scope, columns.key).in_(names)
    )
    return {(row.scope, row.key): KeptOutcome(row.fingerprint, row.outcome) for row in await session.execute(kept)}


async def insert(
    session: AsyncSession,
    program_id: str,
    outcomes: Iterable[tuple[IdempotencyKey, Mapping[str, Any]]],
    *,
    now: datetime,
) -> None:
    """Keep the outcomes of requests whose keys this transaction has locked."""
    columns = ("program_id", "scope", "key", "fingerprint", "outcome", "recorded_at")
    rows = [(program_id, key.scope, key.key, key.fingerprint, outcome, now) for key, outcome in outcomes]
    await sets.insert(session, Rows(idempotency_keys, columns, rows))


async def purge(session: AsyncSession, recorded_before: datetime, limit: int) -> int:
    """Forget up to `limit` keys that were first used before the instant; how many there were."""
    columns = idempotency_keys.c
    page = (
        select(columns.program_id, columns.scope, columns.key)
        .where(columns.recorded_at < recorded_before)
        .order_by(columns.recorded_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    result = await session.execute(
        delete(idempotency_keys).where(tuple_(columns.program_id, columns.scope, columns.key).in_(page))
    )
    assert isinstance(result, CursorResult)
    return result.rowcount
