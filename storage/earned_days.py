"""What members earned by day: of units whose boards have periods, or whose ladders look at days.

It follows from the ledger and is kept beside it, in the same transaction and under the members' locks: what was earned
counts on the day on which it took effect, in the program's zone, and what is taken back leaves that day again. So the
days of a member sum to the account's lifetime, and `recount` gives at any time what is there.
"""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import Configuration
from domain.definitions import Definitions
from domain.game import Window
from domain.ledger import Book, member_of, unit_of
from storage.hot_path import run
from storage.sets import texts

_COUNT = """INSERT INTO earned_days (program_id, member_id, unit, day, amount, changed_at)
    SELECT p.program_id, e.member_id, e.unit, (e.at AT TIME ZONE p.time_zone)::date AS day, sum(e.amount), %(at)s
    FROM unnest(CAST(%(members)s AS text[]), CAST(%(units)s AS text[]), CAST(%(amounts)s AS bigint[]),
        CAST(%(instants)s AS timestamptz[])) AS e(member_id, unit, amount, at)
    JOIN programs p ON p.program_id = %(program_id)s
    GROUP BY p.program_id, e.member_id, e.unit, day
    ON CONFLICT (member_id, unit, day)
    DO UPDATE SET amount = earned_days.amount + excluded.amount, changed_at = excluded.changed_at"""

# Everything that was ever earned, with what was taken back of it: it belongs to whoever its member is now, and took
# effect when it was earned. `known_at` is the instant until which the book is read.
EARNED = """SELECT coalesce(m.merged_into, m.id) AS member_id, f.unit, t.effective_at,
        f.amount - coalesce(r.amount, 0) AS amount, greatest(t.recorded_at, r.recorded_at) AS changed_at
    FROM transactions t
    JOIN transfers f ON f.transaction_id = t.id
    JOIN accounts a ON a.id = f.to_account
    JOIN members m ON m.program_id = a.program_id AND m.id = a.member_id
    LEFT JOIN LATERAL (SELECT sum(b.amount)::bigint AS amount, max(o.recorded_at) AS recorded_at
        FROM transactions o JOIN transfers b ON b.transaction_id = o.id
        WHERE o.program_id = t.program_id AND o.reverses_id = t.id AND f.n = 1
            AND o.recorded_at <= CAST(%(known_at)s AS timestamptz)) r ON true
    WHERE t.program_id = %(program_id)s AND t.kind IN ('earn', 'confirm')
        AND t.recorded_at <= CAST(%(known_at)s AS timestamptz)"""

_FORGET = """DELETE FROM earned_days WHERE program_id = %(program_id)s AND unit = ANY(CAST(%(units)s AS text[]))
    AND (CAST(%(members)s AS text[]) IS NULL OR member_id = ANY(CAST(%(members)s AS text[])))"""
_RECOUNT = f"""INSERT INTO earned_days (program_id, member_id, unit, day, amount, changed_at)
    SELECT p.program_id, e.member_id, e.unit, (e.effective_at AT TIME ZONE p.time_zone)::date AS day,
        sum(e.amount)::bigint, max(e.changed_at)
    FROM ({EARNED} AND f.unit = ANY(CAST(%(units)s AS text[]))
            AND (CAST(%(members)s AS text[]) IS NULL
                OR coalesce(m.merged_into, m.id) = ANY(CAST(%(members)s AS text[])))) AS e
    JOIN programs p ON p.program_id = %(program_id)s
    GROUP BY p.program_id, e.member_id, e.unit, day"""


def units_by_day(configuration: Configuration | Definitions) -> frozenset[str]:
    """The units of which days are kept."""
    boards = {board.unit for board in configuration.boards.values() if board.window is not Window.LIFETIME}
    return frozenset(boards | {ladder.unit for ladder in configuration.tiers.values() if ladder.days is not None})


async def count(session: AsyncSession, configuration: Configuration, book: Book) -> None:
    """Count what the Book has earned or taken back; its members are locked."""
    kept = units_by_day(configuration)
    found = [one for one in book.gains if unit_of(one.account_id) in kept] if kept else []
    if not found:
        return
    columns = {
        "members": texts([member_of(one.account_id) for one in found]),
        "units": texts([unit_of(one.account_id) for one in found]),
        "amounts": texts([str(one.amount) for one in found]),
        "instants": texts([one.earning.effective_at.isoformat() for one in found]),
    }
    await run(session, _COUNT, {"program_id": book.program_id, "at": book.recorded_at, **columns})


async def recount(
    session: AsyncSession,
    program_id: str,
    units: Collection[str],
    member_ids: Collection[str] | None = None,
) -> None:
    """Make the days of these members (None: of everybody) anew from the ledger; nobody may post meanwhile."""
    if units:
        members = None if member_ids is None else texts(list(member_ids))
        these = {"program_id": program_id, "units": texts(list(units)), "members": members}
        await run(session, _FORGET, these)
        await run(session, _RECOUNT, these | {"known_at": "infinity"})
