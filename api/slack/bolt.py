"""The Bolt app: every request of Slack is kept before it is acknowledged, and acted upon by the worker afterwards.

What comes by HTTP and by Socket Mode takes the same way. A form is acted upon in the transaction that keeps it, since
who handed it in waits for the answer. What cannot be kept in time is not acknowledged: Slack repeats an event,
and a person reads that nothing was taken.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult

from api.slack.modals import Modals
from api.slack.submissions import Submissions
from connectors.errors import MalformedNotice
from connectors.slack import requests
from connectors.slack.texts import Texts
from connectors.slack.web import Slacks
from domain.slack import Envelope, EnvelopeKind, KeptEnvelope
from domain.time import Clock
from storage import slack_envelopes
from storage.database import Database
from storage.failures import retry
from storage.keyring import Keyring

KEEP_SECONDS = 2.0
ANY = re.compile("")
ENVELOPE = "laurel_envelope"  # in Bolt's context

Next = Callable[[], Awaitable[BoltResponse]]

log = structlog.get_logger()


class SlackApp:
    """Takes Slack's requests, each once, however often and by whichever way it comes."""

    def __init__(self, database: Database, keyring: Keyring, slacks: Slacks, redis: Redis, clock: Clock) -> None:
        self._database = database
        self._modals = Modals(database, keyring, slacks, clock)
        self._submissions = Submissions(database, keyring, slacks, redis, clock)
        self._clock = clock
        # Verified before Bolt sees it, by our clock; whose it is, the envelope's workspace says.
        self.bolt = AsyncApp(authorize=_anybody, request_verification_enabled=False)
        self.bolt.middleware(self._keep)
        self.bolt.event(ANY)(_acknowledge)
        self.bolt.view(ANY)(_acknowledge)
        self.bolt.command(ANY)(self._acknowledge_and_open)
        self.bolt.shortcut(ANY)(self._acknowledge_and_open)
        self.bolt.action(ANY)(self._acknowledge_and_open)

    async def take(self, body: requests.Body) -> BoltResponse:
        """Answer one verified request; raises MalformedNotice."""
        envelope = requests.envelope(body)  # before Bolt, which fails on what has not the shape that Slack documents
        try:
            request = AsyncBoltRequest(body=dict(body), mode="socket_mode", context={ENVELOPE: envelope})
        except (AttributeError, KeyError, TypeError):
            raise MalformedNotice(requests.UNDOCUMENTED) from None
        return await self.bolt.async_dispatch(request)

    async def _keep(self, body: dict[str, Any], context: AsyncBoltContext, next: Next) -> BoltResponse | None:
        envelope = context[ENVELOPE] if ENVELOPE in context else requests.envelope(body)
        if envelope is None:
            return BoltResponse(status=200)
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                kept, context["is_new"] = await self._insert(envelope) or (None, False)
        except Exception as error:
            log.warning("slack request not taken", kind=envelope.kind, error=f"{type(error).__name__}: {error}")
            return _not_taken(envelope)
        if kept is None:
            return _not_installed(envelope)
        context["envelope"] = kept
        return await next()

    async def _insert(self, envelope: Envelope) -> tuple[KeptEnvelope, bool] | None:
        if envelope.kind is EnvelopeKind.VIEW:
            return await self._submissions.take(envelope)

        async def attempt() -> tuple[KeptEnvelope, bool] | None:
            async with self._database.begin() as session:
                return await slack_envelopes.keep(session, envelope, now=self._clock())

        return await retry(attempt)

    async def _acknowledge_and_open(self, ack: AsyncAck, context: AsyncBoltContext) -> None:
        await ack()
        if context["is_new"]:
            await self._modals.open(context["envelope"])


async def _acknowledge(ack: AsyncAck, context: AsyncBoltContext) -> None:
    """A form is told what came of it; again the same, if it is handed in again."""
    await ack(**(context["envelope"].answer or {}))


async def _anybody(team_id: str | None = None, enterprise_id: str | None = None, **_: Any) -> AuthorizeResult:
    """Bolt calls nothing of Slack for us, so it needs no token."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


def _not_taken(envelope: Envelope) -> BoltResponse:
    """Who asked sees that nothing was taken; events Slack sends again."""
    text = Texts.of(None).say("That was not taken: we cannot keep it just now. Please try again in a minute.")
    if envelope.kind is EnvelopeKind.COMMAND:
        return _said(text)
    fields = envelope.body["view"]["state"]["values"] if envelope.kind is EnvelopeKind.VIEW else ()
    if fields:
        return _json({"response_action": "errors", "errors": {next(iter(fields)): text}})
    return BoltResponse(status=503)


def _not_installed(envelope: Envelope) -> BoltResponse:
    if envelope.kind is not EnvelopeKind.COMMAND:
        return BoltResponse(status=200)
    texts = Texts.of(None)
    return _said(texts.say("Laurel is not connected to this workspace. Ask an administrator to install it again."))


def _said(text: str) -> BoltResponse:
    return _json({"response_type": "ephemeral", "text": text})


def _json(answer: Mapping[str, Any]) -> BoltResponse:
    return BoltResponse(status=200, body=orjson.dumps(answer).decode(), headers={"content-type": "application/json"})
