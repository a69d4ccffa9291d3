"""The local Slack: what its Web API does and refuses, and what its people make an app hear."""

import csv
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from sandbox.slack import create_app
from sandbox.slack.app import APP_TOKEN, CLIENT_ID, CLIENT_SECRET, SIGNING_SECRET, TEAMS
from sandbox.slack.driver import Driver
from sandbox.slack.faults import Fault
from sandbox.slack.workspace import BOT_USER
from tests.eventually import eventually
from tests.slack import running_slack

PEOPLE = Path(__file__).parents[2] / "config" / "sample" / "people.csv"
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)

Json = dict[str, Any]


@dataclass
class App:
    """An app that remembers what it was sent, checks signatures with Slack's own library, and answers as it is told."""

    now: datetime = NOW
    status: int = 200
    answer: Json | None = None
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    genuine: list[bool] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        body, headers = await request.body(), dict(request.headers)
        clock = Clock()
        clock.now = lambda: self.now.timestamp()  # type: ignore[method-assign]
        self.received.append((headers, body))
        self.genuine.append(SignatureVerifier(SIGNING_SECRET, clock).is_valid_request(body, headers))
        return JSONResponse(self.answer, self.status) if self.answer is not None else Response(status_code=self.status)

    @property
    def payload(self) -> Json:
        """The last interaction."""
        found: Json = json.loads(parse_qs(self.received[-1][1].decode())["payload"][0])
        return found

    @property
    def events(self) -> list[Json]:
        return [json.loads(body)["event"] for _, body in self.received if body.startswith(b"{")]


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def slack(app: App) -> Iterator[Driver]:
    web = FastAPI()
    web.post("/slack/events")(app.take)
    transport = httpx.ASGITransport(web)
    with running_slack(
        request_url="http://app/slack/events", transport=transport, clock=lambda: app.now, teams={**TEAMS, "T2": "Two"}
    ) as driver:
        yield driver


@pytest.fixture
def bot(slack: Driver) -> AsyncWebClient:
    return AsyncWebClient(token=slack.workspace.bot_token, base_url=slack.api_url, retry_handlers=[])


@pytest.fixture
async def http(slack: Driver) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=slack.base_url) as client:
        yield client


def user(slack: Driver, name: str) -> str:
    return slack.workspace.user(name).id


def channel(slack: Driver, name: str) -> str:
    return slack.workspace.conversation(name).id


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def button(action_id: str, value: str = "1") -> Json:
    return {"type": "button", "action_id": action_id, "text": plain("Press"), "value": value}


def modal(*blocks: Json, **more: Any) -> Json:
    return {"type": "modal", "title": plain("A form"), "submit": plain("Send"), "blocks": list(blocks), **more}


def text_input(action_id: str = "why", **more: Any) -> Json:
    element = {"type": "plain_text_input", "action_id": action_id, **more}
    return {"type": "input", "block_id": f"{action_id}-block", "label": plain("Why?"), "element": element}


async def refused(call: Any) -> Json:
    """What the method answers that does not do it."""
    with pytest.raises(SlackApiError) as error:
        await call
    found = error.value.response
    assert isinstance(found, AsyncSlackResponse)
    assert isinstance(found.data, dict)
    return found.data


async def opened(slack: Driver, bot: AsyncWebClient, app: App, view: Json) -> Json:
    """A modal on Maya's screen."""
    await slack.shortcut("maya", "laurel.form")
    found: Json = (await bot.views_open(trigger_id=app.payload["trigger_id"], view=view))["view"]
    return found


# -- The Web API ---------------------------------------------------------------------------------------------------


def test_its_people_are_those_of_the_sample_company() -> None:
    slack: Driver = create_app().state.slack

    with PEOPLE.open() as file:
        emails = {row["email"]: row["time_zone"] for row in csv.DictReader(file)}
    known = {one.email: one.tz for one in slack.workspace.records.users.values()}
    assert emails.items() <= known.items()


