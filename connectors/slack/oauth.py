"""Installation by OAuth: https://docs.slack.dev/authentication/installing-with-oauth.

Somebody approves the app at Slack, who sends them back with a code; the code, once, becomes the workspace's bot token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin

from connectors.errors import GarbledAnswer, Rejected
from connectors.slack import manifest
from connectors.slack.web import KIND, Slack
from domain.slack_workspaces import Installation

INSTALL_PATH = "/slack/install"
CALLBACK_PATH = "/slack/oauth/callback"


@dataclass(frozen=True, slots=True)
class App:
    """The deployment's app at Slack, and where Slack sends browsers back to."""

    client_id: str
    client_secret: str = field(repr=False)
    public_url: str

    @property
    def callback_url(self) -> str:
        return f"{self.public_url}{CALLBACK_PATH}"

    def approval_url(self, api_url: str, state: str) -> str:
        """Where somebody approves the app, with the scopes of the manifest."""
        asked = {
            "client_id": self.client_id,
            "scope": ",".join(manifest.bot_scopes()),
            "redirect_uri": self.callback_url,
            "state": state,
        }
        return f"{urljoin(api_url, '../oauth/v2/authorize')}?{urlencode(asked)}"

    async def exchange(self, slack: Slack, code: str) -> Installation:
        """What Slack gives for the code; raises the tree in connectors.errors."""
        asked = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code": code,
            "redirect_uri": self.callback_url,
        }
        answer = await slack.submit("oauth.v2.access", asked)
        try:
            return installation(answer)
        except (KeyError, TypeError, AttributeError):
            raise GarbledAnswer(KIND, "an installation of another shape than Slack documents") from None


def installation(answer: Mapping[str, Any]) -> Installation:
    """The installation into one workspace; raises Rejected for what Laurel does not keep."""
    if answer.get("is_enterprise_install"):
        told = "a whole organisation was chosen: choose one of its workspaces, and another link for each"
        raise Rejected(KIND, 200, "enterprise_install", told)
    if answer.get("refresh_token"):
        raise Rejected(KIND, 200, "token_rotation", "turn token rotation off in the app's settings")
    return Installation(
        answer["team"]["id"],
        answer["team"]["name"],
        answer["app_id"],
        answer["bot_user_id"],
        answer["scope"].split(","),
        answer["access_token"],
        (answer.get("enterprise") or {}).get("id"),
    )
