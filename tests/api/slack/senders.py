"""Slack's side in tests: a workspace that is installed, and requests signed as Slack signs them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
from slack_sdk.signature import SignatureVerifier

from domain.slack_workspaces import Installation, InstallLink, Workspace
from storage import slack_workspaces
from storage.database import Database
from storage.keyring import Keyring
from tests.programs import NOW

SIGNING_SECRET = "signing-secret-of-tests"
TEAM, USER, CHANNEL = "T0LAUREL", "U0ADA", "C0GENERAL"
SCOPES = ("commands", "chat:write", "users:read", "users:read.email")


async def install(
    database: Database, keyring: Keyring, program_id: str, token: str = "xoxb-of-tests", team_id: str = TEAM
) -> Workspace:
    """Connect the workspace to the program."""
    installation = Installation(team_id, "Example", "A0LAUREL", "U0BOT", SCOPES, token)
    async with database.begin() as session:
        return await slack_workspaces.install(session, keyring, InstallLink(program_id, "tests"), installation, now=NOW)


def signed(body: bytes, content_type: str, now: datetime = NOW, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """The headers that Slack sends with this body."""
    timestamp = str(int(now.timestamp()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
    assert signature
    return {"content-type": content_type, "x-slack-request-timestamp": timestamp, "x-slack-signature": signature}


async def send_event(http: httpx.AsyncClient, event: Mapping[str, Any], event_id: str = "Ev1") -> httpx.Response:
    """Tell the app of an event."""
    body = orjson.dumps({"type": "event_callback", "team_id": TEAM, "event_id": event_id, "event": event})
    return await http.post("/slack/events", content=body, headers=signed(body, "application/json"))


async def send_command(http: httpx.AsyncClient, text: str, trigger_id: str = "trigger.1") -> httpx.Response:
    """Type /laurel and the text."""
    fields = {
        "command": "/laurel",
        "text": text,
        "team_id": TEAM,
        "user_id": USER,
        "channel_id": CHANNEL,
        "trigger_id": trigger_id,
        "response_url": "https://hooks.slack.com/commands/1",
    }
    return await send_form(http, fields)


async def send_payload(http: httpx.AsyncClient, payload: Mapping[str, Any]) -> httpx.Response:
    """Press or fill in something."""
    return await send_form(http, {"payload": orjson.dumps(payload).decode()})


async def send_form(http: httpx.AsyncClient, fields: Mapping[str, str]) -> httpx.Response:
    body = urlencode(fields).encode()
    return await http.post("/slack/events", content=body, headers=signed(body, "application/x-www-form-urlencoded"))