async def test_people_are_shown_with_their_language_and_found_by_e_mail_while_they_are_there(
    slack: Driver, bot: AsyncWebClient
) -> None:
    shown = (await bot.users_info(user=user(slack, "karin"), include_locale=True))["user"]
    found = (await bot.users_lookupByEmail(email="Karin@example.com"))["user"]
    await slack.change("karin", deleted=True)

    assert (shown["locale"], shown["tz"], shown["profile"]["email"]) == ("de-DE", "Europe/Berlin", "karin@example.com")
    assert found["id"] == shown["id"]
    assert (await refused(bot.users_lookupByEmail(email="karin@example.com")))["error"] == "users_not_found"
    assert (await bot.users_info(user=shown["id"]))["user"]["deleted"] is True


async def test_lists_come_in_pages(slack: Driver, bot: AsyncWebClient) -> None:
    pages = [page["members"] async for page in await bot.users_list(limit=5)]

    assert [len(page) for page in pages] == [5, 5, 4]
    assert {one["id"] for page in pages for one in page} == set(slack.workspace.records.users)


async def test_a_message_is_found_again_by_its_metadata_changed_and_deleted(slack: Driver, bot: AsyncWebClient) -> None:
    metadata = {"event_type": "told", "event_payload": {"key": "k-1"}}
    posted = await bot.chat_postMessage(channel=user(slack, "maya"), text="Hello", metadata=metadata)
    place = posted["channel"]

    found = await bot.conversations_history(channel=place, include_all_metadata=True)
    without = await bot.conversations_history(channel=place)
    await bot.chat_update(channel=place, ts=posted["ts"], text="Goodbye")
    changed = await bot.conversations_history(channel=place)
    await bot.chat_delete(channel=place, ts=posted["ts"])

    assert place == (await bot.conversations_open(users=user(slack, "maya")))["channel"]["id"]
    assert found["messages"][0]["metadata"] == metadata
    assert "metadata" not in without["messages"][0]
    assert changed["messages"][0]["text"] == "Goodbye"
    assert (await bot.conversations_history(channel=place))["messages"] == []


async def test_answers_in_a_thread_are_in_the_thread_alone(slack: Driver, bot: AsyncWebClient) -> None:
    place, ts = channel(slack, "thanks"), await slack.say("maya", "thanks", "Well done")
    await bot.chat_postMessage(channel=place, text="Indeed", thread_ts=ts)

    told = await bot.conversations_history(channel=place)
    thread = await bot.conversations_replies(channel=place, ts=ts)

    assert [one["text"] for one in told["messages"]] == ["Well done"]
    assert [one["text"] for one in thread["messages"]] == ["Well done", "Indeed"]


async def test_each_method_needs_its_scope(slack: Driver, bot: AsyncWebClient) -> None:
    slack.workspace.records.installations[slack.workspace.bot_token].scopes = ["chat:write", "users:read"]
    thanks = channel(slack, "thanks")

    assert await refused(bot.conversations_history(channel=thanks)) == {
        "ok": False,
        "error": "missing_scope",
        "needed": "channels:history",
        "provided": "chat:write,users:read",
    }
    assert (await refused(bot.conversations_open(users=user(slack, "maya"))))["needed"] == "im:write"
    assert "email" not in (await bot.users_info(user=user(slack, "maya")))["user"]["profile"]


async def test_what_cannot_be_done_is_refused_as_slack_words_it(slack: Driver, bot: AsyncWebClient) -> None:
    await slack.archive("general", "helen")
    said = await slack.say("maya", "thanks", "Mine")
    thanks, maya, nora = channel(slack, "thanks"), user(slack, "maya"), user(slack, "nora")

    for error, call in {
        "channel_not_found": bot.chat_postMessage(channel=channel(slack, "leads"), text="x"),
        "not_in_channel": bot.chat_postMessage(channel=channel(slack, "random"), text="x"),
        "is_archived": bot.chat_postMessage(channel=channel(slack, "general"), text="x"),
        "no_text": bot.api_call("chat.postMessage", json={"channel": thanks}),
        "user_not_in_channel": bot.chat_postEphemeral(channel=thanks, user=nora, text="x"),
        "user_not_found": bot.users_info(user="U1"),
        "cant_update_message": bot.chat_update(channel=thanks, ts=said, text="x"),
        "message_not_found": bot.chat_delete(channel=thanks, ts="1.1"),
        "invalid_metadata_format": bot.chat_postMessage(channel=maya, text="x", metadata={"event_type": ""}),
        "unknown_method": bot.api_call("chat.sing"),
        "invalid_auth": AsyncWebClient(token="xoxb-else", base_url=slack.api_url).auth_test(),
        "not_authed": AsyncWebClient(base_url=slack.api_url).auth_test(),
    }.items():
        assert (await refused(call))["error"] == error


