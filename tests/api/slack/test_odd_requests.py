"""Whatever comes to Slack's address is answered in the 2xx or 4xx, signed or not."""

from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from settings import Settings
from tests.api.slack.senders import SIGNING_SECRET, TEAM, USER, signed
from tests.programs import NOW

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KINDS = ("event_callback", "url_verification", "shortcut", "message_action", "block_actions", "view_submission")
USUAL: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(KINDS),
    "command": st.just("/laurel"),
    "team_id": st.just(TEAM),
    "event_id": st.just("Ev1"),
    "user_id": st.just(USER),
    "trigger_id": st.just("1.2"),
    "callback_id": st.just("laurel.x"),
    "team": st.just({"id": TEAM}),
    "user": st.just({"id": USER}),
    "event": st.just({"type": "app_home_opened", "user": USER}),
    "actions": st.just([{"action_id": "laurel.x", "action_ts": "1.2"}]),
    "view": st.just({"type": "modal", "id": "V1", "hash": "1.a", "state": {"values": {}}}),
}
# Much as Slack sends it, any part of it missing or something else.
ALMOST = st.fixed_dictionaries({}, optional={name: usual | ANYTHING for name, usual in USUAL.items()})
JSON = (ALMOST | ANYTHING).map(orjson.dumps)
FORMS = st.lists(st.sampled_from([*USUAL, "payload"]).map(str.encode) | st.binary(max_size=4), max_size=4).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), JSON | st.binary(max_size=8)) for name in names))
)
BODIES = st.binary(max_size=64) | JSON | FORMS.map(lambda fields: b"&".join(b"=".join(one) for one in fields))
TYPES = st.sampled_from([b"application/json", b"application/x-www-form-urlencoded"]) | st.binary(max_size=32)
OF_NO_TEAM = {"type": "event_callback", "team_id": False, "event_id": "Ev1", "event": {"type": "app_home_opened"}}
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        name: st.binary(max_size=32)
        for name in ("x-slack-request-timestamp", "x-slack-signature", "content-length", "x-slack-retry-num")
    },
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    ours = Settings(slack_signing_secret=SIGNING_SECRET)
    return settings.model_copy(update={"slack_signing_secret": ours.slack_signing_secret})


@bounded(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(body=orjson.dumps(OF_NO_TEAM), content_type=b"application/json", odd=None)
@given(body=BODIES, content_type=TYPES, odd=st.none() | HEADERS)
async def test_whatever_a_request_says_it_breaks_nothing(
    anyone: httpx.AsyncClient, body: bytes, content_type: bytes, odd: dict[str, bytes] | None
) -> None:
    text = body.decode(errors="replace").encode()  # Slack's own signer takes nothing else
    usual = {name: value.encode() for name, value in signed(text, "", NOW).items()}
    headers = usual | {"content-type": content_type} | (odd or {})
    sent = {name.encode(): value for name, value in headers.items()}

    answer = await anyone.post("/slack/events", content=body, headers=sent)

    assert answer.status_code in {200, 400, 401, 413}
