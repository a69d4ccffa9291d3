"""verify: checking a ledger of 200,000 entries, against fetching the columns that are checked, by the same driver.

Ours recounts I1 to I5, recomputes the chain and compares its checkpoint. The yardstick reads the rows into Python and
looks at none of them. How fast the ledger was sealed before is in the detail.
"""

import asyncio
import time

import psycopg

from bench.pairs import Compared, compare
from bench.programs import MEMBERS, NOW, databases
from domain.checkpoints import SigningKeys
from relay.sealing import Sealer
from storage import chain, hot_path, verification
from storage.database import Database

EARNINGS = 100_000  # of 100 points each, one entry at each side, spread over the members
KEYS = SigningKeys({"bench": bytes(32)})

# The rows that the door would have written, in one statement for each table.
_FILL = (
    f"""CREATE TEMP TABLE earned AS SELECT n, 'txn_' || lpad(to_hex(n), 26, '0') AS id,
        'lot_' || lpad(to_hex(n), 26, '0') AS lot, m.id AS member_id,
        'acc_' || substr(m.id, 5) || '.bench' AS account, 1 + (n - 1) / {MEMBERS} AS version
    FROM generate_series(1, {EARNINGS}) AS n
    JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM members) m ON m.place = (n - 1) % {MEMBERS}""",
    """INSERT INTO accounts (id, program_id, unit, running, created_at)
    SELECT 'acc_bench.issued', program_id, 'bench', false, now() FROM programs""",
    """INSERT INTO accounts (id, program_id, unit, member_id, running, balance, version, lifetime, created_at)
    SELECT account, program_id, 'bench', member_id, true, 100 * max(version), max(version), 100 * max(version), now()
    FROM earned, programs GROUP BY account, program_id, member_id""",
    """INSERT INTO transactions (id, program_id, kind, business_key, effective_at, recorded_at)
    SELECT id, program_id, 'earn', 'bench ' || n, now(), now() FROM earned, programs ORDER BY n""",
    """INSERT INTO transfers (program_id, transaction_id, n, unit, from_account, to_account, amount)
    SELECT program_id, id, 1, 'bench', 'acc_bench.issued', account, 100 FROM earned, programs ORDER BY n""",
    """INSERT INTO entries (program_id, transaction_id, n, account_id, amount, balance, version)
    SELECT program_id, id, 1, side.* FROM earned, programs, LATERAL (VALUES ('acc_bench.issued', -100, NULL, NULL),
        (account, 100, 100 * version, version)) AS side ORDER BY earned.n""",
    """INSERT INTO lots (id, program_id, account_id, transaction_id, granted, remaining, granted_at)
    SELECT lot, program_id, account, id, 100, 100, now() FROM earned, programs ORDER BY n""",
)
_COLUMNS = (
    "SELECT id, unit, member_id, running, balance, version, debt, lifetime FROM accounts",
    """SELECT id, kind, business_key, event_id, order_id, reverses_id, reason, actor, effective_at, recorded_at
    FROM transactions""",
    "SELECT transaction_id, n, unit, from_account, to_account, amount FROM transfers",
    "SELECT transaction_id, n, account_id, amount, balance, version FROM entries",
    """SELECT id, account_id, transaction_id, granted, allocated, expired, reversed, remaining, expires_at, granted_at
    FROM lots""",
    "SELECT transaction_id, lot_id, kind, amount FROM lot_moves",
    "SELECT position, kind, subject_id, version, salt, digest, link FROM seals",
)


async def run() -> Compared:
    """Entries a second, both."""
    async with databases() as servers:
        url = servers.fresh()
        entries = _fill(servers.as_owner(url))
        database = Database(url)
        sealed_per_second = await _seal(database)

        async def ours() -> float:
            began = time.perf_counter()
            async with database.snapshots() as (rows, links):
                found = await asyncio.gather(
                    verification.verify(rows, servers.program_id), chain.verify(links, servers.program_id, KEYS)
                )
            assert not any(check.violations for checks in found for check in checks)
            return entries / (time.perf_counter() - began)

        async def yardstick() -> float:
            began = time.perf_counter()
            async with database.snapshot() as session:
                for columns in _COLUMNS:
                    await hot_path.run(session, columns, {})
            return entries / (time.perf_counter() - began)

        detail = {"entries": entries, "records_sealed_per_second": round(sealed_per_second)}
        compared = await compare("verify", "entries/s", ours, yardstick, detail=detail)
        await database.dispose()
    return compared


def _fill(owner_url: str) -> int:
    """Write the earnings; how many entries there are now."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        for statement in _FILL:
            owner.execute(statement)
        owner.execute("VACUUM ANALYZE")
        ((entries,),) = owner.execute("SELECT count(*) FROM entries").fetchall()
    return int(entries)


async def _seal(database: Database) -> float:
    """Seal and sign everything; records a second."""
    sealer = Sealer(database, KEYS, clock=lambda: NOW)
    sealed, began = 0, time.perf_counter()
    while more := await sealer.seal():
        sealed += more
    seconds = time.perf_counter() - began
    await sealer.sign()
    return sealed / seconds