async def test_blocks_that_slack_cannot_show_are_refused_with_their_places(slack: Driver, bot: AsyncWebClient) -> None:
    options = [{"text": plain("o" * 76), "value": "1"}, {"text": plain("b"), "value": "2"}]
    faulty: list[Json] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "a" * 3001}},
        {"type": "header", "text": {"type": "mrkdwn", "text": "a"}},
        {"type": "actions", "elements": [button("a"), button("a")]},
        {"type": "section", "text": plain("a"), "accessory": {"type": "static_select", "options": options}},
        {"type": "context", "elements": []},
        {"type": "song"},
        {"type": "divider", "block_id": "b", "colour": "red"},
        {"type": "divider", "block_id": "b"},
        {"type": "section"},
    ]

    found = await refused(bot.chat_postMessage(channel=user(slack, "maya"), text="x", blocks=faulty))

    assert found["error"] == "invalid_blocks"
    assert found["response_metadata"]["messages"] == [f"[ERROR] {one}" for one in found["errors"]]
    assert found["errors"] == [
        "failed to match all allowed schemas [json-pointer:/blocks/0/text]",
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
        "failed to match all allowed schemas [json-pointer:/blocks/1/text]",
        "unsupported type: mrkdwn [json-pointer:/blocks/1/text/type]",
        "failed to match all allowed schemas [json-pointer:/blocks/3/accessory/options/0/text]",
        "must be less than 76 characters [json-pointer:/blocks/3/accessory/options/0/text/text]",
        "no fewer than 1 items allowed [json-pointer:/blocks/4/elements]",
        "unsupported type: song [json-pointer:/blocks/5/type]",
        "invalid additional property: colour [json-pointer:/blocks/6]",
        "missing required field: text [json-pointer:/blocks/8]",
        '`block_id` "b" already exists [json-pointer:/blocks/7/block_id]',
        '`action_id` "a" already exists [json-pointer:/blocks/2/elements/1/action_id]',
    ]


@pytest.mark.parametrize(
    ("view", "place"),
    [
        (modal({"type": "divider"}, title=plain("t" * 25)), "/view/title/text"),
        (modal(*({"type": "divider"} for _ in range(101))), "/view/blocks"),
        (modal({"type": "divider"}, private_metadata="p" * 3001), "/view/private_metadata"),
        ({"type": "modal", "title": plain("a"), "blocks": [text_input()]}, "/view/submit"),
        ({"type": "home", "blocks": [{"type": "divider"}]}, "/view/type"),
    ],
)
async def test_a_view_that_slack_cannot_show_is_refused_with_the_place(
    slack: Driver, bot: AsyncWebClient, app: App, view: Json, place: str
) -> None:
    await slack.shortcut("maya", "laurel.form")

    found = await refused(bot.views_open(trigger_id=app.payload["trigger_id"], view=view))

    assert found["error"] == "invalid_arguments"
    assert any(f"[json-pointer:{place}]" in one for one in found["response_metadata"]["messages"])


async def test_a_trigger_opens_one_view_within_three_seconds(slack: Driver, bot: AsyncWebClient, app: App) -> None:
    view = modal({"type": "divider"})
    await slack.shortcut("maya", "laurel.form")
    used = app.payload["trigger_id"]
    await bot.views_open(trigger_id=used, view=view)
    await slack.shortcut("maya", "laurel.form")
    late = app.payload["trigger_id"]
    app.now += timedelta(seconds=3)

    assert (await refused(bot.views_open(trigger_id=used, view=view)))["error"] == "exchanged_trigger_id"
    assert (await refused(bot.views_open(trigger_id=late, view=view)))["error"] == "expired_trigger_id"
    assert (await refused(bot.views_open(trigger_id="1.2", view=view)))["error"] == "invalid_trigger_id"


