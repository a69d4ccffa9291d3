"""Socket Mode: Slack's requests over a WebSocket that we open, for installations that nothing outside reaches.

They take the same way as those by HTTP. What cannot be kept is not acknowledged, and Slack sends it again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import ClientError
from redis.asyncio import Redis
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_sdk.web.async_client import AsyncWebClient

from api.slack.bolt import SlackApp
from connectors.slack.web import Slacks
from domain.time import Clock
from settings import Settings
from storage.database import Database
from storage.keyring import Keyring
from storage.wakeups import Wakeups


@asynccontextmanager
async def app(settings: Settings, wakeups: Wakeups, clock: Clock) -> AsyncIterator[SlackApp]:
    """The app as the API has it, with connections of its own."""
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    database = Database(settings.database_url, pool_size=settings.database_pool_size, ring=wakeups.ring)
    slacks, redis = Slacks(settings.slack_api_url), Redis.from_url(settings.redis_url)
    try:
        yield SlackApp(database, keyring, slacks, redis, clock)
    finally:
        await slacks.aclose()
        await redis.aclose()
        await database.dispose()


@asynccontextmanager
async def listening(settings: Settings, taker: SlackApp, app_token: str) -> AsyncIterator[None]:
    """Connected to Slack while the block runs, again whenever the connection is lost; raises SlackApiError."""
    client = AsyncWebClient(token=app_token, base_url=settings.slack_api_url)
    handler = AsyncSocketModeHandler(taker.bolt, app_token, web_client=client)
    try:
        # Connecting tries again for ever, which is right while Slack is away and wrong for a token that it refuses.
        with suppress(ClientError, TimeoutError):
            handler.client.wss_uri = await handler.client.issue_new_wss_url()
        await handler.connect_async()  # type: ignore[no-untyped-call]
        yield
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]
