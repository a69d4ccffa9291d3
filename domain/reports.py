"""Reports on a program's ledger: what stands where, what is owed and for how long, what was spent, and the books.

Every report is of entries and lots as of one instant, as far as they were known at another. In each unit all accounts
together make zero; what members have, less what they owe, is the program's liability.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from typing import Any

from domain.orders import OrderState


class AccountKind(StrEnum):
    """What stands on an account. Those of members first, then the program's."""

    AVAILABLE = "available"
    HELD = "held"
    PENDING = "pending"
    ISSUED = "issued"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    ADJUSTED = "adjusted"
    LIQUIDITY = "liquidity"


def columns(row: type[Any]) -> tuple[str, ...]:
    """The names of a report's columns: the fields of its rows; after the unit its exponent."""
    names = [field.name for field in fields(row)]
    at = names.index("unit") + 1
    return (*names[:at], "exponent", *names[at:])


def told(row: Any, exponents: Mapping[str, int]) -> dict[str, Any]:
    """A row by column; amounts are in the unit's smallest parts, of which 10 to the exponent make one."""
    exponent = exponents.get(row.unit, 0)
    return {name: exponent if name == "exponent" else getattr(row, name) for name in columns(type(row))}


# -- What stands where ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrialLine:
    """All accounts of one kind; `balance` is credits less debits."""

    unit: str
    account: str
    debits: int
    credits: int
    balance: int


def out_of_balance(lines: Iterable[TrialLine]) -> dict[str, int]:
    """The units whose accounts do not make zero, with what they make: none, or the ledger is broken."""
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.unit] = sums.get(line.unit, 0) + line.balance
    return {unit: amount for unit, amount in sums.items() if amount}


@dataclass(frozen=True, slots=True)
class Clearing:
    """An account that must agree with what explains it: `difference` is zero, or something is wrong."""

    unit: str
    account: str
    balance: int
    explained: int

    @property
    def difference(self) -> int:
        return self.balance - self.explained


# -- What is owed --------------------------------------------------------------------------------------------------


class LiabilityBy(StrEnum):
    """By what spendable value is told apart."""

    AGE = "age"
    EXPIRY = "expiry"


# Days since the grant, up to and including the first number and so on.
AGES: Sequence[tuple[int, str]] = ((30, "0-30"), (90, "31-90"), (180, "91-180"), (365, "181-365"))
OLDEST = "366-"
NEVER, LAPSED = "never", "lapsed"


@dataclass(frozen=True, slots=True)
class LiabilityLine:
    """Value that members have: spendable by bucket, and held, pending and (below zero) debt as a whole."""

    unit: str
    part: str
    bucket: str
    amount: int


def liability(lots: Mapping[tuple[str, str], int], trial: Iterable[TrialLine]) -> list[LiabilityLine]:
    """The spendable value by unit and bucket, completed to all that stands on members' accounts."""
    lines = [LiabilityLine(unit, "spendable", bucket, amount) for (unit, bucket), amount in lots.items() if amount]
    for line in trial:
        if line.account == AccountKind.AVAILABLE:
            spendable = sum(one.amount for one in lines if one.unit == line.unit and one.part == "spendable")
            lines.append(LiabilityLine(line.unit, "debt", "", line.balance - spendable))
        elif line.account in (AccountKind.HELD, AccountKind.PENDING):
            lines.append(LiabilityLine(line.unit, line.account, "", line.balance))
    return sorted((line for line in lines if line.amount), key=_by_part)


def _by_part(line: LiabilityLine) -> tuple[Any, ...]:
    order = [*(name for _, name in AGES), OLDEST]
    place = order.index(line.bucket) if line.bucket in order else 0
    return line.unit, line.part != "spendable", line.part, line.bucket in (NEVER, LAPSED), place, line.bucket


@dataclass(frozen=True, slots=True)
class BreakageLine:
    """What expired in a month against what was issued, and so far in the period. Rates are in hundredths of a percent,
    and null while nothing was issued."""

    unit: str
    month: str
    issued: int
    expired: int
    rate: int | None
    issued_so_far: int
    expired_so_far: int
    rate_so_far: int | None


