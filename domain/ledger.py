"""The ledger's rules, on paper: a Book of accounts and lots takes operations and collects the rows they make.

Value moves only by transfers of a positive amount from one account to another, so a Book cannot be unbalanced. A
running account knows its balance and a dense version after each entry; a summed one (the program's issued, redeemed and
expired value) knows neither. For every member account the remaining lots less the debt make the balance: a credit
expires what has lapsed and repays debt first, a debit takes lots first-in first-out by (expires_at, id), and what is
held is shielded from expiry. An operation that is refused has moved nothing but what had lapsed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple, Required, TypedDict, Unpack

# The program's summed accounts, one of each for every unit. Conversions pass through the liquidity of both their units.
ISSUED = "issued"
REDEEMED = "redeemed"
EXPIRED = "expired"
ADJUSTED = "adjusted"
LIQUIDITY = "liquidity"

# What may be reversed; everything else has an operation of its own that ends it.
REVERSIBLE = ("earn", "confirm", "adjust", "spend", "transfer", "convert", "settle")


def member_account(member_id: str, unit: str) -> str:
    """The id of the account of a member's available value."""
    return f"acc_{member_id[4:]}.{unit}"


def held_account(member_id: str, unit: str) -> str:
    """The id of the account of a member's value that is set aside for orders."""
    return f"acc_{member_id[4:]}.{unit}.held"


def pending_account(member_id: str, unit: str) -> str:
    """The id of the account of a member's promised value."""
    return f"acc_{member_id[4:]}.{unit}.pending"


def program_account(program_id: str, kind: str, unit: str) -> str:
    """The id of one of the program's summed accounts: ISSUED, REDEEMED, EXPIRED, ADJUSTED or LIQUIDITY."""
    return f"acc_{program_id[4:]}.{kind}.{unit}"


def member_of(account_id: str) -> str:
    """Whose account it is; of one of a member's accounts."""
    return f"mem_{account_id[4:].split('.', 1)[0]}"


def unit_of(account_id: str) -> str:
    """What a member's account counts; a unit's key has no dots."""
    return account_id.split(".", 2)[1]


def member_accounts(program_id: str, account_ids: Iterable[str]) -> set[str]:
    """The members' accounts of available value among these, or that stand behind what is held and promised."""
    summed = f"acc_{program_id[4:]}."
    return {one.removesuffix(".held").removesuffix(".pending") for one in account_ids if not one.startswith(summed)}


class InsufficientPoints(Exception):
    """The account has less available than the operation needs."""

    def __init__(self, available: int, needed: int):
        super().__init__(f"{available} points available, {needed} needed")
        self.available = available
        self.needed = needed


class NotOpen(Exception):
    """The hold has been settled or released already, the pending value confirmed or cancelled."""


class ExceedsOriginal(Exception):
    """More is asked for than there is of the hold or of the transaction."""


class NotReversible(Exception):
    """A transaction of this kind ends in another way, or only as a whole."""


class AccountClosed(Exception):
    """The account takes nothing any more."""


