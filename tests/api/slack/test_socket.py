"""Socket Mode: what comes over the WebSocket is kept before it is acknowledged, as what comes by HTTP."""

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.slack import socket
from sandbox.slack.app import APP_TOKEN, create_app
from sandbox.slack.driver import Driver
from settings import Settings
from storage.database import Database
from storage.keyring import Keyring
from storage.slack_tables import slack_envelopes
from storage.wakeups import Wakeups
from tests.api.conftest import MakeClient
from tests.api.slack.senders import install
from tests.eventually import eventually
from tests.programs import NOW
from tests.sandboxes import running


@pytest.fixture
def slack() -> Iterator[Driver]:
    app = create_app(clock=lambda: NOW)
    driver: Driver = app.state.slack
    with running(app) as root:
        driver.base_url = root
        yield driver


async def test_what_comes_over_the_socket_is_kept_once_and_acknowledged(
    slack: Driver, settings: Settings, make_client: MakeClient, engine: AsyncEngine
) -> None:
    client = await make_client()
    settings = settings.model_copy(update={"slack_api_url": slack.api_url})
    database, keyring = Database(settings.database_url), Keyring.from_setting(settings.laurel_secret_keys)
    await install(database, keyring, client.program_id, team_id=slack.workspace.team_id)
    await database.dispose()

    async def is_open() -> None:
        assert slack.webhook.socket is not None

    wakeups = Wakeups(settings.database_url)
    async with socket.app(settings, wakeups, lambda: NOW) as taker, socket.listening(settings, taker, APP_TOKEN):
        await eventually(is_open)
        first = await slack.command("owen", "general", "/laurel", "balance")
        again = await slack.send_again()

    assert (first.is_taken, again.is_taken) == (True, True)
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(slack_envelopes)) == 1
