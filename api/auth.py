"""Who calls: `Authorization: Bearer lrl_...` names a key, the key names the program and what may be done in it.

A key that was found is believed for KEY_CACHE_SECONDS, so a revoked one stops working everywhere within that time.
"""

import asyncio
import time

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.problems import Problem
from domain import scopes
from domain.api_keys import ApiKey, digest, is_well_formed
from domain.scopes import Scope as Permission
from domain.time import Clock
from storage import api_keys
from storage.database import Database

KEY_CACHE_SECONDS = 5
MAX_CACHED_KEYS = 10_000
CHALLENGE = 'Bearer realm="laurel"'
GUARDED = "/v1/"


class Keys:
    """Keys by what was presented; each is looked up by digest at most once in KEY_CACHE_SECONDS."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[float, ApiKey]] = {}
        self._looking: dict[str, asyncio.Task[ApiKey | None]] = {}

    async def find(self, token: str) -> ApiKey | None:
        """The valid key that this token is; None if it is mistyped, unknown, expired or revoked."""
        known = self._known.get(token)
        if known is not None and known[0] > time.monotonic():
            key: ApiKey | None = known[1]
        else:
            key = await self._look_up(token) if is_well_formed(token) else None
        return key if key is not None and key.valid_at(self._clock()) else None

    async def _look_up(self, token: str) -> ApiKey | None:
        """Ask the database; callers that come meanwhile wait for the same answer."""
        task = self._looking.get(token)
        if task is None:
            task = self._looking[token] = asyncio.create_task(self._ask(token))
            task.add_done_callback(lambda _: self._looking.pop(token, None))
        return await asyncio.shield(task)

    async def _ask(self, token: str) -> ApiKey | None:
        async with self._database.begin() as session:
            key = await api_keys.find_by_digest(session, digest(token))
        if key is not None:
            if len(self._known) >= MAX_CACHED_KEYS:
                self._known.clear()
            self._known[token] = (time.monotonic() + KEY_CACHE_SECONDS, key)
        return key


class Authentication:
    """Lets requests below /v1 pass with a valid key, which routes find as `caller(request)`."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(GUARDED):
            try:
                scope["api_key"] = await self._authenticate(scope)
            except Exception as error:
                await problems.answer(problems.of(error), scope["path"])(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _authenticate(self, scope: Scope) -> ApiKey:
        token = bearer(scope)
        if token is None:
            raise Problem("unauthenticated", headers={"WWW-Authenticate": CHALLENGE})
        key = await self.keys.find(token)
        if key is None:
            raise Problem("unauthenticated", headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'})
        return key


def bearer(scope: Scope) -> str | None:
    """The bearer token of a request, if it has one."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return None


def caller(request: Request) -> ApiKey:
    """The key that the request was made with."""
    key: ApiKey = request.scope["api_key"]
    return key


def actor(request: Request) -> str:
    """The caller as records name it."""
    return f"key:{caller(request).id}"


def require(request: Request, needed: Permission) -> None:
    """Raises Problem forbidden unless the caller's key holds the scope."""
    if not scopes.allows(caller(request).scopes, needed):
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{needed}"'
        raise Problem("forbidden", f"needs {needed}", headers={"WWW-Authenticate": challenge}, more={"scope": needed})
