"""Whether all of a program's ledger holds, recounted from its rows: invariants I1 to I5."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: how many things were checked and how many of them violate it, with the first few named."""

    name: str
    checked: int
    violations: int
    examples: tuple[str, ...] = ()


# Each selects (name of the thing, whether it violates). The names say what must hold.
_CHECKS = {
    "I1 each transfer has two entries that sum to zero": """
        SELECT t.transaction_id || '/' || t.n,
            count(e.*) <> 2 OR coalesce(sum(e.amount), 1) <> 0 OR min(e.amount) <> -t.amount
            OR bool_or(CASE WHEN e.amount < 0 THEN e.account_id <> t.from_account ELSE e.account_id <> t.to_account END)
        FROM transfers t LEFT JOIN entries e ON e.transaction_id = t.transaction_id AND e.n = t.n
        WHERE t.program_id = :program_id GROUP BY t.transaction_id, t.n""",
    "I1 per unit the entries sum to zero": """
        SELECT a.unit, sum(e.amount) <> 0 FROM entries e JOIN accounts a ON a.id = e.account_id
        WHERE e.program_id = :program_id GROUP BY a.unit""",
    "I1 each transaction has a transfer": """
        SELECT t.id, NOT EXISTS (SELECT FROM transfers f WHERE f.transaction_id = t.id)
        FROM transactions t WHERE t.program_id = :program_id""",
    "I2 a running balance is the sum of its entries and the last written": """
        SELECT a.id, a.balance <> coalesce(e.sum, 0) OR a.version <> coalesce(e.last, 0)
            OR a.balance <> coalesce((SELECT l.balance FROM entries l
                WHERE l.account_id = a.id AND l.version = a.version), 0)
        FROM accounts a LEFT JOIN (SELECT account_id, sum(amount) AS sum, max(version) AS last FROM entries
            WHERE program_id = :program_id GROUP BY account_id) e ON e.account_id = a.id
        WHERE a.program_id = :program_id AND a.running""",
    "I2 versions are dense and each balance follows from the one before": """
        SELECT account_id || '/' || version, version <> row_number() OVER w
            OR balance <> amount + lag(balance, 1, 0::bigint) OVER w
        FROM entries WHERE program_id = :program_id AND version IS NOT NULL
        WINDOW w AS (PARTITION BY account_id ORDER BY version)""",
    "I3 available is covered by lots and debt, held by open holds, pending by open promises": """
        SELECT a.id, CASE WHEN a.id LIKE '%.held'
            THEN a.balance <> coalesce((SELECT sum(h.amount - h.settled - h.released) FROM holds h
                WHERE h.held_account_id = a.id AND h.state = 'open'), 0)
            WHEN a.id LIKE '%.pending'
            THEN a.balance <> coalesce((SELECT sum(p.amount) FROM pendings p
                WHERE p.pending_account_id = a.id AND p.state = 'open'), 0)
            ELSE a.balance < -a.debt END
        FROM accounts a WHERE a.program_id = :program_id AND a.running""",
    "I4 lots less debt make the balance": """
        SELECT a.id, a.balance <> coalesce(l.remaining, 0) - a.debt
        FROM accounts a LEFT JOIN (SELECT account_id, sum(remaining) AS remaining FROM lots
            WHERE program_id = :program_id GROUP BY account_id) l ON l.account_id = a.id
        WHERE a.program_id = :program_id AND a.running AND a.id NOT LIKE '%.held' AND a.id NOT LIKE '%.pending'""",
    "I4 each lot is its grant less its moves": """
        SELECT l.id, l.allocated <>
                coalesce(sum(m.amount) FILTER (WHERE m.kind NOT IN ('settle', 'expire', 'reverse')), 0)
            OR l.expired <> coalesce(sum(m.amount) FILTER (WHERE m.kind = 'expire'), 0)
            OR l.reversed <> coalesce(sum(m.amount) FILTER (WHERE m.kind = 'reverse'), 0)
        FROM lots l LEFT JOIN lot_moves m ON m.lot_id = l.id WHERE l.program_id = :program_id GROUP BY l.id""",
    "I4 each earning is granted in full as lots": """
        SELECT t.id, f.amount <> coalesce(l.granted, 0)
        FROM transactions t
        LEFT JOIN (SELECT transaction_id, sum(amount) AS amount FROM transfers
            WHERE program_id = :program_id GROUP BY transaction_id) f ON f.transaction_id = t.id
        LEFT JOIN (SELECT transaction_id, sum(granted) AS granted FROM lots
            WHERE program_id = :program_id GROUP BY transaction_id) l ON l.transaction_id = t.id
        WHERE t.program_id = :program_id AND t.kind IN ('earn', 'confirm')""",
    # Of members who were merged, together: a merge moves the lifetime, and entries never move.
    "I4 lifetime is what was earned less what was reversed": """
        WITH earned AS (SELECT t.id, f.to_account AS account_id, sum(f.amount) AS amount
            FROM transactions t JOIN transfers f ON f.transaction_id = t.id
            WHERE t.program_id = :program_id AND t.kind IN ('earn', 'confirm') GROUP BY t.id, f.to_account),
        reversed AS (SELECT t.reverses_id AS id, sum(f.amount) AS amount
            FROM transactions t JOIN transfers f ON f.transaction_id = t.id
            WHERE t.program_id = :program_id AND t.kind = 'reverse' GROUP BY t.reverses_id),
        net AS (SELECT account_id, sum(earned.amount - coalesce(reversed.amount, 0)) AS amount
            FROM earned LEFT JOIN reversed USING (id) GROUP BY account_id)
        SELECT coalesce(m.merged_into, m.id) || '.' || a.unit, sum(a.lifetime) <> sum(coalesce(net.amount, 0))
        FROM accounts a JOIN members m ON m.id = a.member_id LEFT JOIN net ON net.account_id = a.id
        WHERE a.program_id = :program_id AND a.running GROUP BY coalesce(m.merged_into, m.id), a.unit""",
    "I5 one transaction per business key": """
        SELECT min(t.id), count(*) > 1 FROM transactions t WHERE t.program_id = :program_id GROUP BY t.business_key""",
    "I5 at most one reversal, and no more than the original": """
        SELECT t.id, count(*) OVER (PARTITION BY t.reverses_id) > 1
            OR (SELECT sum(amount) FROM transfers f WHERE f.transaction_id = t.id)
             > (SELECT sum(amount) FROM transfers f WHERE f.transaction_id = t.reverses_id)
        FROM transactions t WHERE t.program_id = :program_id AND t.kind = 'reverse'""",
    "I5 each decided event has at most one earning that stands in each unit": """
        SELECT t.event_id, count(*) > 1 FROM transactions t JOIN transfers f ON f.transaction_id = t.id AND f.n = 1
        WHERE t.program_id = :program_id AND t.kind = 'earn' AND t.event_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM transactions r WHERE r.program_id = t.program_id AND r.reverses_id = t.id)
        GROUP BY t.event_id, f.unit""",
    "I5 a hold is closed by one transaction of its kind": """
        SELECT h.id, (h.state = 'open') <> (h.closed_by IS NULL) OR (h.state <> 'open' AND NOT EXISTS (
            SELECT FROM transactions t WHERE t.id = h.closed_by
                AND (t.kind = 'release' OR (t.kind = 'settle' AND h.state = 'settled'))))
        FROM holds h WHERE h.program_id = :program_id""",
    "I5 a promise is closed by one transaction of its kind": """
        SELECT p.id, (p.state = 'open') <> (p.closed_by IS NULL) OR (p.state <> 'open' AND NOT EXISTS (
            SELECT FROM transactions t WHERE t.id = p.closed_by
                AND t.kind = CASE p.state WHEN 'confirmed' THEN 'confirm' ELSE 'cancel' END))
        FROM pendings p WHERE p.program_id = :program_id""",
}
CHECKS = len(_CHECKS)
MAX_EXAMPLES = 5
# What the server may use for each sort and hash before it goes to disk.
WORK_MEMORY = "64MB"


async def verify(
    session: AsyncSession, program_id: str, progress: Callable[[int], None] = lambda _: None
) -> list[Check]:
    """Check invariants I1 to I5 of one program over all of its rows, from one snapshot of the database.

    `progress` hears of each check when it is done.
    """
    await session.execute(text(f"SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '{WORK_MEMORY}'"))
    checks = []
    for name, query in _CHECKS.items():
        checks.append(await check(session, program_id, name, query))
        progress(1)
    return checks


async def check(session: AsyncSession, program_id: str, name: str, query: str) -> Check:
    """One check, whose query selects things by name and whether each violates it."""
    checked_things = f"FROM ({query}) AS q(thing, violates)"
    counted = text(f"SELECT count(*), count(*) FILTER (WHERE coalesce(violates, true)) {checked_things}")
    checked, violations = (await session.execute(counted, {"program_id": program_id})).one()
    if not violations:
        return Check(name, checked, 0)
    named = text(f"SELECT thing {checked_things} WHERE coalesce(violates, true) ORDER BY thing LIMIT {MAX_EXAMPLES}")
    examples = (await session.execute(named, {"program_id": program_id})).scalars()
    return Check(name, checked, violations, tuple(str(thing) for thing in examples))