async def test_a_view_is_changed_only_as_it_was_seen(slack: Driver, bot: AsyncWebClient, app: App) -> None:
    before = await opened(slack, bot, app, modal({"type": "divider"}))
    after = (await bot.views_update(view_id=before["id"], view=modal(text_input()), hash=before["hash"]))["view"]

    again = bot.views_update(view_id=before["id"], view=modal(text_input()), hash=before["hash"])
    assert (await refused(again))["error"] == "hash_conflict"
    assert slack.view("maya") == after


async def test_a_response_url_takes_five_answers_in_half_an_hour(
    slack: Driver, app: App, http: httpx.AsyncClient
) -> None:
    await slack.command("maya", "thanks", "/laurel", "balance")
    url = dict(parse_qsl(app.received[-1][1].decode()))["response_url"]

    answers = [await http.post(url, json={"text": f"Answer {n}"}) for n in range(6)]
    await slack.command("maya", "thanks", "/laurel", "balance")
    late = dict(parse_qsl(app.received[-1][1].decode()))["response_url"]
    app.now += timedelta(minutes=30)
    too_late = await http.post(late, json={"text": "Late"})

    assert [one.text for one in answers[:5]] == ["ok"] * 5
    assert (answers[5].json()["error"], too_late.json()["error"]) == ("used_url", "expired_url")
    assert len(slack.workspace.conversation("thanks").ephemerals) == 5


async def test_an_answer_can_take_the_place_of_the_message_that_was_used(
    slack: Driver, bot: AsyncWebClient, app: App, http: httpx.AsyncClient
) -> None:
    block = {"type": "actions", "elements": [button("go")]}
    posted = await bot.chat_postMessage(channel=user(slack, "maya"), text="Which?", blocks=[block])
    whispered = await bot.chat_postEphemeral(
        channel=channel(slack, "thanks"), user=user(slack, "maya"), text="Sure?", blocks=[block]
    )

    await slack.press("maya", posted["channel"], posted["ts"], "go")
    await http.post(app.payload["response_url"], json={"replace_original": True, "text": "This"})
    await slack.press("maya", "thanks", whispered["message_ts"], "go")
    await http.post(app.payload["response_url"], json={"delete_original": True})

    assert slack.workspace.conversation(posted["channel"]).messages[posted["ts"]]["text"] == "This"
    assert slack.workspace.conversation("thanks").ephemerals == []


async def test_a_workspace_is_installed_with_a_code_that_works_once(
    slack: Driver, bot: AsyncWebClient, http: httpx.AsyncClient
) -> None:
    asked = {"client_id": CLIENT_ID, "scope": "chat:write,im:write", "redirect_uri": "http://app/back", "state": "s"}
    sent_back = await http.get("/oauth/v2/authorize", params={**asked, "team": "T2"})
    query = dict(parse_qsl(urlsplit(sent_back.headers["location"]).query))
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    granted = await bot.oauth_v2_access(**client, code=query["code"])

    assert query["state"] == "s"
    assert granted["team"] == {"id": "T2", "name": "Two"}
    assert granted["scope"] == "chat:write,im:write"
    theirs = AsyncWebClient(token=granted["access_token"], base_url=slack.api_url)
    assert (await theirs.auth_test())["team_id"] == "T2"
    assert (await refused(bot.oauth_v2_access(**client, code=query["code"])))["error"] == "invalid_code"


# -- Bad days ------------------------------------------------------------------------------------------------------


async def test_an_answer_that_gets_lost_was_an_effect_all_the_same(slack: Driver, bot: AsyncWebClient) -> None:
    slack.faults.append(Fault(kind="lost", method="chat.postMessage"))

    await bot.auth_test()
    with pytest.raises(Exception, match=r"payload|disconnect|Response"):
        await bot.chat_postMessage(channel=user(slack, "maya"), text="Once")

    said = slack.workspace.direct(user(slack, "maya")).messages.values()
    assert [one["text"] for one in said] == ["Once"]


