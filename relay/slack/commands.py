"""`/laurel`: what somebody typed is answered to them alone; thanks that are public are said in the channel."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import answers, blocks, commands
from domain.asks import Nominate, Settings, Thanks
from domain.slack import Outgoing
from relay.slack import thanks
from relay.slack.answers import reply
from relay.slack.context import Context
from storage import asks


async def act(session: AsyncSession, context: Context, body: Mapping[str, Any]) -> Sequence[Outgoing]:
    """Do and answer what was typed."""
    ask = commands.parse(body.get("text", ""))
    if context.member_id is None:
        return [reply(context, body, blocks.message(context.excuse))]
    match ask:
        case Thanks():
            return await thanks.by_command(session, context, ask, body)
        case Nominate() | Settings():
            return []  # the API has opened the form
    answer = await asks.answer(session, context.program_id, context.member_id, ask, context.as_of, boards=context.redis)
    return [reply(context, body, answers.render(answer, context.texts))]
