"""Preferences: what members have said of being told; whoever has said nothing has no row."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.notifications import NotificationPolicy
from domain.preferences import Preferences, Topic, Wishes
from storage.preference_tables import preferences as table


async def find(session: AsyncSession, program_id: str, member_id: str) -> Preferences:
    """What the member has said themselves."""
    columns = [table.c[name] for name in Preferences.__dataclass_fields__]
    own = select(*columns).where(table.c.program_id == program_id, table.c.member_id == member_id)
    row = (await session.execute(own)).mappings().one_or_none()
    return _from_row(dict(row)) if row else Preferences()


async def wishes_of(session: AsyncSession, program_id: str, member_id: str, policy: NotificationPolicy) -> Wishes:
    """What holds for the member where the program tells so."""
    return (await find(session, program_id, member_id)).over(policy.wishes)


async def put(session: AsyncSession, program_id: str, member_id: str, said: Preferences, *, now: datetime) -> None:
    """This and nothing else is what the member says from now on."""
    if said == Preferences():
        own = table.c.program_id == program_id, table.c.member_id == member_id
        await session.execute(delete(table).where(*own))
        return
    values = {
        "opted_out": sorted(said.opted_out),
        "quiet_from": said.quiet_from,
        "quiet_until": said.quiet_until,
        "quiet_days": None if said.quiet_days is None else sorted(said.quiet_days),
        "daily_limit": said.daily_limit,
        "updated_at": now,
    }
    row = insert(table).values(program_id=program_id, member_id=member_id, **values)
    await session.execute(row.on_conflict_do_update(index_elements=["program_id", "member_id"], set_=values))


def _from_row(row: dict[str, Any]) -> Preferences:
    days = row["quiet_days"]
    opted_out = frozenset(map(Topic, row["opted_out"]))
    return Preferences(**row | {"opted_out": opted_out, "quiet_days": None if days is None else frozenset(days)})
