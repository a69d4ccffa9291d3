"""The Bolt app: every request of Slack is kept before it is acknowledged, and acted upon by the worker afterwards.

What comes by HTTP and by Socket Mode takes the same way. A request that cannot be kept in time is not acknowledged:
Slack repeats an event, and a person reads that the command was not taken.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult

from connectors.slack import requests
from connectors.slack.texts import Texts
from domain.slack import Envelope, EnvelopeKind, KeptEnvelope
from domain.time import Clock
from storage import slack_envelopes
from storage.database import Database
from storage.failures import retry

KEEP_SECONDS = 2.0
ANY = re.compile("")

Answer = Mapping[str, Any]
Next = Callable[[], Awaitable[BoltResponse]]

log = structlog.get_logger()


class SlackApp:
    """Takes Slack's requests; `open_view` answers a request for a modal while its trigger lasts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # Verified before Bolt sees it, by our clock; who it is from, the envelope's workspace says.
        self.bolt = AsyncApp(
            authorize=_anybody,
            request_verification_enabled=False,
            ssl_check_enabled=True,
            url_verification_enabled=True,
        )
        self.bolt.middleware(self._keep)
        for listen in (self.bolt.event, self.bolt.command, self.bolt.shortcut, self.bolt.action, self.bolt.view):
            listen(ANY)(_acknowledge)

    async def take(self, body: requests.Body) -> BoltResponse:
        """Answer one verified request; raises MalformedNotice."""
        requests.envelope(body)  # Bolt fails on what has not the shape that Slack documents
        return await self.bolt.async_dispatch(AsyncBoltRequest(body=dict(body), mode="socket_mode"))

    async def _keep(self, body: dict[str, Any], context: AsyncBoltContext, next: Next) -> BoltResponse | None:
        envelope = requests.envelope(body)
        if envelope is None:
            return BoltResponse(status=200)
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                kept = await self._insert(envelope)
        except Exception as error:
            log.warning("slack request not taken", kind=envelope.kind, error=f"{type(error).__name__}: {error}")
            return _not_taken(envelope)
        if kept is None:
            return _not_installed(envelope)
        context["envelope"] = kept
        return await next()

    async def _insert(self, envelope: Envelope) -> KeptEnvelope | None:
        body = orjson.dumps(envelope.body).decode()

        async def attempt() -> KeptEnvelope | None:
            async with self._database.begin() as session:
                found = await slack_envelopes.keep(session, envelope, body, now=self._clock())
                return found[0] if found else None

        return await retry(attempt)


async def _anybody(team_id: str | None = None, enterprise_id: str | None = None, **_: Any) -> AuthorizeResult:
    """Bolt calls nothing of Slack for us, so it needs no token."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


async def _acknowledge(ack: AsyncAck, context: AsyncBoltContext) -> None:
    await ack()


def _not_taken(envelope: Envelope) -> BoltResponse:
    """Who asked sees that nothing was taken; events Slack sends again."""
    if envelope.kind is EnvelopeKind.COMMAND:
        return _said(_texts().say("That was not taken: we cannot keep it just now. Please try again in a minute."))
    return BoltResponse(status=503)


def _not_installed(envelope: Envelope) -> BoltResponse:
    if envelope.kind is not EnvelopeKind.COMMAND:
        return BoltResponse(status=200)
    return _said(_texts().say("Laurel is not connected to this workspace. Ask an administrator to install it again."))


def _said(text: str) -> BoltResponse:
    body = orjson.dumps({"response_type": "ephemeral", "text": text}).decode()
    return BoltResponse(status=200, body=body, headers={"content-type": "application/json"})


def _texts() -> Texts:
    """Nobody knows yet who asks."""
    return Texts.of(None)