class NotEmpty(Exception):
    """Value, a debt, a hold or a promise stands in the way of closing."""


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
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a unit allows: debt when more is taken back than is left, and how long value is renewed for that is given
    back to a lot which has lapsed meanwhile (None: it expires at once)."""

    may_owe: bool = True
    renewed_for: timedelta | None = None


@dataclass(slots=True)
class Lot:
    """Value granted together, with one expiry; `remaining` is what can still be spent.

    `origin` is the transaction that granted the value first: a merge or a renewal only carries it on in another lot.
    """

    id: str
    account_id: str
    transaction_id: str
    granted: int
    expires_at: datetime | None
    granted_at: datetime
    allocated: int = 0
    expired: int = 0
    reversed: int = 0
    origin: str = ""

    def __post_init__(self) -> None:
        self.origin = self.origin or self.transaction_id

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
    """Value set aside until it is settled or released, whole or in parts.

    `lots` is where it came from, in the order in which it was taken: what is settled is the front of that line, what is
    released is its end.
    """

    id: str
    account_id: str
    held_account_id: str
    transaction_id: str
    amount: int
    state: str = "open"
    closed_by: str | None = None
    order_id: str | None = None
    expires_at: datetime | None = None
    settled: int = 0
    released: int = 0
    lots: Mapping[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return self.amount - self.settled - self.released


@dataclass(slots=True)
class Pending:
    """Value promised to a member: available at an instant, or (None) when somebody approves. It then becomes a lot."""

    id: str
    account_id: str
    pending_account_id: str
    transaction_id: str
    amount: int
    available_at: datetime | None = None
    expires_at: datetime | None = None
    state: str = "open"
    closed_by: str | None = None


class Cause(TypedDict, total=False):
    """Why something is posted: `business_key` is unique in the program for ever; `actor` and `reason` where a person or
    an integration ordered it."""

    business_key: Required[str]
    effective_at: Required[datetime]
    event_id: str | None
    order_id: str | None
    actor: str | None
    reason: str | None


class Transaction(NamedTuple):
    """One posting and what caused it; `business_key` is unique in the program for ever."""

    id: str
    kind: str
    business_key: str
    effective_at: datetime
    event_id: str | None = None
    order_id: str | None = None
    reverses_id: str | None = None
    actor: str | None = None
    reason: str | None = None


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


class Conversion(NamedTuple):
    """The rate of a conversion: `rate_from` of the one unit for `rate_to` of the other."""

    transaction_id: str
    conversion: str
    from_unit: str
    to_unit: str
    from_amount: int
    to_amount: int
    rate_from: int
    rate_to: int


class Gain(NamedTuple):
    """What an account's lifetime rose or (below zero) fell by, and the earning that did it or is taken back."""

    account_id: str
    amount: int
    earning: Transaction


class Posted(NamedTuple):
    """A transaction as it was written, and when, with all that it moved: what a reversal turns round."""

    transaction: Transaction
    recorded_at: datetime
    transfers: Sequence[Transfer]
    moves: Sequence[LotMove]

    @property
    def amount(self) -> int:
        return sum(transfer.amount for transfer in self.transfers)

    @property
    def accounts(self) -> set[str]:
        return {account for one in self.transfers for account in (one.from_account, one.to_account)}


def first_in(lot: Lot) -> tuple[bool, float, str]:
    return (lot.expires_at is None, lot.expires_at.timestamp() if lot.expires_at else 0.0, lot.id)


