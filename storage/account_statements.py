"""Statements and balances of members' accounts as of any effective time, as known at any recorded time.

An entry counts if its transaction took effect before the instant and was recorded by `known_at`. Entries are kept in
the book's order, so nothing is summed that need not be: the running balance before the instant is the sum of everything
that was recorded long enough before it, and only what was recorded since is looked at. A past balance therefore costs
what was recorded since then, and a page of lines costs the page.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.account_statements import (
    Lapse,
    Line,
    Moved,
    Period,
    Schedule,
    Standing,
    Summary,
    category_of,
    schedule,
    totals,
)
from domain.ledger import held_account, member_account, pending_account
from domain.members import Balance
from domain.time import ALWAYS, NEVER

MAX_PAGE = 200  # lines

# Along an account recorded_at does not fall, and nothing takes effect after it was recorded: but for events that are up
# to five minutes ahead, and for the clocks of processes that disagree. A day is more than both.
SLACK = timedelta(days=1)

# What kind of account a row of accounts `a` is, from its id: acc_, 26 digits, then the unit among other words.
ACCOUNT_KIND = """CASE WHEN a.running THEN COALESCE(NULLIF(substr(a.id, 33 + length(a.unit)), ''), 'available')
    ELSE left(substr(a.id, 32), -1 - length(a.unit)) END"""

# The last version of each account that was recorded before the instant, by halving: versions are dense, so it is two
# look-ups a step. No version: nothing was recorded before.
_SEARCH = """
    halving AS (
        SELECT id, 0::bigint AS low, version AS high FROM accounts
        WHERE program_id = :program_id AND id = ANY(:accounts)
        UNION ALL
        SELECT h.id, CASE WHEN t.recorded_at < :settled_at THEN m.middle ELSE h.low END,
            CASE WHEN t.recorded_at < :settled_at THEN h.high ELSE m.middle - 1 END
        FROM halving h
        CROSS JOIN LATERAL (SELECT (h.low + h.high + 1) / 2 AS middle) m
        JOIN entries e ON e.account_id = h.id AND e.version = m.middle
        JOIN transactions t ON t.program_id = e.program_id AND t.id = e.transaction_id
        WHERE h.low < h.high
    ),
    settled AS (
        SELECT h.id, h.low AS version, COALESCE(e.balance, 0) AS balance FROM halving h
        LEFT JOIN entries e ON e.account_id = h.id AND e.version = h.low
        WHERE h.low = h.high
    )"""

# What counts of what was recorded since: by account, kind and cause, and whether it took effect before the period.
_MOVED = text(f"""
    WITH RECURSIVE {_SEARCH}
    SELECT s.id, s.balance, later.kind, later.for_event, later.early, later.amount
    FROM settled s LEFT JOIN LATERAL (
        SELECT t.kind, t.event_id IS NOT NULL AS for_event, t.effective_at < :from_at AS early,
            sum(e.amount)::bigint AS amount
        FROM entries e CROSS JOIN LATERAL (
            SELECT * FROM transactions WHERE program_id = e.program_id AND id = e.transaction_id OFFSET 0
        ) t
        WHERE e.account_id = s.id AND e.version > s.version
            AND t.effective_at < :until_at AND t.recorded_at <= :known_at
        GROUP BY 1, 2, 3
    ) later ON true""")


@dataclass(frozen=True, slots=True)
class Span:
    """The versions of an account among which all lines of a statement are: above `after`, up to `through`."""

    after: int
    through: int


async def summary(session: AsyncSession, program_id: str, period: Period, time_zone: str) -> Summary:
    """The statement without its lines. It costs what was recorded since the period began."""
    opening, moved = await _moved(session, program_id, period)
    closing = dict(opening)
    for account, one in moved:
        closing[account] += one.amount
    pending = pending_account(period.member_id, period.unit)
    return Summary(
        opening=_standing(opening, period),
        closing=_standing(closing, period),
        totals=totals(one for account, one in moved if account != pending),
        expiry=await expiry(session, program_id, period, time_zone),
    )


async def standing(session: AsyncSession, program_id: str, period: Period) -> Standing:
    """What the member had when the period began. It costs what was recorded since."""
    opening, _ = await _moved(session, program_id, period)
    return _standing(opening, period)


async def balance(session: AsyncSession, program_id: str, period: Period, time_zone: str) -> Balance:
    """What the member had when the period began, as the present balance is told."""
    had = await standing(session, program_id, period)
    lots = await expiry(session, program_id, period, time_zone)
    return Balance(
        period.unit,
        available=lots.spendable,
        held=had.held,
        pending=had.pending,
        debt=max(lots.spendable + lots.lapsed - had.balance, 0),
        lifetime=None,
        next_expiry_at=lots.next.expires_at if lots.next else None,
        next_expiry_amount=lots.next.amount if lots.next else 0,
        version=None,
    )


async def _moved(
    session: AsyncSession, program_id: str, period: Period
) -> tuple[dict[str, int], list[tuple[str, Moved]]]:
    """By account what stood there when the period began, and what was moved in it."""
    held = held_account(period.member_id, period.unit)
    accounts = (member_account(period.member_id, period.unit), held, pending_account(period.member_id, period.unit))
    rows = (await session.execute(_MOVED, _parameters(program_id, period, accounts))).all()
    opening = dict.fromkeys(accounts, 0) | {row.id: row.balance for row in rows}
    for row in rows:
        if row.early:
            opening[row.id] += row.amount
    return opening, [
        (row.id, Moved(row.kind, row.for_event, row.id == held, row.amount)) for row in rows if row.early is False
    ]


def _standing(balances: Mapping[str, int], period: Period) -> Standing:
    kinds = (member_account, held_account, pending_account)
    return Standing(*(balances[account(period.member_id, period.unit)] for account in kinds))


def _parameters(program_id: str, period: Period, accounts: Sequence[str]) -> dict[str, Any]:
    return {
        "program_id": program_id,
        "accounts": list(accounts),
        "from_at": period.from_at,
        "until_at": period.until_at,
        "known_at": period.known_at,
        "settled_at": _shifted(min(period.from_at, period.known_at), -SLACK),
    }


def _shifted(at: datetime, by: timedelta) -> datetime:
    """The instant so much earlier or later, within the calendar."""
    try:
        return at + by
    except OverflowError:
        return ALWAYS if by < timedelta(0) else NEVER


# -- Lines ---------------------------------------------------------------------------------------------------------

_SPAN = text(f"WITH RECURSIVE {_SEARCH} SELECT version FROM settled")
_LINES = text(f"""
    SELECT e.version AS position, e.transaction_id, e.n, t.kind, e.amount, t.effective_at, t.recorded_at, t.reason,
        t.actor, t.event_id, events.type AS event_type, t.order_id, orders.item_name, t.reverses_id,
        CASE WHEN a.member_id <> :member_id THEN a.member_id ELSE {ACCOUNT_KIND} END AS counterparty
    FROM entries e
    CROSS JOIN LATERAL (
        SELECT * FROM transactions WHERE program_id = e.program_id AND id = e.transaction_id OFFSET 0
    ) t
    JOIN transfers f ON f.transaction_id = e.transaction_id AND f.n = e.n
    JOIN accounts a ON a.id = CASE WHEN e.amount > 0 THEN f.from_account ELSE f.to_account END
    LEFT JOIN events ON events.program_id = t.program_id AND events.id = t.event_id
    LEFT JOIN orders ON orders.program_id = t.program_id AND orders.id = t.order_id
    WHERE e.program_id = :program_id AND e.account_id = :account AND e.version > :after AND e.version <= :through
        AND t.effective_at >= :from_at AND t.effective_at < :until_at AND t.recorded_at <= :known_at
    ORDER BY e.version LIMIT :limit""")


async def span(session: AsyncSession, program_id: str, period: Period) -> Span:
    """Where the statement's lines are; found by some forty look-ups, however long the account is."""
    parameters = _parameters(program_id, period, [member_account(period.member_id, period.unit)])
    after = await session.execute(_SPAN, parameters)
    through = await session.execute(_SPAN, parameters | {"settled_at": _shifted(period.known_at, SLACK)})
    return Span(after.scalar() or 0, through.scalar() or 0)


