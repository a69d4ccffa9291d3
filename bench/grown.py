"""A ledger that has grown: transfers of one point between members, round and round, as commands would have left them.

Carrying out half a million commands takes minutes; these are the same rows, by one statement for each table.
"""

from typing import Any

import psycopg

from bench.programs import NOW

_SEED = (
    # Who gives and takes in turn; each has one lot that is larger than all that it gives, and the first to be spent.
    """CREATE TEMP TABLE ring AS SELECT a.id, a.balance, a.version, a.member_id, l.id AS lot,
        row_number() OVER (ORDER BY a.id) - 1 AS place, count(*) OVER () AS size
    FROM accounts a JOIN lots l ON l.account_id = a.id AND l.remaining > %(transfers)s WHERE a.unit = 'points'""",
    # Every turn everybody gives to somebody further on than in the turn before.
    """CREATE TEMP TABLE given AS SELECT n, 'txn_' || lpad(to_hex(%(first)s + n), 26, '0') AS txn,
        'lot_f' || lpad(to_hex(%(first)s + n), 25, '0') AS new_lot,  -- after the first lot, as time would have it
        giver.id AS giver, giver.member_id AS giver_id, giver.lot, taker.id AS taker, taker.member_id AS taker_id
    FROM generate_series(0, %(transfers)s - 1) AS n
    JOIN ring giver ON giver.place = n %% giver.size
    JOIN ring taker ON taker.place = (n + 1 + n / taker.size %% (taker.size - 1)) %% taker.size""",
    """CREATE TEMP TABLE sides AS SELECT n, txn, account, amount, ring.balance + sum(amount) OVER earlier AS balance,
        ring.version + row_number() OVER earlier AS version
    FROM given, LATERAL (VALUES (giver, -1), (taker, 1)) AS side(account, amount) JOIN ring ON ring.id = account
    WINDOW earlier AS (PARTITION BY account ORDER BY n)""",
    """INSERT INTO transactions (id, program_id, kind, business_key, actor, effective_at, recorded_at)
    SELECT txn, %(program)s, 'transfer', 'command:' || txn, 'bench', %(at)s, %(at)s FROM given ORDER BY n""",
    """INSERT INTO transfers (program_id, transaction_id, n, unit, from_account, to_account, amount)
    SELECT %(program)s, txn, 1, 'points', giver, taker, 1 FROM given ORDER BY n""",
    """INSERT INTO entries (program_id, transaction_id, n, account_id, amount, balance, version)
    SELECT %(program)s, txn, 1, account, amount, balance, version FROM sides ORDER BY n""",
    """INSERT INTO lots (id, program_id, account_id, transaction_id, granted, remaining, granted_at)
    SELECT new_lot, %(program)s, taker, txn, 1, 1, %(at)s FROM given ORDER BY n""",
    """INSERT INTO lot_moves (program_id, transaction_id, lot_id, kind, amount)
    SELECT %(program)s, txn, lot, 'transfer', 1 FROM given ORDER BY n""",
    """INSERT INTO commands (program_id, reference, kind, fingerprint, outcome, actor, recorded_at)
    SELECT %(program)s, txn, 'transfer', sha256(txn::bytea), jsonb_build_object('transaction_id', txn,
        'balances', jsonb_build_array(jsonb_build_array(giver_id, 'points', s.balance),
            jsonb_build_array(taker_id, 'points', s.balance))), 'bench', %(at)s
    FROM given JOIN sides s USING (n, txn) WHERE s.account = giver ORDER BY n""",
    """UPDATE lots SET allocated = allocated + g.taken, remaining = remaining - g.taken
    FROM (SELECT lot, count(*) AS taken FROM given GROUP BY lot) AS g WHERE g.lot = lots.id""",
    """UPDATE accounts SET balance = s.balance, version = s.version
    FROM (SELECT DISTINCT ON (account) account, balance, version FROM sides ORDER BY account, version DESC) AS s
    WHERE s.account = accounts.id""",
    "DROP TABLE ring, given, sides",
)


def grow(owner_url: str, program_id: str, entries: int) -> None:
    """Add transfers until there are so many entries in all."""
    with psycopg.connect(owner_url) as owner:
        ((there,),) = owner.execute("SELECT count(*) FROM entries").fetchall()
        named: dict[str, Any] = {
            "program": program_id, "at": NOW, "first": there, "transfers": (entries - there) // 2,
        }  # fmt: skip
        for statement in _SEED:
            owner.execute(statement, named if "%" in statement else None)
