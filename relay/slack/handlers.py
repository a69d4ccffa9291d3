"""What is done about one envelope: by its kind, what it asks for is done, and what is said about it comes back."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.slack import EnvelopeKind, Outgoing
from relay.slack import actions, commands, events
from relay.slack.context import Context


async def act(
    session: AsyncSession, context: Context, kind: EnvelopeKind, body: Mapping[str, Any]
) -> Sequence[Outgoing]:
    """Do what the request asks for, in the session's transaction; what is to be said about it.

    A shortcut only opened a view, and a view was acted upon when it was handed in.
    """
    match kind:
        case EnvelopeKind.COMMAND:
            return await commands.act(session, context, body)
        case EnvelopeKind.EVENT:
            return await events.act(session, context, body)
        case EnvelopeKind.ACTION:
            return await actions.act(session, context, body)
        case EnvelopeKind.SHORTCUT | EnvelopeKind.VIEW:
            return []