async def test_too_many_calls_are_told_to_wait(slack: Driver, bot: AsyncWebClient) -> None:
    slack.faults.append(Fault(kind="rate_limited", times=2, retry_after_seconds=7))

    with pytest.raises(SlackApiError) as first:
        await bot.auth_test()
    assert (await refused(bot.auth_test()))["error"] == "ratelimited"
    assert (first.value.response.status_code, first.value.response.headers["Retry-After"]) == (429, "7")
    assert (await bot.auth_test())["ok"]


async def test_an_app_that_is_removed_is_told_and_can_do_nothing(slack: Driver, bot: AsyncWebClient, app: App) -> None:
    await slack.uninstall()
    await slack.say("maya", "thanks", "Nobody hears this")

    assert [one["type"] for one in app.events] == ["app_uninstalled", "tokens_revoked"]
    assert (await refused(bot.auth_test()))["error"] == "account_inactive"


# -- What the app hears ----------------------------------------------------------------------------------------------


async def test_events_are_signed_and_tell_what_happened(slack: Driver, app: App) -> None:
    ts = await slack.say("maya", "thanks", "@ruth thanks for <this> & that")
    await slack.react("karin", "thanks", ts, "tada")
    await slack.unreact("karin", "thanks", ts, "tada")
    await slack.rewrite("thanks", ts, "changed")
    await slack.remove("thanks", ts)

    assert all(app.genuine)
    said, added, removed, changed, deleted = app.events
    assert (said["channel_type"], said["user"]) == ("channel", user(slack, "maya"))
    assert said["text"] == f"<@{user(slack, 'ruth')}> thanks for &lt;this&gt; &amp; that"
    assert (added["type"], added["reaction"], added["item"]["ts"]) == ("reaction_added", "tada", ts)
    assert (added["item_user"], removed["type"]) == (user(slack, "maya"), "reaction_removed")
    assert (changed["subtype"], changed["message"]["text"]) == ("message_changed", "changed")
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)


async def test_people_and_channels_that_change_are_told(slack: Driver, app: App) -> None:
    await slack.join("tom", "tom@example.com", locale="fr-FR", is_ultra_restricted=True)
    await slack.change("tom", deleted=True)
    await slack.kick("thanks")
    await slack.invite("thanks")
    await slack.archive("thanks", "helen")
    await slack.unarchive("thanks", "helen")
    await slack.open_home("maya")

    kinds = ["team_join", "user_change", "channel_left", "member_joined_channel", "channel_archive"]
    assert [one["type"] for one in app.events] == [*kinds, "channel_unarchive", "app_home_opened"]
    assert (app.events[0]["user"]["locale"], app.events[1]["user"]["deleted"]) == ("fr-FR", True)
    assert app.events[3]["user"] == BOT_USER


async def test_nothing_is_told_of_where_the_bot_is_not_or_what_no_scope_allows(slack: Driver, app: App) -> None:
    await slack.say("maya", "random", "Unheard")
    slack.workspace.records.installations[slack.workspace.bot_token].scopes = ["reactions:read"]
    ts = await slack.say("maya", "thanks", "Unheard, too")
    await slack.react("karin", "thanks", ts, "tada")

    assert [one["type"] for one in app.events] == ["reaction_added"]


async def test_an_event_that_is_not_taken_comes_again_at_once_and_then_waits(slack: Driver, app: App) -> None:
    app.status = 503
    await slack.say("maya", "thanks", "Hello")
    app.status = 200
    delivered = await slack.webhook.deliver()
    again = await slack.webhook.deliver_again()

    retries = [(one.get("x-slack-retry-num"), one.get("x-slack-retry-reason")) for one, _ in app.received]
    assert (delivered, again) == ([200], [200])
    assert retries == [(None, None), ("1", "http_error"), ("2", "http_error"), ("3", "http_timeout")]
    assert len({body for _, body in app.received}) == 1


