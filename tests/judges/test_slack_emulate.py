"""Somebody else's Slack judges the sandbox's: Slack's own client gets answers of the same shape, and the same errors.

Both require scopes strictly. What emulate does not check, blocks and membership, is not asked here.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from fastapi import FastAPI, Request
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.slack.app import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.workspace import Installation
from tests.judges.emulate import NODE, company
from tests.judges.emulate.company import BACK, NARROW, TOKEN, running_company
from tests.servers import Servers
from tests.slack import running_slack

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node with npm on PATH")

VIEW = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "A form"},
    "blocks": [{"type": "divider"}],
    "private_metadata": "m",
    "callback_id": "c",
}
HOME = {"type": "home", "blocks": [{"type": "divider"}]}
METADATA = {"event_type": "told", "event_payload": {"key": "k-1"}}


@dataclass(frozen=True)
class Side:
    """One Slack with the same company: its client, and how a trigger and a code come about there."""

    bot: WebClient
    trigger: Callable[[], str]
    code: Callable[[], str]

    def as_(self, token: str | None) -> WebClient:
        return WebClient(token=token, base_url=self.bot.base_url)

    @property
    def maya(self) -> str:
        return str(self.bot.users_lookupByEmail(email="maya@example.com")["user"]["id"])

    @property
    def thanks(self) -> str:
        channels = self.bot.conversations_list()["channels"]
        return next(str(one["id"]) for one in channels if one["name"] == "thanks")

    def posted(self, **more: Any) -> dict[str, str]:
        """A message of the bot: where and when."""
        made = self.bot.chat_postMessage(channel=self.thanks, text="Hello", **more)
        return {"channel": made["channel"], "ts": made["ts"]}

    def opened(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.bot.views_open(trigger_id=self.trigger(), view=VIEW)["view"]
        return shown


@pytest.fixture(scope="module")
def theirs(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with running_company(servers, tmp_path_factory.mktemp("emulate")) as url:
        bot = WebClient(token=TOKEN, base_url=f"{url}/api/")
        side = Side(bot, lambda: company.trigger(url, side.maya), lambda: company.code(url, side.maya))
        yield side


@pytest.fixture(scope="module")
def ours() -> Iterator[Side]:
    app, triggers = FastAPI(), []

    @app.post("/slack/events")
    async def take(request: Request) -> None:
        triggers.append(json.loads(parse_qs((await request.body()).decode())["payload"][0])["trigger_id"])

    with running_slack(request_url="http://app/slack/events", transport=httpx.ASGITransport(app)) as slack:
        slack.workspace.records.installations[NARROW] = Installation(["chat:write"])
        act = f"{slack.base_url}/_control/people/shortcut"

        def trigger() -> str:
            httpx.post(act, json={"user": "maya", "callback_id": "form"}).raise_for_status()
            return str(triggers[-1])

        def code() -> str:
            asked = {"client_id": CLIENT_ID, "scope": "chat:write", "redirect_uri": BACK}
            return company.code_in(httpx.get(f"{slack.base_url}/oauth/v2/authorize", params=asked))

        yield Side(WebClient(token=TOKEN, base_url=slack.api_url), trigger, code)


def shape(answer: Any, keys: str) -> dict[str, str]:
    """Of what type is each of these, in the answer; what is missing raises KeyError."""
    return {key: type(_at(answer, key.split("."))).__name__ for key in keys.split()}


def _at(value: Any, path: list[str]) -> Any:
    for step in path:
        value = value[int(step)] if step.isdigit() else value[step]
    return value


Asked = Callable[[Side], Any]
ANSWERS: dict[str, tuple[Asked, str]] = {
    "auth.test": (lambda on: on.bot.auth_test(), "ok url team user team_id user_id bot_id"),
    "users.info": (
        lambda on: on.bot.users_info(user=on.maya),
        "ok user.id user.team_id user.name user.real_name user.deleted user.is_bot user.profile.email",
    ),
    "users.list": (lambda on: on.bot.users_list(limit=2), "ok members.1.id response_metadata.next_cursor"),
    "users.lookupByEmail": (
        lambda on: on.bot.users_lookupByEmail(email="maya@example.com"),
        "ok user.id user.profile.display_name",
    ),
    "conversations.open": (lambda on: on.bot.conversations_open(users=on.maya), "ok channel.id"),
    "conversations.info": (
        lambda on: on.bot.conversations_info(channel=on.thanks),
        "ok channel.id channel.name channel.is_channel channel.is_private channel.is_archived channel.is_member"
        " channel.topic.value",
    ),
    "conversations.list": (
        lambda on: on.bot.conversations_list(limit=1),
        "ok channels.0.id response_metadata.next_cursor",
    ),
    "conversations.members": (
        lambda on: on.bot.conversations_members(channel=on.thanks),
        "ok members.0 response_metadata.next_cursor",
    ),
    "conversations.history": (
        lambda on: (
            on.posted(metadata=METADATA)
            and on.bot.conversations_history(channel=on.thanks, include_all_metadata=True, limit=1)
        ),
        "ok messages.0.type messages.0.user messages.0.text messages.0.ts messages.0.metadata.event_type"
        " messages.0.metadata.event_payload.key has_more response_metadata.next_cursor",
    ),
    "conversations.replies": (
        lambda on: on.bot.conversations_replies(**on.posted(), limit=1),
        "ok messages.0.ts has_more",
    ),
    "chat.postMessage": (
        lambda on: on.bot.chat_postMessage(channel=on.thanks, text="Hello", blocks=[{"type": "divider"}]),
        "ok channel ts message.type message.text message.user message.ts message.blocks.0.type",
    ),
    "chat.postMessage to a direct message": (
        lambda on: on.bot.chat_postMessage(
            channel=on.bot.conversations_open(users=on.maya)["channel"]["id"], text="Hello"
        ),
        "ok channel ts message.text",
    ),
    "chat.postEphemeral": (
        lambda on: on.bot.chat_postEphemeral(channel=on.thanks, user=on.maya, text="Hello"),
        "ok message_ts",
    ),
    "chat.update": (
        lambda on: on.bot.chat_update(**on.posted(), text="Goodbye"),
        "ok channel ts text message.text message.edited.ts",
    ),
    "chat.delete": (lambda on: on.bot.chat_delete(**on.posted()), "ok channel ts"),
    "views.open": (
        lambda on: on.bot.views_open(trigger_id=on.trigger(), view=VIEW),
        "ok view.id view.team_id view.type view.title.text view.blocks.0.type view.private_metadata view.callback_id"
        " view.external_id view.state.values view.hash view.clear_on_close view.notify_on_close view.root_view_id"
        " view.previous_view_id view.app_id view.bot_id",
    ),
    "views.update": (
        lambda on: on.bot.views_update(view_id=on.opened()["id"], view=VIEW),
        "ok view.id view.hash view.root_view_id",
    ),
    "views.publish": (lambda on: on.bot.views_publish(user_id=on.maya, view=HOME), "ok view.id view.type view.hash"),
    "oauth.v2.access": (
        lambda on: on.bot.oauth_v2_access(
            client_id=CLIENT_ID, client_secret=CLIENT_SECRET, code=on.code(), redirect_uri=BACK
        ),
        "ok app_id authed_user.id scope token_type access_token bot_user_id team.id team.name is_enterprise_install",
    ),
}


@pytest.mark.parametrize("asked", ANSWERS)
def test_both_answer_in_the_same_shape(ours: Side, theirs: Side, asked: str) -> None:
    ask, keys = ANSWERS[asked]

    assert shape(ask(ours).data, keys) == shape(ask(theirs).data, keys)


def _exchanged_twice(on: Side) -> Any:
    trigger = on.trigger()
    on.bot.views_open(trigger_id=trigger, view=VIEW)
    return on.bot.views_open(trigger_id=trigger, view=VIEW)


def _granted_twice(on: Side) -> Any:
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "code": on.code(), "redirect_uri": BACK}
    on.bot.oauth_v2_access(**client)
    return on.bot.oauth_v2_access(**client)


REFUSALS: dict[str, Asked] = {
    "no token": lambda on: on.as_(None).auth_test(),
    "a user that is none": lambda on: on.bot.users_info(user="U1"),
    "an e-mail address of nobody": lambda on: on.bot.users_lookupByEmail(email="nobody@example.com"),
    "a channel that is none": lambda on: on.bot.chat_postMessage(channel="C1", text="Hello"),
    "nothing to say": lambda on: on.bot.chat_postMessage(channel=on.thanks, text=""),
    "metadata of another form": lambda on: on.bot.chat_postMessage(channel=on.thanks, text="Hello", metadata="[]"),
    "a message that is none": lambda on: on.bot.chat_update(channel=on.thanks, ts="1.000001", text="Hello"),
    "a deleted message": lambda on: on.bot.chat_delete(**(gone := on.posted())) and on.bot.chat_delete(**gone),
    "a trigger that was used": _exchanged_twice,
    "a trigger that is none": lambda on: on.bot.views_open(trigger_id="1.2", view=VIEW),
    "a view that is none": lambda on: on.bot.views_update(view_id="V1", view=VIEW),
    "a view that has changed": lambda on: on.bot.views_update(view_id=on.opened()["id"], view=VIEW, hash="1.old"),
    "a code that was used": _granted_twice,
    "no scope for users": lambda on: on.as_(NARROW).users_info(user=on.maya),
    "no scope for e-mail addresses": lambda on: on.as_(NARROW).users_lookupByEmail(email="maya@example.com"),
    "no scope for a channel": lambda on: on.as_(NARROW).conversations_info(channel=on.thanks),
    "no scope for what was said": lambda on: on.as_(NARROW).conversations_history(channel=on.thanks),
    "no scope for direct messages": lambda on: on.as_(NARROW).conversations_open(users=on.maya),
}


@pytest.mark.parametrize("asked", REFUSALS)
def test_both_refuse_with_the_same_error(ours: Side, theirs: Side, asked: str) -> None:
    assert _refused(REFUSALS[asked], ours) == _refused(REFUSALS[asked], theirs)


def _refused(ask: Asked, on: Side) -> dict[str, Any]:
    """The error, and which scope is needed beside which others."""
    with pytest.raises(SlackApiError) as refused:
        ask(on)
    return {name: refused.value.response.get(name) for name in ("ok", "error", "needed", "provided")}
