"""Ranks of the past: where a member stood as of an effective time, as the book knew at a recorded time.

Counted from the ledger, the members' versions and the absences that were known then, by the function that places live
standings. Who left the boards by choice, and who was merged, is taken as now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from domain.calendars import WORKING_DAYS
from domain.game import Board, Window
from domain.leaderboards import (
    COHORTS,
    Earned,
    Place,
    Ranking,
    Standing,
    attributes_of,
    began_on,
    placing,
    ranked,
)
from storage import board_opt_outs, leaderboards, members
from storage.earned_days import EARNED
from storage.hot_path import run
from storage.leaderboards import Scheme

_ALWAYS = date(1, 1, 1)

_VERSIONS = """SELECT DISTINCT ON (v.member_id) v.member_id, v.attributes FROM member_versions v
    WHERE v.program_id = %(program_id)s AND v.recorded_at <= CAST(%(known_at)s AS timestamptz)
    ORDER BY v.member_id, v.effective_at <= CAST(%(at)s AS timestamptz) DESC,
        CASE WHEN v.effective_at <= CAST(%(at)s AS timestamptz) THEN v.version ELSE -v.version END DESC"""
_POINTS = f"""SELECT m.id, v.attributes, sum(e.amount)::bigint, max(e.changed_at),
        (SELECT array_agg(DISTINCT day::date) FROM absences x, generate_series(
            greatest(x.starts_on, CAST(%(first_day)s AS date)), least(x.ends_on, CAST(%(today)s AS date)), '1 day')
            AS day WHERE %(counts_days)s AND x.program_id = m.program_id AND x.member_id = m.id
                AND x.recorded_at <= CAST(%(known_at)s AS timestamptz)
                AND (x.ended_at IS NULL OR x.ended_at > CAST(%(known_at)s AS timestamptz)))
    FROM ({EARNED} AND f.unit = %(unit)s AND t.effective_at <= CAST(%(at)s AS timestamptz)
        AND (t.effective_at AT TIME ZONE %(time_zone)s)::date >= CAST(%(first_day)s AS date)) AS e
    JOIN members m ON m.program_id = %(program_id)s AND m.id = e.member_id
    JOIN ({_VERSIONS}) v ON v.member_id = m.id
    LEFT JOIN board_opt_outs o ON o.program_id = m.program_id AND o.member_id = m.id
    WHERE o.member_id IS NULL AND v.attributes ->> 'status' <> 'left' AND v.attributes @> CAST(%(cohort)s AS jsonb)
    GROUP BY m.id, v.attributes"""
_ATTRIBUTES = f"""SELECT v.attributes FROM ({_VERSIONS}) v WHERE v.member_id = %(member_id)s"""


@dataclass(frozen=True, slots=True)
class Rank:
    """Where a member stood: `rank` None without a place, then without points, and for a `reason`.

    Of those with as many points, of whom `tied` are others, whoever had them first stands higher. `above` is the next
    higher place.
    """

    ranking: Ranking
    member_id: str
    at: datetime
    known_at: datetime
    rank: int | None
    points: int
    members: int
    reached_at: datetime | None = None
    tied: int = 0
    above: Place | None = None
    reason: str | None = None


async def get(
    session: AsyncSession, program_id: str, member_id: str, key: str, *, at: datetime, known_at: datetime
) -> Rank:
    """The member's rank on the board of this key; LookupError if there is no such board or member."""
    await members.get(session, program_id, member_id)
    on = await leaderboards.scheme(session, program_id, as_of=at)
    board = on.board(key)
    asked = _asked(on, board, at, known_at)
    own = await run(session, _ATTRIBUTES, asked | {"member_id": member_id})
    attributes = attributes_of(_dated(own[0][0]), on.today) if own else dict.fromkeys(COHORTS)
    cohort = {name: attributes[name] for name in board.by}
    ranking = Ranking(board, tuple(value or "" for value in cohort.values()), began_on(board.window, on.today))
    if not all(cohort.values()):
        reason = f"the board goes by {', '.join(board.by)}, and of that not all is known"
        return Rank(ranking, member_id, at, known_at, None, 0, 0, reason=reason)
    in_common = {name: value for name, value in cohort.items() if name != "tenure"}
    found = await run(session, _POINTS, asked | {"cohort": orjson.dumps(in_common).decode()})
    place_on_all = placing([board], on.today)
    placed = [one for row in found for one in place_on_all(_standing(on, board, row))]
    places = ranked(placed).get(ranking, [])
    if 0 < len(places) < board.least_members:
        reason = f"fewer than {board.least_members} have a place there, so it is not shown"
        return Rank(ranking, member_id, at, known_at, None, 0, 0, reason=reason)
    mine = next((place for place in places if place.member_id == member_id), None)
    if mine is None or mine.rank is None:
        reason = await _why_none(session, program_id, member_id, own)
        return Rank(ranking, member_id, at, known_at, None, 0, len(places), reason=reason)
    return Rank(ranking, member_id, at, known_at, *_among(places, mine, mine.rank))


def _among(places: Sequence[Place], mine: Place, rank: int) -> tuple[int, int, int, datetime, int, Place | None]:
    """The rank, the points, how many have a place, since when, how many others have as many, and who is just above."""
    above = places[rank - 2] if rank > 1 else None
    tied = sum(place.points == mine.points for place in places) - 1
    return rank, mine.points, len(places), mine.reached_at, tied, above


async def _why_none(session: AsyncSession, program_id: str, member_id: str, own: Sequence[Any]) -> str:
    """Why a member whose cohort is known had no place."""
    if await board_opt_outs.is_hidden(session, program_id, member_id):
        return "the member does not want to be on boards"
    if own and own[0][0].get("status") == "left":
        return "the member had left"
    return "nothing was earned that counted"


def _asked(on: Scheme, board: Board, at: datetime, known_at: datetime) -> dict[str, Any]:
    return {
        "program_id": on.program_id,
        "at": at,
        "known_at": known_at,
        "unit": board.unit,
        "time_zone": on.time_zone,
        "first_day": began_on(board.window, on.today) or _ALWAYS,
        "today": on.today,
        "counts_days": board.per_working_day,
    }


def _standing(on: Scheme, board: Board, row: Sequence[Any]) -> Standing:
    member_id, attributes, points, changed_at, absent = row
    earned: Mapping[Window, Earned] = {board.window: Earned(points, changed_at)}
    made = attributes_of(_dated(attributes), on.today)
    days = (attributes.get("custom") or {}).get(WORKING_DAYS)
    return Standing(member_id, board.unit, 0, earned, made, True, days, frozenset(absent or ()))


def _dated(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A version's attributes with the day of hire as a day."""
    hired_on = attributes.get("hired_on")
    known = {name: attributes.get(name) for name in COHORTS}
    return known | {"hired_on": date.fromisoformat(hired_on) if hired_on else None}
