"""Events: the HTTP door to intake, and what became of each of them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages, problems
from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.idempotency import REPLAYED, Answer
from api.operations import Operation, operation
from api.problems import Problem
from api.schemas.base import EventId, Page
from api.schemas.events import (
    FACT,
    BatchBody,
    BatchResult,
    EventBody,
    EventDocument,
    EventOutcome,
    EventQuery,
    RetractionBody,
    event_document,
    outcome_document,
)
from domain.events import Told
from domain.intake import PARKED
from domain.outcomes import CONFLICT, QUARANTINED, RECORDED, REJECTED, Outcome
from domain.scopes import Scope
from storage import dry_runs, events, explanations, intake
from storage.dry_runs import DryRun
from storage.events import RecordedEvent
from storage.explanations import Explanation
from storage.failures import retry

router = APIRouter(route_class=Operation, tags=["events"])

REFUSED = (CONFLICT, REJECTED, QUARANTINED)
REFUSALS = ("unknown_event_type", "invalid_event_data", "occurred_in_future", "event_conflict", "event_quarantined")

EXAMPLE = {
    "source": "lms",
    "external_id": "course-204/ada",
    "type": "course_completed",
    "member": {"source": "email", "external_id": "ada@example.com"},
    "occurred_at": "2026-11-20T10:00:00Z",
    "data": {"course": "Fire safety", "score": 96},
}
RETRACTION_EXAMPLE = {
    "source": "crm",
    "external_id": "deal-77/reopened-2026-11-21",
    "type": "deal_won",
    "member": {"source": "crm", "external_id": "owner-12"},
    "occurred_at": "2026-11-21T08:30:00Z",
    "retracts": "deal-77/won-2026-11-19",
}


@router.post(
    "/v1/events",
    operation_id="record_event",
    summary="Record one event",
    **operation(
        Scope.EVENTS_WRITE,
        {201: EventOutcome, 200: EventOutcome | DryRun, 202: EventOutcome},
        body=(EventBody, RetractionBody),
        examples={"event": EXAMPLE, "retraction": RETRACTION_EXAMPLE},
        refusals=REFUSALS,
        takes_key=True,
        takes_dry_run=True,
    ),
)
async def record_event(request: Request) -> Response:
    """Answered once it is committed: 201 if it is new, 200 if it was known or amended, 202 if its member is unknown.

    With `dry_run=true` nothing is kept, and the answer is 200 with the whole decision, or the refusal.
    """
    dry = bool(request.scope["query_string"]) and _is_dry(request)
    body = await bodies.read_json(request)
    fact = bodies.parse_with(FACT, body)
    if dry:
        return await _try_out(request, Told(fact.event(), fact.policy))
    program_id, key = caller(request).program_id, idempotency.key_of(request, body)
    recorded = await backends(request).writer.record(program_id, fact.event(), fact.policy, key)
    headers = REPLAYED if recorded.replayed else None
    outcome = recorded.outcome
    if outcome.event_id is not None:
        structlog.contextvars.bind_contextvars(event_id=outcome.event_id)
    if outcome.status in REFUSED:
        return problems.answer(_problem(outcome, headers), request.scope["path"])
    return answer(outcome_document(outcome), _status(outcome), headers)


@router.post(
    "/v1/events/batch",
    operation_id="record_events",
    summary="Record up to 500 events",
    **operation(
        Scope.EVENTS_WRITE,
        {207: BatchResult},
        body=BatchBody,
        examples={"two": {"events": [EXAMPLE, RETRACTION_EXAMPLE]}},
        takes_key=True,
    ),
)
async def record_events(request: Request) -> Response:
    """Decided in the given order, in one transaction; each item has a result of its own."""
    body = await bodies.read_json(request, bodies.BATCH_BYTES)
    facts = bodies.parse(BatchBody, body).events
    program_id, here = caller(request).program_id, backends(request)

    async def record(session: AsyncSession) -> Answer:
        told = [Told(fact.event(), fact.policy) for fact in facts]
        outcomes = await intake.record_all(session, program_id, told, as_of=here.clock())
        structlog.contextvars.bind_contextvars(event_ids=[outcome.event_id for outcome in outcomes])
        return Answer(207, {"results": [_item(index, outcome) for index, outcome in enumerate(outcomes)]})

    return await idempotency.once(request, body, here.database, here.clock(), record)


@router.get(
    "/v1/events",
    operation_id="list_events",
    summary="List events, newest first",
    **operation(Scope.EVENTS_READ, {200: Page[EventDocument]}, refusals=("invalid_cursor",)),
)
async def list_events(request: Request, query: Annotated[EventQuery, Query()]) -> Response:
    """Filter by state to find what is parked (its member is unknown) or quarantined (it could not be decided)."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[RecordedEvent]:
        return await events.list_page(
            session,
            program_id,
            state=query.state,
            member_id=query.member_id,
            before=before[0] if before else None,
            limit=limit,
        )

    of = ("events", query.state, query.member_id)
    return await pages.answer_page(request, query, of, page, lambda event: (event.id,), event_document)


