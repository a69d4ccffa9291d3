"""What Slack hands over for a code becomes an installation into one workspace, or is refused in words."""

from typing import Any

import pytest

from connectors.errors import Rejected
from connectors.slack.oauth import installation
from domain.slack_workspaces import Installation

GRANTED: dict[str, Any] = {
    "ok": True,
    "app_id": "A1",
    "scope": "commands,chat:write",
    "access_token": "xoxb-canary",
    "bot_user_id": "U1",
    "team": {"id": "T1", "name": "Acme"},
    "enterprise": {"id": "E1", "name": "Acme Group"},
    "is_enterprise_install": False,
}


def test_an_installation_is_of_one_workspace_and_shows_no_token() -> None:
    found = installation(GRANTED)

    assert found == Installation("T1", "Acme", "A1", "U1", ["commands", "chat:write"], "xoxb-canary", "E1")
    assert installation(GRANTED | {"enterprise": None}).enterprise_id is None
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"is_enterprise_install": True, "team": None}, "choose one of its workspaces"),
        ({"refresh_token": "xoxe-1", "expires_in": 43_200}, "turn token rotation off"),
    ],
)
def test_what_is_not_kept_is_refused_with_what_to_do(answer: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        installation(GRANTED | answer)