def breakage(months: Sequence[tuple[str, str, int, int]]) -> list[BreakageLine]:
    """Lines of (unit, month, issued, expired), in the order of units and months."""
    lines: list[BreakageLine] = []
    for unit in dict.fromkeys(unit for unit, *_ in months):
        own = [(month, issued, expired) for one, month, issued, expired in months if one == unit]
        issued_so_far = accumulate(issued for _, issued, _ in own)
        expired_so_far = accumulate(expired for _, _, expired in own)
        lines += [
            BreakageLine(unit, month, issued, expired, _rate(expired, issued), all_in, all_out, _rate(all_out, all_in))
            for (month, issued, expired), all_in, all_out in zip(own, issued_so_far, expired_so_far, strict=True)
        ]
    return lines


def _rate(part: int, whole: int) -> int | None:
    return round(part * 10_000 / whole) if whole > 0 else None


# -- What was spent ------------------------------------------------------------------------------------------------


class SpendBy(StrEnum):
    """By what redemptions are told apart."""

    NOTHING = "nothing"
    ITEM = "item"
    CATEGORY = "category"
    COUNTRY = "country"
    DEPARTMENT = "department"


class SpendPer(StrEnum):
    """The calendar period of a line, in the program's zone; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class SpendLine:
    """What was redeemed, less what was refunded: value in the unit, orders, and their money in minor units.

    The period is its first day. What the program paid counts as an order for nothing; what an integration settled
    without an order counts as value without money.
    """

    period: str
    key: str
    unit: str
    spent: int
    orders: int
    currency: str
    value_minor: int


# -- The books -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One side of a transfer as a general ledger takes it: a debit or a credit of an account in the chart.

    The lines of a transaction balance in each unit. A journal is of what was recorded in a period, so that what is
    backdated later is in a later journal and nothing is booked twice.
    """

    transaction_id: str
    line: int
    recorded_at: datetime
    effective_at: datetime
    kind: str
    unit: str
    code: str
    account: str
    debit: int
    credit: int
    member_id: str | None
    event_id: str | None
    order_id: str | None
    reverses_id: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """One transfer with the kinds of its accounts, as storage reads it; members' accounts have members."""

    transaction_id: str
    n: int
    recorded_at: datetime
    effective_at: datetime
    kind: str
    unit: str
    amount: int
    from_kind: str
    to_kind: str
    from_member: str | None
    to_member: str | None
    event_id: str | None
    order_id: str | None
    reverses_id: str | None


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """An account of the general ledger."""

    code: str
    name: str


# Credit balances of members are liabilities; what is issued is their cost, what is redeemed is owed to vendors.
DEFAULT_CHART: Mapping[str, ChartAccount] = {
    AccountKind.AVAILABLE: ChartAccount("2100", "Liability to members: available"),
    AccountKind.HELD: ChartAccount("2110", "Liability to members: held"),
    AccountKind.PENDING: ChartAccount("2120", "Liability to members: pending"),
    AccountKind.REDEEMED: ChartAccount("2200", "Redemptions payable"),
    AccountKind.LIQUIDITY: ChartAccount("2900", "Clearing of conversions"),
    AccountKind.EXPIRED: ChartAccount("4100", "Breakage"),
    AccountKind.ISSUED: ChartAccount("5100", "Cost of value issued"),
    AccountKind.ADJUSTED: ChartAccount("5200", "Adjustments"),
}


class InvalidChart(Exception):
    """What was given is no chart of accounts; the message says where it fails."""


Accounts = Mapping[str, ChartAccount]


class Chart:
    """Which account of the general ledger a kind of account stands for: by `kind.unit`, or else by `kind`."""

    def __init__(self, accounts: Accounts, programs: Mapping[str, Accounts] | None = None) -> None:
        self._accounts = {**DEFAULT_CHART, **accounts}
        self._programs = programs or {}

    @classmethod
    def read(cls, data: Any) -> "Chart":
        """The chart of a file: `accounts`, and what differs of them by id in `programs`; what neither names is as in
        DEFAULT_CHART.

        Raises InvalidChart.
        """
        if not isinstance(data, Mapping) or not data or set(data) - {"accounts", "programs"}:
            raise InvalidChart("a chart is a mapping `accounts`, a mapping `programs` or both, and nothing else")
        programs = _mapping("programs", data.get("programs", {}))
        own = {str(name): _chart_accounts(str(name), accounts) for name, accounts in programs.items()}
        return cls(_chart_accounts("accounts", data.get("accounts", {})), own)

    def of(self, program_id: str) -> "Chart":
        """The program's own chart."""
        return Chart({**self._accounts, **self._programs.get(program_id, {})})

    def account(self, kind: str, unit: str) -> ChartAccount:
        return self._accounts.get(f"{kind}.{unit}") or self._accounts[kind]


