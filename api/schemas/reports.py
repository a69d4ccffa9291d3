"""Reports as callers ask for them and read them; amounts are in the unit's smallest parts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.base import Document, Instant, PageQuery
from api.schemas.moments import Between, Moment
from domain.reports import AccountKind, LiabilityBy, SpendBy, SpendPer, columns, told

_EXPONENT = Field(description="10 to this power of the amounts make one of the unit.")


class LiabilityQuery(Moment):
    """As of when, as known when, and by what."""

    by: LiabilityBy = Field(LiabilityBy.AGE, description="By the age of the value, or by when it lapses.")


class BreakageQuery(Between):
    """Which months, as known when."""

    known_at: Instant | None = Field(
        None, description="What the book knew then; nothing recorded later counts. Default: now."
    )


class SpendQuery(BreakageQuery):
    """Which period, as known when, and by what."""

    by: SpendBy = Field(SpendBy.NOTHING, description="What lines tell apart besides the period.")
    per: SpendPer = Field(SpendPer.MONTH, description="The period of a line, in the program's zone.")


class JournalQuery(Between, PageQuery):
    """What was recorded when. The limit counts transfers, which have two lines."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class TrialLineDocument(Document):
    """All accounts of one kind."""

    unit: str
    exponent: int = _EXPONENT
    account: AccountKind
    debits: int
    credits: int
    balance: int = Field(description="Credits less debits.")


class TrialBalanceDocument(Document):
    """What stands where; in each unit all balances make zero."""

    at: datetime
    known_at: datetime
    lines: list[TrialLineDocument]
    balanced: bool


class ClearingDocument(Document):
    """An account that must agree with what explains it: open holds, open promises, conversions."""

    unit: str
    exponent: int = _EXPONENT
    account: AccountKind
    balance: int
    explained: int
    difference: int = Field(description="Zero, or something is wrong.")


class ClearingsDocument(Document):
    """The clearing accounts as they stand now."""

    lines: list[ClearingDocument]


class LiabilityLineDocument(Document):
    """Value that members have."""

    unit: str
    exponent: int = _EXPONENT
    part: str = Field(description="spendable, held, pending, or debt, which is below zero.")
    bucket: str = Field(description="Of spendable value: its age in days, or its month, lapsed or never.")
    amount: int


class LiabilityDocument(Document):
    """What members have; all lines together are what stands on their accounts."""

    at: datetime
    known_at: datetime
    lines: list[LiabilityLineDocument]


class BreakageLineDocument(Document):
    """A month; rates are in hundredths of a percent, and null while nothing was issued."""

    unit: str
    exponent: int = _EXPONENT
    month: str
    issued: int
    expired: int
    rate: int | None
    issued_so_far: int
    expired_so_far: int
    rate_so_far: int | None


class BreakageDocument(Document):
    """What expired against what was issued."""

    from_at: datetime = Field(alias="from")
    until: datetime
    known_at: datetime
    lines: list[BreakageLineDocument]


class SpendLineDocument(Document):
    """What was redeemed, less what was refunded."""

    period: str = Field(description="Its first day.")
    key: str = Field(description="Of what `by` asks for; empty where there is none.")
    unit: str
    exponent: int = _EXPONENT
    spent: int
    orders: int
    currency: str = Field(description="Empty for what was settled without an order.")
    value_minor: int


class SpendDocument(Document):
    """What was redeemed in a period."""

    from_at: datetime = Field(alias="from")
    until: datetime
    known_at: datetime
    lines: list[SpendLineDocument]


class JournalLineDocument(Document):
    """A debit or a credit of an account of the general ledger."""

    transaction_id: str
    line: int
    recorded_at: datetime
    effective_at: datetime
    kind: str
    unit: str
    exponent: int = _EXPONENT
    code: str
    account: str
    debit: int
    credit: int
    member_id: str | None
    event_id: str | None
    order_id: str | None
    reverses_id: str | None


class JournalDocument(Document):
    """A page of the journal of what was recorded in a period; `next_cursor` is absent on the last."""

    from_at: datetime = Field(alias="from")
    until: datetime
    items: list[JournalLineDocument]
    next_cursor: str | None = None


class HoldTotalsDocument(Document):
    """What is held in one unit, and for what."""

    unit: str
    exponent: int = _EXPONENT
    held: int
    for_orders: int
    for_integrations: int
    differing: int = Field(description="Held by what `differences` lists.")
    unexplained: int = Field(description="Zero, or something is wrong.")


class HoldDifferenceDocument(Document):
    """An order and its hold that do not agree, or one without the other."""

    unit: str
    exponent: int = _EXPONENT
    order_id: str | None
    hold_id: str | None
    order_state: str | None
    hold_state: str | None
    price_points: int | None
    held: int


class HoldsDocument(Document):
    """Holds against orders, as they stand now; the first hundred that differ are named."""

    lines: list[HoldTotalsDocument]
    differences: list[HoldDifferenceDocument]


def lines(rows: Sequence[Any], exponents: Mapping[str, int], *more: str) -> list[dict[str, Any]]:
    """A report's rows as its lines, with what is worked out of each."""
    return [told(row, exponents) | {name: getattr(row, name) for name in more} for row in rows]


def all_columns(row: type[Any], *more: str) -> tuple[str, ...]:
    """The names of what `lines` tells of each."""
    return (*columns(row), *more)
