"""Somebody else's Slack takes what we send: each of our calls, and what is said although answers get lost."""

import ast
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.slack import SlackActivities
from connectors.breakers import Breaker
from connectors.slack import users
from connectors.slack.oauth import CALLBACK_PATH, App
from connectors.slack.web import Slack, Slacks
from domain.slack import THREAD_OF, MessageKind, Outgoing
from domain.slack_workspaces import Installation, InstallLink
from sandbox.slack.app import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.workspace import BOT_USER
from storage import slack_messages, slack_workspaces, unfinished
from storage.database import Database
from storage.keyring import Keyring
from storage.slack_tables import slack_messages as rows
from tests.judges.emulate import NODE, company
from tests.judges.emulate.proxy import Proxy, running_proxy
from tests.programs import make_program
from tests.servers import Servers

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node with npm on PATH")

ROOT = Path(__file__).parents[2]
MAYA = "maya@example.com"
METHOD = re.compile(r"(apps|auth|bots|chat|conversations|oauth|users|views)(\.[a-zA-Z0-9]+)+")
VIEW = {"type": "modal", "title": {"type": "plain_text", "text": "A form"}, "blocks": [{"type": "divider"}]}
HOME = {"type": "home", "blocks": [{"type": "divider"}]}


@pytest.fixture(scope="module")
def emulate(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with company.running_company(servers, tmp_path_factory.mktemp("emulate")) as url:
        yield url


@pytest.fixture
def proxy(emulate: str) -> Iterator[Proxy]:
    with running_proxy(emulate) as proxy:
        yield proxy


# -- Every call ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Caller:
    """Our client, and what is asked about."""

    slack: Slack
    api_url: str
    emulate: str
    maya: str
    thanks: str

    async def opened(self) -> Mapping[str, Any]:
        asked = {"trigger_id": company.trigger(self.emulate, self.maya), "view": VIEW}
        return await self.slack.write("views.open", asked)

    async def exchanged(self) -> Installation:
        app = App(CLIENT_ID, CLIENT_SECRET, company.BACK.removesuffix(CALLBACK_PATH))
        return await app.exchange(self.slack, company.code(self.emulate, self.maya))

    async def posted(self, **more: Any) -> Mapping[str, Any]:
        return await self.slack.write("chat.postMessage", {"channel": self.thanks, "text": "Hello", **more})


@pytest.fixture
async def caller(proxy: Proxy, emulate: str) -> AsyncIterator[Caller]:
    slack = Slack(company.TOKEN, Breaker("slack"), f"{proxy.url}/api/")
    channels = (await slack.submit("conversations.list", {}))["channels"]
    thanks = next(one["id"] for one in channels if one["name"] == "thanks")
    yield Caller(slack, f"{proxy.url}/api/", emulate, await users.find(slack, MAYA), thanks)
    await slack.aclose()


async def _updated(on: Caller) -> Any:
    return await on.slack.write("views.update", {"view_id": (await on.opened())["view"]["id"], "view": VIEW})


async def _edited(on: Caller) -> Any:
    said = await on.posted()
    return await on.slack.write("chat.update", {"channel": said["channel"], "ts": said["ts"], "text": "Goodbye"})


async def _own_bot(on: Caller) -> Any:
    return await on.slack.read("bots.info", {"bot": (await on.slack.introduce()).bot_id})


CALLS: dict[str, Callable[[Caller], Awaitable[Any]]] = {
    "auth.test": lambda on: on.slack.introduce(),
    "bots.info": _own_bot,
    "chat.postEphemeral": lambda on: on.slack.write(
        "chat.postEphemeral", {"channel": on.thanks, "user": on.maya, "text": "Psst"}
    ),
    "chat.postMessage": lambda on: on.posted(),
    "chat.update": _edited,
    "conversations.history": lambda on: on.slack.read("conversations.history", {"channel": on.thanks, "limit": 1}),
    "conversations.info": lambda on: on.slack.read("conversations.info", {"channel": on.thanks}),
    "conversations.open": lambda on: on.slack.write("conversations.open", {"users": on.maya}),
    "oauth.v2.access": lambda on: on.exchanged(),
    "users.info": lambda on: on.slack.read("users.info", {"user": on.maya, "include_locale": "true"}),
    "users.lookupByEmail": lambda on: users.find(on.slack, MAYA),
    "views.open": lambda on: on.opened(),
    "views.publish": lambda on: on.slack.write("views.publish", {"user_id": on.maya, "view": HOME}),
    "views.update": _updated,
}
# What is said in threads is looked for below, where there are some.
ELSEWHERE = {"conversations.replies"}
# emulate has none of these, and no response URLs: the sandbox takes them as Slack documents them, and slack_sdk's own
# Socket Mode the last.
NOT_THERE = {"apps.uninstall", "apps.connections.open"}


@pytest.mark.parametrize("method", CALLS)
async def test_each_of_our_calls_is_taken(caller: Caller, proxy: Proxy, method: str) -> None:
    before = proxy.taken[method]

    answered = await CALLS[method](caller)

    assert answered
    assert proxy.taken[method] == before + 1


def test_no_call_is_without_a_judge() -> None:
    """Each of Slack's methods that the sources name is judged here, or said to be missing there."""
    named = {
        node.value
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and METHOD.fullmatch(node.value)
    }

    assert named == CALLS.keys() | ELSEWHERE | NOT_THERE


def _sources() -> Iterator[Path]:
    for folder in ("connectors/slack", "activities", "relay", "api/slack"):
        yield from (ROOT / folder).rglob("*.py")
    yield ROOT / "cli" / "slack.py"


# -- What is said, although answers get lost -----------------------------------------------------------------------


@dataclass(frozen=True)
class Saying:
    """A program whose workspace is emulate's, and what delivers there."""

    database: Database
    program_id: str
    connection_id: str
    activities: SlackActivities
    caller: Caller

    async def send(self, key: str, text: str, place: str | None = None, **more: Any) -> None:
        content = {"text": text, **more.pop("content", {})}
        said = Outgoing(key, self.connection_id, place or self.caller.thanks, content, **more)
        async with self.database.begin() as session:
            await slack_messages.send(session, self.program_id, [said], now=datetime.now(UTC))

    async def deliver(self) -> None:
        async with self.database.begin() as session:
            due = await unfinished.list_deliveries(
                session, before=datetime.max.replace(tzinfo=UTC), after=None, limit=9
            )
        for one in due:
            await ActivityEnvironment().run(self.activities.say, one)

    async def states(self) -> dict[str, str]:
        async with self.database.begin() as session:
            return {str(key): str(state) for key, state in await session.execute(select(rows.c.key, rows.c.state))}

    async def heard(self, channel: str, ts: str | None = None) -> list[str]:
        """What stands there, oldest first; beneath a message, if one is named."""
        asked = {"channel": channel, "limit": 100} | ({"ts": ts} if ts else {})
        found = await self.caller.slack.read("conversations.replies" if ts else "conversations.history", asked)
        return [str(one["text"]) for one in sorted(found["messages"], key=lambda one: one["ts"])]


@pytest.fixture
async def saying(database_url: str, redis: Redis, caller: Caller) -> AsyncIterator[Saying]:
    keyring, database, slacks = Keyring({"a": bytes(32)}, "a"), Database(database_url), Slacks(caller.api_url)
    found = await caller.slack.introduce()
    installed = Installation(found.team_id, found.team_name, company.APP_ID, BOT_USER, found.scopes, company.TOKEN)
    async with database.begin() as session:
        program_id = await make_program(session)
        link = InstallLink(program_id, "tests")
        workspace = await slack_workspaces.install(session, keyring, link, installed, now=datetime.now(UTC))
    activities = SlackActivities(database, keyring, slacks, redis, lambda: datetime.now(UTC))
    yield Saying(database, program_id, workspace.connection_id, activities, caller)
    await slacks.aclose()
    await database.dispose()


async def test_a_post_whose_answer_was_lost_is_found_and_said_once(saying: Saying, proxy: Proxy) -> None:
    proxy.losing.append("chat.postMessage")
    await saying.send("lost", "lost in a channel")
    with pytest.raises(ApplicationError):
        await saying.deliver()
    await saying.deliver()

    assert (await saying.heard(saying.caller.thanks)).count("lost in a channel") == 1
    assert await saying.states() == {"lost": "sent"}
    assert proxy.taken["conversations.history"] > 0


async def test_a_direct_message_whose_answer_was_lost_is_found_and_said_once(saying: Saying, proxy: Proxy) -> None:
    proxy.losing.append("chat.postMessage")
    await saying.send("lost", "lost in person", saying.caller.maya)
    with pytest.raises(ApplicationError):
        await saying.deliver()
    await saying.deliver()

    direct = (await saying.caller.slack.write("conversations.open", {"users": saying.caller.maya}))["channel"]["id"]
    assert await saying.heard(direct) == ["lost in person"]
    assert await saying.states() == {"lost": "sent"}


async def test_a_reply_whose_answer_was_lost_is_found_beneath_its_message(saying: Saying, proxy: Proxy) -> None:
    await saying.send("opening", "it begins")
    await saying.deliver()
    proxy.losing.append("chat.postMessage")
    await saying.send("step", "half time", content={THREAD_OF: "opening"})
    with pytest.raises(ApplicationError):
        await saying.deliver()
    await saying.deliver()

    async with saying.database.begin() as session:
        ts = (await session.execute(select(rows.c.ts).where(rows.c.key == "opening"))).scalar_one()
    assert await saying.heard(saying.caller.thanks, ts) == ["it begins", "half time"]
    assert await saying.states() == {"opening": "sent", "step": "sent"}
    assert proxy.taken["conversations.replies"] > 0


async def test_an_edit_whose_answer_was_lost_stands_in_the_end(saying: Saying, proxy: Proxy) -> None:
    await saying.send("card", "it waits for somebody")
    await saying.deliver()
    proxy.losing.append("chat.update")
    await saying.send("card/1", "it was decided", kind=MessageKind.EDIT, edits="card")
    with pytest.raises(ApplicationError):
        await saying.deliver()
    await saying.deliver()

    heard = await saying.heard(saying.caller.thanks)
    assert ("it was decided" in heard, "it waits for somebody" in heard) == (True, False)
    assert await saying.states() == {"card": "sent", "card/1": "sent"}


async def test_what_nobody_can_look_for_is_asked_of_slack_once(saying: Saying, proxy: Proxy) -> None:
    proxy.losing.append("chat.postEphemeral")
    await saying.send("psst", "for you alone", kind=MessageKind.EPHEMERAL, user=saying.caller.maya)
    await saying.deliver()
    await saying.deliver()

    assert proxy.taken["chat.postEphemeral"] == 1
    assert await saying.states() == {"psst": "unknown"}
