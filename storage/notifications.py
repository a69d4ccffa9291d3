"""Notifications: something to tell a person, as a row, whatever the channel; each occasion is told once.

A row has it in English, for who reads it as it is, and its sentences, for who reads it in another language.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.notifications import Notification, Telling
from domain.outbox import Kind, Lane, OutboxRow
from domain.sentences import Sentence, english
from storage import outbox, sets
from storage.hot_path import run
from storage.ids import new_id
from storage.sets import Rows
from storage.tables import notifications

MAX_PAGE = 101  # notifications: a page, and one more that tells whether another follows
MAX_MARKED = 100  # notifications marked by one call

_OWN = f"""SELECT {", ".join(Notification.__dataclass_fields__)} FROM notifications
    WHERE program_id = %(program_id)s AND id = %(id)s"""


async def tell(
    session: AsyncSession,
    program_id: str,
    *,
    member_id: str | None,
    kind: str,
    subject: Sentence,
    body: Sentence,
    reference: str,
    now: datetime,
) -> None:
    """Tell the member (None: the program's administrators), unless this kind was told of this reference already."""
    await tell_all(session, program_id, kind, [Telling(member_id, subject, body, reference)], now=now)


async def tell_all(
    session: AsyncSession, program_id: str, kind: str, tellings: Sequence[Telling], *, now: datetime
) -> int:
    """Tell each of what was not told under this kind and reference already; how many those were."""
    columns = ("id", "member_id", "subject", "body", "sentences", "reference")
    rows = [
        (new_id("ntf"), one.member_id, english(one.subject), english(one.body), one.sentences, one.reference)
        for one in tellings
    ]
    fixed = {"program_id": program_id, "kind": kind, "created_at": now}
    told = await sets.insert(session, Rows(notifications, columns, rows, "ON CONFLICT DO NOTHING RETURNING id", fixed))
    effects = [OutboxRow(program_id, Lane.NOTIFY, Kind.NOTIFICATION, {"notification_id": id}) for (id,) in told]
    await outbox.add(session, effects, now=now)
    return len(told)


async def was_told(session: AsyncSession, program_id: str, kind: str, reference: str) -> bool:
    """Whether this kind was told of this reference already."""
    return await find(session, program_id, kind, reference) is not None


async def find(session: AsyncSession, program_id: str, kind: str, reference: str) -> str | None:
    """The id of what was told under this kind of this reference, if it was told."""
    own = notifications.c.program_id == program_id, notifications.c.kind == kind, notifications.c.reference == reference
    found: str | None = await session.scalar(select(notifications.c.id).where(*own))
    return found


async def get(session: AsyncSession, program_id: str, notification_id: str) -> Notification:
    """The program's notification of this id; raises LookupError."""
    found = await run(session, _OWN, {"program_id": program_id, "id": notification_id})
    if not found:
        raise LookupError(f"no notification {notification_id}")
    return Notification(*found[0])


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    member_id: str | None,
    unread: bool = False,
    before: str | None = None,
    limit: int,
) -> list[Notification]:
    """What the member (None: the administrators) was told, newest first, below the id `before`; at most MAX_PAGE."""
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} notifications")
    columns = [notifications.c[name] for name in Notification.__dataclass_fields__]
    own = select(*columns).where(
        notifications.c.program_id == program_id, notifications.c.member_id.is_not_distinct_from(member_id)
    )
    if unread:
        own = own.where(notifications.c.read_at.is_(None))
    if before is not None:
        own = own.where(notifications.c.id < before)
    rows = await session.execute(own.order_by(notifications.c.id.desc()).limit(limit))
    return [Notification(**row) for row in rows.mappings()]


async def mark_read(
    session: AsyncSession, program_id: str, notification_ids: Collection[str], *, now: datetime
) -> list[str]:
    """Mark up to MAX_MARKED as read, which they stay from the first time on; the ids that the program has."""
    if len(notification_ids) > MAX_MARKED:
        raise ValueError(f"at most {MAX_MARKED} notifications are marked at once")
    own = notifications.c.program_id == program_id, notifications.c.id.in_(notification_ids)
    await session.execute(update(notifications).where(*own, notifications.c.read_at.is_(None)).values(read_at=now))
    return list((await session.execute(select(notifications.c.id).where(*own).order_by(notifications.c.id))).scalars())
