"""The ledger's decisions on paper, against the oracle: every command on one book that lives on."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

import pytest

from domain.commands import Command, KeptCommand, Outcome
from domain.counters import CounterKey
from domain.deciding import Person
from domain.definitions import snapshot
from domain.execution import Execution, Loaded
from domain.ladders import Ladders
from domain.ledger import (
    Account,
    Book,
    Hold,
    Pending,
    Posted,
    first_in,
    held_account,
    member_account,
    pending_account,
)
from domain.units import policies
from tests.ledger.machine import (
    CONFIGURATION,
    MEMBERS,
    START,
    UNITS,
    Ledger,
    LedgerMachine,
    Purse,
    State,
    assert_thorough,
    search,
    shown,
)
from tests.programs import definitions

PROGRAM = "prg_acme"
DEFINED = snapshot(PROGRAM, 1, definitions(CONFIGURATION))
SEEDS = 20
PARTS, SEEDS_OF_PART = 26, 40


class Paper:
    """A ledger in memory: domain.execution, and no database."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        self.new_id = lambda prefix: f"{prefix}_{next(numbers):06}"
        self.members = {name: f"mem_{name}" for name in MEMBERS}
        self.people = {
            self.members[name]: Person(self.members[name], 1, said["time_zone"], said) for name, said in MEMBERS.items()
        }
        kinds = (member_account, held_account, pending_account)
        named = [kind(member, unit) for member in self.people for unit in UNITS for kind in kinds]
        accounts = [Account(name, name.split(".")[1], running=True) for name in named]
        self.book = Book(PROGRAM, self.new_id, START, accounts, (), policies(DEFINED))
        self.into: dict[str, str] = {}
        self.known: dict[str, KeptCommand] = {}
        self.holds: dict[str, Hold] = {}
        self.pendings: dict[str, Pending] = {}
        self.posted: dict[str, Posted] = {}
        self.reversed: set[str] = set()
        self.counters: defaultdict[tuple[str, CounterKey], tuple[int, int]] = defaultdict(lambda: (0, 0))
        self.program: Counter[tuple[str, str]] = Counter()
        self.seen = (0, 0, 0, 0)

    def carry_out(self, commands: Sequence[Command], at: datetime) -> list[Outcome]:
        self.book.recorded_at = at
        loaded = Loaded(
            self.book,
            Ladders(DEFINED.milestones, self.new_id),
            self.people,
            self.into,
            known=self.known,
            holds=self.holds,
            pendings=self.pendings,
            posted=self.posted,
            reversed=self.reversed,
            counters=self.counters,
        )
        execution = Execution(DEFINED, loaded)
        outcomes = [execution.carry_out(command) for command in commands]
        self.holds |= {hold.id: hold for hold in execution.new_holds}
        self.pendings |= {pending.id: pending for pending in execution.new_pendings}
        self._post()
        return outcomes

    def expire(self, member: str, at: datetime) -> int:
        self.book.recorded_at = at
        expired = [self.book.expire_lapsed(member_account(member, unit)) for unit in UNITS]
        self._post()
        return sum(map(len, expired))

    def merge(self, member: str, into: str, at: datetime) -> None:
        self.book.recorded_at = at
        for unit in UNITS:
            ends = {"source": member_account(member, unit), "destination": member_account(into, unit)}
            self.book.merge(**ends, business_key=f"merge:{member}:{unit}", effective_at=at)
        self._post()
        for (who, key), (uses, total) in [one for one in self.counters.items() if one[0][0] == member]:
            before = self.counters[into, key]
            self.counters[into, key], self.counters[who, key] = (before[0] + uses, before[1] + total), (0, 0)
        self.into = {one: into if end == member else end for one, end in self.into.items()} | {member: into}

    def state(self, at: datetime) -> State:
        program, lapsed = self.program.copy(), Counter[str]()
        lots: dict[str, list[tuple[datetime | None, int]]] = {}
        for lot in sorted((lot for lot in self.book.lots.values() if lot.remaining), key=first_in):
            if lot.expires_at is not None and lot.expires_at <= at:
                program["expired", self.book.accounts[lot.account_id].unit] += lot.remaining
                lapsed[lot.account_id] += lot.remaining
            else:
                lots.setdefault(lot.account_id, []).append((lot.expires_at, lot.remaining))
        return State(
            {(member, unit): self._purse(member, unit, lots, lapsed) for member in self.people for unit in UNITS},
            {key: amount for key, amount in program.items() if amount},
            {hold.id: (hold.state, hold.settled, hold.released) for hold in self.holds.values()},
            {pending.id: pending.state for pending in self.pendings.values()},
        )

    def verify(self) -> None:
        """Entries balance, versions are dense, and each lot is its grant less its moves."""
        by_account: dict[str, list[tuple[int | None, int | None, int]]] = {}
        for entry in self.book.entries:
            by_account.setdefault(entry.account_id, []).append((entry.version, entry.balance, entry.amount))
        assert sum(entry.amount for entry in self.book.entries) == 0
        for account, entries in by_account.items():
            if self.book.accounts[account].running:
                balances = itertools.accumulate(amount for _, _, amount in entries)
                assert [entry[:2] for entry in entries] == list(enumerate(balances, 1))
        moved: Counter[str] = Counter()
        for move in self.book.moves:
            moved[move.lot_id] += move.amount if move.kind != "settle" else 0
        assert all(lot.remaining == lot.granted - moved[lot.id] >= 0 for lot in self.book.lots.values())
        keys = [transaction.business_key for transaction in self.book.transactions]
        assert len(keys) == len(set(keys))

    def _purse(
        self, member: str, unit: str, lots: dict[str, list[tuple[datetime | None, int]]], lapsed: Counter[str]
    ) -> Purse:
        ids = [kind(member, unit) for kind in (member_account, held_account, pending_account)]
        own, held, pending = (self.book.accounts[one] for one in ids)
        available, left = own.balance - lapsed[own.id], tuple(lots.get(own.id, ()))
        return Purse(available, own.debt, own.lifetime, held.balance, pending.balance, bool(own.closed_at), left)

    def _post(self) -> None:
        transactions, transfers, moves, entries = self.seen
        at = self.book.recorded_at
        new = {one.id: Posted(one, at, [], []) for one in self.book.transactions[transactions:]}
        for transfer in self.book.transfers[transfers:]:
            new[transfer.transaction_id].transfers.append(transfer)  # type: ignore[attr-defined]
        for move in self.book.moves[moves:]:
            new[move.transaction_id].moves.append(move)  # type: ignore[attr-defined]
        self.posted |= new
        for entry in self.book.entries[entries:]:
            if not self.book.accounts[entry.account_id].running:
                self.program[entry.account_id.split(".")[1], self.book.accounts[entry.account_id].unit] += entry.amount
        book = self.book
        self.seen = len(book.transactions), len(book.transfers), len(book.moves), len(book.entries)


class OnPaper(LedgerMachine):
    came: ClassVar[Counter[tuple[str, str]]] = Counter()

    def new_ledger(self) -> Ledger:
        return Paper()


def test_the_ledger_on_paper_does_what_the_oracle_says():
    """About 20,000 steps."""
    search(OnPaper, range(SEEDS))

    assert_thorough(OnPaper.came, at_least=5)


@pytest.fixture(scope="module")
def in_all(pytestconfig: pytest.Config) -> Iterator[Counter[tuple[str, str]]]:
    """What came of everything that was played, which is printed in the end: steps, and outcomes by kind of command."""
    came: Counter[tuple[str, str]] = Counter()
    yield came
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{shown(came)}")  # noqa: T201


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_a_million_steps_on_paper(part: int, in_all: Counter[tuple[str, str]]):
    """Some 40,000 steps each, all of them other programs."""
    OnPaper.came.clear()
    search(OnPaper, range(part * SEEDS_OF_PART, (part + 1) * SEEDS_OF_PART))

    in_all += OnPaper.came
    assert_thorough(OnPaper.came, at_least=10)
