"""Homes: who has opened theirs once sees what changes in it."""

from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from domain.slack import MessageKind, Outgoing
from storage import sets
from storage.hot_path import run
from storage.slack_messages import MAX_SENT

# A person's Home has a conversation of its own from when it was first shown on.
_SHOWN = f"""SELECT u.connection_id, u.user_id FROM slack_users u
    JOIN slack_workspaces w ON w.connection_id = u.connection_id AND w.state = 'installed'
    JOIN slack_conversations c ON c.connection_id = u.connection_id AND c.target = '{MessageKind.HOME}:' || u.user_id
    WHERE u.program_id = %(program_id)s AND u.member_id = ANY(CAST(%(members)s AS text[])) AND NOT u.deleted
    ORDER BY u.user_id LIMIT {MAX_SENT}"""


async def find_all(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> list[Outgoing]:
    """The Homes of these members that have been shown, to be shown anew."""
    found = await run(session, _SHOWN, {"program_id": program_id, "members": sets.texts(list(member_ids))})
    return [
        Outgoing(f"home/{uuid4().hex}", connection_id, user_id, kind=MessageKind.HOME)
        for connection_id, user_id in found
    ]
