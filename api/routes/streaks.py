"""Streaks: a member's as they stand or stood, and one explained period by period."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.schemas.base import Key, MemberId
from api.schemas.moments import Moment
from api.schemas.streaks import StreakExplanation, StreaksDocument, explanation_document, streak_document
from domain.scopes import Scope
from domain.time import NEVER
from storage import configurations, members, streaks

StreakType = Annotated[Key, Field(description="The key of its policy.", examples=["daily-learning"])]

router = APIRouter(route_class=Operation, tags=["streaks"])


@router.get(
    "/v1/members/{member_id:mem}/streaks",
    operation_id="list_streaks",
    summary="List a member's streaks",
    **operation(Scope.STREAKS_READ, {200: StreaksDocument}, refusals=("not_found",)),
)
async def list_streaks(request: Request, member_id: MemberId, query: Annotated[Moment, Query()]) -> Response:
    """As they stand; or, at a past moment, as what had happened and was known then gives them."""
    program_id, here = caller(request).program_id, backends(request)
    async with here.database.snapshot() as session:
        await members.get(session, program_id, member_id)
        policies = (await configurations.read_active(session, program_id)).streaks
        if query.at is None and query.known_at is None:
            found = dict(await streaks.list_of(session, program_id, member_id))
        else:
            times = {"as_of": query.past(here.clock()), "known_at": query.known_at or NEVER}
            found = await streaks.read_all_at(session, program_id, member_id, **times)
    shown = [streak_document(member_id, policies[key], found[key]) for key in sorted(found.keys() & policies.keys())]
    return answer({"streaks": shown})


@router.get(
    "/v1/members/{member_id:mem}/streaks/{streak_type}",
    operation_id="explain_streak",
    summary="Explain a member's streak",
    **operation(Scope.STREAKS_READ, {200: StreakExplanation}, refusals=("not_found",)),
)
async def explain_streak(
    request: Request, member_id: MemberId, streak_type: StreakType, query: Annotated[Moment, Query()]
) -> Response:
    """Each period with what became of it and by what: events, absence, holiday, grace, a freeze, or nothing."""
    program_id, here = caller(request).program_id, backends(request)
    times = {"as_of": query.past(here.clock()), "known_at": query.known_at or NEVER}
    async with here.database.snapshot() as session:
        await members.get(session, program_id, member_id)
        streak = await streaks.read_at(session, program_id, member_id, streak_type, **times)
        policy = (await configurations.read_active(session, program_id)).streaks[streak_type]
    return answer(explanation_document(member_id, policy, streak))
