"""Notifications: something to tell a person, as a row, whatever the channel; each occasion is told once."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.notifications import Notification
from domain.outbox import Kind, Lane, OutboxRow
from storage import outbox
from storage.ids import new_id
from storage.tables import notifications


async def tell(
    session: AsyncSession,
    program_id: str,
    *,
    member_id: str | None,
    kind: str,
    subject: str,
    body: str,
    reference: str,
    now: datetime,
) -> None:
    """Tell the member (None: the program's administrators), unless this kind was told of this reference already."""
    values = {
        "id": new_id("ntf"),
        "program_id": program_id,
        "member_id": member_id,
        "kind": kind,
        "subject": subject,
        "body": body,
        "reference": reference,
        "created_at": now,
    }
    once = insert(notifications).values(values).on_conflict_do_nothing().returning(notifications.c.id)
    told = (await session.execute(once)).scalar_one_or_none()
    if told is not None:
        row = OutboxRow(program_id, Lane.NOTIFY, Kind.NOTIFICATION, {"notification_id": told})
        await outbox.add(session, [row], now=now)


async def get(session: AsyncSession, program_id: str, notification_id: str) -> Notification:
    """The program's notification of this id; raises LookupError."""
    columns = [notifications.c[name] for name in Notification.__dataclass_fields__]
    own = select(*columns).where(notifications.c.program_id == program_id, notifications.c.id == notification_id)
    row = (await session.execute(own)).mappings().first()
    if row is None:
        raise LookupError(f"no notification {notification_id}")
    return Notification(**row)
