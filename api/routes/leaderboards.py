"""Leaderboards: the program's boards, of every cohort, live and settled, and a member's place on them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages
from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.schemas.base import MemberId, Page, PageQuery
from api.schemas.leaderboards import (
    AroundQuery,
    BoardDocument,
    BoardKey,
    BoardName,
    CohortQuery,
    NeighbourhoodDocument,
    PlaceDocument,
    RankDocument,
    RankQuery,
    ShownBody,
    ShownDocument,
    SnapshotDocument,
    board_document,
    place_documents,
    rank_document,
    snapshot_document,
)
from domain.leaderboards import Place, Ranking
from domain.scopes import Scope
from storage import board_opt_outs, board_snapshots, leaderboards, members, ranks
from storage.board_snapshots import Snapshot
from storage.leaderboards import Scheme

router = APIRouter(route_class=Operation, tags=["leaderboards"])

AnyBoard = Annotated[BoardName, Path(examples=["company", "department:Sales"])]
FirstDay = Annotated[date, Path(examples=["2026-03-02"])]
WindowedBoard = Annotated[BoardKey, Path(examples=["sales-of-the-week"])]


@router.get(
    "/v1/leaderboards",
    operation_id="list_boards",
    summary="List the program's boards",
    **operation(Scope.LEADERBOARDS_READ, {200: Page[BoardDocument]}),
)
async def list_boards(request: Request) -> Response:
    """As they are defined; `company` and `department` are always there."""
    async with backends(request).database.begin() as session:
        on = await _scheme(request, session)
    return answer({"items": [board_document(board) for _, board in sorted(on.boards.items())]})


@router.get(
    "/v1/leaderboards/{board}/snapshots",
    operation_id="list_board_snapshots",
    summary="List a board's settled weeks or months, newest first",
    **operation(Scope.LEADERBOARDS_READ, {200: Page[SnapshotDocument]}, refusals=("not_found", "invalid_cursor")),
)
async def list_board_snapshots(
    request: Request, board: WindowedBoard, query: Annotated[PageQuery, Query()]
) -> Response:
    """A period is settled after it has ended in the last time zone, and does not change any more."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Snapshot]:
        found = (await _scheme(request, session)).board(board)
        below = date.fromisoformat(before[0]) if before else None
        return await board_snapshots.list_page(session, program_id, found, before=below, limit=limit)

    return await pages.answer_page(request, query, ("snapshots", board), page, _first_day, snapshot_document)


@router.get(
    "/v1/leaderboards/{board}/snapshots/{first_day}",
    operation_id="list_board_snapshot_places",
    summary="List the places of a settled week or month",
    **operation(Scope.LEADERBOARDS_READ, {200: Page[PlaceDocument]}, refusals=("not_found", "invalid_cursor")),
)
async def list_board_snapshot_places(
    request: Request, board: WindowedBoard, first_day: FirstDay, query: Annotated[CohortQuery, Query()]
) -> Response:
    """Of one cohort, from the top; none of a cohort that was too small."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, after: Sequence[Any] | None, limit: int) -> Sequence[dict[str, Any]]:
        ranking = (await _scheme(request, session)).ranking(board, query.cohort)
        then = Ranking(ranking.board, ranking.cohort, first_day)
        above = after[0] if after else 0
        found = await board_snapshots.list_places(session, program_id, then, after=above, limit=limit)
        return place_documents(found, await _names(session, program_id, found))

    of = ("snapshot", board, first_day.isoformat(), *query.cohort)
    return await pages.answer_page(request, query, of, page, lambda place: (place["rank"],), dict)


@router.get(
    "/v1/leaderboards/{board:any}",
    operation_id="list_leaderboard",
    summary="List a leaderboard from the top",
    **operation(
        Scope.LEADERBOARDS_READ,
        {200: Page[PlaceDocument]},
        refusals=("not_found", "invalid_cursor", "leaderboards_unavailable"),
    ),
)
async def list_leaderboard(request: Request, board: AnyBoard, query: Annotated[CohortQuery, Query()]) -> Response:
    """Of one cohort: after a colon in the path where the board goes by one attribute, or as `cohort` for each.

    `company` is everybody's, `department:Sales` a department's. A cohort that nobody belongs to, or that is too small,
    has an empty board.
    """
    here, program_id = backends(request), caller(request).program_id
    key, colon, value = board.partition(":")
    async with here.database.begin() as session:
        ranking = (await _scheme(request, session)).ranking(key, [value] if colon else query.cohort)
    of = ("leaderboard", ranking.name)
    after = _place(here.cursors.read(program_id, of, query.cursor)) if query.cursor else None
    found = await leaderboards.top(here.redis, program_id, ranking, query.limit + 1, after)
    shown = found[: query.limit]
    async with here.database.begin() as session:
        page: dict[str, Any] = {"items": place_documents(shown, await _names(session, program_id, shown))}
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
async def get_neighbourhood(request: Request, member_id: MemberId, query: Annotated[AroundQuery, Query()]) -> Response:
    """On the board of the member's own cohort. Nobody is shown as last."""
    here, program_id = backends(request), caller(request).program_id
    async with here.database.begin() as session:
        await members.get(session, program_id, member_id)
        on = await _scheme(request, session)
    found = await leaderboards.around(here.redis, on, query.board, member_id)
    places = found.places if found else ()
    async with here.database.begin() as session:
        shown = place_documents(places, await _names(session, program_id, places))
    cohort, percentile = (list(found.cohort), found.percentile) if found else ([], None)
    own = {"board": query.board, "member_id": member_id, "cohort": cohort, "percentile": percentile}
    return answer(own | {"places": shown})


