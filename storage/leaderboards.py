"""Leaderboards in Redis: what is told of members' standings is written, and boards are read.

What Redis does with them, and how they are kept there, is in `storage.board_scripts`; how all of a program's are made
anew in `storage.board_builds`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain.game import Board, Window
from domain.leaderboards import (
    Place,
    Placement,
    Ranking,
    Standing,
    began_on,
    boards_of,
    cohort_in,
    of_period,
    percentile,
    place,
    placing,
    seen_from,
)
from domain.outbox import Kind, Lane, OutboxRow
from domain.time import zone
from storage import board_scripts, configurations, programs

AROUND = 5  # places above and below a member
MAX_PAGE = 101  # places: a page, and one more that tells whether another follows
WRITE_PAGE = 1_000  # standings told at once; a script's calls take no more than 7,999 arguments


@dataclass(frozen=True, slots=True)
class Scheme:
    """The boards of a program on a day of its own zone, under its active configuration."""

    program_id: str
    boards: Mapping[str, Board]
    time_zone: str
    today: date
    configuration: int = 0

    @property
    def units(self) -> set[str]:
        return {board.unit for board in self.boards.values()}

    @property
    def windows(self) -> set[Window]:
        return {board.window for board in self.boards.values()}

    def board(self, key: str) -> Board:
        """The board of this key; raises LookupError if the program has none."""
        board = self.boards.get(key)
        if board is None:
            raise LookupError(f"no board {key}")
        return board

    def ranking(self, key: str, cohort: Sequence[str] = ()) -> Ranking:
        """The board of this key for a cohort, in the present period; raises LookupError if there is none."""
        board = self.board(key)
        if len(cohort) != len(board.by):
            raise LookupError(f"{key} has a board for each {' and '.join(board.by) or 'program'}")
        return Ranking(board, tuple(cohort), began_on(board.window, self.today))


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A member's own place and those around it that the member may see, in the order of ranks."""

    board: Board
    cohort: tuple[str, ...]
    member_id: str
    places: tuple[Place, ...]
    percentile: int | None


async def scheme(session: AsyncSession, program_id: str, *, as_of: datetime) -> Scheme:
    """The program's boards as they are now; raises LookupError for an unknown program."""
    program = await programs.get(session, program_id)
    active = await configurations.read_active(session, program_id)
    today = as_of.astimezone(zone(program.time_zone)).date()
    return Scheme(program_id, boards_of(active), program.time_zone, today, active.number)


# -- Writing -------------------------------------------------------------------------------------------------------


def outbox_row(program_id: str, member_id: str) -> OutboxRow:
    """What makes the relay read where the member stands, and write it."""
    return OutboxRow(program_id, Lane.REDIS, Kind.SCORE, {"member_id": member_id})


async def write(redis: Redis, on: Scheme, standings: Sequence[Standing]) -> None:
    """Give each standing its places on its boards, unless a newer one of the same member is known."""
    place_on_all = placing(on.boards.values(), on.today)
    for unit in {standing.unit for standing in standings}:
        every = [_told(place_on_all, standing) for standing in standings if standing.unit == unit]
        for first in range(0, len(every), WRITE_PAGE):
            page = orjson.dumps((unit, on.today, every[first : first + WRITE_PAGE])).decode()
            await board_scripts.run(redis, board_scripts.WRITE, on.program_id, page)


def _told(place_on_all: Callable[[Standing], list[Placement]], standing: Standing) -> tuple[Any, ...]:
    """The standing as the script takes it."""
    places = [(ranking.name, str(score), entry) for ranking, score, entry in place_on_all(standing)]
    return standing.member_id, str(standing.version), places


# -- Reading -------------------------------------------------------------------------------------------------------


async def top(redis: Redis, program_id: str, ranking: Ranking, limit: int, after: Place | None = None) -> list[Place]:
    """The first places, or those after a place that was seen before, at most MAX_PAGE at once; none of a small cohort.

    A cohort is small when fewer have a place in it than its board asks for.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} places")
    seen = [str(after.points), after.entry] if after else []
    asked = ranking.name, str(limit), str(ranking.board.least_members), *seen
    first, found = await board_scripts.run(redis, board_scripts.TOP, program_id, *asked)
    return _places(first, found)


async def around(redis: Redis, on: Scheme, key: str, member_id: str) -> Neighbourhood | None:
    """The member's place and up to AROUND above and below, as the member may see them; None without a place."""
    board = on.board(key)
    begins = of_period(board, began_on(board.window, on.today))
    asked = board.unit, begins, member_id, str(AROUND), str(board.least_members)
    answer = await board_scripts.run(redis, board_scripts.AROUND, on.program_id, *asked)
    if not answer:
        return None
    name, count, own, first, found = answer
    places = seen_from(own + 1, count, _places(first, found))
    return Neighbourhood(board, cohort_in(text(name)), member_id, places, percentile(own + 1, count))


def _places(first: int, found: Sequence[bytes | str]) -> list[Place]:
    pairs = zip(found[::2], found[1::2], strict=True)
    return [place(first + n, text(entry), -int(float(score))) for n, (entry, score) in enumerate(pairs, start=1)]


def text(value: bytes | str) -> str:
    """What Redis answered."""
    return value.decode() if isinstance(value, bytes) else value
