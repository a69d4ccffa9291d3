"""Reports on a program's ledger, each one statement over all that counts: as of any instant, as known at any other.

They read all postings of the program, the journal a page at a time, and lock nothing. Sessions that see one instant of
the database throughout (`Database.snapshot`) make parts of a report agree that are read one after the other.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.orders import OrderState
from domain.reports import (
    AGES,
    HOLDS_OF,
    LAPSED,
    NEVER,
    OLDEST,
    AccountKind,
    BreakageLine,
    Clearing,
    HoldDifference,
    HoldTotals,
    LiabilityBy,
    LiabilityLine,
    Moved,
    SpendBy,
    SpendLine,
    SpendPer,
    TrialLine,
    breakage,
    liability,
)
from storage.account_statements import ACCOUNT_KIND

MAX_PAGE = 1_000  # transfers of a journal


@dataclass(frozen=True, slots=True)
class Moment:
    """What had taken effect before `until_at`, as far as it was recorded by `known_at`."""

    until_at: datetime
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Months:
    """What took effect in [from_at, until_at), as far as it was recorded by `known_at`, by periods of the zone."""

    from_at: datetime
    until_at: datetime
    known_at: datetime
    time_zone: str


async def take_time(session: AsyncSession, seconds: float = 0) -> None:
    """Let each statement of this transaction run for so long; 0 is for as long as it needs."""
    await session.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))


# -- What stands where ---------------------------------------------------------------------------------------------

_TRIAL = text(f"""
    SELECT a.unit, {ACCOUNT_KIND} AS account, COALESCE(sum(-e.amount) FILTER (WHERE e.amount < 0), 0)::bigint AS debits,
        COALESCE(sum(e.amount) FILTER (WHERE e.amount > 0), 0)::bigint AS credits, sum(e.amount)::bigint AS balance
    FROM transactions t
    JOIN entries e ON e.transaction_id = t.id
    JOIN accounts a ON a.id = e.account_id
    WHERE t.program_id = :program_id AND t.effective_at < :until_at AND t.recorded_at <= :known_at
    GROUP BY 1, 2""")


async def trial_balance(session: AsyncSession, program_id: str, moment: Moment) -> list[TrialLine]:
    """By unit and kind of account; in each unit the balances make zero."""
    found = [TrialLine(*row) for row in await session.execute(_TRIAL, _at(program_id, moment))]
    return sorted(found, key=lambda line: (line.unit, list(AccountKind).index(AccountKind(line.account))))


def _at(program_id: str, moment: Moment) -> dict[str, object]:
    return {"program_id": program_id, "until_at": moment.until_at, "known_at": moment.known_at}


# What must make an account's balance, and does not if something is wrong: of held value the open holds, of promised
# value the open promises, and of the liquidity of conversions those that were not reversed.
_CLEARING = text(f"""
    WITH standing AS (
        SELECT a.unit, {ACCOUNT_KIND} AS account, sum(a.balance)::bigint AS balance FROM accounts a
        WHERE a.running AND a.program_id = :program_id GROUP BY 1, 2
        UNION ALL SELECT a.unit, 'liquidity', COALESCE(sum(e.amount), 0)::bigint
        FROM accounts a JOIN entries e ON e.account_id = a.id
        WHERE NOT a.running AND a.program_id = :program_id AND {ACCOUNT_KIND} = 'liquidity' GROUP BY 1
    ),
    kept AS (
        SELECT * FROM conversions c WHERE c.program_id = :program_id AND NOT EXISTS (SELECT FROM transactions r
            WHERE r.program_id = c.program_id AND r.reverses_id = c.transaction_id)
    ),
    explained AS (
        SELECT a.unit, 'held' AS account, sum(h.amount - h.settled - h.released)::bigint AS amount
        FROM holds h JOIN accounts a ON a.id = h.held_account_id
        WHERE h.program_id = :program_id AND h.state = 'open' GROUP BY a.unit
        UNION ALL SELECT a.unit, 'pending', sum(p.amount)::bigint
        FROM pendings p JOIN accounts a ON a.id = p.pending_account_id
        WHERE p.program_id = :program_id AND p.state = 'open' GROUP BY a.unit
        UNION ALL SELECT unit, 'liquidity', sum(amount)::bigint FROM (
            SELECT from_unit AS unit, from_amount AS amount FROM kept UNION ALL SELECT to_unit, -to_amount FROM kept
        ) moved GROUP BY unit
    )
    SELECT unit, account, COALESCE(s.balance, 0) AS balance, COALESCE(e.amount, 0) AS explained
    FROM standing s FULL JOIN explained e USING (unit, account)
    WHERE account IN ('held', 'pending', 'liquidity') ORDER BY unit, account""")


async def clearing(session: AsyncSession, program_id: str) -> list[Clearing]:
    """The accounts that must agree with what explains them, as they stand now."""
    return [Clearing(*row) for row in await session.execute(_CLEARING, {"program_id": program_id})]


# -- What is owed --------------------------------------------------------------------------------------------------

_BUCKETS: Mapping[LiabilityBy, str] = {
    LiabilityBy.AGE: "CASE "
    + " ".join(f"WHEN t.effective_at >= :until_at - interval '{days} days' THEN '{name}'" for days, name in AGES)
    + f" ELSE '{OLDEST}' END",
    LiabilityBy.EXPIRY: f"CASE WHEN l.expires_at IS NULL THEN '{NEVER}' WHEN l.expires_at <= :until_at THEN '{LAPSED}' "
    "ELSE to_char(l.expires_at AT TIME ZONE :time_zone, 'YYYY-MM') END",
}
_LOTS = """
    WITH moved AS (
        SELECT m.lot_id, sum(m.amount)::bigint AS amount
        FROM transactions t JOIN lot_moves m ON m.transaction_id = t.id
        WHERE t.program_id = :program_id AND t.effective_at < :until_at AND t.recorded_at <= :known_at
            AND m.kind <> 'settle'
        GROUP BY m.lot_id
    )
    SELECT a.unit, {bucket} AS bucket, sum(l.granted - COALESCE(moved.amount, 0))::bigint
    FROM transactions t
    JOIN lots l ON l.transaction_id = t.id
    JOIN accounts a ON a.id = l.account_id
    LEFT JOIN moved ON moved.lot_id = l.id
    WHERE t.program_id = :program_id AND t.effective_at < :until_at AND t.recorded_at <= :known_at
    GROUP BY 1, 2"""


async def list_liability(
    session: AsyncSession, program_id: str, moment: Moment, by: LiabilityBy, time_zone: str
) -> list[LiabilityLine]:
    """What members have, by the age of its lots or the month in which they lapse; all lines together are what stands
    on members' accounts. Value that moved between members is as old as the move."""
    lots: dict[tuple[str, str], int] = {}
    parameters = _at(program_id, moment) | ({"time_zone": time_zone} if by is LiabilityBy.EXPIRY else {})
    for unit, bucket, amount in await session.execute(text(_LOTS.format(bucket=_BUCKETS[by])), parameters):
        lots[unit, bucket] = amount
    return liability(lots, await trial_balance(session, program_id, moment))


