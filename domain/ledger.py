"""The ledger's rules, on paper: a Book of accounts and lots takes operations and collects the rows they make.

Value moves only by transfers of a positive amount from one account to another, so a Book cannot be unbalanced. A
running account knows its balance and a dense version after each entry; a summed one (the program's issued, redeemed and
expired value) knows neither. For every member account the remaining lots less the debt make the balance: a credit
expires what has lapsed and repays debt first, a debit takes lots first-in first-out by (expires_at, id), and what is
held is shielded from expiry.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

ISSUED = "issued"
REDEEMED = "redeemed"
EXPIRED = "expired"


def member_account(member_id: str, unit: str) -> str:
    """The id of the account of a member's available value."""
    return f"acc_{member_id[4:]}.{unit}"


def held_account(member_id: str, unit: str) -> str:
    """The id of the account of a member's value that is set aside for orders."""
    return f"acc_{member_id[4:]}.{unit}.held"


def program_account(program_id: str, kind: str, unit: str) -> str:
    """The id of one of the program's summed accounts: ISSUED, REDEEMED or EXPIRED."""
    return f"acc_{program_id[4:]}.{kind}.{unit}"


class InsufficientPoints(Exception):
    """The account has less available than the operation needs; nothing was moved."""

    def __init__(self, available: int, needed: int):
        super().__init__(f"{available} points available, {needed} needed")
        self.available = available
        self.needed = needed


class NotOpen(Exception):
    """The hold has been settled or released already."""


@dataclass(slots=True)
class Account:
    """One place where value of one unit stands; `lifetime` is what was earned less what was taken back."""

    id: str
    unit: str
    running: bool
    balance: int = 0
    version: int = 0
    debt: int = 0
    lifetime: int = 0


@dataclass(slots=True)
class Lot:
    """Value granted together, with one expiry; `remaining` is what can still be spent."""

    id: str
    account_id: str
    transaction_id: str
    granted: int
    expires_at: datetime | None
    granted_at: datetime
    allocated: int = 0
    expired: int = 0
    reversed: int = 0

    @property
    def remaining(self) -> int:
        return self.granted - self.allocated - self.expired - self.reversed


@dataclass(frozen=True, slots=True)
class Grant:
    """What becomes one lot: a positive amount and the instant at which it lapses, if it does."""

    amount: int
    expires_at: datetime | None = None


@dataclass(slots=True)
class Hold:
    """Value set aside for an order until it is settled or released; `lots` is where it came from."""

    id: str
    account_id: str
    held_account_id: str
    transaction_id: str
    amount: int
    state: str = "open"
    closed_by: str | None = None
    order_id: str | None = None
    lots: Mapping[str, int] = field(default_factory=dict)


class Transaction(NamedTuple):
    """One posting and what caused it; `business_key` is unique in the program for ever."""

    id: str
    kind: str
    business_key: str
    effective_at: datetime
    event_id: str | None = None
    order_id: str | None = None
    reverses_id: str | None = None


class Transfer(NamedTuple):
    transaction_id: str
    n: int
    unit: str
    from_account: str
    to_account: str
    amount: int


class Entry(NamedTuple):
    """One side of a transfer; balance and version are the running account's after it."""

    transaction_id: str
    n: int
    account_id: str
    amount: int
    balance: int | None
    version: int | None


class LotMove(NamedTuple):
    """What a transaction took from a lot after its grant; negative gives back."""

    transaction_id: str
    lot_id: str
    kind: str
    amount: int


def _first_in(lot: Lot) -> tuple[bool, float, str]:
    return (lot.expires_at is None, lot.expires_at.timestamp() if lot.expires_at else 0.0, lot.id)


