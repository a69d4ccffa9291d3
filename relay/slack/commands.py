"""`/laurel`: what somebody typed is answered to them alone; thanks that are public are said in the channel."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import answers, blocks, commands
from domain.asks import Nominate, Settings, Thanks
from domain.slack import MessageKind, Outgoing
from relay.slack import thanks
from relay.slack.context import Context
from storage import asks


async def act(session: AsyncSession, context: Context, body: Mapping[str, Any]) -> Sequence[Outgoing]:
    """Do and answer what was typed."""
    ask = commands.parse(body.get("text", ""))
    if context.member_id is None:
        return [reply(context, body, blocks.message(context.excuse))]
    match ask:
        case Thanks():
            said = await thanks.by_command(session, context, ask)
            return [reply(context, body, one, in_channel=public, n=n) for n, (one, public) in enumerate(said)]
        case Nominate() | Settings():
            return []  # the API has opened the form
    answer = await asks.answer(session, context.program_id, context.member_id, ask, context.as_of, boards=context.redis)
    return [reply(context, body, answers.render(answer, context.texts))]


def reply(
    context: Context, body: Mapping[str, Any], content: Mapping[str, Any], *, in_channel: bool = False, n: int = 0
) -> Outgoing:
    """An answer where the command was typed: to its author alone, or to everybody there."""
    seen_by = {"response_type": "in_channel" if in_channel else "ephemeral", "response_url": body["response_url"]}
    return Outgoing(
        f"{context.envelope_key}/{n}",
        context.connection.id,
        body["user_id"],
        {**content, **seen_by},
        MessageKind.RESPOND,
    )