_BREAKAGE = text(f"""
    SELECT a.unit, to_char(t.effective_at AT TIME ZONE :time_zone, 'YYYY-MM') AS month,
        COALESCE(-sum(e.amount) FILTER (WHERE {ACCOUNT_KIND} = 'issued'), 0)::bigint,
        COALESCE(sum(e.amount) FILTER (WHERE {ACCOUNT_KIND} = 'expired'), 0)::bigint
    FROM transactions t
    JOIN entries e ON e.transaction_id = t.id
    JOIN accounts a ON a.id = e.account_id
    WHERE t.program_id = :program_id AND t.effective_at >= :from_at AND t.effective_at < :until_at
        AND t.recorded_at <= :known_at AND {ACCOUNT_KIND} IN ('issued', 'expired')
    GROUP BY 1, 2 ORDER BY 1, 2""")


async def list_breakage(session: AsyncSession, program_id: str, months: Months) -> list[BreakageLine]:
    """What expired against what was issued, each less what was taken back, by month."""
    return breakage([tuple(row) for row in await session.execute(_BREAKAGE, _within(program_id, months))])


def _within(program_id: str, months: Months) -> dict[str, object]:
    return {"program_id": program_id} | {name: getattr(months, name) for name in Months.__dataclass_fields__}


# -- What was spent ------------------------------------------------------------------------------------------------

