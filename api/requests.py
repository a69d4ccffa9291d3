"""Every request has an id, a line in the access log and its place in the metrics; none ends without an answer."""

import asyncio
import logging
import re
import time

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
        extra = scope["answer_headers"] = [
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        status = 0

        async def send_answer(message: Message) -> None:
            nonlocal status
            if message["type"] in ANSWERS:
                status = message.get("status", SWITCHED)
                message["headers"] = [*message["headers"], *extra]
            elif message["type"] == "websocket.close" and not status:  # what Starlette says of a path without a socket
                await problems.answer(Problem("not_found"), scope["path"])(scope, receive, send_answer)
                return
            await send(message)

        try:
            await self.app(scope, receive, send_answer)
        except ClientDisconnect:
            status = CLIENT_GONE
        except asyncio.CancelledError:  # the server was told to stop, and this did not end in time
            if not status:
                gone = Problem("database_unavailable", retry_after_seconds=problems.OUTAGE_RETRY_SECONDS)
                await problems.answer(gone, scope["path"])(scope, receive, send_answer)
            raise
        except Exception as error:
            problem = problems.of(error)
            if problem.kind.code == "internal_error":
                log.exception("request failed", path=scope["path"])
            if not status:
                await problems.answer(problem, scope["path"])(scope, receive, send_answer)
        finally:
            self._record(scope, status, time.perf_counter() - started)

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


def _request_id(scope: Scope) -> str:
    """The caller's own X-Request-Id if it can be used, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and ACCEPTED_ID.fullmatch(value):
            return str(value, "ascii")
    return new_id("req")