@router.get(
    "/v1/events/{event_id:evt}",
    operation_id="get_event",
    summary="Read one event",
    **operation(Scope.EVENTS_READ, {200: EventDocument}, refusals=("not_found",)),
)
async def get_event(request: Request, event_id: EventId) -> Response:
    """The event as it stands, with the points that it earns."""
    async with backends(request).database.begin() as session:
        event = await events.find(session, caller(request).program_id, event_id)
    if event is None:
        raise Problem("not_found", f"no event {event_id}")
    return answer(event_document(event))


@router.get(
    "/v1/events/{event_id:evt}/explanation",
    operation_id="explain_event",
    summary="Explain what an event earned, and why not more",
    **operation(Scope.EVENTS_READ, {200: Explanation}, refusals=("not_found",)),
)
async def explain_event(request: Request, event_id: EventId) -> Response:
    """Every rule with its arithmetic or the condition that failed, caps that bit, and what came of it.

    The recorded decision is run again on its recorded inputs; one that comes out differently is shown as such.
    """
    async with backends(request).database.begin() as session:
        explanation = await explanations.get(session, caller(request).program_id, event_id)
    return answer(explanation)


@router.post(
    "/v1/events/{event_id:evt}/retry",
    operation_id="retry_event",
    summary="Decide a quarantined event again",
    **operation(
        Scope.EVENTS_WRITE,
        {200: EventOutcome},
        refusals=("not_found", "not_quarantined", "event_quarantined"),
        takes_key=True,
    ),
)
async def retry_event(request: Request, event_id: EventId) -> Response:
    """For when the cause is gone; an event that fails again stays quarantined."""
    program_id, here = caller(request).program_id, backends(request)

    async def decide_again(session: AsyncSession) -> Answer:
        if await events.find(session, program_id, event_id) is None:
            raise Problem("not_found", f"no event {event_id}")
        outcomes = await intake.retry_quarantined(session, program_id, [event_id], as_of=here.clock())
        if not outcomes:
            raise Problem("not_quarantined", f"{event_id} is not quarantined")
        if outcomes[0].status in REFUSED:
            raise _problem(outcomes[0])
        return Answer(200, outcome_document(outcomes[0]))

    done = await idempotency.once(request, b"", here.database, here.clock(), decide_again)
    return done


def _is_dry(request: Request) -> bool:
    given = request.query_params.get("dry_run", "false")
    if given not in ("true", "false"):
        faults = [{"parameter": "dry_run", "detail": "must be true or false"}]
        raise Problem("invalid_request", "faults in the parameters", errors=faults)
    return given == "true"


async def _try_out(request: Request, told: Told) -> Response:
    program_id, here = caller(request).program_id, backends(request)
    structlog.contextvars.bind_contextvars(dry_run=True)

    async def attempt() -> DryRun | Outcome:
        async with here.database.rehearse() as session:
            return await dry_runs.try_out(session, program_id, told, as_of=here.clock())

    tried = await retry(attempt)
    if isinstance(tried, Outcome):
        raise _problem(tried)
    return answer(tried)


def _status(outcome: Outcome) -> int:
    if outcome.status == RECORDED:
        return 202 if outcome.state == PARKED else 201
    return 200


def _problem(outcome: Outcome, headers: Mapping[str, str] | None = None) -> Problem:
    more = {"event_id": outcome.event_id} if outcome.event_id else None
    return Problem(outcome.code or "internal_error", outcome.detail or "", headers=headers, more=more)


def _item(index: int, outcome: Outcome) -> dict[str, Any]:
    if outcome.status in REFUSED:
        problem = _problem(outcome)
        return {"index": index, "status": problem.kind.status, "problem": problem.as_json()}
    return {"index": index, "status": _status(outcome), "event": outcome_document(outcome)}
