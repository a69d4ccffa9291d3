"""Previews: what a challenge would have paid, before anybody launches it."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api import bodies
from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.routes.challenges import TEXT
from api.schemas.base import Strict
from api.schemas.challenges import ChallengeText, invalid_challenge
from domain.previews import Preview
from domain.scopes import Scope
from storage import challenge_commands, previews
from storage.challenge_commands import InvalidChallenge

router = APIRouter(route_class=Operation, tags=["challenges"])


class PreviewBody(Strict):
    """A challenge, as a draft has it, and over how many of the last days it is put."""

    challenge: ChallengeText
    days: Literal[30, 90] = Field(30, description="How far back.")


@router.post(
    "/v1/challenges/preview",
    operation_id="preview_challenge",
    summary="See what a challenge would have paid",
    **operation(
        Scope.CHALLENGES_PREVIEW,
        {200: Preview},
        body=PreviewBody,
        examples={"a sprint": {"challenge": TEXT, "days": 90}},
        refusals=("invalid_challenge", "preview_too_large"),
    ),
)
async def preview_challenge(request: Request) -> Response:
    """What it would have paid over the last 30 or 90 days, to how many people, and the most that it can cost.

    Its own window is of no account. What happened then is decided again with the challenge on top of what was live;
    places are given by arrival, the goal and final ranks are paid as at its settlement. Nothing is kept.
    """
    wanted = bodies.parse(PreviewBody, await bodies.read_json(request))
    program_id, here = caller(request).program_id, backends(request)
    try:
        async with here.database.begin() as session:
            challenge = await challenge_commands.check(session, program_id, wanted.challenge.said())
    except InvalidChallenge as invalid:
        raise invalid_challenge(invalid.faults) from None

    async def look_back() -> Response:
        async with here.database.snapshot() as session:
            found = await previews.of_challenge(session, program_id, challenge, days=wanted.days, as_of=here.clock())
        return answer(found)

    return await here.long_answers.answer(look_back)
