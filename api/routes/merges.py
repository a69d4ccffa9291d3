"""Merges: two members who are one person, and two again."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages
from api.auth import actor, caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.problems import Problem
from api.schemas.base import EXAMPLE_ID, MemberId, MergeId, Page
from api.schemas.merges import MergeBody, MergeDocument, MergeQuery, UndoingBody, merge_document
from domain.commands import Refused
from domain.merges import Merge
from domain.scopes import Scope
from storage import merges

router = APIRouter(route_class=Operation, tags=["members"])

EXAMPLE = {"into_member_id": f"mem_{EXAMPLE_ID}", "reason": "Hired twice: the same person"}


@router.get(
    "/v1/merges",
    operation_id="list_merges",
    summary="List merges, newest first",
    **operation(Scope.MEMBERS_READ, {200: Page[MergeDocument]}, refusals=("invalid_cursor",)),
)
async def list_merges(request: Request, query: Annotated[MergeQuery, Query()]) -> Response:
    """And what undid them; everybody's, or those of one member."""
    program_id, member_id = caller(request).program_id, query.member_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Merge]:
        below = before[0] if before else None
        return await merges.list_page(session, program_id, member_id=member_id, before=below, limit=limit)

    return await pages.answer_page(request, query, ("merges", member_id), page, lambda one: (one.id,), merge_document)


@router.post(
    "/v1/members/{member_id:mem}/merge",
    operation_id="merge_member",
    summary="Merge a member into another",
    **operation(
        Scope.MEMBERS_MERGE,
        {200: MergeDocument},
        body=MergeBody,
        examples={"twin": EXAMPLE},
        refusals=("not_found", "self_merge", "already_merged", "account_closed"),
        takes_key=True,
    ),
)
async def merge_member(request: Request, member_id: MemberId) -> Response:
    """Names, value, counters and crossings become the other's, whom commands and events naming it mean. Done once."""
    body = await bodies.read_json(request)
    wanted, here = bodies.parse(MergeBody, body), backends(request)

    async def merge(session: AsyncSession) -> Answer | Problem:
        merged = await merges.merge(
            session,
            caller(request).program_id,
            source=member_id,
            destination=wanted.into_member_id,
            actor=actor(request),
            reason=wanted.reason,
            as_of=here.clock(),
        )
        return _answer(merged)

    done = await idempotency.once(request, body, here.database, here.clock(), merge)
    return done


@router.post(
    "/v1/merges/{merge_id:mrg}/undo",
    operation_id="undo_merge",
    summary="Undo a merge",
    **operation(
        Scope.MEMBERS_MERGE,
        {200: MergeDocument},
        body=UndoingBody,
        examples={"two": {"reason": "Namesakes"}},
        refusals=("not_found", "not_merged"),
        takes_key=True,
    ),
)
async def undo_merge(request: Request, merge_id: MergeId) -> Response:
    """The alias is a member again, with its names and with what was moved and is still there."""
    body = await bodies.read_json(request)
    reason, here = bodies.parse(UndoingBody, body).reason, backends(request)

    async def undo(session: AsyncSession) -> Answer | Problem:
        program_id, person = caller(request).program_id, actor(request)
        undone = await merges.undo(session, program_id, merge_id, actor=person, reason=reason, as_of=here.clock())
        return _answer(undone)

    done = await idempotency.once(request, body, here.database, here.clock(), undo)
    return done


def _answer(found: Merge | Refused) -> Answer | Problem:
    return Problem(found.code, found.detail) if isinstance(found, Refused) else Answer(200, merge_document(found))