async def test_events_that_are_held_can_come_in_another_order(slack: Driver, app: App) -> None:
    ts = await slack.say("maya", "thanks", "Hello")
    slack.webhook.hold = True
    await slack.react("karin", "thanks", ts, "tada")
    await slack.unreact("karin", "thanks", ts, "tada")

    await slack.webhook.deliver(reverse=True)

    assert [one["type"] for one in app.events] == ["message", "reaction_removed", "reaction_added"]


async def test_a_request_can_come_again_late_or_forged(slack: Driver, app: App) -> None:
    await slack.command("maya", "thanks", "/laurel", "thanks @ruth")

    await slack.send_again(reason="http_timeout")
    await slack.send_again(0, seconds_old=360)
    await slack.send_again(0, secret="somebody else's")

    form = dict(parse_qsl(app.received[0][1].decode()))
    assert form["text"] == f"thanks <@{user(slack, 'ruth')}|ruth>"
    assert app.genuine == [True, True, False, False]
    assert app.received[1][0]["x-slack-retry-num"] == "1"


async def test_an_app_proves_that_its_address_is_its_own(slack: Driver, app: App) -> None:
    assert not await slack.verify_url()

    app.answer = {"challenge": "something else"}
    assert not await slack.verify_url()


async def test_what_a_command_is_answered_at_once_is_shown_to_its_user(slack: Driver, app: App) -> None:
    app.answer = {"text": "You have 5 points"}
    await slack.command("maya", "thanks", "/laurel", "balance")

    [shown] = slack.workspace.conversation("thanks").ephemerals
    assert (shown["text"], shown["to"]) == ("You have 5 points", user(slack, "maya"))


async def test_what_is_pressed_comes_with_the_message_it_was_in(slack: Driver, bot: AsyncWebClient, app: App) -> None:
    options = [{"text": plain("Ten"), "value": "10"}, {"text": plain("Twenty"), "value": "20"}]
    choice = {"type": "static_select", "action_id": "amount", "options": options}
    block = {"type": "actions", "block_id": "b", "elements": [button("go", "n-1"), choice]}
    posted = await bot.chat_postMessage(channel=user(slack, "maya"), text="Approve?", blocks=[block])

    await slack.press("maya", posted["channel"], posted["ts"], "go")
    pressed = app.payload
    await slack.press("maya", posted["channel"], posted["ts"], "amount", "20")

    assert (pressed["type"], pressed["user"]["id"]) == ("block_actions", user(slack, "maya"))
    assert (pressed["message"]["ts"], pressed["container"]["is_ephemeral"]) == (posted["ts"], False)
    assert (pressed["actions"][0]["value"], pressed["actions"][0]["block_id"]) == ("n-1", "b")
    assert app.payload["actions"][0]["selected_option"] == options[1]


async def test_a_message_shortcut_comes_with_its_message(slack: Driver, app: App) -> None:
    ts = await slack.say("ruth", "thanks", "I shipped it")

    await slack.message_shortcut("maya", "thanks", ts, "laurel.thank")

    assert (app.payload["type"], app.payload["message"]["text"]) == ("message_action", "I shipped it")
    assert app.payload["channel"] == {"id": channel(slack, "thanks"), "name": "thanks"}


async def test_a_form_is_filled_in_sent_and_closed(slack: Driver, bot: AsyncWebClient, app: App) -> None:
    who = {"type": "users_select", "action_id": "who"}
    view = modal(text_input(), {"type": "input", "block_id": "who-block", "label": plain("Who?"), "element": who})
    await opened(slack, bot, app, view | {"private_metadata": "m-1"})

    await slack.submit("maya", {"why": "Because", "who": user(slack, "ruth")})

    sent = app.payload["view"]
    assert (app.payload["type"], sent["private_metadata"]) == ("view_submission", "m-1")
    assert sent["state"]["values"] == {
        "why-block": {"why": {"type": "plain_text_input", "value": "Because"}},
        "who-block": {"who": {"type": "users_select", "selected_user": user(slack, "ruth")}},
    }
    with pytest.raises(KeyError):
        slack.view("maya")


