"""Standings as PostgreSQL has them: what a member has earned of a unit, and what makes the member's cohorts, as of now.

Live boards, rebuilt ones and settled periods are made of the same statement's rows, so they cannot differ.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.calendars import WORKING_DAYS
from domain.game import Window
from domain.leaderboards import Earned, Standing, began_on, last_day, tenure
from storage.hot_path import Found, run
from storage.leaderboards import Scheme
from storage.sets import texts

PAGE = 1_000  # rows read at once when everybody's are

# How much of the book a statement saw: whatever is committed between two statements makes the second one's greater. It
# is what PostgreSQL knows as a snapshot: the transaction numbers given so far, less those whose end it did not see.
_SEEN = """(SELECT (pg_snapshot_xmax(s)::text::bigint << 16) - (SELECT count(*) FROM pg_snapshot_xip(s))
    FROM pg_current_snapshot() s)"""
# A merge brings what the other one had earned.
_EARNING = "('earn', 'confirm', 'reverse', 'merge')"


@lru_cache(maxsize=100)
def _reading(windows: frozenset[Window], *, absences: bool, everybody: bool) -> str:
    periods = sorted(windows - {Window.LIFETIME})
    columns = "".join(f", {window}.amount, {window}.changed_at" for window in periods)
    laterals = "".join(
        f""" LEFT JOIN LATERAL (SELECT sum(amount)::bigint AS amount, max(changed_at) AS changed_at FROM earned_days
            WHERE member_id = m.id AND unit = a.unit AND day >= CAST(%({window})s AS date)
                AND day <= CAST(%({window}_last)s AS date)) {window} ON true"""
        for window in periods
    )
    away = """(SELECT array_agg(DISTINCT day::date) FROM absences x, generate_series(
        greatest(x.starts_on, CAST(%(since)s AS date)), least(x.ends_on, CAST(%(today)s AS date)), '1 day') AS day
        WHERE x.program_id = m.program_id AND x.member_id = m.id AND x.state = 'standing')"""
    these = "a.id > %(after)s" if everybody else "a.member_id = ANY(CAST(%(member_ids)s AS text[]))"
    return f"""SELECT a.id, m.id, a.unit, {_SEEN}, a.lifetime, reached.recorded_at,
            m.status <> 'left' AND m.merged_into IS NULL AND o.member_id IS NULL,
            m.department, m.role, m.performance_tier, m.location, m.country, m.hired_on,
            m.custom ->> '{WORKING_DAYS}', {away if absences else "NULL"}{columns}
        FROM accounts a JOIN members m ON m.program_id = a.program_id AND m.id = a.member_id
        LEFT JOIN board_opt_outs o ON o.program_id = m.program_id AND o.member_id = m.id
        CROSS JOIN LATERAL (
            SELECT t.recorded_at FROM entries e JOIN transactions t ON t.id = e.transaction_id
            WHERE e.account_id = a.id AND t.kind IN {_EARNING} ORDER BY e.version DESC LIMIT 1
        ) reached{laterals}
        WHERE a.program_id = %(program_id)s AND {these} AND a.unit = ANY(CAST(%(units)s AS text[]))
        ORDER BY a.id LIMIT %(limit)s"""


_NO_DAYS = frozenset[date]()
_ATTRIBUTES = ("department", "role", "performance_tier", "location", "country", "hired_on")


async def list_of(session: AsyncSession, on: Scheme, member_ids: Collection[str]) -> list[Standing]:
    """The present standings of these members, in every unit that has boards."""
    statement = _reading(frozenset(on.windows), absences=_counts_days(on), everybody=False)
    found = await run(session, statement, _parameters(on) | {"member_ids": texts(list(member_ids)), "limit": None})
    return list(map(_reader(on), found))


async def pages(session: AsyncSession, on: Scheme) -> AsyncGenerator[list[Standing], None]:
    """The standings of everybody, page by page; the session reads the next one while whoever asks looks at one."""
    read, found = _reader(on), rows(session, on)
    reading = asyncio.ensure_future(anext(found, None))
    try:
        while (page := await reading) is not None:
            reading = asyncio.ensure_future(anext(found, None))
            await asyncio.sleep(0)  # so that it has been asked for
            yield list(map(read, page))
    finally:
        reading.cancel()


async def rows(session: AsyncSession, on: Scheme) -> AsyncIterator[Found]:
    """What `pages` are made of: account, member, unit, how much of the book was seen, lifetime and more."""
    statement = _reading(frozenset(on.windows), absences=_counts_days(on), everybody=True)
    parameters, after = _parameters(on), ""
    while True:
        found = await run(session, statement, parameters | {"after": after, "limit": PAGE})
        if found:
            yield found
        if len(found) < PAGE:
            return
        after = found[-1][0]


def _counts_days(on: Scheme) -> bool:
    return any(board.per_working_day for board in on.boards.values())


def _parameters(on: Scheme) -> dict[str, Any]:
    firsts = {window: first for window in on.windows if (first := began_on(window, on.today))}
    since = min([on.today, *firsts.values()])
    ends = {f"{window}_last": last_day(window, first) for window, first in firsts.items()}
    periods = {str(window): first for window, first in firsts.items()}
    units = texts(sorted(on.units))
    return {"program_id": on.program_id, "units": units, "since": since, "today": on.today, **periods, **ends}


def _reader(on: Scheme) -> Callable[[Sequence[Any]], Standing]:
    """What makes a standing of a row; what all rows have in common is looked at once."""
    periods = [(15 + 2 * n, window) for n, window in enumerate(sorted(on.windows - {Window.LIFETIME}))]
    needed = {name for board in on.boards.values() for name in board.by}
    if _counts_days(on):
        needed.add("country")
    columns = [(7 + n, name) for n, name in enumerate(_ATTRIBUTES) if name in needed]

    def read(row: Sequence[Any]) -> Standing:
        earned = {Window.LIFETIME: Earned(row[4], row[5])}
        for at, window in periods:
            if row[at] is not None:
                earned[window] = Earned(row[at], row[at + 1])
        attributes = {name: row[at] for at, name in columns}
        if "tenure" in needed:
            attributes["tenure"] = tenure(row[12], on.today)
        absent = frozenset(row[14]) if row[14] else _NO_DAYS
        return Standing(row[1], row[2], row[3], earned, attributes, row[6], row[13], absent)

    return read
