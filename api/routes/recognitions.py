"""Recognitions: members thank each other, and what was given is listed and taken back."""

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
from api.schemas.base import EXAMPLE_ID, Page, RecognitionId
from api.schemas.recognitions import (
    GivenDocument,
    GivingBody,
    RecognitionDocument,
    RecognitionQuery,
    recognition_document,
)
from domain.commands import Refused
from domain.recognitions import Recognition
from domain.scopes import Scope
from storage import recognitions

router = APIRouter(route_class=Operation, tags=["recognitions"])

EXAMPLE = {
    "key": "kiosk-4711",
    "giver_id": f"mem_{EXAMPLE_ID}",
    "receiver_ids": [f"mem_{EXAMPLE_ID[:-1]}3"],
    "amount": 10,
    "value": "Care",
    "reason": "You stayed late to help the new colleague.",
}


@router.get(
    "/v1/recognitions",
    operation_id="list_recognitions",
    summary="List recognitions, newest first",
    **operation(Scope.RECOGNITIONS_READ, {200: Page[RecognitionDocument]}, refusals=("invalid_cursor",)),
)
async def list_recognitions(request: Request, query: Annotated[RecognitionQuery, Query()]) -> Response:
    """Everybody's, what one member gave or received, or with `public` what stands and colleagues may see."""
    program_id = caller(request).program_id
    giver_id, receiver_id, public = of = query.giver_id, query.receiver_id, query.public

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Recognition]:
        below = before[0] if before else None
        whose = {"giver_id": giver_id, "receiver_id": receiver_id}
        return await recognitions.list_page(session, program_id, **whose, public=public, before=below, limit=limit)

    return await pages.answer_page(
        request, query, ("recognitions", *of), page, lambda one: (one.id,), recognition_document
    )


@router.post(
    "/v1/recognitions",
    operation_id="give_recognition",
    summary="Thank colleagues",
    **operation(
        Scope.RECOGNITIONS_WRITE,
        {200: GivenDocument, 201: GivenDocument},
        body=GivingBody,
        examples={"care": EXAMPLE},
        refusals=(
            "member_not_found",
            "member_inactive",
            "duplicate_request",
            "recognition_not_configured",
            "allowance_short",
            "pair_limit_reached",
            "self_recognition",
            "too_many_receivers",
            "reason_too_short",
            "value_not_declared",
        ),
        takes_key=True,
    ),
)
async def give_recognition(request: Request) -> Response:
    """All receivers or none. 201 if it was given now, 200 if the key had given it before."""
    body = await bodies.read_json(request)
    giving, here = bodies.parse(GivingBody, body).giving(actor(request)), backends(request)

    async def give(session: AsyncSession) -> Answer | Problem:
        given = await recognitions.give(session, caller(request).program_id, giving, as_of=here.clock())
        if isinstance(given, Refused):
            return Problem(given.code, given.detail)
        found = [recognition_document(one) for one in given.recognitions]
        return Answer(201 if given.is_new else 200, {"recognitions": found})

    return await idempotency.once(request, body, here.database, here.clock(), give)


@router.post(
    "/v1/recognitions/{recognition_id:rcg}/withdraw",
    operation_id="withdraw_recognition",
    summary="Take a recognition back",
    **operation(Scope.RECOGNITIONS_WRITE, {200: RecognitionDocument}, refusals=("not_found",), takes_key=True),
)
async def withdraw_recognition(request: Request, recognition_id: RecognitionId) -> Response:
    """The receiver loses what it earned, the giver's allowance returns while its period is open. Done once."""
    here = backends(request)

    async def withdraw(session: AsyncSession) -> Answer:
        program_id, person = caller(request).program_id, actor(request)
        found = await recognitions.withdraw_one(session, program_id, recognition_id, actor=person, as_of=here.clock())
        return Answer(200, recognition_document(found))

    return await idempotency.once(request, b"", here.database, here.clock(), withdraw)
