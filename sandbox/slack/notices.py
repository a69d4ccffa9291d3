"""The app's request URL, and what is sent to it: signed requests, kept as they were sent; events in envelopes.

An event that is not answered with 2xx within three seconds is sent again at once, and then waits to be delivered.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from sandbox.shared import notices
from sandbox.shared.notices import Json, Written
from sandbox.slack.socket_mode import Socket

ANSWER_SECONDS = 3.0
USER_AGENT = "Slackbot 1.0 (+https://api.slack.com/robots)"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Slack's v0 signature."""
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app answered; status 0 if it did not, and then Slack's name for that."""

    status: int
    content: bytes = b""
    reason: str = ""

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> Json:
        """The JSON that was answered, empty if it was none."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Webhook(notices.Webhook):
    """`sent` has every request as it went out."""

    def __init__(
        self,
        secret: str,
        clock: Callable[[], datetime],
        url: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(secret, clock, url)
        self.sent: list[Written] = []
        self.socket: Socket | None = None
        self._transport = transport
        self._retries: dict[str, tuple[int, str]] = {}  # by event id: how many there were, and why the last one

    def written(self, batch: Sequence[Json]) -> Written:
        [envelope] = batch
        number, reason = self._retries.get(envelope["event_id"], (0, ""))
        more = {"x-slack-retry-num": str(number), "x-slack-retry-reason": reason} if number else {}
        return self.signed(json.dumps(envelope).encode(), JSON, more)

    def signed(
        self,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        *,
        secret: str | None = None,
        at: datetime | None = None,
    ) -> Written:
        """The request as Slack sends it; with another secret, or of another time, as somebody would forge it."""
        timestamp = str(int((at or self.clock()).timestamp()))
        own = {
            "user-agent": USER_AGENT,
            "content-type": content_type,
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": sign(secret or self.secret, timestamp, body),
        }
        return Written(body, own | dict(headers or {}))

    async def changed(self) -> None:
        if (self.url is not None or self.socket is not None) and not self.hold:
            await self.deliver()

    async def send(self, request: Written) -> Answer:
        """Through the socket that the app has open, or else to its URL."""
        self.sent.append(request)
        return await self._ask(self.socket, request) if self.socket else await self._request(request)

    async def _ask(self, socket: Socket, request: Written) -> Answer:
        try:
            return Answer(200, await socket.ask(request, ANSWER_SECONDS))
        except TimeoutError:
            return Answer(0, reason="http_timeout")

    async def _request(self, request: Written) -> Answer:
        assert self.url is not None, "somebody listens"
        try:
            # An app on this machine needs none of the world's certificates, which take 30 ms to read.
            async with httpx.AsyncClient(transport=self._transport, verify=False, timeout=ANSWER_SECONDS) as client:
                answered = await client.post(self.url, content=request.body, headers=dict(request.headers))
        except httpx.TimeoutException:
            return Answer(0, reason="http_timeout")
        except httpx.HTTPError:
            return Answer(0, reason="connection_failed")
        return Answer(answered.status_code, answered.content, "" if answered.is_success else "http_error")

    async def deliver_again(self, *, reverse: bool = False) -> list[int]:
        """Slack does so when it did not hear the answer."""
        for envelope in self.delivered:
            self._count(envelope, "http_timeout")
        return await super().deliver_again(reverse=reverse)

    async def _post(self, batch: Sequence[Json]) -> int:
        [envelope] = batch
        answer = await self.send(self.written(batch))
        if not answer.is_taken and self._count(envelope, answer.reason) == 1:
            answer = await self.send(self.written(batch))
            if not answer.is_taken:
                self._count(envelope, answer.reason)
        return answer.status

    def _count(self, envelope: Mapping[str, Any], reason: str) -> int:
        number = self._retries.get(envelope["event_id"], (0, ""))[0] + 1
        self._retries[envelope["event_id"]] = number, reason
        return number
