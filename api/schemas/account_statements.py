"""Statements, past balances and expiry schedules as callers ask for them and read them."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.base import Document, Instant, Key, PageQuery
from api.schemas.moments import Between, Moment, just_after
from domain.account_statements import Category, Line, Period, Schedule, Standing, Summary

DEFAULT_PERIOD = timedelta(days=30)
UNIT = Field("points", description="A unit of the program.")


class MomentQuery(Moment):
    """As of when, and as known when, and of which unit."""

    unit: Key = UNIT

    def period(self, member_id: str, now: datetime) -> Period:
        """The empty period that begins just after the moment."""
        end = just_after(self.at or now)
        return Period(member_id, self.unit, end, end, self.known_at or now)


class AccountStatementQuery(Between, PageQuery):
    """Which statement: what took effect from `from` (30 days before the end) on and before `until`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    unit: Key = UNIT
    known_at: Instant | None = Field(
        None, description="What the book knew then; nothing recorded later counts. Default: now."
    )

    def period(self, member_id: str, now: datetime) -> Period:
        """The period with its defaults; raises Problem invalid_period if it ends before it begins."""
        return Period(member_id, self.unit, *self.between(now, DEFAULT_PERIOD), self.known_at or now)


class StandingDocument(Document):
    """What a member had at an instant."""

    balance: int = Field(description="What the account had; below zero, what the member owed.")
    held: int = Field(description="Set aside, for orders or by an integration.")
    pending: int = Field(description="Promised.")


class TotalsDocument(Document):
    """The change of the balance by category; opening and all of them make the closing balance."""

    earned: int = Field(description="For events.")
    bonus: int = Field(description="Granted without an event: by an integration, or as an allowance's refill.")
    spent: int = Field(description="Held before and settled, less what was refunded.")
    reversed: int = Field(description="By reversals, whatever they turned round.")
    expired: int
    transferred: int = Field(description="To or from other members and other units.")
    adjusted: int
    held: int = Field(description="Set aside, less what was released, less what was then spent.")


class LapsingDocument(Document):
    """So much lapses in a month (2027-03) or a year (2027) of the member's zone."""

    period: str
    amount: int


class ScheduleDocument(Document):
    """When the spendable value lapses."""

    spendable: int
    lapsed: int = Field(description="Its time has passed; it expires with the next posting.")
    never: int = Field(description="Does not lapse.")
    next_expiry_at: datetime | None
    next_expiry_amount: int
    months: list[LapsingDocument]
    years: list[LapsingDocument]


class ExpiryDocument(ScheduleDocument):
    """The schedule of one unit, as of `at` and as known at `known_at`."""

    unit: str
    at: datetime
    known_at: datetime


class SummaryDocument(Document):
    """A statement without its lines."""

    opening: StandingDocument
    closing: StandingDocument
    totals: TotalsDocument
    expiry: ScheduleDocument = Field(description="As of the end of the period.")


class LineDocument(Document):
    """One entry on the member's account, in the order in which the book took them."""

    transaction_id: str
    n: int = Field(description="Which transfer of the transaction; both together name the entry.")
    kind: str
    category: Category
    amount: int
    balance: int = Field(description="Opening and all lines up to this one.")
    effective_at: datetime
    recorded_at: datetime = Field(description="Later than effective_at where it was backdated.")
    counterparty: str = Field(description="Another member's id, or a kind of account, such as issued or held.")
    reason: str | None
    actor: str | None
    event_id: str | None
    event_type: str | None
    order_id: str | None
    item_name: str | None
    reverses_id: str | None


class AccountStatementDocument(Document):
    """A page of a statement; the first has the summary. Its cursor keeps to what was known when it was given."""

    member_id: str
    unit: str
    from_at: datetime = Field(alias="from")
    until: datetime
    known_at: datetime
    summary: SummaryDocument | None = Field(description="Null on later pages.")
    lines: list[LineDocument]
    next_cursor: str | None = None


def expiry_document(found: Schedule, query: MomentQuery, now: datetime) -> dict[str, Any]:
    """A schedule as ExpiryDocument."""
    times = {"at": query.at or now, "known_at": query.known_at or now}
    return {"unit": query.unit} | times | _schedule(found)


def statement_document(period: Period, summary: Summary | None, lines: list[Line]) -> dict[str, Any]:
    """A page as AccountStatementDocument, without where it goes on."""
    return {
        "member_id": period.member_id,
        "unit": period.unit,
        "from": period.from_at,
        "until": period.until_at,
        "known_at": period.known_at,
        "summary": summary and summary_document(summary),
        "lines": [line_document(line) for line in lines],
    }


def summary_document(summary: Summary) -> dict[str, Any]:
    """A summary as SummaryDocument."""
    return {
        "opening": _fields(summary.opening),
        "closing": _fields(summary.closing),
        "totals": {category.value: amount for category, amount in summary.totals.items()},
        "expiry": _schedule(summary.expiry),
    }


def line_document(line: Line) -> dict[str, Any]:
    """A line as LineDocument."""
    return {name: value for name, value in _fields(line).items() if name != "position"}


def _schedule(found: Schedule) -> dict[str, Any]:
    return {
        "spendable": found.spendable,
        "lapsed": found.lapsed,
        "never": found.never,
        "next_expiry_at": found.next.expires_at if found.next else None,
        "next_expiry_amount": found.next.amount if found.next else 0,
        "months": list(found.months),
        "years": list(found.years),
    }


def _fields(found: Standing | Line) -> dict[str, Any]:
    return {name: getattr(found, name) for name in type(found).__dataclass_fields__}
