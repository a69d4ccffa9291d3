"""Statements of a member's account: what it had, what came and went, and what it had then, as of any two times.

A statement covers what took effect in [from_at, until_at), as far as the book knew it at `known_at`. What is recorded
later, backdated or not, changes no statement that asks for what was known before. Opening and lines make the closing
balance, and so do opening and totals (I10). The balance is what the member can spend; what is held and what is pending
stand beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.time import zone


class Category(StrEnum):
    """What a line is to its member. The totals of a period, one of each, make the balance's change."""

    EARNED = "earned"  # for an event
    BONUS = "bonus"  # without one: granted by somebody, or an allowance's refill
    SPENT = "spent"  # at once, or what was held and is settled, less what was refunded
    REVERSED = "reversed"  # by a reversal, whatever it turned round
    EXPIRED = "expired"
    TRANSFERRED = "transferred"  # to or from another member, or into or from another unit
    ADJUSTED = "adjusted"
    HELD = "held"  # set aside, less what was released, less what was then spent


_OF_KIND: Mapping[str, Category] = {
    "earn": Category.EARNED,
    "confirm": Category.EARNED,
    "settle": Category.SPENT,
    "spend": Category.SPENT,
    "refund": Category.SPENT,
    "reverse": Category.REVERSED,
    "expire": Category.EXPIRED,
    "transfer": Category.TRANSFERRED,
    "convert": Category.TRANSFERRED,
    "merge": Category.TRANSFERRED,
    "adjust": Category.ADJUSTED,
    "hold": Category.HELD,
    "release": Category.HELD,
}


def category_of(kind: str, *, for_event: bool) -> Category:
    """What an entry of a transaction of this kind on a member's account is to the member."""
    found = _OF_KIND[kind]
    return Category.BONUS if found is Category.EARNED and not for_event else found


@dataclass(frozen=True, slots=True)
class Moved:
    """What the transactions of one kind moved on one account; `held`: on that of the value that is set aside."""

    kind: str
    for_event: bool
    held: bool
    amount: int


def totals(moved: Iterable[Moved]) -> dict[Category, int]:
    """The change of the balance by category; all of them together are the sum of the entries on the account itself.

    A settlement moves held value only. It turns what was held into what is spent: one more, the other less.
    """
    found = dict.fromkeys(Category, 0)
    for one in moved:
        category = category_of(one.kind, for_event=one.for_event)
        if not one.held:
            found[category] += one.amount
        elif category is Category.SPENT:
            found[Category.SPENT] += one.amount
            found[Category.HELD] -= one.amount
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """What a member had of a unit at an instant; a balance below zero is owed."""

    balance: int = 0
    held: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One entry on the member's account, in the order of the book: `position` is the account's version after it.

    `balance` is opening and all lines up to this one. `counterparty` is the other side: another member's id, or the
    kind of an account.
    """

    position: int
    transaction_id: str
    n: int
    kind: str
    category: Category
    amount: int
    balance: int
    effective_at: datetime
    recorded_at: datetime
    counterparty: str
    reason: str | None = None
    actor: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    order_id: str | None = None
    item_name: str | None = None
    reverses_id: str | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """Whose statement of which unit: what took effect in [from_at, until_at), as known at `known_at`."""

    member_id: str
    unit: str
    from_at: datetime
    until_at: datetime
    known_at: datetime


# -- What lapses when ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lapse:
    """Value that lapses at one instant, or (None) never."""

    expires_at: datetime | None
    amount: int


@dataclass(frozen=True, slots=True)
class Lapsing:
    """So much lapses in a month or a year, written as 2027-03 or 2027, in the member's zone."""

    period: str
    amount: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When spendable value lapses; what lapsed before the instant but is still on the account is `lapsed`."""

    lapsed: int
    never: int
    next: Lapse | None
    months: tuple[Lapsing, ...]
    years: tuple[Lapsing, ...]

    @property
    def spendable(self) -> int:
        return self.never + sum(year.amount for year in self.years)


def schedule(lapses: Sequence[Lapse], at: datetime, time_zone: str) -> Schedule:
    """The schedule of what an account's lots held at the instant, its months and years in the zone."""
    coming = sorted(
        (lapse.expires_at, lapse.amount) for lapse in lapses if lapse.expires_at is not None and lapse.expires_at > at
    )
    never = sum(lapse.amount for lapse in lapses if lapse.expires_at is None)
    everything = sum(lapse.amount for lapse in lapses)
    return Schedule(
        lapsed=everything - never - sum(amount for _, amount in coming),
        never=never,
        next=Lapse(*coming[0]) if coming else None,
        months=_by_period(coming, "%Y-%m", time_zone),
        years=_by_period(coming, "%Y", time_zone),
    )


def _by_period(coming: Iterable[tuple[datetime, int]], form: str, time_zone: str) -> tuple[Lapsing, ...]:
    found: dict[str, int] = {}
    for expires_at, amount in coming:
        period = expires_at.astimezone(zone(time_zone)).strftime(form)
        found[period] = found.get(period, 0) + amount
    return tuple(Lapsing(*item) for item in found.items())


@dataclass(frozen=True, slots=True)
class Summary:
    """A statement without its lines."""

    opening: Standing
    closing: Standing
    totals: Mapping[Category, int]
    expiry: Schedule
