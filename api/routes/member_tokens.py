"""Member tokens: an integration gives one to a page or a phone, which then reads the member's balance by itself."""

from datetime import timedelta

from fastapi import APIRouter, Request, Response

from api import bodies
from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.schemas.base import MemberId
from api.schemas.member_tokens import MemberTokenBody, MemberTokenDocument
from domain.member_tokens import MemberToken
from domain.scopes import Scope
from storage import members

router = APIRouter(route_class=Operation, tags=["members"])


@router.post(
    "/v1/members/{member_id:mem}/tokens",
    operation_id="make_member_token",
    summary="Give out a token for one member's page or phone",
    **operation(
        Scope.TOKENS_WRITE,
        {201: MemberTokenDocument},
        body=MemberTokenBody,
        examples={"minutes": {"seconds": 900}},
        refusals=("not_found",),
    ),
)
async def make_member_token(request: Request, member_id: MemberId) -> Response:
    """It reads the member's balance, statement, history and expiry, until it ends or the key that made it does."""
    body = bodies.parse(MemberTokenBody, await bodies.read_json(request))
    here, key = backends(request), caller(request)
    async with here.database.begin() as session:
        await members.get(session, key.program_id, member_id)
    expires_at = (here.clock() + timedelta(seconds=body.seconds)).replace(microsecond=0)
    token = MemberToken(key.id, member_id, expires_at)
    document = {"token": here.signer.write(token), "member_id": member_id, "expires_at": expires_at}
    return answer(document, 201, {"Cache-Control": "no-store"})
