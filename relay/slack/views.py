"""Views: what somebody filled in is done and answered at once, in the transaction that keeps it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import cards, forms, redeem
from connectors.slack import preferences as settings
from relay.slack import celebrations, nominations, preferences, redemptions, thanks
from relay.slack.answers import Answered
from relay.slack.context import Context

SUBMISSIONS = {
    forms.NOMINATE: nominations.propose,
    forms.CHANGE_AMOUNT: nominations.change,
    forms.DECLINE: nominations.decline,
    forms.THANK: thanks.by_form,
    cards.WORDS: celebrations.add,
    settings.SAVE: preferences.save,
    redeem.SHOP: redemptions.choose,
    redeem.CONFIRM: redemptions.confirm,
}


async def submit(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """Do what the form says; one that is not ours only closes, and of who takes no part it says why."""
    submission = SUBMISSIONS.get(view["callback_id"])
    if submission is None:
        return Answered()
    if context.member_id is None:
        told = forms.excuse(view["title"]["text"], context.excuse, context.texts)
        return Answered(answer={"response_action": "update", "view": told})
    return await submission(session, context, view)
