"""Digests of ledgers: everything that was posted, whatever ids it got, so that two ledgers can be compared."""

import hashlib
from dataclasses import dataclass

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Each entry by whose account it is on, which entry of that account it is, what was moved and why.
_ENTRIES = text(
    """SELECT coalesce(m.external_id, '') || regexp_replace(e.account_id, '^[^.]*', '') COLLATE "C" AS account,
        e.version, t.kind, e.amount, e.balance, t.effective_at, t.recorded_at
    FROM entries e JOIN transactions t ON t.id = e.transaction_id JOIN accounts a ON a.id = e.account_id
        LEFT JOIN members m ON m.id = a.member_id
    WHERE e.program_id = :program_id
    ORDER BY account, version, effective_at, recorded_at, kind, amount"""
)
_PER_ROUND = 5_000  # rows


@dataclass(frozen=True, slots=True)
class LedgerDigest:
    """How many entries there are, and SHA-256 over all of them."""

    entries: int
    sha256: str


async def digest(session: AsyncSession, program_id: str) -> LedgerDigest:
    """The digest of a program's ledger: equal for equal postings to equal members at equal times."""
    entries, hashed = 0, hashlib.sha256()
    rows = await session.stream(_ENTRIES, {"program_id": program_id}, execution_options={"yield_per": _PER_ROUND})
    async for row in rows:
        entries += 1
        hashed.update(orjson.dumps(list(row)) + b"\n")
    return LedgerDigest(entries, hashed.hexdigest())


_POSTED = text(
    """SELECT t.kind, f.unit, count(DISTINCT t.id) AS transactions, CAST(sum(f.amount) AS bigint) AS amount
    FROM transactions t JOIN transfers f ON f.transaction_id = t.id
    WHERE t.program_id = :program_id GROUP BY t.kind, f.unit ORDER BY f.unit, t.kind"""
)


@dataclass(frozen=True, slots=True)
class PostedOfKind:
    """How many transactions of a kind there are in a unit, and what they moved in all."""

    kind: str
    unit: str
    transactions: int
    amount: int


async def posted(session: AsyncSession, program_id: str) -> list[PostedOfKind]:
    """What was posted to a program's ledger, by unit and kind."""
    found = await session.execute(_POSTED, {"program_id": program_id})
    return [PostedOfKind(**row) for row in found.mappings()]