def _mapping(name: str, given: Any) -> Mapping[Any, Any]:
    if not isinstance(given, Mapping):
        raise InvalidChart(f"{name}: must be a mapping")
    return given


def _chart_accounts(name: str, given: Any) -> Accounts:
    return {str(kind): _chart_account(str(kind), account) for kind, account in _mapping(name, given).items()}


def _chart_account(name: str, given: Any) -> ChartAccount:
    if name.split(".")[0] not in set(AccountKind):
        raise InvalidChart(f"{name}: known kinds of accounts are {', '.join(AccountKind)}, with or without a unit")
    if not isinstance(given, Mapping) or set(given) != {"code", "name"}:
        raise InvalidChart(f"{name}: must have a code and a name")
    if not all(isinstance(given[part], str) and given[part].strip() for part in ("code", "name")):
        raise InvalidChart(f"{name}: code and name must be texts; write numbers in quotes")
    return ChartAccount(given["code"], given["name"])


def journal(moved: Moved, chart: Chart) -> tuple[JournalLine, JournalLine]:
    """A transfer's debit, of where it came from, and its credit."""
    source, destination = chart.account(moved.from_kind, moved.unit), chart.account(moved.to_kind, moved.unit)

    def line(n: int, account: ChartAccount, debit: int, credit: int, member_id: str | None) -> JournalLine:
        return JournalLine(
            moved.transaction_id,
            n,
            moved.recorded_at,
            moved.effective_at,
            moved.kind,
            moved.unit,
            account.code,
            account.name,
            debit,
            credit,
            member_id,
            moved.event_id,
            moved.order_id,
            moved.reverses_id,
        )

    return (
        line(2 * moved.n - 1, source, moved.amount, 0, moved.from_member),
        line(2 * moved.n, destination, 0, moved.amount, moved.to_member),
    )


# -- Holds and orders ----------------------------------------------------------------------------------------------

# How an order's hold stands in each of its states: `refunded` is settled and given back since.
_OPEN, _SETTLED, _RELEASED, _REFUNDED = "open", "settled", "released", "refunded"
HOLDS_OF: Mapping[OrderState, tuple[str, ...]] = {
    OrderState.PLACED: (_OPEN,),
    OrderState.PAUSED: (_OPEN,),
    OrderState.AWAITING_FUNDS: (_OPEN,),
    OrderState.ORDERING: (_OPEN,),
    OrderState.UNANSWERED: (_OPEN,),
    OrderState.REJECTED: (_OPEN,),
    OrderState.ORDERED: (_OPEN,),
    OrderState.ACCEPTED: (_OPEN,),
    OrderState.SENT: (_SETTLED,),
    OrderState.DELIVERED: (_SETTLED,),
    OrderState.IN_REVIEW: (_OPEN, _SETTLED),
    OrderState.CANCELLING: (_OPEN, _SETTLED),
    OrderState.REFUNDED: (_RELEASED, _REFUNDED),
    OrderState.FAILED: (_RELEASED,),
}


@dataclass(frozen=True, slots=True)
class HoldTotals:
    """What stands on the accounts of held value, and for what: `unexplained` is zero, or something is wrong."""

    unit: str
    held: int
    for_orders: int
    for_integrations: int
    differing: int

    @property
    def unexplained(self) -> int:
        return self.held - self.for_orders - self.for_integrations - self.differing


@dataclass(frozen=True, slots=True)
class HoldDifference:
    """An order and its hold that do not agree, or one without the other; `held` is what still stands of the hold."""

    unit: str
    order_id: str | None
    hold_id: str | None
    order_state: str | None
    hold_state: str | None
    price_points: int | None
    held: int
