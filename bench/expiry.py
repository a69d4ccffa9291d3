"""expiry: lots that have lapsed, ten of each member at ten instants, against raw SQL that writes the same rows.

The yardstick is one transaction with one statement for each table, entirely in the server: it takes for granted that
nobody else is there, and checks nothing but the constraints.
"""

import resource
import time

import psycopg

from bench.pairs import PAIRS, Compared, compare
from bench.programs import NOW, databases
from domain.expiry import Duty
from domain.ledger import EXPIRED, ISSUED, program_account
from storage import expiry
from storage.database import Database

LOTS, EACH = 40_000, 10
MANY = 100_000  # lots, of which one pair is measured and not five
KIB = 1024

# A member, an account and lots for each of `members` numbers; everything about a lot follows from its number.
_SEED = (
    """CREATE TEMP TABLE seed AS SELECT m, k, m * %(each)s + k AS n, lpad(to_hex(m), 26, '0') AS member,
        lpad(to_hex((1::bigint << 40) + m * %(each)s + k), 26, '0') AS id
        FROM generate_series(1, %(members)s) m, generate_series(1, %(each)s) k""",
    """INSERT INTO members (id, program_id, external_id, name, created_at, updated_at)
        SELECT 'mem_' || member, %(program)s, 'seed-' || m, 'Seed', %(at)s, %(at)s FROM seed WHERE k = 1""",
    """INSERT INTO accounts (id, program_id, unit, running, created_at)
        VALUES (%(issued)s, %(program)s, 'points', false, %(at)s) ON CONFLICT DO NOTHING""",
    """INSERT INTO accounts (id, program_id, unit, member_id, running, balance, version, lifetime, created_at)
        SELECT 'acc_' || member || '.points', %(program)s, 'points', 'mem_' || member, true, %(each)s * 10, %(each)s,
            %(each)s * 10, %(at)s FROM seed WHERE k = 1""",
    """INSERT INTO transactions (id, program_id, kind, business_key, effective_at, recorded_at)
        SELECT 'txn_' || id, %(program)s, 'earn', 'seed:' || n, %(at)s, %(at)s FROM seed""",
    """INSERT INTO transfers (program_id, transaction_id, n, unit, from_account, to_account, amount)
        SELECT %(program)s, 'txn_' || id, 1, 'points', %(issued)s, 'acc_' || member || '.points', 10 FROM seed""",
    """INSERT INTO entries (program_id, transaction_id, n, account_id, amount, balance, version)
        SELECT %(program)s, 'txn_' || id, 1, 'acc_' || member || '.points', 10, 10 * k, k FROM seed
        UNION ALL SELECT %(program)s, 'txn_' || id, 1, %(issued)s, -10, NULL, NULL FROM seed""",
    """INSERT INTO lots (id, program_id, account_id, transaction_id, granted, remaining, expires_at, granted_at)
        SELECT 'lot_' || id, %(program)s, 'acc_' || member || '.points', 'txn_' || id, 10, 10,
            %(at)s - k * interval '1 day' - m * interval '1 second', %(at)s - interval '1 year' FROM seed""",
)
_DUE = """CREATE TEMP TABLE due AS SELECT l.id, l.account_id, l.expires_at, l.remaining, a.version, a.balance,
        'txn_' || lpad(to_hex((1::bigint << 50) + row_number() OVER ()), 26, '0') AS txn,
        row_number() OVER account AS k, sum(l.remaining) OVER account AS gone
    FROM lots l JOIN accounts a ON a.id = l.account_id
    WHERE l.program_id = %(program)s AND l.remaining > 0 AND l.expires_at <= %(at)s
    WINDOW account AS (PARTITION BY l.account_id ORDER BY l.expires_at, l.id)"""
_EXPIRE = (
    """INSERT INTO accounts (id, program_id, unit, running, created_at)
        VALUES (%(expired)s, %(program)s, 'points', false, %(at)s)""",
    """INSERT INTO transactions (id, program_id, kind, business_key, effective_at, recorded_at)
        SELECT txn, %(program)s, 'expire', 'expire:' || account_id || ':' || (version + k), expires_at, %(at)s
        FROM due""",
    """INSERT INTO transfers (program_id, transaction_id, n, unit, from_account, to_account, amount)
        SELECT %(program)s, txn, 1, 'points', account_id, %(expired)s, remaining FROM due""",
    """INSERT INTO entries (program_id, transaction_id, n, account_id, amount, balance, version)
        SELECT %(program)s, txn, 1, account_id, -remaining, balance - gone, version + k FROM due
        UNION ALL SELECT %(program)s, txn, 1, %(expired)s, remaining, NULL, NULL FROM due""",
    """INSERT INTO lot_moves (program_id, transaction_id, lot_id, kind, amount)
        SELECT %(program)s, txn, id, 'expire', remaining FROM due""",
    """UPDATE lots SET expired = due.remaining, remaining = 0 FROM due WHERE due.id = lots.id""",
    """UPDATE accounts SET balance = accounts.balance - d.gone, version = accounts.version + d.k
        FROM (SELECT account_id, max(k) AS k, max(gone) AS gone FROM due GROUP BY account_id) AS d
        WHERE d.account_id = accounts.id""",
)
# What both must have made.
_MADE = """SELECT (SELECT count(*) FROM lots WHERE remaining > 0), (SELECT count(*) FROM entries),
    (SELECT count(*) FROM lot_moves), (SELECT sum(balance) FROM accounts), (SELECT sum(version) FROM accounts)"""


async def run(lots: int = LOTS) -> Compared:
    """Lots a second, both; peak memory of this process is in the detail."""
    async with databases() as servers:
        names = {
            "program": servers.program_id,
            "at": NOW,
            "each": EACH,
            "members": lots // EACH,
            "issued": program_account(servers.program_id, ISSUED, "points"),
            "expired": program_account(servers.program_id, EXPIRED, "points"),
        }
        _execute(servers.template, _SEED, names)
        servers.analyze()
        made: set[tuple[int, ...]] = set()
        before = _peak_mib()

        async def ours() -> float:
            url = servers.fresh()
            seconds = await _run_expiry(url, lots)
            made.add(_made(url))
            return lots / seconds

        async def yardstick() -> float:
            url = servers.fresh()
            seconds = _execute(url, (_DUE, *_EXPIRE), names)
            made.add(_made(url))
            return lots / seconds

        pairs = PAIRS if lots < MANY else 1
        compared = await compare("expiry", "lots/s", ours, yardstick, detail={"lots": lots}, pairs=pairs)
        assert len(made) == 1, made
    compared.detail["memory_mib"] = {"before": before, "peak": _peak_mib()}
    return compared


async def _run_expiry(url: str, lots: int) -> float:
    database = Database(url)
    async with database.begin() as session:
        await session.connection()  # made before the clock runs, as the yardstick's is
    began = time.perf_counter()
    done = await expiry.run_all(database, as_of=NOW, clock=lambda: NOW)
    seconds = time.perf_counter() - began
    assert done[Duty.LOTS] == lots, done
    await database.dispose()
    return seconds


def _execute(url: str, statements: tuple[str, ...], names: dict[str, object]) -> float:
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        for statement in statements:
            connection.execute(statement, names)
        connection.commit()
        return time.perf_counter() - began


def _made(url: str) -> tuple[int, ...]:
    with psycopg.connect(url) as connection:
        [found] = connection.execute(_MADE).fetchall()
        return tuple(map(int, found))


def _peak_mib() -> int:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIB
