"""Of Slack's requests no more is kept than what they ask."""

from typing import Any

import pytest

from connectors.slack import requests

WHO = {"team": {"id": "T1"}, "user": {"id": "U1"}}


@pytest.mark.parametrize(
    "body",
    [
        {"command": "/laurel", "team_id": "T1", "trigger_id": "1.2", "user_id": "U1"},
        {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": {"type": "team_join"}},
        {"type": "block_actions", "actions": [{"action_id": "laurel.awards.why", "action_ts": "1.2"}], **WHO},
    ],
)
def test_the_token_of_requests_that_are_not_signed_is_not_kept(body: dict[str, Any]) -> None:
    envelope = requests.envelope({**body, "token": "gIkuvaNzQIHg97ATvDxqgjtO"})

    assert envelope is not None
    assert envelope.body == body
