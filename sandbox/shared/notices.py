"""What a vendor tells its webhook: signed requests, sent once, again, or out of order."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, NamedTuple

import httpx
from fastapi import Depends, Request

ANSWER_SECONDS = 5.0

Json = dict[str, Any]


class Written(NamedTuple):
    """A request to the webhook."""

    body: bytes
    headers: Mapping[str, str]


class Webhook(ABC):
    """Notices wait in `pending` until they are delivered; `delivered` can be sent again."""

    batch_max: ClassVar[int] = 1  # notices of one request

    def __init__(self, secret: str, clock: Callable[[], datetime], url: str | None = None) -> None:
        self.secret = secret
        self.clock = clock
        self.url = url
        self.hold = False
        self.pending: list[Json] = []
        self.delivered: list[Json] = []

    @abstractmethod
    def written(self, batch: Sequence[Json]) -> Written:
        """The batch as the vendor sends it to `url`, signed at this time."""

    def tell(self, notice: Json) -> None:
        self.pending.append(notice)

    async def changed(self) -> None:
        """Delivers what waits at once, unless deliveries are held or nobody listens."""
        if self.url is not None and not self.hold:
            await self.deliver()

    async def deliver(self, *, times: int = 1, reverse: bool = False) -> list[int]:
        """Posts what waits, `times` times; the statuses answered, 0 where nobody did. Failed batches wait on."""
        waiting, self.pending = self.pending, []
        statuses = []
        for batch in self._batches(waiting, reverse):
            answers = [await self._post(batch) for _ in range(times)]
            (self.delivered if any(200 <= status < 300 for status in answers) else self.pending).extend(batch)
            statuses += answers
        return statuses

    async def deliver_again(self, *, reverse: bool = False) -> list[int]:
        """Posts everything that was delivered before once more, as vendors do that missed an answer."""
        return [await self._post(batch) for batch in self._batches(self.delivered, reverse)]

    def _batches(self, notices: Sequence[Json], reverse: bool) -> Iterable[Sequence[Json]]:
        ordered = notices[::-1] if reverse else list(notices)
        return (ordered[start : start + self.batch_max] for start in range(0, len(ordered), self.batch_max))

    async def _post(self, batch: Sequence[Json]) -> int:
        assert self.url is not None, "somebody listens"
        body, headers = self.written(batch)
        try:
            async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
                sent = await client.post(
                    self.url, content=body, headers={"content-type": "application/json", **headers}
                )
        except httpx.HTTPError:
            return 0
        return sent.status_code


def _webhook(request: Request) -> Webhook:
    webhook: Webhook = request.app.state.webhook
    return webhook


Listener = Annotated[Webhook, Depends(_webhook)]