async def list_lines(
    session: AsyncSession, program_id: str, period: Period, among: Span, balance: int, limit: int
) -> list[Line]:
    """The next lines of the statement, in the book's order; `balance` is what stood there before them."""
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} lines")
    account = member_account(period.member_id, period.unit)
    parameters = _parameters(program_id, period, [account]) | {
        "account": account,
        "member_id": period.member_id,
        "after": among.after,
        "through": among.through,
        "limit": limit,
    }
    lines = []
    for row in (await session.execute(_LINES, parameters)).mappings():
        balance += row["amount"]
        category = category_of(row["kind"], for_event=row["event_id"] is not None)
        lines.append(Line(**row, category=category, balance=balance))
    return lines


async def stream_lines(session: AsyncSession, program_id: str, period: Period) -> AsyncIterator[Line]:
    """All lines of the statement, page by page; the session should see one instant of the database."""
    among = await span(session, program_id, period)
    balance = (await standing(session, program_id, period)).balance
    while page := await list_lines(session, program_id, period, among, balance, MAX_PAGE):
        for line in page:
            yield line
        among, balance = Span(page[-1].position, among.through), page[-1].balance


# -- What lapses when ----------------------------------------------------------------------------------------------

# Backwards from today: what the lots have now, and what the transactions moved that do not count then. Those are among
# what was recorded since, so lots that were emptied before are not looked at.
_LOTS = text(f"""
    WITH RECURSIVE {_SEARCH},
    uncounted AS (
        SELECT DISTINCT e.transaction_id FROM settled s
        JOIN entries e ON e.account_id = s.id AND e.version > s.version
        CROSS JOIN LATERAL (
            SELECT * FROM transactions WHERE program_id = e.program_id AND id = e.transaction_id OFFSET 0
        ) t
        WHERE t.effective_at >= :until_at OR t.recorded_at > :known_at
    ),
    moved AS (
        SELECT m.lot_id, sum(m.amount)::bigint AS amount FROM uncounted u
        JOIN lot_moves m ON m.transaction_id = u.transaction_id
        WHERE m.kind <> 'settle' GROUP BY m.lot_id
    ),
    touched AS (
        SELECT id FROM lots WHERE account_id = :account AND remaining > 0
        UNION SELECT lot_id FROM moved
    )
    SELECT l.expires_at, sum(l.remaining + COALESCE(moved.amount, 0))::bigint AS amount
    FROM touched JOIN lots l ON l.program_id = :program_id AND l.id = touched.id
    LEFT JOIN moved ON moved.lot_id = l.id
    WHERE l.account_id = :account AND l.transaction_id NOT IN (SELECT transaction_id FROM uncounted)
    GROUP BY l.expires_at
    HAVING sum(l.remaining + COALESCE(moved.amount, 0)) > 0""")


async def expiry(session: AsyncSession, program_id: str, period: Period, time_zone: str) -> Schedule:
    """When the value lapses that the member had at the period's end. It costs the open lots and what was recorded
    since the period began."""
    account = member_account(period.member_id, period.unit)
    parameters = _parameters(program_id, period, [account]) | {"account": account}
    lapses = [Lapse(*row) for row in await session.execute(_LOTS, parameters)]
    return schedule(lapses, period.until_at, time_zone)
