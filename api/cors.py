"""Web pages of other origins: what browsers ask before they let a page call, and which pages may read the answer.

A preflight carries no token, so it cannot be told whose program is meant: all are answered alike, and say nothing of
any program. Which page may call is decided with the token: an origin that its program does not list is refused, and
told nothing. API keys do not belong into pages, so their answers are never for pages to read. No cookies are involved.
"""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Problem

PREFLIGHT_KEPT_SECONDS = 600
REQUEST_HEADERS = "authorization, if-none-match, last-event-id"
EXPOSED = b"ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"


def header(scope: Scope, name: bytes) -> str | None:
    """A header of the request, if it is there."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def origin_of(url: str) -> str:
    """The origin of pages at this URL, as browsers write it."""
    parts = urlsplit(url.lower())
    port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def admit(scope: Scope, origins: Collection[str]) -> None:
    """Let the page that calls, if one does, read the answer; raises Problem forbidden unless it is of these origins."""
    origin = header(scope, b"origin")
    if origin is None:
        return
    scope["answer_headers"].append((b"vary", b"Origin"))
    if origin not in origins:
        raise Problem("forbidden", "pages of this origin may not use member tokens of this program")
    scope["answer_headers"] += [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED),
    ]


class Preflights:
    """Answers browsers' questions about the routes that member tokens open, before anybody is authenticated."""

    def __init__(self, app: ASGIApp, paths: Collection[re.Pattern[str]]) -> None:
        self.app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = header(scope, b"origin") if scope["type"] == "http" and scope["method"] == "OPTIONS" else None
        if origin is None or not any(path.match(scope["path"]) for path in self._paths):
            await self.app(scope, receive, send)
            return
        headers = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET",
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_KEPT_SECONDS),
            "Vary": "Origin",
        }
        await Response(status_code=204, headers=headers)(scope, receive, send)
