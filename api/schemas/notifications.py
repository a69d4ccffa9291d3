"""Notifications as they are shown."""

from datetime import datetime
from typing import Any

from api.schemas.base import Document, PageQuery
from domain.notifications import Notification


class NotificationDocument(Document):
    """What a member (null: the program's administrators) is told."""

    id: str
    member_id: str | None
    kind: str
    subject: str
    body: str
    reference: str
    created_at: datetime
    read_at: datetime | None


class NotificationQuery(PageQuery):
    """Which notifications to list."""

    unread: bool = False


def notification_document(notification: Notification) -> dict[str, Any]:
    """A notification as NotificationDocument."""
    return {name: getattr(notification, name) for name in NotificationDocument.model_fields}
