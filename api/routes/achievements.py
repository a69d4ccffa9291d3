"""Tiers and badges: where members stand on ladders, and what they have achieved."""

from fastapi import APIRouter, Request, Response

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.schemas.achievements import (
    BadgeDocument,
    MemberBadgeDocument,
    TiersDocument,
    badge_document,
    member_badge_document,
    tier_document,
)
from api.schemas.base import MemberId, Page
from domain.scopes import Scope
from storage import badges, configurations, members, tiers

router = APIRouter(route_class=Operation, tags=["achievements"])


@router.get(
    "/v1/members/{member_id:mem}/tiers",
    operation_id="list_tiers",
    summary="Read where a member stands on every ladder",
    **operation(Scope.MEMBERS_READ, {200: TiersDocument}, refusals=("not_found",)),
)
async def list_tiers(request: Request, member_id: MemberId) -> Response:
    """With what counts today, what the next level takes, and the last changes."""
    here, program_id = backends(request), caller(request).program_id
    async with here.database.begin() as session:
        await members.get(session, program_id, member_id)
        configuration = await configurations.read_active(session, program_id)
        stands = await tiers.list_of(session, configuration, member_id, as_of=here.clock())
        changes = await tiers.list_changes(session, program_id, member_id)
    items = [tier_document(configuration.tiers[one.ladder], one) for one in stands]
    return answer({"items": items, "changes": changes})


@router.get(
    "/v1/members/{member_id:mem}/badges",
    operation_id="list_member_badges",
    summary="List a member's badges",
    **operation(Scope.MEMBERS_READ, {200: Page[MemberBadgeDocument]}, refusals=("not_found",)),
)
async def list_member_badges(request: Request, member_id: MemberId) -> Response:
    """In the order in which they were earned."""
    program_id = caller(request).program_id
    async with backends(request).database.begin() as session:
        await members.get(session, program_id, member_id)
        defined = (await configurations.read_active(session, program_id)).badges
        found = await badges.list_of(session, program_id, member_id)
    return answer({"items": [member_badge_document(one, defined) for one in found]})


@router.get(
    "/v1/badges",
    operation_id="list_badges",
    summary="List the program's badges, and how many members have each",
    **operation(Scope.MEMBERS_READ, {200: Page[BadgeDocument]}),
)
async def list_badges(request: Request) -> Response:
    """As they are defined now."""
    program_id = caller(request).program_id
    async with backends(request).database.begin() as session:
        defined = (await configurations.read_active(session, program_id)).badges
        holders = await badges.count_holders(session, program_id)
    return answer({"items": [badge_document(one, holders.get(key, 0)) for key, one in sorted(defined.items())]})
