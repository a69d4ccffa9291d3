"""Nominators: the message that confirms a nomination to who has made it, and says what became of it afterwards."""

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import nominations as shown
from connectors.slack.texts import Texts
from domain.nominations import Nomination
from domain.slack import MessageKind, Outgoing
from relay.slack.context import Context
from storage import homes, nominations, slack_homes, slack_messages, slack_users


async def confirm(session: AsyncSession, context: Context, nomination: Nomination) -> list[Outgoing]:
    """It is on its way, and in the nominator's Home."""
    assert context.asker_id is not None, "somebody has nominated"
    assert context.member_id is not None, "only members nominate"
    [own] = await homes.read_proposed(session, context.program_id, [nomination])
    content = shown.render(own, context.texts)
    said = Outgoing(_key(nomination.id), context.connection.id, context.asker_id, content)
    return [said, *await slack_homes.find_all(session, context.program_id, [context.member_id])]


async def say_ended(session: AsyncSession, program_id: str, nomination_id: str) -> list[Outgoing]:
    """What confirmed it, if that was said, says what became of it and has no button any more."""
    key = _key(nomination_id)
    place = await slack_messages.find_place(session, program_id, key)
    if place is None:
        return []
    nomination = await nominations.get(session, program_id, nomination_id)
    [own] = await homes.read_proposed(session, program_id, [nomination])
    user = await slack_users.find(session, program_id, place.connection_id, place.conversation)
    content = shown.render(own, Texts.of(user.locale if user else None))
    edited = f"{key}/{nomination.state}"
    return [Outgoing(edited, place.connection_id, place.conversation, content, MessageKind.EDIT, edits=key)]


def _key(nomination_id: str) -> str:
    return f"nomination/{nomination_id}"
