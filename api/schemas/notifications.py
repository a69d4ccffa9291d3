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
    names = (name for name in Notification.__dataclass_fields__ if name != "program_id")
    return {name: getattr(notification, name) for name in names}
