"""Outbound HTTP, the only module that knows which client library sends it.

An `Outside` speaks to one system: it bounds time and bytes, retries what is safe to retry, obeys Retry-After, keeps the
breaker informed, counts, and turns every failure into the tree in `connectors.errors`. A write is sent at most once.
"""

import asyncio
import json
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import Any

import httpx
import stamina
from prometheus_client import Counter, Histogram

from connectors.breakers import Breaker
from connectors.errors import (
    Ambiguous,
    AnswerTooLong,
    BreakerOpen,
    GarbledAnswer,
    OutsideError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)

_REQUESTS = Counter("laurel_outside_requests_total", "Requests to outside systems", ["system", "outcome"])
_SECONDS = Histogram("laurel_outside_request_seconds", "Time until an outside system answered", ["system"])

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_LONGEST_RETRY_AFTER_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one system's requests; `attempts` counts the first try of a read.

    A Retry-After beyond `patience_seconds` is not waited for here but handed to the caller.
    """

    connect_seconds: float = 3.0
    request_seconds: float = 15.0
    answer_bytes: int = 8 * 2**20
    connections: int = 20
    attempts: int = 3
    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 2.0
    patience_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer with a status below 400; header names are lower case."""

    system: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON with exact decimals; raises GarbledAnswer."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError):
            raise GarbledAnswer(self.system, f"status {self.status} with a body that is not JSON") from None


def refusal(answer: Answer) -> Rejected:
    """What a refused request means where a connector knows no better."""
    kind = Unauthorized if answer.status in (401, 403) else Rejected
    return kind(answer.system, answer.status, f"http_{answer.status}")


class Outside:
    """One system at one base URL with one set of credentials (in `headers`); `refuse` reads answers from 300 to 499."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        breaker: Breaker,
        refuse: Callable[[Answer], OutsideError] = refusal,
        bounds: Bounds | None = None,
    ) -> None:
        self.system = breaker.system
        self._breaker = breaker
        self._refuse = refuse
        self._bounds = bounds or Bounds()
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"accept-encoding": "identity", "user-agent": "laurel", **headers},
            timeout=httpx.Timeout(self._bounds.request_seconds, connect=self._bounds.connect_seconds),
            limits=httpx.Limits(max_connections=self._bounds.connections),
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def read(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        """GET, retried with jitter while that can help; raises Unavailable, GarbledAnswer or what `refuse` says."""
        return await self._read(self._client.build_request("GET", path, params=params))

    async def ask(self, path: str, form: Mapping[str, str | int] | None = None) -> Answer:
        """A form by POST that changes nothing, so that what it says is in no URL; retried, and raises, as `read`."""
        return await self._read(self._client.build_request("POST", path, data=form))

    async def write(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> Answer:
        """Sent once; raises Unavailable if it took no effect, Ambiguous if that is not known, or what `refuse` says."""
        headers = {"content-type": content_type} if body else {}
        request = self._client.build_request(method, path, content=body, headers=headers)
        try:
            answer = await self._exchange(request)
        except _NoAnswer as silence:
            if silence.sent:
                raise Ambiguous(self.system, f"no answer to a write: {silence}") from None
            raise Unavailable(self.system, f"not reached: {silence}") from None
        except GarbledAnswer as error:
            raise Ambiguous(self.system, "an answer to a write that cannot be read") from error
        if answer.status >= 500:
            raise Ambiguous(self.system, f"status {answer.status} to a write")
        return self._accepted(answer)

    async def _read(self, request: httpx.Request) -> Answer:
        async for attempt in self._attempts():
            with attempt:
                return await self._read_once(request)
        raise AssertionError("there is at least one attempt")

    async def _read_once(self, request: httpx.Request) -> Answer:
        try:
            answer = await self._exchange(request)
        except _NoAnswer as silence:
            raise Unavailable(self.system, f"no answer: {silence}") from None
        if answer.status >= 500:
            raise Unavailable(self.system, f"status {answer.status}", retry_after_seconds(answer.headers))
        return self._accepted(answer)

    async def _exchange(self, request: httpx.Request) -> Answer:
        """Sends under the breaker's eye; raises BreakerOpen, _NoAnswer or GarbledAnswer."""
        self._breaker.admit()
        started = perf_counter()
        try:
            async with asyncio.timeout(self._bounds.request_seconds):
                answer = await self._send(request)
        except (httpx.HTTPError, TimeoutError) as error:
            self._breaker.failed()
            _REQUESTS.labels(self.system, "no_answer").inc()
            raise _NoAnswer(type(error).__name__, sent=not isinstance(error, _NOT_SENT)) from None
        except BaseException:
            self._breaker.abandoned()
            raise
        _SECONDS.labels(self.system).observe(perf_counter() - started)
        _REQUESTS.labels(self.system, f"{answer.status // 100}xx").inc()
        if answer.status >= 500:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        return answer

    async def _send(self, request: httpx.Request) -> Answer:
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._bounds.answer_bytes:
                    raise AnswerTooLong(self.system, f"an answer beyond {self._bounds.answer_bytes} bytes")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(self.system, response.status_code, headers, bytes(body))
        finally:
            await response.aclose()

    def _accepted(self, answer: Answer) -> Answer:
        if answer.status == 429:
            raise RateLimited(self.system, "asked us to slow down", retry_after_seconds(answer.headers))
        if answer.status >= 300:
            raise self._refuse(answer)
        return answer

    def _attempts(self) -> AsyncIterable[stamina.Attempt]:
        return stamina.retry_context(
            on=self._worth_another_try,
            attempts=self._bounds.attempts,
            timeout=None,
            wait_initial=self._bounds.first_wait_seconds,
            wait_max=self._bounds.longest_wait_seconds,
            wait_jitter=self._bounds.first_wait_seconds,
        )

    def _worth_another_try(self, error: Exception) -> bool | float:
        if isinstance(error, BreakerOpen) or not isinstance(error, Unavailable):
            return False
        if error.retry_after_seconds is None:
            return True
        return error.retry_after_seconds if error.retry_after_seconds <= self._bounds.patience_seconds else False


class _NoAnswer(Exception):
    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """RFC 9110 Retry-After, at most an hour; a date counts from the answer's own Date, so no clocks are compared."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value.isdecimal() else _seconds_between(headers.get("date", ""), value)
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS)


def _seconds_between(start: str, end: str) -> float:
    return (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds()
