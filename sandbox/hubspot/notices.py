"""What the account tells its webhook: signed arrays of notifications, sent once, again, or out of order."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from sandbox.hubspot.crm import epoch_milliseconds

BATCH_MAX = 100
ANSWER_SECONDS = 5.0

_DECODED = {f"%{ord(c):02X}": c for c in ":/?@!$'()*,;"}


def sign(secret: str, method: str, url: str, body: bytes, timestamp: str) -> str:
    """HubSpot's v3 signature."""
    for escape, character in _DECODED.items():
        url = url.replace(escape, character).replace(escape.lower(), character)
    signed = f"{method}{url}".encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


@dataclass(slots=True)
class Webhook:
    """Notifications wait in `pending` until they are delivered; `delivered` can be sent again."""

    secret: str
    clock: Callable[[], datetime]
    url: str | None = None
    hold: bool = False
    pending: list[dict[str, Any]] = field(default_factory=list)
    delivered: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, notification: dict[str, Any]) -> None:
        self.pending.append(notification)

    async def changed(self) -> None:
        """Delivers what waits at once, unless deliveries are held or nobody listens."""
        if self.url is not None and not self.hold:
            await self.deliver()

    async def deliver(self, *, times: int = 1, reverse: bool = False) -> list[int]:
        """Posts what waits, `times` times; the statuses answered, 0 where nobody did. Failed batches wait on."""
        waiting, self.pending = self.pending, []
        statuses = []
        for batch in _batches(waiting[::-1] if reverse else waiting):
            answers = [await self._post(batch) for _ in range(times)]
            (self.delivered if any(200 <= status < 300 for status in answers) else self.pending).extend(batch)
            statuses += answers
        return statuses

    async def deliver_again(self, *, reverse: bool = False) -> list[int]:
        """Posts everything that was delivered before once more, as HubSpot does when it missed an answer."""
        for notification in self.delivered:
            notification["attemptNumber"] += 1
        again = self.delivered[::-1] if reverse else self.delivered
        return [await self._post(batch) for batch in _batches(again)]

    async def _post(self, batch: Sequence[dict[str, Any]]) -> int:
        assert self.url is not None
        body = json.dumps(list(batch)).encode()
        timestamp = str(epoch_milliseconds(self.clock()))
        headers = {
            "content-type": "application/json",
            "user-agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/)",
            "x-hubspot-signature-v3": sign(self.secret, "POST", self.url, body, timestamp),
            "x-hubspot-request-timestamp": timestamp,
        }
        try:
            async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
                return (await client.post(self.url, content=body, headers=headers)).status_code
        except httpx.HTTPError:
            return 0


def _batches(notifications: Sequence[dict[str, Any]]) -> Iterable[Sequence[dict[str, Any]]]:
    for start in range(0, len(notifications), BATCH_MAX):
        yield notifications[start : start + BATCH_MAX]
