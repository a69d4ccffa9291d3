"""Adjustments: corrections by hand; above the unit's threshold one proposes and another decides."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages
from api.answers import answer
from api.auth import actor, caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.problems import Problem
from api.routes.ledger import MEMBER, OF_MEMBER
from api.schemas.base import AdjustmentId, Page
from api.schemas.ledger import (
    AdjustmentBody,
    AdjustmentDocument,
    AdjustmentQuery,
    adjustment_document,
    command_problem,
    command_status,
    posted_document,
)
from domain.commands import Adjust, Refused
from domain.scopes import Scope
from storage import adjustments
from storage.adjustments import Adjustment

router = APIRouter(route_class=Operation, tags=["ledger"])

DECIDED = ("not_found", "adjustment_not_open", "needs_second_person")
EXAMPLE = {"reference": "hr-4711", "member_id": MEMBER, "amount": 120, "reason": "The award of March was forgotten"}


@router.post(
    "/v1/adjustments",
    operation_id="adjust",
    summary="Correct a member's balance, or propose it",
    **operation(
        Scope.ADJUSTMENTS_WRITE,
        {201: AdjustmentDocument, 200: AdjustmentDocument, 202: AdjustmentDocument},
        body=AdjustmentBody,
        examples={"correction": EXAMPLE},
        refusals=(*OF_MEMBER, "insufficient_points", "expires_in_past"),
        takes_key=True,
    ),
)
async def adjust(request: Request) -> Response:
    """201 if it is posted, 202 if it is above the unit's threshold: then another key approves or rejects it."""
    body = await bodies.read_json(request)
    command, here = bodies.parse(AdjustmentBody, body).command(actor(request)), backends(request)
    assert isinstance(command, Adjust)

    async def order(session: AsyncSession) -> Answer | Problem:
        found = await adjustments.order(session, caller(request).program_id, command, as_of=here.clock())
        if isinstance(found, Refused):
            return command_problem(found)
        if isinstance(found, Adjustment):
            return Answer(202 if found.state == "proposed" else 200, adjustment_document(found))
        return Answer(command_status(found), posted_document(command, found))

    done = await idempotency.once(request, body, here.database, here.clock(), order)
    return done


@router.get(
    "/v1/adjustments",
    operation_id="list_adjustments",
    summary="List adjustments that take a second person, newest first",
    **operation(Scope.LEDGER_READ, {200: Page[AdjustmentDocument]}, refusals=("invalid_cursor",)),
)
async def list_adjustments(request: Request, query: Annotated[AdjustmentQuery, Query()]) -> Response:
    """Those that wait for a decision, if no other state is asked for."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Adjustment]:
        below = before[0] if before else None
        return await adjustments.list_page(session, program_id, state=query.state, before=below, limit=limit)

    of = ("adjustments", query.state)
    return await pages.answer_page(request, query, of, page, lambda one: (one.id,), adjustment_document)


@router.get(
    "/v1/adjustments/{adjustment_id:adj}",
    operation_id="get_adjustment",
    summary="Read one adjustment that takes a second person",
    **operation(Scope.LEDGER_READ, {200: AdjustmentDocument}, refusals=("not_found",)),
)
async def get_adjustment(request: Request, adjustment_id: AdjustmentId) -> Response:
    """Who proposed it, and what became of it."""
    async with backends(request).database.begin() as session:
        found = await adjustments.find(session, caller(request).program_id, adjustment_id)
    if found is None:
        raise Problem("not_found", f"no adjustment {adjustment_id}")
    return answer(adjustment_document(found))


@router.post(
    "/v1/adjustments/{adjustment_id:adj}/approve",
    operation_id="approve_adjustment",
    summary="Approve an adjustment",
    **operation(
        Scope.ADJUSTMENTS_APPROVE,
        {200: AdjustmentDocument},
        refusals=(*OF_MEMBER, *DECIDED, "insufficient_points", "expires_in_past"),
        takes_key=True,
    ),
)
async def approve_adjustment(request: Request, adjustment_id: AdjustmentId) -> Response:
    """Posted at once, by another key than the one that proposed it."""
    return await _decide(request, adjustment_id, adjustments.approve)


@router.post(
    "/v1/adjustments/{adjustment_id:adj}/reject",
    operation_id="reject_adjustment",
    summary="Reject an adjustment",
    **operation(Scope.ADJUSTMENTS_APPROVE, {200: AdjustmentDocument}, refusals=DECIDED, takes_key=True),
)
async def reject_adjustment(request: Request, adjustment_id: AdjustmentId) -> Response:
    """Nothing is posted; its reference stays taken."""
    return await _decide(request, adjustment_id, adjustments.reject)


async def _decide(request: Request, adjustment_id: str, by: Callable[..., Awaitable[Adjustment | Refused]]) -> Response:
    here = backends(request)

    async def decide(session: AsyncSession) -> Answer | Problem:
        program_id, person = caller(request).program_id, actor(request)
        found = await by(session, program_id, adjustment_id, actor=person, as_of=here.clock())
        return command_problem(found) if isinstance(found, Refused) else Answer(200, adjustment_document(found))

    done = await idempotency.once(request, b"", here.database, here.clock(), decide)
    return done
