"""Leaderboards: the company's and each department's, by lifetime points."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import StringConstraints

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.schemas.base import NAME_PATTERN, MemberId, Page, PageQuery
from api.schemas.leaderboards import NeighbourhoodDocument, PlaceDocument, place_documents
from domain.leaderboards import Place
from domain.scopes import Scope
from storage import leaderboards, members
from storage.leaderboards import Board

router = APIRouter(route_class=Operation, tags=["leaderboards"])

COMPANY = "company"
DEPARTMENT = "department:"
BOARD_PATTERN = rf"^(company|department:{NAME_PATTERN[1:-1]})$"
BoardName = Annotated[
    str, StringConstraints(max_length=211, pattern=BOARD_PATTERN), Path(examples=["company", "department:Sales"])
]


@router.get(
    "/v1/leaderboards/{board:any}",
    operation_id="list_leaderboard",
    summary="List a leaderboard from the top",
    **operation(
        Scope.LEADERBOARDS_READ,
        {200: Page[PlaceDocument]},
        refusals=("invalid_cursor", "leaderboards_unavailable"),
    ),
)
async def list_leaderboard(request: Request, board: BoardName, query: Annotated[PageQuery, Query()]) -> Response:
    """`company`, or `department:` and its name; a department that nobody belongs to has an empty board."""
    here, program_id = backends(request), caller(request).program_id
    department = None if board == COMPANY else board.removeprefix(DEPARTMENT)
    of = ("leaderboard", board)
    after = _place(here.cursors.read(program_id, of, query.cursor)) if query.cursor else None
    found = await leaderboards.top(here.redis, Board(program_id, department), query.limit + 1, after)
    shown = found[: query.limit]
    page: dict[str, Any] = {"items": place_documents(shown, await _names(request, shown))}
    if len(found) > len(shown):
        last = shown[-1]
        position = (last.rank, last.member_id, last.points, last.reached_at.isoformat())
        page["next_cursor"] = here.cursors.write(program_id, of, position)
    return answer(page)


@router.get(
    "/v1/members/{member_id:mem}/leaderboard",
    operation_id="get_neighbourhood",
    summary="Read a member's place with five above and five below",
    **operation(
        Scope.LEADERBOARDS_READ,
        {200: NeighbourhoodDocument},
        refusals=("not_found", "leaderboards_unavailable"),
    ),
)
async def get_neighbourhood(
    request: Request, member_id: MemberId, board: Annotated[Literal["company", "department"], Query()] = "company"
) -> Response:
    """On the company's board, or the member's own department's."""
    here, program_id = backends(request), caller(request).program_id
    async with here.database.begin() as session:
        await members.get(session, program_id, member_id)
    found = await leaderboards.around(here.redis, program_id, member_id, of_department=board == "department")
    places = found.places if found else ()
    shown = place_documents(places, await _names(request, places))
    return answer({"board": board, "member_id": member_id, "places": shown})


async def _names(request: Request, places: Sequence[Place]) -> dict[str, str]:
    async with backends(request).database.begin() as session:
        return await members.find_names(session, caller(request).program_id, [place.member_id for place in places])


def _place(position: list[Any]) -> Place:
    rank, member_id, points, reached_at = position
    return Place(rank, member_id, points, datetime.fromisoformat(reached_at))