class Book:
    """The accounts and lots that one database transaction has locked, and the rows that its operations make.

    `recorded_at` judges whether a lot has lapsed. Lots must hold every open lot that an operation may take from. The
    program's summed accounts are always there; a member's must be given.
    """

    def __init__(
        self,
        program_id: str,
        new_id: Callable[[str], str],
        recorded_at: datetime,
        accounts: Iterable[Account] = (),
        lots: Iterable[Lot] = (),
    ):
        self.program_id = program_id
        self._new_id = new_id
        self.recorded_at = recorded_at
        self.accounts = {account.id: account for account in accounts}
        self.lots = {lot.id: lot for lot in lots}
        self._of_account: dict[str, list[Lot]] = {}
        for lot in self.lots.values():
            self._of_account.setdefault(lot.account_id, []).append(lot)
        self.transactions: list[Transaction] = []
        self.transfers: list[Transfer] = []
        self.entries: list[Entry] = []
        self.new_lots: list[Lot] = []
        self.moves: list[LotMove] = []
        self.changed_accounts: dict[str, Account] = {}
        self.changed_lots: dict[str, Lot] = {}
        self._transfer_count: dict[str, int] = {}

    # -- Operations ------------------------------------------------------------------------------------------------

    def earn(
        self,
        *,
        member: str,
        grants: Iterable[Grant],
        business_key: str,
        effective_at: datetime,
        event_id: str | None = None,
    ) -> Transaction:
        """Grant value to the member's account: one transfer and one new lot for each grant."""
        self._expire_lapsed(member, business_key, effective_at)
        transaction = self._transaction("earn", business_key, effective_at, event_id=event_id)
        for grant in grants:
            self._move(transaction, self._program(ISSUED, member), member, grant.amount)
            self.accounts[member].lifetime += grant.amount
            lot = Lot(self._new_id("lot"), member, transaction.id, grant.amount, grant.expires_at, self.recorded_at)
            self._add_lot(lot)
            self._repay_debt(transaction, member, [lot])
        return transaction

    def reverse_earn(
        self, original: Transaction, *, member: str, amount: int, business_key: str, effective_at: datetime
    ) -> Transaction:
        """Take back what `original` granted: from its own lot, then from other lots, the rest becomes debt."""
        transaction = self._transaction(
            "reverse", business_key, effective_at, event_id=original.event_id, reverses_id=original.id
        )
        self._move(transaction, member, self._program(ISSUED, member), amount)
        account = self.accounts[member]
        account.lifetime -= amount
        lots = self._open_lots(member)
        own = [lot for lot in lots if lot.transaction_id == original.id]
        others = [lot for lot in lots if lot.transaction_id != original.id]
        account.debt += amount - self._take(transaction, [*own, *others], amount, "reverse")
        return transaction

    def hold(
        self, *, member: str, held: str, amount: int, business_key: str, effective_at: datetime, order_id: str
    ) -> Hold:
        """Set `amount` aside from the first lots to expire, or raise InsufficientPoints with nothing moved."""
        self._expire_lapsed(member, business_key, effective_at)
        available = self.accounts[member].balance
        if available < amount:
            raise InsufficientPoints(available, amount)
        transaction = self._transaction("hold", business_key, effective_at, order_id=order_id)
        self._move(transaction, member, held, amount)
        before = len(self.moves)
        self._take(transaction, self._open_lots(member), amount, "hold")
        lots = {move.lot_id: move.amount for move in self.moves[before:]}
        return Hold(self._new_id("hld"), member, held, transaction.id, amount, order_id=order_id, lots=lots)

    def settle(self, hold: Hold, *, business_key: str, effective_at: datetime) -> Transaction:
        """Spend what was held, for good."""
        redeemed = self._program(REDEEMED, hold.account_id)
        return self._close(hold, "settle", "settled", redeemed, business_key, effective_at)

    def release(self, hold: Hold, *, business_key: str, effective_at: datetime) -> Transaction:
        """Give what was held back into its lots; what has lapsed meanwhile expires at once."""
        transaction = self._close(hold, "release", "released", hold.account_id, business_key, effective_at)
        self._give_back(transaction, hold, "release")
        return transaction

    def refund(self, hold: Hold, *, business_key: str, effective_at: datetime) -> Transaction:
        """Give what was settled back into the lots it came from."""
        if hold.state != "settled":
            raise NotOpen(f"hold {hold.id} is {hold.state}, only a settled one is refunded")
        transaction = self._transaction("refund", business_key, effective_at, order_id=hold.order_id)
        self._move(transaction, self._program(REDEEMED, hold.account_id), hold.account_id, hold.amount)
        self._give_back(transaction, hold, "refund")
        return transaction

    # -- Steps -----------------------------------------------------------------------------------------------------

    def _transaction(
        self,
        kind: str,
        business_key: str,
        effective_at: datetime,
        *,
        event_id: str | None = None,
        order_id: str | None = None,
        reverses_id: str | None = None,
    ) -> Transaction:
        transaction = Transaction(
            self._new_id("txn"), kind, business_key, effective_at, event_id, order_id, reverses_id
        )
        self.transactions.append(transaction)
        return transaction

    def _move(self, transaction: Transaction, source: str, destination: str, amount: int) -> None:
        n = self._transfer_count.get(transaction.id, 0) + 1
        self._transfer_count[transaction.id] = n
        unit = self.accounts[source].unit
        self.transfers.append(Transfer(transaction.id, n, unit, source, destination, amount))
        self._enter(transaction, n, source, -amount)
        self._enter(transaction, n, destination, amount)

    def _enter(self, transaction: Transaction, n: int, account_id: str, amount: int) -> None:
        account = self.accounts[account_id]
        if not account.running:
            self.entries.append(Entry(transaction.id, n, account_id, amount, None, None))
            return
        account.balance += amount
        account.version += 1
        self.changed_accounts[account_id] = account
        self.entries.append(Entry(transaction.id, n, account_id, amount, account.balance, account.version))

    def _close(
        self, hold: Hold, kind: str, state: str, destination: str, business_key: str, effective_at: datetime
    ) -> Transaction:
        if hold.state != "open":
            raise NotOpen(f"hold {hold.id} is {hold.state}")
        transaction = self._transaction(kind, business_key, effective_at, order_id=hold.order_id)
        self._move(transaction, hold.held_account_id, destination, hold.amount)
        hold.state = state
        hold.closed_by = transaction.id
        return transaction

    def _add_lot(self, lot: Lot) -> None:
        self.lots[lot.id] = lot
        self._of_account.setdefault(lot.account_id, []).append(lot)
        self.new_lots.append(lot)

    def _open_lots(self, account_id: str) -> list[Lot]:
        return sorted((lot for lot in self._of_account.get(account_id, ()) if lot.remaining > 0), key=_first_in)

    def _take(self, transaction: Transaction, lots: Iterable[Lot], amount: int, kind: str) -> int:
        """Take up to `amount` from the lots in their order; the sum taken."""
        left = amount
        for lot in lots:
            if left == 0:
                break
            taken = min(lot.remaining, left)
            if kind == "reverse":
                lot.reversed += taken
            elif kind == "expire":
                lot.expired += taken
            else:
                lot.allocated += taken
            self.changed_lots[lot.id] = lot
            self.moves.append(LotMove(transaction.id, lot.id, kind, taken))
            left -= taken
        return amount - left

    def _give_back(self, transaction: Transaction, hold: Hold, kind: str) -> None:
        lots = [self.lots[lot_id] for lot_id in hold.lots]
        for lot in lots:
            lot.allocated -= hold.lots[lot.id]
            self.changed_lots[lot.id] = lot
            self.moves.append(LotMove(transaction.id, lot.id, kind, -hold.lots[lot.id]))
        self._expire_lapsed(hold.account_id, transaction.business_key, transaction.effective_at)
        self._repay_debt(transaction, hold.account_id, sorted(lots, key=_first_in))

    def _repay_debt(self, transaction: Transaction, account_id: str, lots: Iterable[Lot]) -> None:
        account = self.accounts[account_id]
        if account.debt:
            account.debt -= self._take(transaction, lots, account.debt, "debt")
            self.changed_accounts[account_id] = account

    def _expire_lapsed(self, account_id: str, business_key: str, effective_at: datetime) -> None:
        lapsed = [
            lot
            for lot in self._of_account.get(account_id, ())
            if lot.expires_at is not None and lot.expires_at <= self.recorded_at and lot.remaining > 0
        ]
        if not lapsed:
            return
        amount = sum(lot.remaining for lot in lapsed)
        transaction = self._transaction("expire", f"{business_key}/lapsed", effective_at)
        self._move(transaction, account_id, self._program(EXPIRED, account_id), amount)
        self._take(transaction, sorted(lapsed, key=_first_in), amount, "expire")

    def _program(self, kind: str, account_id: str) -> str:
        unit = self.accounts[account_id].unit
        summed = program_account(self.program_id, kind, unit)
        if summed not in self.accounts:
            self.accounts[summed] = Account(summed, unit, running=False)
        return summed
