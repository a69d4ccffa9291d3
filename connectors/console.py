"""The console channel: a line in the log for each notification, without the text that is meant for one person."""

import structlog

from domain.notifications import Notification

log = structlog.get_logger()


def tell(notification: Notification) -> None:
    """Write the line; who wants the text reads it by the API."""
    log.info(
        "notification",
        notification_id=notification.id,
        program_id=notification.program_id,
        member_id=notification.member_id,
        kind=notification.kind,
        reference=notification.reference,
    )