@pytest.mark.parametrize("values", [{}, {"why": "short"}, {"why": "x" * 11}])
async def test_a_form_that_slack_would_not_send_is_not_sent(
    slack: Driver, bot: AsyncWebClient, app: App, values: Json
) -> None:
    await opened(slack, bot, app, modal(text_input(min_length=6, max_length=10)))
    before = len(app.received)

    with pytest.raises(ValueError, match="why"):
        await slack.submit("maya", values)
    assert len(app.received) == before


async def test_a_form_does_what_the_app_answers(slack: Driver, bot: AsyncWebClient, app: App) -> None:
    first = await opened(slack, bot, app, modal(text_input()))

    app.answer = {"response_action": "errors", "errors": {"why-block": "Say more"}}
    await slack.submit("maya", {"why": "no"})
    kept = slack.view("maya")["id"]
    app.answer = {"response_action": "push", "view": modal(text_input("more"), notify_on_close=True)}
    await slack.submit("maya", {"why": "yes"})
    pushed = slack.view("maya")
    app.answer = {"response_action": "update", "view": modal({"type": "divider"})}
    await slack.submit("maya", {"more": "yes"})
    updated = slack.view("maya")
    app.answer = None
    await slack.close("maya")
    app.answer = {"response_action": "clear"}
    await slack.submit("maya", {"why": "yes"})

    assert kept == first["id"] == pushed["previous_view_id"] == pushed["root_view_id"]
    assert (updated["id"], updated["blocks"][0]["type"]) == (pushed["id"], "divider")
    with pytest.raises(KeyError):
        slack.view("maya")


async def test_an_error_under_no_input_is_not_an_answer(slack: Driver, bot: AsyncWebClient, app: App) -> None:
    await opened(slack, bot, app, modal(text_input()))
    app.answer = {"response_action": "errors", "errors": {"elsewhere": "Say more"}}

    with pytest.raises(ValueError, match="elsewhere"):
        await slack.submit("maya", {"why": "no"})


async def test_the_home_tab_is_shown_and_used(slack: Driver, bot: AsyncWebClient, app: App) -> None:
    home = {"type": "home", "blocks": [{"type": "actions", "elements": [button("go", "r-1")]}]}
    await bot.views_publish(user_id=user(slack, "maya"), view=home)

    await slack.open_home("maya")
    await slack.press_view("maya", "go")

    assert app.events[0]["view"]["type"] == "home"
    assert (app.payload["container"]["type"], app.payload["actions"][0]["value"]) == ("view", "r-1")


async def test_with_a_socket_open_everything_goes_through_it(slack: Driver, app: App) -> None:
    client, heard = SocketModeClient(APP_TOKEN, web_client=AsyncWebClient(base_url=slack.api_url)), []

    async def take(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        heard.append((request.type, request.payload))
        answer = {"text": "You have 5 points"} if request.type == "slash_commands" else None
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, answer))

    client.socket_mode_request_listeners.append(take)
    await client.connect()

    async def open_socket() -> None:
        assert slack.webhook.socket

    await eventually(open_socket)
    answer = await slack.command("maya", "thanks", "/laurel", "balance")
    await slack.shortcut("maya", "laurel.thank")
    ts = await slack.say("maya", "thanks", "Hello")
    await client.close()

    assert [kind for kind, _ in heard] == ["slash_commands", "interactive", "events_api"]
    assert (heard[0][1]["text"], answer.json["text"]) == ("balance", "You have 5 points")
    assert (heard[1][1]["callback_id"], heard[2][1]["event"]["ts"]) == ("laurel.thank", ts)
    assert app.received == []


# -- From outside ----------------------------------------------------------------------------------------------------


