"""Preferences in Slack: what a member filled in holds from then on."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import preferences as form
from domain.notifications import policy_of
from domain.preferences import Preferences
from relay.slack.answers import Answered, errors
from relay.slack.context import Context
from storage import configurations, preferences


async def save(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """This and nothing else is what the member wants, or it is said beside a field what is wrong with it."""
    assert context.member_id is not None, "only members have forms"
    declared = policy_of(await configurations.read_active(session, context.program_id)).wishes
    try:
        wanted = form.read(view["state"]["values"], declared, context.texts)
    except form.Mistaken as mistaken:
        return errors(mistaken.field, str(mistaken))
    said = Preferences.of(wanted, declared)
    await preferences.put(session, context.program_id, context.member_id, said, now=context.as_of)
    return Answered()