@router.get(
    "/v1/members/{member_id:mem}/leaderboard/rank",
    operation_id="get_rank",
    summary="Read where a member stood at any time, as it was known at any time",
    **operation(Scope.LEADERBOARDS_READ, {200: RankDocument}, refusals=("not_found",)),
)
async def get_rank(request: Request, member_id: MemberId, query: Annotated[RankQuery, Query()]) -> Response:
    """Counted from the ledger, for those who want to know why; what was earned counts from when it took effect."""
    here, program_id = backends(request), caller(request).program_id
    at, known_at = query.past(here.clock()), query.known_at or here.clock()
    async with here.database.begin() as session:
        found = await ranks.get(session, program_id, member_id, query.board, at=at, known_at=known_at)
        names = await _names(session, program_id, [found.above] if found.above else [])
    return answer(rank_document(found, names))


@router.put(
    "/v1/members/{member_id:mem}/leaderboard",
    operation_id="set_shown",
    summary="Let a member have places on boards, or none",
    **operation(
        Scope.MEMBERS_WRITE,
        {200: ShownDocument},
        body=ShownBody,
        examples={"hide": {"shown": False}},
        refusals=("not_found",),
        takes_key=True,
    ),
)
async def set_shown(request: Request, member_id: MemberId) -> Response:
    """Whoever is not shown keeps their points and goes on earning: tiers, badges and rewards are theirs as before."""
    body, here = await bodies.read_json(request), backends(request)
    shown = bodies.parse(ShownBody, body).shown

    async def change(session: AsyncSession) -> Answer:
        program_id, now = caller(request).program_id, here.clock()
        await board_opt_outs.set_shown(session, program_id, member_id, shown=shown, now=now)
        return Answer(200, {"member_id": member_id, "shown": shown})

    return await idempotency.once(request, body, here.database, here.clock(), change)


async def _scheme(request: Request, session: AsyncSession) -> Scheme:
    return await leaderboards.scheme(session, caller(request).program_id, as_of=backends(request).clock())


async def _names(session: AsyncSession, program_id: str, places: Sequence[Place]) -> Mapping[str, str]:
    return await members.find_names(session, program_id, [place.member_id for place in places])


def _first_day(snapshot: Snapshot) -> tuple[str]:
    return (snapshot.first_day.isoformat(),)


def _place(position: list[Any]) -> Place:
    rank, member_id, points, reached_at = position
    return Place(rank, member_id, points, datetime.fromisoformat(reached_at))
