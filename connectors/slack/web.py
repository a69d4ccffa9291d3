"""Slack's Web API: called with one workspace's token. What Slack answers with `ok: false` is an error as any other.

https://docs.slack.dev/apis/web-api: every call is answered with 200, but for 429, and says in `ok` whether it was done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from connectors.breakers import Breaker
from connectors.clients import Clients
from connectors.errors import Ambiguous, GarbledAnswer, RateLimited, Rejected, Unauthorized, Unavailable
from connectors.http import Answer, Bounds, Outside
from domain.connections import Connection
from domain.slack import EXPIRED_URL

KIND = "slack"
RESPONSE_HOST = "hooks.slack.com"

# Slack says of these that they were perhaps done, in part.
_UNSURE = {"internal_error", "fatal_error"}
_LATER = {"service_unavailable", "request_timeout", "team_added_to_org", "accesslimited"}
_SLOWER = {"ratelimited", "rate_limited"}
_CREDENTIALS = {
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "missing_scope",
    "org_login_required",
    "team_access_not_granted",
}
_BOUNDS = Bounds(request_seconds=10.0, answer_bytes=4 * 2**20)


@dataclass(frozen=True, slots=True)
class Introduction:
    """Whose a bot's token is, and what it may do, as of Slack's clock."""

    team_id: str
    team_name: str
    user_id: str
    bot_id: str
    scopes: Sequence[str]
    at: datetime | None


class Slack:
    """One workspace's Web API. Any call may raise the tree in `connectors.errors`; Rejected has Slack's own code."""

    def __init__(self, token: str, breaker: Breaker, api_url: str) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.system = breaker.system
        self._outside = Outside(api_url, headers=headers, breaker=breaker, bounds=_BOUNDS)

    async def aclose(self) -> None:
        await self._outside.aclose()

    async def read(self, method: str, params: Mapping[str, str | int]) -> Mapping[str, Any]:
        """What the method answers, asked again while that can help.

        By POST, which every method takes: an e-mail address that is looked up stays out of URLs and what logs them.
        """
        return _read(await self._outside.ask(method, params), Unavailable)

    async def write(self, method: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Sent once; Ambiguous if nobody knows whether it was done."""
        content_type = "application/json; charset=utf-8"
        return _read(await self._outside.write("POST", method, orjson.dumps(body), content_type), Ambiguous)

    async def submit(self, method: str, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """The same as a form, for methods that take no JSON."""
        content_type = "application/x-www-form-urlencoded"
        return _read(await self._outside.write("POST", method, urlencode(fields).encode(), content_type), Ambiguous)

    async def introduce(self) -> Introduction:
        """Whose the token is, what it may do, and what time it is at Slack."""
        answer = await self._outside.ask("auth.test")
        found = _read(answer, Unavailable)
        scopes = [one.strip() for one in answer.headers.get("x-oauth-scopes", "").split(",") if one.strip()]
        return Introduction(found["team_id"], found["team"], found["user_id"], found["bot_id"], scopes, _date(answer))


class Anonymous(Slack):
    """Slack without a token: for what is asked before there is one, and for URLs that let whoever has them answer."""

    def __init__(self, api_url: str) -> None:
        super().__init__("", Breaker(KIND), api_url)
        self._places = {_place(api_url), ("https", RESPONSE_HOST)}

    async def respond(self, response_url: str, body: Mapping[str, Any]) -> None:
        """Answer to a URL that came with a request; raises Rejected if that is not one of Slack's, or is over."""
        if _place(response_url) not in self._places:
            raise Rejected(KIND, 400, "not_a_response_url")
        try:
            await self._outside.write("POST", response_url, orjson.dumps(body))
        except Rejected as refused:
            if refused.status == 404:
                raise Rejected(KIND, 404, EXPIRED_URL) from None
            raise


def _place(url: str) -> tuple[str, str]:
    """Scheme and host: the same host without encryption is another place."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _read(answer: Answer, unsure: type[Unavailable | Ambiguous]) -> Mapping[str, Any]:
    found = answer.json()
    if not isinstance(found, dict) or "ok" not in found:
        raise GarbledAnswer(KIND, "an answer of another shape")
    if found["ok"] is True:
        return found
    code = str(found.get("error", "unknown_error"))[:100]
    if code in _SLOWER:
        raise RateLimited(KIND, "asked us to slow down")
    if code in _LATER:
        raise Unavailable(KIND, code)
    if code in _UNSURE:
        raise unsure(KIND, code)
    kind = Unauthorized if code in _CREDENTIALS else Rejected
    raise kind(KIND, answer.status, code, _detail(found))


def _date(answer: Answer) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return None


def _detail(found: Mapping[str, Any]) -> str:
    """What Slack says beside the code: of scopes which are missing, of blocks what is wrong."""
    metadata = found.get("response_metadata")
    messages = metadata.get("messages", []) if isinstance(metadata, dict) else []
    needed = f"needs {found['needed']}" if found.get("needed") else ""
    return "; ".join(filter(None, [needed, *map(str, messages)]))[:500]


class Slacks(Clients[Slack]):
    """The workspaces behind this process's connections; one that was removed raises Unauthorized."""

    def __init__(self, api_url: str) -> None:
        super().__init__(KIND, partial(_open, api_url))
        self._anonymous = Anonymous(api_url)

    @property
    def anonymous(self) -> Anonymous:
        """Slack without a token."""
        return self._anonymous

    async def aclose(self) -> None:
        """No connection is left open."""
        await super().aclose()
        await self._anonymous.aclose()


def _open(api_url: str, connection: Connection, breaker: Breaker) -> Slack:
    token = connection.secrets.get("bot_token")
    if token is None:
        raise Unauthorized(KIND, 401, "not_installed")
    return Slack(token, breaker, api_url)