_KEYS: Mapping[SpendBy, str] = {
    SpendBy.NOTHING: "''",
    SpendBy.ITEM: "COALESCE(o.item, '')",
    SpendBy.CATEGORY: "COALESCE(category.name, '')",
    SpendBy.COUNTRY: "COALESCE(as_then.attributes ->> 'country', '')",
    SpendBy.DEPARTMENT: "COALESCE(as_then.attributes ->> 'department', '')",
}
# What stands on the redeemed account came by settlements and left by refunds and reversals. What the program paid never
# stood there: its orders count when they are sent, until they are refunded. A member is as at that time.
_SPEND = """
    WITH redeemed AS (
        SELECT t.effective_at AS at, a.unit, e.amount AS spent, COALESCE(t.order_id, original.order_id) AS order_id,
            COALESCE(o.member_id, other.member_id) AS member_id
        FROM transactions t
        JOIN entries e ON e.transaction_id = t.id
        JOIN accounts a ON a.id = e.account_id
        JOIN transfers f ON f.transaction_id = e.transaction_id AND f.n = e.n
        JOIN accounts other ON other.id = CASE WHEN e.amount > 0 THEN f.from_account ELSE f.to_account END
        LEFT JOIN transactions original ON original.program_id = t.program_id AND original.id = t.reverses_id
        LEFT JOIN orders o ON o.program_id = t.program_id AND o.id = COALESCE(t.order_id, original.order_id)
        WHERE t.program_id = :program_id AND t.effective_at >= :from_at AND t.effective_at < :until_at
            AND t.recorded_at <= :known_at AND NOT a.running AND {account_kind} = 'redeemed'
    ),
    given AS (
        SELECT s.recorded_at AS at, 'points' AS unit, 0 AS spent, o.id AS order_id, o.member_id,
            CASE s.step WHEN 'refund' THEN -1 ELSE 1 END AS orders
        FROM orders o JOIN order_steps s ON s.order_id = o.id
        WHERE o.program_id = :program_id AND o.hold_id IS NULL
            AND s.recorded_at >= :from_at AND s.recorded_at < :until_at AND s.recorded_at <= :known_at
            AND s.step IN ('settle', 'fulfil', 'refund')
            AND (s.step = 'refund') = EXISTS (SELECT FROM order_steps earlier WHERE earlier.order_id = o.id
                AND earlier.id < s.id AND earlier.step IN ('settle', 'fulfil'))
    ),
    facts AS (
        SELECT at, unit, spent, order_id, member_id, CASE WHEN order_id IS NULL THEN 0 ELSE sign(spent) END AS orders
        FROM redeemed
        UNION ALL SELECT at, unit, spent, order_id, member_id, orders FROM given
    )
    SELECT to_char(date_trunc('{per}', f.at AT TIME ZONE :time_zone), 'YYYY-MM-DD') AS period, {key} AS key, f.unit,
        sum(f.spent)::bigint, sum(f.orders)::bigint, COALESCE(o.currency, '') AS currency,
        COALESCE(sum(f.orders * o.value_minor), 0)::bigint
    FROM facts f
    LEFT JOIN orders o ON o.program_id = :program_id AND o.id = f.order_id
    LEFT JOIN unnest(CAST(:items AS text[]), CAST(:categories AS text[])) AS category(item, name)
        ON category.item = o.item
    LEFT JOIN LATERAL (
        SELECT v.attributes FROM member_versions v WHERE v.program_id = :program_id AND v.member_id = f.member_id
            AND v.effective_at <= f.at ORDER BY v.version DESC LIMIT 1
    ) AS as_then(attributes) ON true
    GROUP BY 1, 2, 3, 6 ORDER BY 1, 2, 3, 6 LIMIT :limit"""


async def list_spend(
    session: AsyncSession,
    program_id: str,
    months: Months,
    *,
    by: SpendBy,
    per: SpendPer,
    categories: Mapping[str, str],
    limit: int,
) -> list[SpendLine]:
    """What was redeemed, at most `limit` lines; `categories` are those of the catalog, by item."""
    statement = _SPEND.format(account_kind=ACCOUNT_KIND, per=per.value, key=_KEYS[by])
    known = {"items": list(categories), "categories": list(categories.values()), "limit": limit}
    rows = await session.execute(text(statement), _within(program_id, months) | known)
    return [SpendLine(*row) for row in rows]


# -- The books -----------------------------------------------------------------------------------------------------

# Each transaction has a transfer, and of the first all may have been told.
_JOURNAL = text(f"""
    SELECT t.id AS transaction_id, f.n, t.recorded_at, t.effective_at, t.kind, f.unit, f.amount,
        source.kind, target.kind, source.member_id, target.member_id, t.event_id, t.order_id, t.reverses_id
    FROM (
        SELECT * FROM transactions
        WHERE program_id = :program_id AND recorded_at >= :from_at AND recorded_at < :until_at AND id >= :id
        ORDER BY id LIMIT :limit + 1
    ) t
    CROSS JOIN LATERAL (SELECT * FROM transfers WHERE transaction_id = t.id OFFSET 0) f
    CROSS JOIN LATERAL (SELECT a.member_id, {ACCOUNT_KIND} AS kind FROM accounts a WHERE a.id = f.from_account) source
    CROSS JOIN LATERAL (SELECT a.member_id, {ACCOUNT_KIND} AS kind FROM accounts a WHERE a.id = f.to_account) target
    WHERE t.id > :id OR f.n > :n
    ORDER BY t.id, f.n LIMIT :limit""")
