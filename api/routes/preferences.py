"""Preferences: what a member wants to be told, and when."""

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency
from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.schemas.base import MemberId
from api.schemas.preferences import PreferencesBody, PreferencesDocument, preferences_document
from domain.notifications import policy_of
from domain.scopes import Scope
from storage import configurations, members, preferences

router = APIRouter(route_class=Operation, tags=["notifications"])

EXAMPLE = {
    "opted_out": ["challenges"],
    "quiet_hours": {"since": "18:00", "until": "09:30"},
    "quiet_days": ["sat", "sun"],
    "daily_limit": 3,
}


@router.get(
    "/v1/members/{member_id:mem}/preferences",
    operation_id="get_preferences",
    summary="Read what a member wants to be told",
    **operation(Scope.NOTIFICATIONS_READ, {200: PreferencesDocument}, refusals=("not_found",)),
)
async def get_preferences(request: Request, member_id: MemberId) -> Response:
    """What they have said themselves, and what holds with what the program declares."""
    async with backends(request).database.begin() as session:
        return answer(await _document(session, caller(request).program_id, member_id))


@router.put(
    "/v1/members/{member_id:mem}/preferences",
    operation_id="put_preferences",
    summary="Say what a member wants to be told",
    **operation(
        Scope.NOTIFICATIONS_WRITE,
        {200: PreferencesDocument},
        body=PreferencesBody,
        examples={"evenings": EXAMPLE},
        refusals=("not_found",),
        takes_key=True,
    ),
)
async def put_preferences(request: Request, member_id: MemberId) -> Response:
    """This and nothing else; what waits to be told is asked again by it."""
    body, here = await bodies.read_json(request), backends(request)
    said = bodies.parse(PreferencesBody, body).preferences()

    async def put(session: AsyncSession) -> Answer:
        program_id = caller(request).program_id
        await members.get(session, program_id, member_id)
        await preferences.put(session, program_id, member_id, said, now=here.clock())
        return Answer(200, await _document(session, program_id, member_id))

    return await idempotency.once(request, body, here.database, here.clock(), put)


async def _document(session: AsyncSession, program_id: str, member_id: str) -> dict[str, object]:
    await members.get(session, program_id, member_id)
    said = await preferences.find(session, program_id, member_id)
    policy = policy_of(await configurations.read_active(session, program_id))
    return preferences_document(member_id, said, policy.wishes)
