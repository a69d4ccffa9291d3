"""Configurations: their history, proposals that wait for a second person, and the way back."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import idempotency, pages
from api.answers import answer
from api.auth import actor, caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.schemas.base import Page, ProposalId
from api.schemas.configurations import (
    ConfigurationDocument,
    HistoryQuery,
    ProposalDocument,
    ProposalsQuery,
    RollbackDocument,
    SnapshotNumber,
    configuration_document,
    proposal_document,
    rollback_document,
)
from domain.proposals import Proposal
from domain.scopes import Scope
from storage import configurations, proposals, publishing
from storage.configurations import Snapshot

router = APIRouter(route_class=Operation, tags=["program"])

OF_DEFINITIONS = ("not_found", "configuration_misfits", "challenge_key_taken", "illegal_transition")


@router.get(
    "/v1/configurations",
    operation_id="list_configurations",
    summary="List configurations, newest first",
    **operation(Scope.CONFIGURATIONS_READ, {200: Page[ConfigurationDocument]}, refusals=("invalid_cursor",)),
)
async def list_configurations(request: Request, query: Annotated[HistoryQuery, Query()]) -> Response:
    """Who changed what, and when."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Snapshot]:
        below = before[0] if before else None
        return await configurations.list_page(session, program_id, before=below, limit=limit)

    return await pages.answer_page(
        request, query, ("configurations",), page, lambda one: (one.number,), configuration_document
    )


@router.get(
    "/v1/configurations/proposals",
    operation_id="list_proposals",
    summary="List proposals, newest first",
    **operation(Scope.CONFIGURATIONS_READ, {200: Page[ProposalDocument]}, refusals=("invalid_cursor",)),
)
async def list_proposals(request: Request, query: Annotated[ProposalsQuery, Query()]) -> Response:
    """Those of one state, or all."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Proposal]:
        below = before[0] if before else None
        return await proposals.list_page(session, program_id, state=query.state, before=below, limit=limit)

    of = ("proposals", query.state)
    return await pages.answer_page(request, query, of, page, lambda one: (one.id,), proposal_document)


@router.get(
    "/v1/configurations/proposals/{proposal_id:prp}",
    operation_id="get_proposal",
    summary="Read one proposal",
    **operation(Scope.CONFIGURATIONS_READ, {200: ProposalDocument}, refusals=("not_found",)),
)
async def get_proposal(request: Request, proposal_id: ProposalId) -> Response:
    """What it changes, and what became of it."""
    async with backends(request).database.begin() as session:
        found = await proposals.get(session, caller(request).program_id, proposal_id)
    return answer(proposal_document(found))


@router.post(
    "/v1/configurations/proposals/{proposal_id:prp}/publish",
    operation_id="publish_proposal",
    summary="Publish a proposal",
    **operation(
        Scope.CONFIGURATIONS_PUBLISH,
        {200: ProposalDocument},
        refusals=(*OF_DEFINITIONS, "needs_second_person"),
        takes_key=True,
    ),
)
async def publish_proposal(request: Request, proposal_id: ProposalId) -> Response:
    """Active at once, by somebody else than who proposed it."""
    return await _decide(request, proposal_id, publishing.publish)


@router.post(
    "/v1/configurations/proposals/{proposal_id:prp}/withdraw",
    operation_id="withdraw_proposal",
    summary="Withdraw a proposal",
    **operation(
        Scope.CONFIGURATIONS_PUBLISH,
        {200: ProposalDocument},
        refusals=("not_found", "illegal_transition"),
        takes_key=True,
    ),
)
async def withdraw_proposal(request: Request, proposal_id: ProposalId) -> Response:
    """It is not published any more, whoever proposed it."""
    return await _decide(request, proposal_id, publishing.withdraw)


@router.post(
    "/v1/configurations/{number:snapshot}/rollback",
    operation_id="roll_back_configuration",
    summary="Go back to an earlier configuration",
    **operation(
        Scope.CONFIGURATIONS_PUBLISH,
        {200: RollbackDocument, 202: RollbackDocument},
        refusals=OF_DEFINITIONS,
        takes_key=True,
    ),
)
async def roll_back_configuration(request: Request, number: SnapshotNumber) -> Response:
    """200 if its definitions are active again, as a new one; 202 if they are proposed to a second person."""
    here = backends(request)

    async def roll_back(session: AsyncSession) -> Answer:
        program_id, who = caller(request).program_id, actor(request)
        made = await publishing.roll_back(session, program_id, number, actor=who, at=here.clock())
        return Answer(202 if isinstance(made, Proposal) else 200, rollback_document(made))

    done = await idempotency.once(request, b"", here.database, here.clock(), roll_back)
    return done


async def _decide(request: Request, proposal_id: str, by: Callable[..., Awaitable[Proposal]]) -> Response:
    here = backends(request)

    async def decide(session: AsyncSession) -> Answer:
        program_id, who = caller(request).program_id, actor(request)
        decided = await by(session, program_id, proposal_id, actor=who, at=here.clock())
        return Answer(200, proposal_document(decided))

    done = await idempotency.once(request, b"", here.database, here.clock(), decide)
    return done
