"""Board snapshots: the places of a week or a month, written once when it has ended in the last time zone.

They come from the same standings and the same function as the live boards, and are final: what becomes known later
changes neither them nor what they were settled by. Who hides is not shown in them meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import orjson
from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.game import Board, Window
from domain.leaderboards import Place, Placement, Ranking, last_day, newest_settled, period_before, placing, ranked
from domain.settling import SettleDue, SettleKind
from storage import leaderboards, programs, sets, standings
from storage.game_tables import board_opt_outs, board_places, board_snapshots
from storage.sets import Rows

MAX_LATE = 8  # periods of one board that one run makes up for
PLACE_ROWS = 5_000  # of one statement
MAX_PAGE = 101  # a page, and one more that tells whether another follows


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A settled period."""

    board: str
    window: Window
    first_day: date
    configuration: int
    places: int
    settled_at: datetime


_COLUMNS = [board_snapshots.c[name] for name in ("board", "per", "period_on", "configuration", "places", "settled_at")]


async def list_due(session: AsyncSession, *, as_of: datetime) -> list[SettleDue]:
    """Every period of every program's boards that is to be settled, the oldest first."""
    due: list[SettleDue] = []
    for program in await programs.list_all(session):
        on = await leaderboards.scheme(session, program.id, as_of=as_of)
        for board in on.boards.values():
            if board.window is not Window.LIFETIME:
                due += await _due(session, program.id, board, as_of)
    return sorted(due, key=lambda one: one.first_day)


async def _due(session: AsyncSession, program_id: str, board: Board, as_of: datetime) -> list[SettleDue]:
    """Those after the last settled one; of a board that is new, the newest."""
    newest = newest_settled(board.window, as_of)
    last = select(board_snapshots.c.period_on).where(*_of(program_id, board.key, board.window))
    settled = await session.scalar(last.order_by(board_snapshots.c.period_on.desc()).limit(1))
    missing = [newest]
    while settled is not None and missing[0] > settled:
        missing.insert(0, period_before(board.window, missing[0]))
    if settled is not None:
        missing = missing[1:]
    return [SettleDue(program_id, SettleKind.BOARD, board.key, first.isoformat()) for first in missing[-MAX_LATE:]]


async def settle(session: AsyncSession, program_id: str, key: str, first_day: date, *, as_of: datetime) -> int:
    """Write the places of the period, once; how many have one. A board that is gone meanwhile has none."""
    on = await leaderboards.scheme(session, program_id, as_of=as_of)
    board = on.boards.get(key)
    if board is None or board.window is Window.LIFETIME:
        return 0
    then = replace(on, boards={board.key: board}, today=last_day(board.window, first_day))
    place_on_all, placed = placing([board], then.today), list[Placement]()
    async for page in standings.pages(session, then):
        placed += (one for standing in page for one in place_on_all(standing))
    shown = {cohort: places for cohort, places in ranked(placed).items() if len(places) >= board.least_members}
    count = sum(len(places) for places in shown.values())
    row = {"program_id": program_id, "board": board.key, "per": board.window, "period_on": first_day,
           "configuration": on.configuration, "places": count, "settled_at": as_of}  # fmt: skip
    once = insert(board_snapshots).values(row).on_conflict_do_nothing().returning(board_snapshots.c.board)
    if (await session.execute(once)).first() is None:
        return 0
    for ranking, places in shown.items():
        await _insert_places(session, program_id, ranking, places)
    return count


async def _insert_places(session: AsyncSession, program_id: str, ranking: Ranking, places: Sequence[Place]) -> None:
    board = ranking.board
    fixed = {"program_id": program_id, "board": board.key, "per": board.window, "period_on": ranking.first_day}
    fixed["cohort"] = _cohort(ranking.cohort)
    columns = ("rank", "member_id", "points", "reached_at")
    for start in range(0, len(places), PLACE_ROWS):
        some = places[start : start + PLACE_ROWS]
        values = [tuple(getattr(place, name) for name in columns) for place in some]
        await sets.insert(session, Rows(board_places, columns, values, fixed=fixed))


async def list_page(
    session: AsyncSession, program_id: str, board: Board, *, before: date | None, limit: int
) -> list[Snapshot]:
    """The settled periods of a board, newest first."""
    query = select(*_COLUMNS).where(*_of(program_id, board.key, board.window))
    if before is not None:
        query = query.where(board_snapshots.c.period_on < before)
    page = query.order_by(board_snapshots.c.period_on.desc()).limit(min(limit, MAX_PAGE))
    return [Snapshot(row[0], Window(row[1]), *row[2:]) for row in await session.execute(page)]


async def list_places(
    session: AsyncSession, program_id: str, ranking: Ranking, *, after: int, limit: int
) -> list[Place]:
    """The places of a settled period after this rank, without those of who hides now; none if it is not settled."""
    names, table = ("rank", "member_id", "points", "reached_at"), board_places.c
    hides = exists().where(board_opt_outs.c.program_id == program_id, board_opt_outs.c.member_id == table.member_id)
    query = select(*(table[name] for name in names)).where(
        ~hides,
        table.program_id == program_id,
        table.board == ranking.board.key,
        table.per == ranking.board.window,
        table.period_on == ranking.first_day,
        table.cohort == _cohort(ranking.cohort),
        table.rank > after,
    )
    found = await session.execute(query.order_by(table.rank).limit(min(limit, MAX_PAGE)))
    return [Place(*row) for row in found]


def _of(program_id: str, board: str, window: Window) -> tuple[ColumnElement[bool], ...]:
    table = board_snapshots.c
    return table.program_id == program_id, table.board == board, table.per == window


def _cohort(values: Sequence[str]) -> str:
    return orjson.dumps(list(values)).decode()
