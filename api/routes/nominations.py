"""Nominations: proposed by members, decided by approvers or administrators, and what became of them."""

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
from api.schemas.base import EXAMPLE_ID, NominationId, Page
from api.schemas.nominations import (
    ApprovalBody,
    DeclineBody,
    NominationBody,
    NominationDocument,
    NominationsQuery,
    NominationStoryDocument,
    WithdrawalBody,
    nomination_document,
    story_document,
)
from domain.nominations import Nomination, Refusal, Ruling
from domain.scopes import Scope
from storage import nomination_commands, nominations

router = APIRouter(route_class=Operation, tags=["nominations"])

MEMBER = f"mem_{EXAMPLE_ID}"
PROPOSED = tuple(
    code.value
    for code in Refusal
    if code not in (Refusal.NOT_PENDING, Refusal.NOT_NOMINATOR, Refusal.NOT_APPROVER, Refusal.ALREADY_DECIDED)
)
DECIDED = ("not_found", "nomination_not_pending", "not_approver", "already_decided", "invalid_nomination")


@router.get(
    "/v1/nominations",
    operation_id="list_nominations",
    summary="List nominations, newest first",
    **operation(Scope.NOMINATIONS_READ, {200: Page[NominationDocument]}, refusals=("invalid_cursor",)),
)
async def list_nominations(request: Request, query: Annotated[NominationsQuery, Query()]) -> Response:
    """Of a state, by or for a member, or those that wait for a member's decision."""
    program_id = caller(request).program_id
    asked = query.model_dump(exclude={"cursor", "limit"})

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Nomination]:
        below = before[0] if before else None
        return await nominations.list_page(session, program_id, **asked, before=below, limit=limit)

    of = ("nominations", *asked.values())
    return await pages.answer_page(request, query, of, page, lambda one: (one.id,), nomination_document)


@router.post(
    "/v1/nominations",
    operation_id="nominate",
    summary="Nominate a colleague",
    **operation(
        Scope.NOMINATIONS_WRITE,
        {201: NominationDocument},
        body=NominationBody,
        examples={
            "beyond": {
                "nominator_id": MEMBER,
                "nominee_id": f"mem_{EXAMPLE_ID[:-1]}3",
                "category": "above-and-beyond",
                "reason": "Kept the migration going all through the weekend.",
                "amount": 250,
            }
        },
        refusals=PROPOSED,
        takes_key=True,
    ),
)
async def nominate(request: Request) -> Response:
    """It waits for those who approve the category; nobody but them is told."""
    body = await bodies.read_json(request)
    said = bodies.parse(NominationBody, body).proposal()

    async def propose(session: AsyncSession) -> Nomination:
        return await nomination_commands.nominate(
            session, caller(request).program_id, said, now=backends(request).clock()
        )

    return await _once(request, body, propose, status=201)


@router.get(
    "/v1/nominations/{nomination_id:nom}",
    operation_id="get_nomination",
    summary="Read one nomination",
    **operation(Scope.NOMINATIONS_READ, {200: NominationStoryDocument}, refusals=("not_found",)),
)
async def get_nomination(request: Request, nomination_id: NominationId) -> Response:
    """With who was asked to decide, who stands in for whom, and what was decided."""
    async with backends(request).database.begin() as session:
        found = await nominations.get(session, caller(request).program_id, nomination_id)
        approvers = await nominations.list_approvers(session, found)
        decisions = await nominations.list_decisions(session, found)
    return answer(story_document(found, approvers, decisions))


@router.post(
    "/v1/nominations/{nomination_id:nom}/approve",
    operation_id="approve_nomination",
    summary="Approve a nomination",
    **operation(
        Scope.NOMINATIONS_DECIDE,
        {200: NominationDocument},
        body=ApprovalBody,
        examples={"less": {"member_id": MEMBER, "amount": 100}},
        refusals=(*DECIDED, "amount_above_maximum"),
        takes_key=True,
    ),
)
async def approve_nomination(request: Request, nomination_id: NominationId) -> Response:
    """For an approver, or as an administrator for the whole level; the last level's approval gives the award."""
    body = await bodies.read_json(request)
    return await _decide(request, nomination_id, body, bodies.parse(ApprovalBody, body).ruling(actor(request)))


@router.post(
    "/v1/nominations/{nomination_id:nom}/decline",
    operation_id="decline_nomination",
    summary="Decline a nomination",
    **operation(
        Scope.NOMINATIONS_DECIDE,
        {200: NominationDocument},
        body=DeclineBody,
        examples={"no": {"member_id": MEMBER, "comment": "This is what the team is for."}},
        refusals=DECIDED,
        takes_key=True,
    ),
)
async def decline_nomination(request: Request, nomination_id: NominationId) -> Response:
    """The nominator reads the comment; the nominee is told nothing."""
    body = await bodies.read_json(request)
    return await _decide(request, nomination_id, body, bodies.parse(DeclineBody, body).ruling(actor(request)))


@router.post(
    "/v1/nominations/{nomination_id:nom}/withdraw",
    operation_id="withdraw_nomination",
    summary="Withdraw a nomination",
    **operation(
        Scope.NOMINATIONS_WRITE,
        {200: NominationDocument},
        body=WithdrawalBody,
        examples={"a mistake": {"member_id": MEMBER}},
        refusals=("not_found", "nomination_not_pending", "not_nominator"),
        takes_key=True,
    ),
)
async def withdraw_nomination(request: Request, nomination_id: NominationId) -> Response:
    """While it waits; those who were asked are told that there is nothing to decide any more."""
    body = await bodies.read_json(request)
    who = bodies.parse(WithdrawalBody, body).member_id

    async def withdraw(session: AsyncSession) -> Nomination:
        return await nomination_commands.withdraw(
            session, caller(request).program_id, nomination_id, member_id=who, now=backends(request).clock()
        )

    return await _once(request, body, withdraw)


async def _decide(request: Request, nomination_id: str, body: bytes, said: Ruling) -> Response:
    async def decide(session: AsyncSession) -> Nomination:
        return await nomination_commands.decide(
            session, caller(request).program_id, nomination_id, said, now=backends(request).clock()
        )

    return await _once(request, body, decide)


async def _once(
    request: Request, body: bytes, command: Callable[[AsyncSession], Awaitable[Nomination]], *, status: int = 200
) -> Response:
    here = backends(request)

    async def done(session: AsyncSession) -> Answer:
        return Answer(status, nomination_document(await command(session)))

    told = await idempotency.once(request, body, here.database, here.clock(), done)
    return told
