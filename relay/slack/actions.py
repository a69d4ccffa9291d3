"""Actions: what somebody pressed is done, or answered where they pressed it. What opens a form, the API has opened."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import answers, blocks, cards
from connectors.slack import nominations as own_nominations
from domain.asks import Why
from domain.slack import Outgoing
from relay.slack import nominations
from relay.slack.answers import home, reply
from relay.slack.context import Context
from storage import asks, slack_homes


async def act(session: AsyncSession, context: Context, body: Mapping[str, Any]) -> Sequence[Outgoing]:
    """Do what the button says; a Home that was pressed in is shown anew."""
    pressed = body["actions"][0]
    messages: Sequence[Outgoing]
    if context.member_id is None:
        messages = [reply(context, body, blocks.message(context.excuse))]
    else:
        messages = await _do(session, context, pressed["action_id"], pressed.get("value", ""), body)
    return [*messages, home(context)] if _is_home(body) else messages


def _is_home(body: Mapping[str, Any]) -> bool:
    return bool(body.get("view", {}).get("type") == "home")


async def _do(
    session: AsyncSession, context: Context, action: str, value: str, body: Mapping[str, Any]
) -> Sequence[Outgoing]:
    match action:
        case cards.APPROVE:
            return (await nominations.approve(session, context, value)).messages
        case own_nominations.WITHDRAW:
            return await _withdraw(session, context, value, body)
        case cards.WHY:
            assert context.member_id is not None, "asked before"
            answer = await asks.answer(
                session, context.program_id, context.member_id, Why(value), context.as_of, boards=context.redis
            )
            return [reply(context, body, answers.render(answer, context.texts))]
    return []


async def _withdraw(
    session: AsyncSession, context: Context, nomination_id: str, body: Mapping[str, Any]
) -> Sequence[Outgoing]:
    """Who takes it back sees that it is gone; a refusal is said in words."""
    assert context.member_id is not None, "asked before"
    refusal = await nominations.withdraw(session, context, nomination_id)
    told = [reply(context, body, blocks.message(refusal))] if refusal else []
    shown = [] if _is_home(body) else await slack_homes.find_all(session, context.program_id, [context.member_id])
    return [*told, *shown]
