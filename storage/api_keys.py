"""API keys: kept as digests; the key itself exists only in the answer to whoever asked for it."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain import api_keys as keys
from domain.api_keys import ApiKey
from domain.programs import Program, check_name
from domain.scopes import Scope
from storage.ids import new_id
from storage.tables import api_keys

MAX_LISTED = 1_000  # keys of one program


async def insert(
    session: AsyncSession,
    program: Program,
    *,
    name: str,
    scopes: Collection[Scope],
    expires_at: datetime | None = None,
    now: datetime,
) -> tuple[ApiKey, str]:
    """Make a key for the program: what is kept of it, and the key itself, which nobody can be told again."""
    if not scopes:
        raise ValueError("a key without scopes opens nothing")
    if expires_at is not None and expires_at <= now:
        raise ValueError("a key expires after it was made")
    secret = keys.write(program.kind, secrets.randbelow(keys.POSSIBLE))
    key = ApiKey(
        new_id("key"), program.id, check_name(name), keys.shown(secret), frozenset(scopes), now, expires_at
    )  # fmt: skip
    await session.execute(api_keys.insert().values(_row(key) | {"digest": keys.digest(secret)}))
    return key, secret


async def find_by_digest(session: AsyncSession, digest: bytes) -> ApiKey | None:
    """The key with this digest, of whichever program, valid or not; None if there never was one."""
    row = (await session.execute(select(api_keys).where(api_keys.c.digest == digest))).mappings().first()
    return _key(row) if row else None


async def find(session: AsyncSession, key_id: str) -> ApiKey | None:
    """The key of this id, of whichever program, valid or not; None if there never was one."""
    row = (await session.execute(select(api_keys).where(api_keys.c.id == key_id))).mappings().first()
    return _key(row) if row else None


async def list_of(session: AsyncSession, program_id: str) -> list[ApiKey]:
    """The program's keys, oldest first, revoked ones included, at most MAX_LISTED."""
    oldest_first = select(api_keys).where(api_keys.c.program_id == program_id).order_by(api_keys.c.id)
    return [_key(row) for row in (await session.execute(oldest_first.limit(MAX_LISTED))).mappings()]


async def revoke(session: AsyncSession, program_id: str, key_id: str, *, now: datetime) -> bool:
    """End the key for ever; False if the program has no such key, or it was revoked before."""
    standing = update(api_keys).where(
        api_keys.c.program_id == program_id, api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)
    )
    revoked = await session.execute(standing.values(revoked_at=now).returning(api_keys.c.id))
    return revoked.first() is not None


def _row(key: ApiKey) -> dict[str, Any]:
    columns = ("id", "program_id", "name", "prefix", "created_at", "expires_at")
    return {name: getattr(key, name) for name in columns} | {"scopes": sorted(key.scopes)}


def _key(row: Mapping[Any, Any]) -> ApiKey:
    values = {name: value for name, value in row.items() if name not in ("digest", "scopes")}
    return ApiKey(scopes=frozenset(map(Scope, row["scopes"])), **values)
