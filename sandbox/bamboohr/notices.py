"""What the company tells its webhook: one signed event per request, sent once, again, or out of order."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

ANSWER_SECONDS = 5.0
USER_AGENT = "BambooHR-WebHooks/1.0 (+https://www.bamboohr.com)"


def sign(key: str, body: bytes, timestamp: str) -> str:
    """BambooHR's signature: HMAC-SHA256 in hex of the body, directly followed by the timestamp."""
    return hmac.new(key.encode(), body + timestamp.encode(), hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Webhook:
    """Notices wait in `pending` until they are delivered; `delivered` can be sent again."""

    key: str
    clock: Callable[[], datetime]
    url: str | None = None
    hold: bool = False
    pending: list[dict[str, Any]] = field(default_factory=list)
    delivered: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, notice: dict[str, Any]) -> None:
        self.pending.append(notice)

    async def changed(self) -> None:
        """Delivers what waits at once, unless deliveries are held or nobody listens."""
        if self.url is not None and not self.hold:
            await self.deliver()

    async def deliver(self, *, times: int = 1, reverse: bool = False) -> list[int]:
        """Posts what waits, `times` times; the statuses answered, 0 where nobody did. Failed ones wait on."""
        waiting, self.pending = self.pending, []
        statuses = []
        for notice in _ordered(waiting, reverse):
            answers = [await self._post(notice) for _ in range(times)]
            (self.delivered if any(200 <= status < 300 for status in answers) else self.pending).append(notice)
            statuses += answers
        return statuses

    async def deliver_again(self, *, reverse: bool = False) -> list[int]:
        """Posts everything that was delivered before once more."""
        return [await self._post(notice) for notice in _ordered(self.delivered, reverse)]

    async def _post(self, notice: dict[str, Any]) -> int:
        assert self.url is not None
        body = json.dumps(notice).encode()
        timestamp = str(int(self.clock().timestamp()))
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "x-bamboohr-timestamp": timestamp,
            "x-bamboohr-signature": sign(self.key, body, timestamp),
        }
        try:
            async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
                return (await client.post(self.url, content=body, headers=headers)).status_code
        except httpx.HTTPError:
            return 0


def _ordered(notices: list[dict[str, Any]], reverse: bool) -> Iterable[dict[str, Any]]:
    return notices[::-1] if reverse else list(notices)