Place = tuple[str, int]
FIRST: Place = ("", 0)


async def list_journal(
    session: AsyncSession, program_id: str, from_at: datetime, until_at: datetime, *, after: Place = FIRST, limit: int
) -> list[Moved]:
    """Transfers recorded in [from_at, until_at) after a place (transaction and n), in the order of their ids.

    A page costs the page, and the first also what was recorded before the period.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} transfers")
    where = {"program_id": program_id, "from_at": from_at, "until_at": until_at, "id": after[0], "n": after[1]}
    return [Moved(*row) for row in await session.execute(_JOURNAL, where | {"limit": limit})]


async def stream_journal(
    session: AsyncSession, program_id: str, from_at: datetime, until_at: datetime
) -> AsyncIterator[Moved]:
    """All of them, page by page."""
    after = FIRST
    while page := await list_journal(session, program_id, from_at, until_at, after=after, limit=MAX_PAGE):
        for moved in page:
            yield moved
        after = (page[-1].transaction_id, page[-1].n)


# -- Holds and orders ----------------------------------------------------------------------------------------------

# Each hold and each order that members pay for, together where they name each other, and whether they agree.
_PAIRS = """
    WITH agreed AS (SELECT * FROM unnest(CAST(:states AS text[]), CAST(:standings AS text[])) AS x(state, standing)),
    standing AS (
        SELECT h.*, h.amount - h.settled - h.released AS still,
            CASE WHEN h.state = 'settled' AND EXISTS (SELECT FROM transactions t WHERE t.program_id = h.program_id
                AND t.business_key = 'refund:' || h.order_id) THEN 'refunded' ELSE h.state END AS standing
        FROM holds h WHERE h.program_id = :program_id
    ),
    pairs AS (
        SELECT COALESCE(a.unit, 'points') AS unit, o.id AS order_id, h.id AS hold_id, o.state AS order_state,
            h.standing AS hold_state, o.price_points, COALESCE(h.still, 0) AS still, h.order_id AS names,
            (h.id IS NOT NULL AND h.order_id IS NULL AND o.id IS NULL)
            OR COALESCE(h.order_id = o.id AND h.amount = o.price_points
                AND EXISTS (SELECT FROM agreed WHERE state = o.state AND standing = h.standing), false) AS agrees
        FROM standing h
        FULL JOIN (SELECT * FROM orders WHERE program_id = :program_id AND price_points > 0) o ON o.hold_id = h.id
        LEFT JOIN accounts a ON a.id = h.account_id
    )"""
_HOLD_TOTALS = text(f"""{_PAIRS},
    stand AS (
        SELECT a.unit, sum(a.balance)::bigint AS held FROM accounts a
        WHERE a.program_id = :program_id AND a.running AND {ACCOUNT_KIND} = 'held' GROUP BY a.unit
    ),
    sums AS (
        SELECT unit, sum(still) FILTER (WHERE agrees AND order_id IS NOT NULL)::bigint AS for_orders,
            sum(still) FILTER (WHERE agrees AND order_id IS NULL)::bigint AS for_integrations,
            sum(still) FILTER (WHERE NOT agrees)::bigint AS differing
        FROM pairs GROUP BY unit
    )
    SELECT unit, COALESCE(held, 0), COALESCE(for_orders, 0), COALESCE(for_integrations, 0), COALESCE(differing, 0)
    FROM stand FULL JOIN sums USING (unit) ORDER BY unit""")
_HOLD_DIFFERENCES = text(f"""{_PAIRS}
    SELECT unit, COALESCE(order_id, names), hold_id, order_state, hold_state, price_points, still
    FROM pairs WHERE NOT agrees ORDER BY 2, 3 LIMIT :limit""")


async def reconcile_holds(
    session: AsyncSession, program_id: str, limit: int
) -> tuple[list[HoldTotals], list[HoldDifference]]:
    """What is held now and for what, and the first orders and holds that do not agree."""
    agreed = [(state.value, standing) for state in OrderState for standing in HOLDS_OF[state]]
    known: dict[str, object] = {
        "program_id": program_id,
        "states": [state for state, _ in agreed],
        "standings": [standing for _, standing in agreed],
    }
    totals = [HoldTotals(*row) for row in await session.execute(_HOLD_TOTALS, known)]
    rows: Sequence[object] = (await session.execute(_HOLD_DIFFERENCES, known | {"limit": limit})).all()
    return totals, [HoldDifference(*row) for row in rows]  # type: ignore[misc]
