"""Notifications: what members and administrators are told."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import idempotency, pages
from api.auth import caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.schemas.base import MemberId, NotificationId, Page
from api.schemas.notifications import NotificationDocument, NotificationQuery, notification_document
from domain.notifications import Notification
from domain.scopes import Scope
from storage import members, notifications

router = APIRouter(route_class=Operation, tags=["notifications"])


@router.get(
    "/v1/members/{member_id:mem}/notifications",
    operation_id="list_notifications",
    summary="List a member's notifications, newest first",
    **operation(Scope.NOTIFICATIONS_READ, {200: Page[NotificationDocument]}, refusals=("not_found", "invalid_cursor")),
)
async def list_notifications(
    request: Request, member_id: MemberId, query: Annotated[NotificationQuery, Query()]
) -> Response:
    """Each occasion is told once."""
    async with backends(request).database.begin() as session:
        await members.get(session, caller(request).program_id, member_id)
    return await _answer_page(request, query, member_id)


@router.get(
    "/v1/notifications",
    operation_id="list_program_notifications",
    summary="List the administrators' notifications, newest first",
    **operation(Scope.PROGRAMS_ADMIN, {200: Page[NotificationDocument]}, refusals=("invalid_cursor",)),
)
async def list_program_notifications(request: Request, query: Annotated[NotificationQuery, Query()]) -> Response:
    """What an administrator must see to: an account at a vendor without money, an order in review."""
    return await _answer_page(request, query, None)


@router.post(
    "/v1/notifications/{notification_id:ntf}/read",
    operation_id="read_notification",
    summary="Mark a notification as read",
    **operation(Scope.NOTIFICATIONS_WRITE, {200: NotificationDocument}, refusals=("not_found",), takes_key=True),
)
async def read_notification(request: Request, notification_id: NotificationId) -> Response:
    """The first time counts."""
    here = backends(request)

    async def mark(session: AsyncSession) -> Answer:
        program_id, now = caller(request).program_id, here.clock()
        await notifications.mark_read(session, program_id, [notification_id], now=now)
        return Answer(200, notification_document(await notifications.get(session, program_id, notification_id)))

    return await idempotency.once(request, b"", here.database, here.clock(), mark)


async def _answer_page(request: Request, query: NotificationQuery, member_id: str | None) -> Response:
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Notification]:
        return await notifications.list_page(
            session,
            program_id,
            member_id=member_id,
            unread=query.unread,
            before=before[0] if before else None,
            limit=limit,
        )

    of = ("notifications", member_id, query.unread)
    return await pages.answer_page(request, query, of, page, lambda one: (one.id,), notification_document)
