"""What the sandbox remembers, in SQLite: orders with their one card, e-mails, notices, the webhook and the balance.

With a file it survives a restart; each method is one transaction.
"""

import json
import secrets
import sqlite3
import string
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.tremendous.catalog import number

STARTING_BALANCE_CENTS = 100_000_00
BALANCE_ID = "SMPLBALANCE1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (one INTEGER PRIMARY KEY CHECK (one = 1), available_cents INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, external_id TEXT UNIQUE, request TEXT NOT NULL,
    created_at TEXT NOT NULL, status TEXT NOT NULL, total_cents INTEGER NOT NULL, refunded_cents INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS rewards (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL REFERENCES orders (id),
    product_id TEXT NOT NULL, denomination TEXT NOT NULL, currency_code TEXT NOT NULL, name TEXT, email TEXT,
    method TEXT NOT NULL, sender_name TEXT, message TEXT, created_at TEXT NOT NULL,
    issued INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0, redeemed INTEGER NOT NULL DEFAULT 0,
    delivery TEXT NOT NULL, deliver_after REAL
);
CREATE INDEX IF NOT EXISTS rewards_by_order ON rewards (order_id);
CREATE INDEX IF NOT EXISTS rewards_to_deliver ON rewards (deliver_after) WHERE deliver_after IS NOT NULL;
CREATE TABLE IF NOT EXISTS links (token TEXT PRIMARY KEY, reward_id TEXT NOT NULL REFERENCES rewards (id));
CREATE TABLE IF NOT EXISTS emails (
    n INTEGER PRIMARY KEY, reward_id TEXT NOT NULL REFERENCES rewards (id), email TEXT NOT NULL, sent_at TEXT NOT NULL,
    bounced TEXT, token TEXT
);
CREATE TABLE IF NOT EXISTS webhook (id TEXT PRIMARY KEY, url TEXT NOT NULL, private_key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notices (
    n INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, event TEXT NOT NULL, body BLOB NOT NULL,
    send_after REAL, attempts INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS notices_to_send ON notices (send_after) WHERE send_after IS NOT NULL;
CREATE TABLE IF NOT EXISTS withdrawn (product_id TEXT PRIMARY KEY);
"""
_TABLES = ("notices", "webhook", "emails", "links", "rewards", "orders", "account", "withdrawn")


def new_id() -> str:
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))


def instant() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Store:
    def __init__(self, path: Path | None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;" + _SCHEMA)
        self._open_account()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written inside; may be nested, the outermost one commits."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def reset(self) -> None:
        with self.transaction():
            for table in _TABLES:
                self._db.execute(f"DELETE FROM {table}")
            self._open_account()

    def one(self, statement: str, *values: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(statement, values).fetchone()
        return row

    def all(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        return self._db.execute(statement, values).fetchall()

    def write(self, statement: str, *values: Any) -> None:
        self._db.execute(statement, values)

    def count(self, statement: str, *values: Any) -> int:
        return int(self._db.execute(statement, values).fetchone()[0])

    def available_cents(self) -> int:
        return self.count("SELECT available_cents FROM account")

    def insert(self, table: str, **columns: Any) -> None:
        marks = ", ".join("?" for _ in columns)
        self._db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))

    def order_of(self, name: str) -> sqlite3.Row | None:
        """The order by its id or its external_id: the API takes either."""
        return self.one("SELECT * FROM orders WHERE id = ?1 OR external_id = ?1", name)

    def reward(self, reward_id: str) -> sqlite3.Row | None:
        return self.one("SELECT * FROM rewards WHERE id = ?", reward_id)

    def rewards_of(self, order_id: str) -> list[sqlite3.Row]:
        return self.all("SELECT * FROM rewards WHERE order_id = ? ORDER BY n", order_id)

    def webhook(self) -> sqlite3.Row | None:
        return self.one("SELECT * FROM webhook")

    def _open_account(self) -> None:
        self._db.execute("INSERT OR IGNORE INTO account VALUES (1, ?)", (STARTING_BALANCE_CENTS,))


def canonical(request: dict[str, Any]) -> str:
    """Equal for equal requests, whatever the order of their fields."""
    return json.dumps(request, sort_keys=True, separators=(",", ":"), default=number)
