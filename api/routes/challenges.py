"""Challenges: drafts, what is done with them, who has completed them, and who stands where."""

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
from api.schemas.base import ChallengeId, Page, PageQuery
from api.schemas.challenges import (
    CancellationOfChallengeBody,
    ChallengeBody,
    ChallengeDocument,
    ChallengesQuery,
    ChallengeText,
    ClaimDocument,
    ExtensionBody,
    LaunchBody,
    LaunchDocument,
    StandingsDocument,
    StandingsQuery,
    challenge_document,
    claim_document,
    invalid_challenge,
    launch_document,
    standing_document,
)
from domain.challenges import Claim
from domain.scopes import Scope
from storage import challenge_commands, challenges
from storage.challenge_commands import InvalidChallenge
from storage.challenges import StoredChallenge

router = APIRouter(route_class=Operation, tags=["challenges"])

OF_STATE = ("not_found", "illegal_transition")
TEXT = {
    "title": "The sprint of the quarter",
    "event_types": ["deal.won"],
    "bonus": "50",
    "first": 20,
    "starts_at": "2027-01-11T09:00:00+01:00",
    "ends_at": "2027-01-15T18:00:00+01:00",
}


@router.get(
    "/v1/challenges",
    operation_id="list_challenges",
    summary="List challenges, newest first",
    **operation(Scope.CHALLENGES_READ, {200: Page[ChallengeDocument]}, refusals=("invalid_cursor",)),
)
async def list_challenges(request: Request, query: Annotated[ChallengesQuery, Query()]) -> Response:
    """Drafts, those that run, and those that have ended."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[StoredChallenge]:
        below = before[0] if before else None
        return await challenges.list_page(session, program_id, state=query.state, before=below, limit=limit)

    of = ("challenges", query.state)
    return await pages.answer_page(request, query, of, page, lambda one: (one.id,), challenge_document)


@router.post(
    "/v1/challenges",
    operation_id="create_challenge",
    summary="Write a draft of a challenge",
    **operation(
        Scope.CHALLENGES_WRITE,
        {201: ChallengeDocument},
        body=ChallengeBody,
        examples={"sprint": {"key": "sprint-2027-q1", **TEXT}},
        refusals=("invalid_challenge", "challenge_key_taken"),
        takes_key=True,
    ),
)
async def create_challenge(request: Request) -> Response:
    """Nothing counts before it is launched."""
    body = await bodies.read_json(request)
    said = bodies.parse(ChallengeBody, body)

    async def create(session: AsyncSession) -> Answer:
        program_id, here = caller(request).program_id, backends(request)
        made = await challenge_commands.create(
            session, program_id, said.key, said.said(), actor=actor(request), now=here.clock()
        )
        return Answer(201, challenge_document(made))

    return await _once(request, body, create)


@router.get(
    "/v1/challenges/{challenge_id:chl}",
    operation_id="get_challenge",
    summary="Read one challenge",
    **operation(Scope.CHALLENGES_READ, {200: ChallengeDocument}, refusals=("not_found",)),
)
async def get_challenge(request: Request, challenge_id: ChallengeId) -> Response:
    """What it is, and where it stands."""
    async with backends(request).database.begin() as session:
        found = await challenges.get(session, caller(request).program_id, challenge_id)
    return answer(challenge_document(found))


@router.put(
    "/v1/challenges/{challenge_id:chl}",
    operation_id="rewrite_challenge",
    summary="Write the draft of a challenge anew",
    **operation(
        Scope.CHALLENGES_WRITE,
        {200: ChallengeDocument},
        body=ChallengeText,
        examples={"sprint": TEXT},
        refusals=(*OF_STATE, "invalid_challenge"),
        takes_key=True,
    ),
)
async def rewrite_challenge(request: Request, challenge_id: ChallengeId) -> Response:
    """Only a draft is rewritten; what is left out takes its default."""
    body = await bodies.read_json(request)
    said, here = bodies.parse(ChallengeText, body), backends(request)

    async def rewrite(session: AsyncSession) -> Answer:
        program_id = caller(request).program_id
        draft = await challenge_commands.rewrite(
            session, program_id, challenge_id, said.said(), actor=actor(request), now=here.clock()
        )
        return Answer(200, challenge_document(draft))

    return await _once(request, body, rewrite)


@router.post(
    "/v1/challenges/{challenge_id:chl}/launch",
    operation_id="launch_challenge",
    summary="Launch a challenge",
    **operation(
        Scope.CHALLENGES_WRITE,
        {200: LaunchDocument},
        body=LaunchBody,
        examples={"as it was read": {"fingerprint": "9f86d081884c7d65" * 4}},
        refusals=(*OF_STATE, "draft_changed", "invalid_challenge", "challenge_key_taken", "needs_second_person"),
        takes_key=True,
    ),
)
async def launch_challenge(request: Request, challenge_id: ChallengeId) -> Response:
    """From now on what occurs between its start and its end counts."""
    body = await bodies.read_json(request)
    seen, here = bodies.parse(LaunchBody, body).fingerprint, backends(request)

    async def launch(session: AsyncSession) -> Answer:
        program_id, who = caller(request).program_id, actor(request)
        launched = await challenge_commands.launch(
            session, program_id, challenge_id, seen=seen, actor=who, now=here.clock()
        )
        return Answer(200, launch_document(launched))

    return await _once(request, body, launch)


@router.post(
    "/v1/challenges/{challenge_id:chl}/extend",
    operation_id="extend_challenge",
    summary="Let a challenge end later",
    **operation(
        Scope.CHALLENGES_WRITE,
        {200: ChallengeDocument},
        body=ExtensionBody,
        examples={"a weekend": {"ends_at": "2027-01-17T18:00:00+01:00"}},
        refusals=(*OF_STATE, "invalid_challenge"),
        takes_key=True,
    ),
)
async def extend_challenge(request: Request, challenge_id: ChallengeId) -> Response:
    """While it is scheduled or open."""
    body = await bodies.read_json(request)
    wanted, here = bodies.parse(ExtensionBody, body), backends(request)

    async def extend(session: AsyncSession) -> Answer:
        program_id, who = caller(request).program_id, actor(request)
        extended = await challenge_commands.extend(
            session, program_id, challenge_id, wanted.ends_at, actor=who, now=here.clock()
        )
        return Answer(200, challenge_document(extended))

    return await _once(request, body, extend)


@router.post(
    "/v1/challenges/{challenge_id:chl}/cancel",
    operation_id="cancel_challenge",
    summary="Cancel a challenge",
    **operation(
        Scope.CHALLENGES_WRITE,
        {200: ChallengeDocument},
        body=CancellationOfChallengeBody,
        examples={"a mistake": {"reason": "The bonus was meant to be 5."}},
        refusals=OF_STATE,
        takes_key=True,
    ),
)
async def cancel_challenge(request: Request, challenge_id: ChallengeId) -> Response:
    """Nothing counts for it any more; what it has paid stays."""
    body = await bodies.read_json(request)
    wanted, here = bodies.parse(CancellationOfChallengeBody, body), backends(request)

    async def cancel(session: AsyncSession) -> Answer:
        program_id, who = caller(request).program_id, actor(request)
        cancelled = await challenge_commands.cancel(
            session, program_id, challenge_id, reason=wanted.reason, actor=who, now=here.clock()
        )
        return Answer(200, challenge_document(cancelled))

    return await _once(request, body, cancel)


@router.get(
    "/v1/challenges/{challenge_id:chl}/standings",
    operation_id="list_challenge_standings",
    summary="List where members or teams stand",
    **operation(Scope.CHALLENGES_READ, {200: StandingsDocument}, refusals=("not_found", "invalid_cursor")),
)
async def list_standings(
    request: Request, challenge_id: ChallengeId, query: Annotated[StandingsQuery, Query()]
) -> Response:
    """As they are now; final once the challenge is settled."""
    here, program_id = backends(request), caller(request).program_id
    of = ("challenge standings", challenge_id, query.scope)
    after = here.cursors.read(program_id, of, query.cursor)[0] if query.cursor else 0
    async with here.database.begin() as session:
        stored = await challenges.get(session, program_id, challenge_id)
        found = await challenges.list_standings(session, stored, query.scope, after=after, limit=query.limit + 1)
    shown = found[: query.limit]
    page: dict[str, Any] = {
        "items": [standing_document(stored, query.scope, one) for one in shown],
        "final": stored.settled_at is not None,
    }
    if len(found) > len(shown):
        page["next_cursor"] = here.cursors.write(program_id, of, (shown[-1].rank,))
    return answer(page)


@router.get(
    "/v1/challenges/{challenge_id:chl}/claims",
    operation_id="list_challenge_claims",
    summary="List completions in the order in which they came",
    **operation(Scope.CHALLENGES_READ, {200: Page[ClaimDocument]}, refusals=("not_found", "invalid_cursor")),
)
async def list_claims(request: Request, challenge_id: ChallengeId, query: Annotated[PageQuery, Query()]) -> Response:
    """Who was the twentieth, and who the twenty-first."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, after: Sequence[Any] | None, limit: int) -> Sequence[tuple[int, Claim]]:
        stored = await challenges.get(session, program_id, challenge_id)
        behind = after[0] if after else 0
        found = await challenges.list_claims(session, program_id, stored.key, after=behind, limit=limit)
        return list(enumerate(found, behind + 1))

    of = ("challenge claims", challenge_id)
    return await pages.answer_page(request, query, of, page, lambda one: (one[0],), lambda one: claim_document(one[1]))


async def _once(request: Request, body: bytes, command: Callable[[AsyncSession], Awaitable[Answer]]) -> Response:
    here = backends(request)

    async def told(session: AsyncSession) -> Answer | Problem:
        try:
            return await command(session)
        except InvalidChallenge as invalid:
            raise invalid_challenge(invalid.faults) from None

    done = await idempotency.once(request, body, here.database, here.clock(), told)
    return done
