"""Slack's requests are verified, kept once, and acknowledged only then."""

from datetime import timedelta

import httpx
import orjson
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.slack import bolt, submissions
from settings import Settings
from storage.database import Database
from storage.keyring import Keyring
from storage.slack_tables import slack_envelopes
from storage.tables import outbox
from tests.api.conftest import MakeClient
from tests.api.slack.senders import SIGNING_SECRET, TEAM, USER, install, send_command, send_event, send_payload, signed
from tests.programs import NOW

HOME_OPENED = {"type": "app_home_opened", "user": USER}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    away = "http://127.0.0.1:1/api/"
    return settings.model_copy(update={"slack_signing_secret": SIGNING_SECRET_SETTING, "slack_api_url": away})


SIGNING_SECRET_SETTING = Settings(slack_signing_secret=SIGNING_SECRET).slack_signing_secret


@pytest.fixture
async def program_id(make_client: MakeClient, database_url: str, settings: Settings) -> str:
    """A program to which the workspace is connected."""
    client = await make_client()
    database = Database(database_url)
    await install(database, Keyring.from_setting(settings.laurel_secret_keys), client.program_id)
    await database.dispose()
    return client.program_id


async def kept(engine: AsyncEngine) -> list[tuple[str, str]]:
    async with engine.connect() as connection:
        rows = await connection.execute(select(slack_envelopes.c.kind, slack_envelopes.c.key).order_by("id"))
        return [(row.kind, row.key) for row in rows]


