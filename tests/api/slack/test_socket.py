"""Socket Mode: what comes over the WebSocket is kept before it is acknowledged, as what comes by HTTP."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.slack import socket
from settings import Settings
from storage.database import Database
from storage.keyring import Keyring
from storage.slack_tables import slack_envelopes
from storage.wakeups import Wakeups
from tests.api.conftest import MakeClient
from tests.api.slack.senders import TEAM, USER, install
from tests.eventually import eventually
from tests.programs import NOW

APP_TOKEN = "xapp-of-tests"


class Slack:
    """The two ends that Socket Mode asks of Slack: a URL for a token, and a WebSocket there."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.server = TestServer(self._app())

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/apps.connections.open", self._open)
        app.router.add_get("/link", self._link)
        return app

    async def _open(self, request: web.Request) -> web.Response:
        known = request.headers.get("authorization") == f"Bearer {APP_TOKEN}"
        url = f"ws://{self.server.host}:{self.server.port}/link"
        return web.json_response({"ok": True, "url": url} if known else {"ok": False, "error": "invalid_auth"})

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        link = web.WebSocketResponse()
        await link.prepare(request)
        self.sockets.append(link)
        await link.send_json({"type": "hello", "num_connections": 1})
        async for message in link:
            if message.type is WSMsgType.TEXT and "envelope_id" in message.data:
                self.acknowledged.append(message.json()["envelope_id"])
        return link

    async def send(self, envelope_id: str, payload: dict[str, Any]) -> None:
        await self.sockets[-1].send_json({"envelope_id": envelope_id, "type": "slash_commands", "payload": payload})

    async def has_acknowledged(self, *envelope_ids: str) -> None:
        assert self.acknowledged == list(envelope_ids)


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    slack = Slack()
    await slack.server.start_server()
    yield slack
    await slack.server.close()


COMMAND = {
    "command": "/laurel",
    "text": "balance",
    "team_id": TEAM,
    "user_id": USER,
    "channel_id": "C1",
    "trigger_id": "t1",
    "response_url": "https://hooks.slack.com/commands/1",
}


async def test_what_comes_over_the_socket_is_kept_once_and_acknowledged(
    slack: Slack, settings: Settings, make_client: MakeClient, engine: AsyncEngine
) -> None:
    client = await make_client()
    url = f"http://{slack.server.host}:{slack.server.port}/api/"
    settings = settings.model_copy(update={"slack_api_url": url})
    database = Database(settings.database_url)
    await install(database, Keyring.from_setting(settings.laurel_secret_keys), client.program_id)
    await database.dispose()
    wakeups = Wakeups(settings.database_url)

    async with socket.app(settings, wakeups, lambda: NOW) as taker, socket.listening(settings, taker, APP_TOKEN):
        await asyncio.wait_for(slack.send("one", COMMAND), 30)
        await slack.send("two", COMMAND)
        await eventually(partial(slack.has_acknowledged, "one", "two"))

    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(slack_envelopes)) == 1
