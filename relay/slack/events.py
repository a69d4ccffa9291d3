"""Events: reactions and typed thanks give and take back, a Home is shown, and a workspace that goes is gone."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.slack import Outgoing
from relay.slack import thanks
from relay.slack.answers import home
from relay.slack.context import Context
from storage import slack_workspaces


async def act(session: AsyncSession, context: Context, body: Mapping[str, Any]) -> Sequence[Outgoing]:
    """Do what the event asks for; what is to be said about it. What it tells of users was kept before."""
    event = body["event"]
    match event["type"]:
        case "app_home_opened":
            return [home(context)] if event.get("tab") == "home" else []
        case "reaction_added" | "reaction_removed":
            return await thanks.by_reaction(session, context, event)
        case "message":
            return await thanks.by_message(session, context, event)
        case "app_uninstalled":
            await _remove(session, context, body)
        case "tokens_revoked" if event.get("tokens", {}).get("bot"):
            await _remove(session, context, body)
    return []


async def _remove(session: AsyncSession, context: Context, body: Mapping[str, Any]) -> None:
    told_at = datetime.fromtimestamp(body["event_time"], UTC)
    team_id = context.connection.config["team_id"]
    await slack_workspaces.remove(session, context.keyring, team_id, told_at=told_at, now=context.as_of)
