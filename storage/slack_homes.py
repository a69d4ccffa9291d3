"""Homes: who has opened theirs once sees what changes in it.

Where people stand on boards, the relay reads anew whenever it changes, and shows their Homes with it. What else changes
a balance says so here: it leaves something to do for those alone who have a Home to be shown.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from domain.slack import MessageKind, Outgoing
from storage import leaderboards, outbox, sets
from storage.hot_path import run
from storage.slack_messages import MAX_SENT

# A person's Home has a conversation of its own from when it was first shown on.
_SHOWN = f"""FROM slack_users u
    JOIN slack_workspaces w ON w.connection_id = u.connection_id AND w.state = 'installed'
    JOIN slack_conversations c ON c.connection_id = u.connection_id AND c.target = '{MessageKind.HOME}:' || u.user_id
    WHERE u.program_id = %(program_id)s AND u.member_id = ANY(CAST(%(members)s AS text[])) AND NOT u.deleted"""
_HOMES = f"SELECT u.connection_id, u.user_id {_SHOWN} ORDER BY u.user_id LIMIT {MAX_SENT}"
_MEMBERS = f"SELECT DISTINCT u.member_id {_SHOWN} ORDER BY u.member_id"


async def find_all(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> list[Outgoing]:
    """The Homes of these members that have been shown, to be shown anew."""
    found = await run(session, _HOMES, {"program_id": program_id, "members": sets.texts(list(member_ids))})
    return [
        Outgoing(f"home/{uuid4().hex}", connection_id, user_id, kind=MessageKind.HOME)
        for connection_id, user_id in found
    ]


async def follow(session: AsyncSession, program_id: str, member_ids: Collection[str], *, now: datetime) -> None:
    """The Homes of these members that have been shown are shown anew when the transaction has ended.

    Locks nothing, so it may come anywhere in it.
    """
    if not member_ids:
        return
    found = await run(session, _MEMBERS, {"program_id": program_id, "members": sets.texts(sorted(member_ids))})
    await outbox.add(session, [leaderboards.outbox_row(program_id, one) for (one,) in found], now=now)
