"""The ledger in PostgreSQL against the oracle: every command by everybody's door, in batches of any size."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import ClassVar, TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Command, Outcome
from domain.ledger import member_account
from domain.merges import Merge
from storage import commands, ledger, merges, verification
from storage.database import Database
from storage.hot_path import run_together
from tests.ledger.machine import (
    CONFIGURATION,
    MEMBERS,
    UNITS,
    Ledger,
    LedgerMachine,
    Purse,
    State,
    assert_thorough,
    search,
)
from tests.programs import make_member, make_program

PARTS, SEEDS_OF_PART = 2, 6

Result = TypeVar("Result")

_PURSES = """SELECT a.member_id, a.unit, a.balance - coalesce(l.lapsed, 0), a.debt, a.lifetime,
        coalesce(h.balance, 0), coalesce(p.balance, 0), a.closed_at IS NOT NULL
    FROM accounts a
    LEFT JOIN accounts h ON h.id = a.id || '.held'
    LEFT JOIN accounts p ON p.id = a.id || '.pending'
    LEFT JOIN LATERAL (SELECT sum(remaining)::bigint AS lapsed FROM lots
        WHERE account_id = a.id AND remaining > 0 AND expires_at <= %(at)s) l ON true
    WHERE a.program_id = %(program)s AND a.running AND a.id NOT LIKE '%.held' AND a.id NOT LIKE '%.pending'"""
_LOTS = """SELECT a.member_id, a.unit, l.expires_at, l.remaining FROM lots l JOIN accounts a ON a.id = l.account_id
    WHERE l.program_id = %(program)s AND l.remaining > 0 AND (l.expires_at > %(at)s OR l.expires_at IS NULL)
    ORDER BY l.expires_at NULLS LAST, l.id"""
_PROGRAM = """SELECT split_part(account_id, '.', 2), split_part(account_id, '.', 3), sum(amount)::bigint FROM entries
        WHERE program_id = %(program)s AND version IS NULL GROUP BY 1, 2
    UNION ALL SELECT 'expired', a.unit, sum(l.remaining)::bigint FROM lots l JOIN accounts a ON a.id = l.account_id
        WHERE l.program_id = %(program)s AND l.remaining > 0 AND l.expires_at <= %(at)s GROUP BY a.unit"""
_HOLDS = "SELECT id, state, settled, released FROM holds WHERE program_id = %(program)s"
_PENDINGS = "SELECT id, state FROM pendings WHERE program_id = %(program)s"


class Stored:
    """A program in PostgreSQL: storage.commands, each batch in a transaction of its own."""

    def __init__(self, database: Database, run: asyncio.Runner):
        self.database = database
        self._runner = run
        self.program_id, self.members = self._in_transaction(_make)

    def carry_out(self, batch: Sequence[Command], at: datetime) -> list[Outcome]:
        return self._runner.run(commands.execute_batch(self.database, self.program_id, batch, as_of=at))

    def expire(self, member: str, at: datetime) -> int:
        async def expire(session: AsyncSession) -> int:
            book = await ledger.open_book(session, self.program_id, [member], recorded_at=at, units=list(UNITS))
            expired = [book.expire_lapsed(member_account(member, unit)) for unit in UNITS]
            await ledger.write(session, book)
            return sum(map(len, expired))

        return self._in_transaction(expire)

    def merge(self, member: str, into: str, at: datetime) -> None:
        async def merge(session: AsyncSession) -> None:
            what = {"source": member, "destination": into, "actor": "key_boss", "reason": "the same person"}
            merged = await merges.merge(session, self.program_id, **what, as_of=at)
            assert isinstance(merged, Merge), merged

        self._in_transaction(merge)

    def state(self, at: datetime) -> State:
        async def read(session: AsyncSession) -> State:
            values = {"program": self.program_id, "at": at}
            queries = (_PURSES, _LOTS, _PROGRAM, _HOLDS, _PENDINGS)
            purses, lots, program, holds, pendings = await run_together(
                session, *((query, values) for query in queries)
            )
            left: dict[tuple[str, str], list[tuple[datetime | None, int]]] = {}
            for member, unit, expires_at, remaining in lots:
                left.setdefault((member, unit), []).append((expires_at, remaining))
            totals: Counter[tuple[str, str]] = Counter()
            for kind, unit, amount in program:
                totals[kind, unit] += amount
            return State(
                {
                    (row[0], row[1]): Purse(*row[2:])._replace(lots=tuple(left.get((row[0], row[1]), ())))
                    for row in purses
                },
                {key: amount for key, amount in totals.items() if amount},
                {row[0]: (row[1], row[2], row[3]) for row in holds},
                dict(pendings),
            )

        return self._in_transaction(read)

    def verify(self) -> None:
        checks = self._in_transaction(lambda session: verification.verify(session, self.program_id))
        assert [check for check in checks if check.violations] == []

    def _in_transaction(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        async def begin() -> Result:
            async with self.database.begin() as session:
                return await work(session)

        return self._runner.run(begin())


async def _make(session: AsyncSession) -> tuple[str, dict[str, str]]:
    program_id = await make_program(session, CONFIGURATION)
    return program_id, {name: await make_member(session, program_id, name, **said) for name, said in MEMBERS.items()}


class InPostgres(LedgerMachine):
    came: ClassVar[Counter[tuple[str, str]]] = Counter()
    connected: ClassVar[tuple[Database, asyncio.Runner]]

    def new_ledger(self) -> Ledger:
        return Stored(*self.connected)


@pytest.fixture
def connected(database_url: str) -> Iterator[None]:
    """A database for all programs of the search, on an event loop of its own."""
    with asyncio.Runner() as runner:
        database = Database(database_url)
        InPostgres.connected = database, runner
        yield
        runner.run(database.dispose())


@pytest.mark.parametrize("part", range(PARTS))
def test_the_ledger_in_postgres_does_what_the_oracle_says(part: int, connected: None):
    """More than 10,000 steps in all, and the whole ledger verified after each program's 100."""
    InPostgres.came.clear()
    search(InPostgres, range(part * SEEDS_OF_PART, (part + 1) * SEEDS_OF_PART))

    assert InPostgres.came["", "step"] * PARTS > 10_000
    assert_thorough(InPostgres.came, at_least=1)