class Book:
    """The accounts and lots that one database transaction has locked, and the rows that its operations make.

    `recorded_at` judges whether a lot has lapsed. Lots must hold every open lot that an operation may take from, and of
    what will be taken back every lot that carries it, in whosever hands. The program's summed accounts are always
    there; a member's must be given.
    """

    def __init__(
        self,
        program_id: str,
        new_id: Callable[[str], str],
        recorded_at: datetime,
        accounts: Iterable[Account] = (),
        lots: Iterable[Lot] = (),
        policies: Mapping[str, Policy] | None = None,
    ):
        self.program_id = program_id
        self._new_id = new_id
        self.recorded_at = recorded_at
        self.accounts = {account.id: account for account in accounts}
        self.lots: dict[str, Lot] = {}
        self._of_account: dict[str, list[Lot]] = {}
        self._of_origin: dict[str, list[Lot]] = {}
        for lot in lots:
            self._add(lot)
        self.transactions: list[Transaction] = []
        self.transfers: list[Transfer] = []
        self.entries: list[Entry] = []
        self.new_lots: list[Lot] = []
        self.moves: list[LotMove] = []
        self.conversions: list[Conversion] = []
        self.gains: list[Gain] = []
        self.changed_accounts: dict[str, Account] = {}
        self.changed_lots: dict[str, Lot] = {}
        self._transfer_count: dict[str, int] = {}
        self._policies = policies or {}

    # -- Earning ---------------------------------------------------------------------------------------------------

    def earn(
        self,
        *,
        member: str,
        grants: Iterable[Grant],
        **cause: Unpack[Cause],
    ) -> Transaction:
        """Grant value to the member's account: one transfer and one new lot for each grant."""
        self._before_credit(member)
        transaction = self._transaction("earn", **cause)
        for grant in grants:
            self._move(transaction, self._program(ISSUED, member), member, grant.amount)
            self._gain(member, grant.amount, transaction)
            self._grant(transaction, member, grant)
        return transaction

    def reverse_earn(self, original: Transaction, *, member: str, amount: int, **cause: Unpack[Cause]) -> Transaction:
        """Take back what `original` granted: from its own lot, then from other lots, the rest becomes debt.

        What has expired of its own lot is gone already: it leaves the program's expired value, not the member.
        """
        self._refuse_closed(member)
        self.expire_lapsed(member)
        transaction = self._reversal(original, cause)
        self._take_back(transaction, original, member, self._program(ISSUED, member), amount)
        self._gain(member, -amount, original)
        return transaction

    def pend(
        self,
        *,
        member: str,
        pending: str,
        grant: Grant,
        available_at: datetime | None,
        **cause: Unpack[Cause],
    ) -> Pending:
        """Promise value: it stands in the member's pending account until it is confirmed or cancelled."""
        self._refuse_closed(member)
        transaction = self._transaction("pend", **cause)
        self._move(transaction, self._program(ISSUED, member), pending, grant.amount)
        self.changed_accounts[member] = self.accounts[member]  # the promise names it, also before it has an entry
        return Pending(
            self._new_id("pnd"), member, pending, transaction.id, grant.amount, available_at, grant.expires_at
        )

    def confirm(self, pending: Pending, **cause: Unpack[Cause]) -> Transaction:
        """Make promised value available: it becomes a lot and counts as earned."""
        self._refuse_ended(pending)
        self._before_credit(pending.account_id)
        transaction = self._end(pending, "confirm", "confirmed", pending.account_id, cause)
        self._gain(pending.account_id, pending.amount, transaction)
        self._grant(transaction, pending.account_id, Grant(pending.amount, pending.expires_at))
        return transaction

    def cancel(self, pending: Pending, **cause: Unpack[Cause]) -> Transaction:
        """Take a promise back."""
        self._refuse_ended(pending)
        issued = self._program(ISSUED, pending.account_id)
        return self._end(pending, "cancel", "cancelled", issued, cause)

    # -- Correcting ------------------------------------------------------------------------------------------------

    def adjust(
        self,
        *,
        member: str,
        amount: int,
        expires_at: datetime | None = None,
        **cause: Unpack[Cause],
    ) -> Transaction:
        """Give (above zero) or take (below zero) value by hand; raises InsufficientPoints."""
        self._before_credit(member)
        if amount < 0:
            self._refuse_short(member, -amount)
        transaction = self._transaction("adjust", **cause)
        adjusted = self._program(ADJUSTED, member)
        if amount > 0:
            self._move(transaction, adjusted, member, amount)
            self._grant(transaction, member, Grant(amount, expires_at))
        else:
            self._move(transaction, member, adjusted, -amount)
            self._take(transaction, self._open_lots(member), -amount, "adjust")
        return transaction

    def reverse(
        self,
        original: Posted,
        *,
        amount: int | None = None,
        ends: Mapping[str, str] | None = None,
        **cause: Unpack[Cause],
    ) -> Transaction:
        """Turn a transaction round, whole or (except a conversion) in part; the caller sees to it that it is once.

        What it granted is taken from its own lots, then from others, then becomes debt if the unit allows it, or raises
        InsufficientPoints. What it took goes back into the lots it came from, the last taken first. `ends` are the
        accounts of members who were merged since, each with the account where what was theirs stands now: value is
        taken from there, and what comes back to the others the caller merges again.
        """
        wanted = _amount_to_reverse(original, amount)
        ends = ends or {}
        parts = self._parts_to_reverse(original, wanted, ends)
        for part in parts:
            self._refuse_closed(ends.get(part.from_account, part.from_account))
            self._refuse_closed(ends.get(part.to_account, part.to_account))
            for account_id in (part.from_account, part.to_account):
                self.expire_lapsed(account_id)
        self._refuse_owing(original, parts, ends)
        transaction = self._reversal(original.transaction, cause)
        for part in parts:
            self._turn_round(transaction, original, part)
        return transaction

    # -- Spending --------------------------------------------------------------------------------------------------

    def spend(self, *, member: str, amount: int, **cause: Unpack[Cause]) -> Transaction:
        """Use `amount` up, of the first lots to expire, with nothing to wait for; raises InsufficientPoints."""
        self.expire_lapsed(member)
        self._refuse_short(member, amount)
        transaction = self._transaction("spend", **cause)
        self._move(transaction, member, self._program(REDEEMED, member), amount)
        self._take(transaction, self._open_lots(member), amount, "spend")
        return transaction

    def hold(
        self,
        *,
        member: str,
        held: str,
        amount: int,
        expires_at: datetime | None = None,
        **cause: Unpack[Cause],
    ) -> Hold:
        """Set `amount` aside from the first lots to expire, or raise InsufficientPoints."""
        self.expire_lapsed(member)
        self._refuse_short(member, amount)
        transaction = self._transaction("hold", **cause)
        self._move(transaction, member, held, amount)
        before = len(self.moves)
        self._take(transaction, self._open_lots(member), amount, "hold")
        lots = {move.lot_id: move.amount for move in self.moves[before:]}
        return Hold(
            self._new_id("hld"),
            member,
            held,
            transaction.id,
            amount,
            order_id=cause.get("order_id"),
            expires_at=expires_at,
            lots=lots,
        )

    def settle(
        self,
        hold: Hold,
        *,
        amount: int | None = None,
        **cause: Unpack[Cause],
    ) -> Transaction:
        """Spend what was held, or `amount` of it, for good."""
        part = _part(hold, amount)
        redeemed = self._program(REDEEMED, hold.account_id)
        used = _slice(hold.lots, hold.settled, hold.settled + part)
        hold.settled += part
        transaction = self._close(hold, "settle", redeemed, part, cause)
        self.moves += [LotMove(transaction.id, lot_id, "settle", taken) for lot_id, taken in used.items()]
        return transaction

    def release(
        self,
        hold: Hold,
        *,
        amount: int | None = None,
        **cause: Unpack[Cause],
    ) -> Transaction:
        """Give what was held, or `amount` of it, back into its lots."""
        part = _part(hold, amount)
        end = hold.amount - hold.released
        returned = _slice(hold.lots, end - part, end)
        hold.released += part
        transaction = self._close(hold, "release", hold.account_id, part, cause)
        self._give_back(transaction, hold.account_id, returned, "release")
        return transaction

    def refund(self, hold: Hold, **cause: Unpack[Cause]) -> Transaction:
        """Give what was settled back into the lots it came from."""
        if hold.state != "settled":
            raise NotOpen(f"hold {hold.id} is {hold.state}, only a settled one is refunded")
        cause["order_id"] = hold.order_id
        transaction = self._transaction("refund", **cause)
        self._move(transaction, self._program(REDEEMED, hold.account_id), hold.account_id, hold.settled)
        self._give_back(transaction, hold.account_id, _slice(hold.lots, 0, hold.settled), "refund")
        return transaction

    # -- Moving ----------------------------------------------------------------------------------------------------

    def transfer(
        self,
        *,
        source: str,
        destination: str,
        amount: int,
        **cause: Unpack[Cause],
    ) -> Transaction:
        """Move value between members; what arrives lapses when it would have lapsed before."""
        self.expire_lapsed(source)
        self._before_credit(destination)
        self._refuse_short(source, amount)
        transaction = self._transaction("transfer", **cause)
        self._move(transaction, source, destination, amount)
        self._move_lots(transaction, self._open_lots(source), destination, amount, "transfer")
        return transaction

    def convert(
        self,
        *,
        source: str,
        destination: str,
        conversion: str,
        from_amount: int,
        to_amount: int,
        rate: tuple[int, int],
        expires_at: datetime | None,
        **cause: Unpack[Cause],
    ) -> Transaction:
        """Change value of one unit into value of another of the same member, at the rate that is recorded."""
        self.expire_lapsed(source)
        self._before_credit(destination)
        self._refuse_short(source, from_amount)
        transaction = self._transaction("convert", **cause)
        self._move(transaction, source, self._program(LIQUIDITY, source), from_amount)
        self._take(transaction, self._open_lots(source), from_amount, "convert")
        self._move(transaction, self._program(LIQUIDITY, destination), destination, to_amount)
        self._grant(transaction, destination, Grant(to_amount, expires_at))
        units = self.accounts[source].unit, self.accounts[destination].unit
        self.conversions.append(Conversion(transaction.id, conversion, *units, from_amount, to_amount, *rate))
        return transaction

    def merge(
        self,
        *,
        source: str,
        destination: str,
        **cause: Unpack[Cause],
    ) -> Transaction | None:
        """Move all that stands in an account, its debt and its lifetime included; None if no value moved."""
        self.expire_lapsed(source)
        ours, theirs = self.accounts[source], self.accounts[destination]
        if ours.balance:
            self._before_credit(destination)
        theirs.lifetime, ours.lifetime = theirs.lifetime + ours.lifetime, 0
        self.changed_accounts |= {source: ours, destination: theirs}
        if ours.balance == 0:
            return None
        transaction = self._transaction("merge", **cause)
        if ours.balance > 0:
            amount = ours.balance
            self._move(transaction, source, destination, amount)
            self._move_lots(transaction, self._open_lots(source), destination, amount, "merge")
        else:
            owed, ours.debt = ours.debt, 0
            self._move(transaction, destination, source, owed)
            theirs.debt += owed - self._take(transaction, self._open_lots(destination), owed, "merge")
        return transaction

    def part(
        self,
        *,
        source: str,
        destination: str,
        amount: int,
        moved_by: Collection[str],
        lifetime: int,
        **cause: Unpack[Cause],
    ) -> Transaction | None:
        """Undo a merge that moved `amount` by these transactions; None if nothing goes back.

        Of what has not expired since, as much as is there goes back, first of the lots that were moved; or (below zero)
        the debt, where debt is allowed. A closed account to which something goes back is open again.
        """
        self.expire_lapsed(source)
        self.expire_lapsed(destination)
        theirs, ours = self.accounts[source], self.accounts[destination]
        theirs.lifetime, ours.lifetime = theirs.lifetime - lifetime, ours.lifetime + lifetime
        self.changed_accounts |= {source: theirs, destination: ours}
        expired = sum(lot.expired for one in moved_by for lot in self._of_origin.get(one, ()))
        back = max(0, min(amount - expired, theirs.balance)) if amount > 0 else amount
        if back == 0 or (back < 0 and not self._policy(destination).may_owe):
            return None
        transaction = self._transaction("merge", **cause)
        if back > 0:
            self.reopen(destination)
            self._move(transaction, source, destination, back)
            moved_first = sorted(self._open_lots(source), key=lambda lot: lot.origin not in moved_by)
            self._move_lots(transaction, moved_first, destination, back, "merge")
        else:
            self.reopen(source)
            self._move(transaction, destination, source, -back)
            ours.debt -= back
            self._grant(transaction, source, Grant(-back))
        return transaction

    def expire_lapsed(self, account_id: str) -> list[Transaction]:
        """Expire what has lapsed of the account's lots: a transaction for each instant at which something has."""
        lapsed = sorted(
            (
                lot
                for lot in self._of_account.get(account_id, ())
                if lot.expires_at is not None and lot.expires_at <= self.recorded_at and lot.remaining > 0
            ),
            key=first_in,
        )
        return [self._expire(account_id, at, list(lots)) for at, lots in groupby(lapsed, key=_lapse)]

    def expire_idle(self, account_id: str, at: datetime) -> Transaction | None:
        """Expire all that has no expiry of its own, as of the instant; None if there is nothing."""
        self.expire_lapsed(account_id)
        idle = [lot for lot in self._open_lots(account_id) if lot.expires_at is None]
        return self._expire(account_id, at, idle) if idle else None

    def close(self, account_id: str, standing: Collection[str] = ()) -> None:
        """Let the account take nothing any more; raises NotEmpty if it or one of `standing` holds or owes anything."""
        for one in (account_id, *standing):
            account = self.accounts[one]
            if account.balance or account.debt:
                raise NotEmpty(f"{one} has a balance of {account.balance} and a debt of {account.debt}")
        account = self.accounts[account_id]
        account.closed_at = account.closed_at or self.recorded_at
        self.changed_accounts[account_id] = account

    def reopen(self, account_id: str) -> bool:
        """Let the account take value again; whether it was closed. What comes back to a member is not turned away."""
        account = self.accounts[account_id]
        was_closed = account.closed_at is not None
        if was_closed:
            account.closed_at = None
            self.changed_accounts[account_id] = account
        return was_closed

    # -- Refusing --------------------------------------------------------------------------------------------------

    def _refuse_closed(self, account_id: str) -> None:
        if self.accounts[account_id].closed_at is not None:
            raise AccountClosed(f"{account_id} is closed")

    def _refuse_short(self, account_id: str, amount: int) -> None:
        available = self.accounts[account_id].balance
        if available < amount:
            raise InsufficientPoints(max(available, 0), amount)

    def _refuse_ended(self, pending: Pending) -> None:
        if pending.state != "open":
            raise NotOpen(f"{pending.id} is {pending.state}")

    def _refuse_owing(self, original: Posted, parts: Iterable[Transfer], ends: Mapping[str, str]) -> None:
        """Refuse to take back what is not there any more from where debt is not allowed."""
        for part in parts:
            account = self.accounts[part.from_account]
            if account.running and not self._policy(account.id).may_owe:
                end = ends.get(account.id, account.id)
                self.expire_lapsed(end)
                self._refuse_short(end, part.amount - self._gone(original.transaction, part.amount))

    # -- Steps -----------------------------------------------------------------------------------------------------

    def _transaction(self, kind: str, *, reverses_id: str | None = None, **cause: Unpack[Cause]) -> Transaction:
        transaction = Transaction(self._new_id("txn"), kind, reverses_id=reverses_id, **cause)
        self.transactions.append(transaction)
        return transaction

    def _reversal(self, original: Transaction, cause: Cause) -> Transaction:
        cause["event_id"] = original.event_id
        return self._transaction("reverse", reverses_id=original.id, **cause)

    def _expire(self, account_id: str, at: datetime, lots: Sequence[Lot]) -> Transaction:
        # An account has one next version: the key is unique, and the same at a second try.
        key = f"expire:{account_id}:{self.accounts[account_id].version + 1}"
        transaction = self._transaction("expire", business_key=key, effective_at=at)
        amount = sum(lot.remaining for lot in lots)
        self._move(transaction, account_id, self._program(EXPIRED, account_id), amount)
        self._take(transaction, lots, amount, "expire")
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

    def _close(self, hold: Hold, kind: str, destination: str, amount: int, cause: Cause) -> Transaction:
        cause["order_id"] = hold.order_id
        transaction = self._transaction(kind, **cause)
        self._move(transaction, hold.held_account_id, destination, amount)
        if hold.left == 0:
            hold.state = "settled" if hold.settled else "released"
            hold.closed_by = transaction.id
        return transaction

    def _end(self, pending: Pending, kind: str, state: str, destination: str, cause: Cause) -> Transaction:
        transaction = self._transaction(kind, **cause)
        self._move(transaction, pending.pending_account_id, destination, pending.amount)
        pending.state, pending.closed_by = state, transaction.id
        return transaction

    def _before_credit(self, account_id: str) -> None:
        self._refuse_closed(account_id)
        self.expire_lapsed(account_id)

    def _add(self, lot: Lot) -> None:
        self.lots[lot.id] = lot
        self._of_account.setdefault(lot.account_id, []).append(lot)
        self._of_origin.setdefault(lot.origin, []).append(lot)

    def _grant(self, transaction: Transaction, account_id: str, grant: Grant, origin: str = "") -> None:
        lot = Lot(self._new_id("lot"), account_id, transaction.id, grant.amount, grant.expires_at, self.recorded_at)
        lot.origin = origin or lot.origin
        self._add(lot)
        self.new_lots.append(lot)
        if lot.expires_at is not None and lot.expires_at <= self.recorded_at:  # promised for long
            self.expire_lapsed(account_id)
        self._repay_debt(transaction, account_id, [lot])

    def _move_lots(
        self, transaction: Transaction, lots: Sequence[Lot], destination: str, amount: int, kind: str
    ) -> None:
        """Take from the lots in their order, and grant a lot for each to the destination, in the order of expiry."""
        before = len(self.moves)
        self._take(transaction, lots, amount, kind)
        for move in sorted(self.moves[before:], key=lambda move: first_in(self.lots[move.lot_id])):
            lot = self.lots[move.lot_id]
            origin = lot.origin if kind == "merge" else ""
            self._grant(transaction, destination, Grant(move.amount, lot.expires_at), origin)

    # -- Turning round ---------------------------------------------------------------------------------------------

    def _parts_to_reverse(self, original: Posted, wanted: int, ends: Mapping[str, str]) -> list[Transfer]:
        """What must move now: from where it went, to where it came from, one for each pair of accounts."""
        parts = []
        for (_, destination), transfers in groupby(original.transfers, key=lambda t: (t.from_account, t.to_account)):
            first, *others = transfers
            amount = min(wanted, first.amount + sum(transfer.amount for transfer in others))
            back_to = self._origin(original.transaction, first)
            holder = ends.get(destination, destination)
            if holder == back_to:  # giver and taker are one by now: it passes through the taker's old account
                holder = destination
            self._know(holder, first.unit)
            self._know(back_to, first.unit)
            parts.append(Transfer(original.transaction.id, first.n, first.unit, holder, back_to, amount))
        return parts

    def _origin(self, original: Transaction, first: Transfer) -> str:
        """Where value goes back to: not to what was only on the way, a hold or a promise."""
        if original.kind == "confirm":
            return program_account(self.program_id, ISSUED, first.unit)
        return first.from_account.removesuffix(".held")

    def _turn_round(self, transaction: Transaction, original: Posted, part: Transfer) -> None:
        if self.accounts[part.from_account].running:
            self._take_back(transaction, original.transaction, part.from_account, part.to_account, part.amount)
        else:
            self._move(transaction, part.from_account, part.to_account, part.amount)
        if self.accounts[part.to_account].running:
            taken = self._taken_by(original, part.to_account)
            whole = sum(taken.values())
            self._give_back(transaction, part.to_account, _slice(taken, whole - part.amount, whole), "return")
        if original.transaction.kind in ("earn", "confirm"):
            self._gain(part.from_account, -part.amount, original.transaction)

    def _gain(self, account_id: str, amount: int, earning: Transaction) -> None:
        """Let the lifetime rise or fall; what is taken back is taken from when it was earned."""
        self.accounts[account_id].lifetime += amount
        self.changed_accounts[account_id] = self.accounts[account_id]
        self.gains.append(Gain(account_id, amount, earning))

    def _taken_by(self, original: Posted, account_id: str) -> dict[str, int]:
        """What the transaction took from the account's lots, in the order in which it did."""
        moves = [m for m in original.moves if m.amount > 0 and m.kind != "debt"]
        ours = [m for m in moves if self.lots[m.lot_id].account_id == account_id]
        return {m.lot_id: m.amount for m in sorted(ours, key=lambda move: first_in(self.lots[move.lot_id]))}

    def _take_back(
        self, transaction: Transaction, original: Transaction, member: str, destination: str, amount: int
    ) -> None:
        gone = self._gone(original, amount)
        if left := amount - gone:
            self._move(transaction, member, destination, left)
            own_first = sorted(self._open_lots(member), key=lambda lot: lot.origin != original.id)
            self.accounts[member].debt += left - self._take(transaction, own_first, left, "reverse")
        if gone:
            self._move(transaction, self._program(EXPIRED, member), destination, gone)

    def _gone(self, original: Transaction, amount: int) -> int:
        """How much of what must be taken back has expired in the hands of the member, who does not have it to give."""
        own = self._of_origin.get(original.id, ())
        not_there = max(0, amount - sum(lot.remaining for lot in own))
        return min(not_there, sum(lot.expired for lot in own))

    def _open_lots(self, account_id: str) -> list[Lot]:
        return sorted((lot for lot in self._of_account.get(account_id, ()) if lot.remaining > 0), key=first_in)

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

    def _give_back(self, transaction: Transaction, account_id: str, returned: Mapping[str, int], kind: str) -> None:
        """Value back into its lots. What has lapsed meanwhile expires at once, or is renewed by the unit's policy."""
        renewed_for = self._policy(account_id).renewed_for
        lots = [self.lots[lot_id] for lot_id in returned]
        for lot in lots:
            lot.allocated -= returned[lot.id]
            self.changed_lots[lot.id] = lot
            self.moves.append(LotMove(transaction.id, lot.id, kind, -returned[lot.id]))
            if renewed_for and lot.expires_at is not None and lot.expires_at <= self.recorded_at:
                self._renew(transaction, lot, returned[lot.id], self.recorded_at + renewed_for)
        self.expire_lapsed(account_id)
        self._repay_debt(transaction, account_id, sorted(lots, key=first_in))

    def _renew(self, transaction: Transaction, lapsed: Lot, amount: int, expires_at: datetime) -> None:
        """The value as a lot of its own, which the member has longer."""
        self._take(transaction, [lapsed], amount, "renew")
        self._grant(transaction, lapsed.account_id, Grant(amount, expires_at), lapsed.origin)

    def _repay_debt(self, transaction: Transaction, account_id: str, lots: Iterable[Lot]) -> None:
        account = self.accounts[account_id]
        if account.debt:
            account.debt -= self._take(transaction, lots, account.debt, "debt")
            self.changed_accounts[account_id] = account

    def _policy(self, account_id: str) -> Policy:
        return self._policies.get(self.accounts[account_id].unit, _DEFAULT)

    def _program(self, kind: str, account_id: str) -> str:
        unit = self.accounts[account_id].unit
        return self._know(program_account(self.program_id, kind, unit), unit)

    def _know(self, account_id: str, unit: str) -> str:
        """Have the program's summed account; a member's must have been given."""
        if account_id not in self.accounts and account_id.startswith(f"acc_{self.program_id[4:]}."):
            self.accounts[account_id] = Account(account_id, unit, running=False)
        return account_id