async def test_people_act_on_request_and_everything_is_shown(slack: Driver, app: App, http: httpx.AsyncClient) -> None:
    said = await http.post("/_control/people/say", json={"user": "maya", "channel": "thanks", "text": "<script>Hi"})
    wrong = [
        await http.post("/_control/people/say", json={"user": "nobody", "channel": "thanks", "text": "x"}),
        await http.post("/_control/people/say", json={"user": "maya"}),
        await http.post("/_control/people/sing", json={}),
    ]
    shown = (await http.get("/_control/said")).json()
    page = (await http.get("/")).text

    assert said.json()["result"] in [one["ts"] for place in shown["conversations"] for one in place["messages"]]
    assert [one.status_code for one in wrong] == [400, 400, 404]
    assert "&lt;script&gt;Hi" in page


SURE = ("Sure?", "It is for ever.", "Go on", "Stop")


async def test_the_page_shows_every_kind_of_block(slack: Driver, bot: AsyncWebClient, http: httpx.AsyncClient) -> None:
    options = [{"text": plain("Option one"), "value": "1", "description": plain("Described")}]
    picture = {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "Pictured"}
    text = "*Bold* _italic_ ~struck~ `code` <https://example.com?a=1&amp;b=2|Link> <@{}> :tada: &lt;tag&gt;\n> Quoted"
    marked = {"type": "mrkdwn", "text": text.format(user(slack, "ruth"))}
    choices = [
        {"type": kind, "action_id": kind, "options": options}
        for kind in ("static_select", "radio_buttons", "checkboxes")
    ]
    pickers = ("users_select", "multi_users_select", "datepicker", "timepicker")
    rest = [{"type": kind, "action_id": kind} for kind in pickers]
    dialog = {name: plain(said) for name, said in zip(("title", "text", "confirm", "deny"), SURE, strict=True)}
    blocks: list[Json] = [
        {"type": "header", "text": plain("Headed")},
        {"type": "section", "text": marked, "accessory": button("go") | {"confirm": dialog}},
        {"type": "section", "fields": [plain("Left"), plain("Right")]},
        {"type": "divider"},
        {"type": "context", "elements": [picture, plain("Beside")]},
        {"type": "actions", "elements": [{"type": "overflow", "action_id": "more", "options": options}]},
        picture | {"title": plain("Titled")},
        *({"type": "input", "label": plain("Asked"), "element": one} for one in choices + rest),
        text_input(multiline=True, initial_value="Begun"),
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "Rich"}]}],
        },
    ]

    await bot.chat_postMessage(channel=channel(slack, "thanks"), text="All", blocks=blocks)
    page = (await http.get("/")).text

    words = "Headed Press Left Right Pictured Beside Titled Asked Begun Rich Quoted Described"
    assert [word for word in [*words.split(), *SURE] if word not in page] == []
    assert "<strong>Bold</strong> <em>italic</em> <s>struck</s> <code>code</code>" in page
    assert '<a href="https://example.com?a=1&amp;b=2" rel=noreferrer>Link</a> <b class=mention>@Ruth</b>' in page
    assert "&lt;tag&gt;" in page


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    file, said = tmp_path / "kept.json", {"user": "maya", "channel": "thanks", "text": "Hello"}
    first = create_app(data=file)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(first), base_url="http://sandbox") as client:
        await client.post("/_control/people/say", json=said)

    again: Driver = create_app(data=file).state.slack
    assert again.workspace.records == first.state.slack.workspace.records
    assert again.webhook.pending == first.state.webhook.pending != []


async def test_another_workspace_has_the_same_people_and_not_the_app_and_is_not_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    first = create_app(data=file)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(first), base_url="http://sandbox") as client:
        team = (await client.post("/_control/teams", json={"name": "Another"})).json()["id"]
        said = {"team": team, "user": "maya", "channel": "thanks", "text": "Hello"}
        await client.post("/_control/people/say", json=said)
        page = (await client.get("/", params={"team": team})).text

    again: Driver = create_app(data=file).state.drivers[team]
    assert "Hello" in page
    assert again.workspace.name == "Another"
    assert again.workspace.records == first.state.drivers[team].workspace.records
    assert again.workspace.records.installations == {}
    assert {one.email for one in again.workspace.records.users.values()} == {
        one.email for one in first.state.slack.workspace.records.users.values()
    }
    assert first.state.webhook.pending == []