async def test_a_redelivered_request_is_acknowledged_again_and_kept_once(
    anyone: httpx.AsyncClient, program_id: str, engine: AsyncEngine
) -> None:
    answers = [await send_command(anyone, "balance") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert await kept(engine) == [("command", "command:trigger.1")]
    async with engine.connect() as connection:
        effects = await connection.execute(select(outbox.c.kind).where(outbox.c.lane == "slack"))
        assert effects.scalars().all() == ["slack_envelope"]


async def test_what_people_press_and_fill_in_is_known_by_what_it_is(
    anyone: httpx.AsyncClient, program_id: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "KNOW_SECONDS", 0.1)
    who = {"team": {"id": TEAM}, "user": {"id": USER}}
    action = {"action_id": "laurel.nominations.approve", "action_ts": "1.2", "value": "nom_1"}
    view = {"type": "modal", "id": "V1", "hash": "1.a", "callback_id": "laurel.x", "state": {"values": {}}}
    other = {**view, "state": {"values": {"reason": {"text": {"value": "for all"}}}}}
    for payload in (
        {"type": "shortcut", "callback_id": "laurel.thanks", "trigger_id": "t1", **who},
        {"type": "block_actions", "actions": [action], "trigger_id": "t2", **who},
        {"type": "block_actions", "actions": [action], "trigger_id": "t3", **who},
        {"type": "view_submission", "view": view, **who},
        {"type": "view_submission", "view": other, **who},
        {"type": "view_submission", "view": other, **who},
    ):
        assert (await send_payload(anyone, payload)).status_code == 200

    assert [kind for kind, _ in await kept(engine)] == ["shortcut", "action", "view", "view"]


async def test_an_event_in_a_shared_channel_is_of_the_workspace_that_has_the_app(
    anyone: httpx.AsyncClient, program_id: str, engine: AsyncEngine
) -> None:
    whose = {"team_id": "T0OTHERS", "authorizations": [{"team_id": TEAM, "is_bot": True}]}
    body = orjson.dumps({"type": "event_callback", "event_id": "Ev1", "event": HOME_OPENED, **whose})

    answer = await anyone.post("/slack/events", content=body, headers=signed(body, "application/json"))

    assert answer.status_code == 200
    assert await kept(engine) == [("event", "event:Ev1")]


async def test_messages_that_thank_nobody_are_not_kept(
    anyone: httpx.AsyncClient, program_id: str, engine: AsyncEngine
) -> None:
    message = {"type": "message", "channel": "C1", "user": USER, "ts": "1.1"}
    await send_event(anyone, {**message, "text": "salaries: see the list"}, "Ev1")
    await send_event(anyone, {**message, "subtype": "message_changed", "text": "<@U2> :laurel:"}, "Ev2")
    await send_event(anyone, {**message, "text": "<@U2> :laurel: for the demo"}, "Ev3")

    assert await kept(engine) == [("event", "event:Ev3")]


async def test_slack_is_shown_that_the_url_is_ours(anyone: httpx.AsyncClient, program_id: str) -> None:
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB"}'

    answer = await anyone.post("/slack/events", content=body, headers=signed(body, "application/json"))

    assert (answer.status_code, answer.text) == (200, '{"challenge": "3eZbrw1aB"}')


BODY = b'{"type": "event_callback"}'
GOOD = signed(BODY, "application/json")
ODD = b'{"type": "url_verification", "event": null}'


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({}, BODY, 401, "bad_signature"),
        (GOOD | {"x-slack-signature": "v0=00"}, BODY, 401, "bad_signature"),
        (GOOD | {"x-slack-signature": "v0=é"}, BODY, 401, "bad_signature"),
        (GOOD | {"x-slack-request-timestamp": "soon"}, BODY, 401, "bad_signature"),
        (GOOD | {"x-slack-request-timestamp": "٣"}, BODY, 401, "bad_signature"),
        (GOOD | {"x-slack-request-timestamp": "9" * 5000}, BODY, 401, "bad_signature"),
        (GOOD, BODY + b" ", 401, "bad_signature"),
        (signed(BODY, "application/json", NOW - timedelta(seconds=301)), BODY, 401, "stale_notice"),
        (signed(BODY, "application/json", NOW + timedelta(seconds=301)), BODY, 401, "stale_notice"),
        (signed(BODY, "application/json", secret="another"), BODY, 401, "bad_signature"),
        (GOOD, b"\xff\xfe", 400, "malformed_notice"),
        (signed(b"[1]", "application/json"), b"[1]", 400, "malformed_notice"),
        (signed(ODD, "application/json"), ODD, 400, "malformed_notice"),
        (signed(b'{"type": "\\u0000"}', "application/json"), b'{"type": "\\u0000"}', 400, "malformed_notice"),
        (signed(b"payload=%00", "application/x-www-form-urlencoded"), b"payload=%00", 400, "malformed_notice"),
        (signed(BODY, "text/plain"), BODY, 400, "malformed_notice"),
    ],
)
async def test_what_slack_did_not_send_is_refused_and_not_kept(
    anyone: httpx.AsyncClient, program_id: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    sent = {name.encode(): value.encode() for name, value in headers.items()}

    answer = await anyone.post("/slack/events", content=body, headers=sent)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_request_that_is_signed_and_makes_no_sense_is_a_bad_request(
    anyone: httpx.AsyncClient, program_id: str
) -> None:
    answers = [
        await send_payload(anyone, {"type": "block_actions", "actions": []}),
        await send_payload(anyone, {"type": "view_submission", "user": {}}),
        await send_event(anyone, {"type": 7}),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 200]  # of the last one, nothing is ours


async def test_while_nothing_can_be_kept_nothing_is_acknowledged(
    anyone: httpx.AsyncClient, program_id: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bolt, "KEEP_SECONDS", 0.2)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("LOCK TABLE slack_workspaces IN ACCESS EXCLUSIVE MODE")

        event, command = await send_event(anyone, HOME_OPENED), await send_command(anyone, "balance")

    assert event.status_code == 503
    assert command.status_code == 200
    assert "not taken" in command.json()["text"]
    assert await kept(engine) == []
    monkeypatch.undo()
    assert (await send_event(anyone, HOME_OPENED)).status_code == 200
    assert await kept(engine) == [("event", "event:Ev1")]


async def test_a_workspace_that_is_not_connected_is_told_so(
    anyone: httpx.AsyncClient, make_client: MakeClient, engine: AsyncEngine
) -> None:
    await make_client()

    answer = await send_command(anyone, "balance")

    assert answer.status_code == 200
    assert "not connected" in answer.json()["text"]
    assert await kept(engine) == []