_DEFAULT = Policy()


def _lapse(lot: Lot) -> datetime:
    assert lot.expires_at is not None
    return lot.expires_at


def _amount_to_reverse(original: Posted, amount: int | None) -> int:
    kind, whole = original.transaction.kind, original.amount
    if kind not in REVERSIBLE:
        raise NotReversible(f"a transaction of kind {kind} is not reversed")
    if kind == "convert" and amount is not None:
        raise NotReversible("a conversion is reversed as a whole")
    if amount is not None and amount > whole:
        raise ExceedsOriginal(f"{amount} is more than the {whole} of {original.transaction.id}")
    return whole if amount is None else amount


def _part(hold: Hold, amount: int | None) -> int:
    """How much of the hold is meant; raises NotOpen and ExceedsOriginal."""
    if hold.state != "open":
        raise NotOpen(f"hold {hold.id} is {hold.state}")
    if amount is not None and amount > hold.left:
        raise ExceedsOriginal(f"{amount} is more than the {hold.left} left of hold {hold.id}")
    return hold.left if amount is None else amount


def _slice(line: Mapping[str, int], start: int, end: int) -> dict[str, int]:
    """What of each part of a line lies between two points on it."""
    found: dict[str, int] = {}
    at = 0
    for name, length in line.items():
        overlap = min(end, at + length) - max(start, at)
        if overlap > 0:
            found[name] = overlap
        at += length
    return found
