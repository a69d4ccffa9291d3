"""Actions: what somebody pressed is done, or answered where they pressed it. What opens a form, the API has opened."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import answers, blocks, cards
from domain.asks import Why
from domain.slack import MessageKind, Outgoing
from relay.slack import nominations
from relay.slack.answers import direct, home
from relay.slack.context import Context
from storage import asks


async def act(session: AsyncSession, context: Context, body: Mapping[str, Any]) -> Sequence[Outgoing]:
    """Do what the button says; a Home that was pressed in is shown anew."""
    pressed = body["actions"][0]
    messages: Sequence[Outgoing]
    if context.member_id is None:
        messages = [reply(context, body, blocks.message(context.excuse))]
    else:
        messages = await _do(session, context, pressed["action_id"], pressed.get("value", ""), body)
    in_home = body.get("view", {}).get("type") == "home"
    return [*messages, home(context)] if in_home else messages


async def _do(
    session: AsyncSession, context: Context, action: str, value: str, body: Mapping[str, Any]
) -> Sequence[Outgoing]:
    match action:
        case cards.APPROVE:
            return (await nominations.approve(session, context, value)).messages
        case cards.WHY:
            assert context.member_id is not None, "asked before"
            answer = await asks.answer(
                session, context.program_id, context.member_id, Why(value), context.as_of, boards=context.redis
            )
            return [reply(context, body, answers.render(answer, context.texts))]
    return []


def reply(context: Context, body: Mapping[str, Any], content: Mapping[str, Any]) -> Outgoing:
    """An answer to who pressed, where they did; directly, where nothing can be said, as in a Home."""
    url = body.get("response_url")
    if not url:
        return direct(context, content)
    shown = {**content, "response_url": url, "response_type": "ephemeral", "replace_original": False}
    said = direct(context, shown)
    return Outgoing(said.key, said.connection_id, said.conversation, said.content, MessageKind.RESPOND)
