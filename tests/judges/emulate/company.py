"""The sandbox's made-up company in emulate, whose Slack requires scopes strictly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx

from connectors.slack.oauth import CALLBACK_PATH
from sandbox.slack.app import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.company import CHANNELS, PEOPLE, SCOPES
from sandbox.slack.workspace import BOT_USER
from tests.judges.emulate import install, running_emulate
from tests.servers import Servers

APP_ID = "A0SANDBOX1"
TOKEN, NARROW = "xoxb-T0SANDBOX1", "xoxb-narrow"
BACK = f"http://127.0.0.1{CALLBACK_PATH}"  # where Slack sends whoever has approved the app


@contextmanager
def running_company(servers: Servers, directory: Path) -> Iterator[str]:
    """The base URL of its Slack; TOKEN has the scopes of the sandbox's app, NARROW may only write."""
    application = {
        "app_id": APP_ID,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "name": "App",
        "redirect_uris": [BACK],
        "scopes": ["chat:write"],
        "bot_user_id": BOT_USER,
    }
    own = {"type": "bot", "user_id": BOT_USER, "app_id": APP_ID}
    seed = {
        "users": [{"name": one[0].lower(), "email": f"{one[0].lower()}@example.com"} for one in PEOPLE],
        "channels": [{"name": name} for name, kind, _ in CHANNELS if kind == "channel"],
        "oauth_apps": [application],
        "tokens": [own | {"token": TOKEN, "scopes": SCOPES}, own | {"token": NARROW, "scopes": ["chat:write"]}],
        "strict_scopes": True,
    }
    with running_emulate(servers.once("emulate", install), seed, directory) as url:
        yield url


def trigger(url: str, user_id: str) -> str:
    """What lets a view be opened, as if the user had pressed something."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(f"{url}/api/views.generateTriggerId", json={"user_id": user_id}, headers=headers)
    return str(answer.json()["trigger_id"])


def code(url: str, user_id: str) -> str:
    """What the app gets a token for, when the user has approved it."""
    form = {"user_id": user_id, "redirect_uri": BACK, "scope": "chat:write", "client_id": CLIENT_ID}
    return code_in(httpx.post(f"{url}/oauth/v2/authorize/callback", data=form))


def code_in(sent_back: httpx.Response) -> str:
    """The code with which somebody is sent back."""
    return dict(parse_qsl(urlsplit(sent_back.headers["location"]).query))["code"]
