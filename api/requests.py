"""Every request has an id, a line in the access log and its place in the metrics; none ends without an answer."""

import asyncio
import logging
import re
import time
from dataclasses import dataclass

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.problems import Problem
from storage.ids import new_id

ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
CLIENT_GONE = 499  # nobody sees it: the caller left before its body was complete
SWITCHED = 101  # a WebSocket begins
ANSWERS = frozenset(("http.response.start", "websocket.accept", "websocket.http.response.start"))
METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))

log = structlog.get_logger()
_seen = logging.getLogger(__name__)

_ANSWERED = Counter("laurel_http_requests_total", "Requests answered.", ("method", "route", "status"))
_SECONDS = Histogram(
    "laurel_http_request_seconds",
    "From a request's arrival until its answer was handed over, in seconds; live balances have no end to measure.",
    ("method", "route"),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class Requests:
    """Outermost of the application: names each request, and turns what nobody caught into a problem.

    What stands further in adds headers for the answer to `scope["answer_headers"]`, and says `scope["is_stream"]` of an
    answer that goes on for as long as its caller likes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._metrics: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        scope["answer_headers"] = [
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        asked = _Asked(scope, receive, send)
        try:
            await self.app(scope, receive, asked.send_on)
        except ClientDisconnect:
            asked.status = CLIENT_GONE
        except asyncio.CancelledError:  # the server was told to stop, and this did not end in time
            await asked.answer(Problem("database_unavailable", retry_after_seconds=problems.OUTAGE_RETRY_SECONDS))
            raise
        except Exception as error:
            await asked.fail(error)
        finally:
            self._record(scope, asked.status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", "(none)")
        asked = scope.get("method", "GET")  # a WebSocket begins with it
        method = asked if asked in METHODS else "(other)"
        key = (method, route, status)
        if key not in self._metrics:
            self._metrics[key] = _ANSWERED.labels(method, route, status), _SECONDS.labels(method, route)
        answered, duration = self._metrics[key]
        answered.inc()
        if "is_stream" not in scope:
            duration.observe(seconds)
        if not _seen.isEnabledFor(logging.INFO):  # a line that nobody sees costs as much as reading the body
            return
        caller = scope.get("api_key")
        log.info(
            "request",
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            key=caller.id if caller else None,
        )


@dataclass(slots=True)
class _Asked:
    """A request and the status of its answer, 0 before there is one.

    No closure, which would have to hold itself: what each request leaves behind goes at once, without the collector.
    """

    scope: Scope
    receive: Receive
    send: Send
    status: int = 0

    async def send_on(self, message: Message) -> None:
        """Send with the headers that were added."""
        if message["type"] in ANSWERS:
            self.status = message.get("status", SWITCHED)
            message["headers"] = [*message["headers"], *self.scope["answer_headers"]]
        elif message["type"] == "websocket.close" and not self.status:  # what Starlette says of a path without a socket
            await self.answer(Problem("not_found"))
            return
        await self.send(message)

    async def fail(self, error: Exception) -> None:
        """Answer with the problem that it is."""
        problem = problems.of(error)
        if problem.kind.code == "internal_error":
            log.exception("request failed", path=self.scope["path"])
        await self.answer(problem)

    async def answer(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer has begun."""
        if not self.status:
            await problems.answer(problem, self.scope["path"])(self.scope, self.receive, self.send_on)


def _request_id(scope: Scope) -> str:
    """The caller's own X-Request-Id if it can be used, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and ACCEPTED_ID.fullmatch(value):
            return str(value, "ascii")
    return new_id("req")
