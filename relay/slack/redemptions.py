"""Redeeming in Slack: a thing is chosen in a window, confirmed in the one above it, and ordered by that click once."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import redeem
from connectors.slack.blocks import View
from connectors.vendors import REQUEST_BODIES
from domain.orders import Refusal
from domain.redemptions import Refused, find
from relay.slack.answers import Answered
from relay.slack.context import Context
from storage import redemptions


async def choose(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """What was chosen is shown again with its price and an address, above the list."""
    assert context.member_id is not None, "only members have forms"
    shop = await redemptions.read_shop(session, context.program_id, context.member_id, as_of=context.as_of)
    selection = redeem.read_step(view)
    selected = find(shop, selection) if selection else None
    if selected is None:
        return _shown("push", redeem.outcome_view(Refused(Refusal.ITEM_UNAVAILABLE), context.texts))
    return _shown("push", redeem.confirm_view(shop, selected, context.texts))


async def confirm(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """It is ordered, and the window says so; or says what stands in the way, beside the field if it is one.

    At another price than the window said it is not ordered: the window says the new one, and asks again.
    """
    assert context.member_id is not None, "only members have forms"
    asked = context.program_id, context.member_id, *redeem.read_confirmed(view)
    if repriced := await redemptions.find_repriced(session, *asked, as_of=context.as_of):
        return _shown("update", redeem.confirm_view(*repriced, context.texts, is_repriced=True))
    choice = redeem.read_choice(view, context.texts)
    if isinstance(choice, dict):
        return _errors(choice)
    outcome = await redemptions.act(
        session,
        context.program_id,
        context.member_id,
        choice,
        context.envelope_key,
        request_bodies=REQUEST_BODIES,
        now=context.as_of,
    )
    if mistakes := redeem.mistakes(outcome, context.texts):
        return _errors(mistakes)
    return _shown("update", redeem.outcome_view(outcome, context.texts))


def _shown(action: str, view: View) -> Answered:
    return Answered(answer={"response_action": action, "view": view})


def _errors(mistakes: Mapping[str, str]) -> Answered:
    return Answered(answer={"response_action": "errors", "errors": dict(mistakes)})
