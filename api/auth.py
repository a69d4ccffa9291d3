"""Who calls: `Authorization: Bearer lrl_...` names a key, the key names the program and what may be done in it.

A member token in its place names the key that gave it out, and opens only what that key's member may read
(`operation(for_members=True)`), for pages of the program's origins. Pages cannot set headers of a WebSocket, so the
token may be one of the subprotocols that it offers.

A key that was found is believed for KEY_CACHE_SECONDS, so a revoked one stops working everywhere within that time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, TypeVar

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api import cors, problems
from api.problems import Problem
from domain import member_tokens, scopes
from domain.api_keys import ApiKey, digest, is_well_formed
from domain.member_tokens import MemberToken, TokenSigner
from domain.programs import Program
from domain.scopes import Scope as Permission
from domain.time import Clock
from storage import api_keys, programs
from storage.database import Database

KEY_CACHE_SECONDS = 5
MAX_CACHED_KEYS = 10_000
CHALLENGE = 'Bearer realm="laurel"'
GUARDED = "/v1/"


Found = TypeVar("Found")
Issuer = tuple[ApiKey, Program]


class Lookups(Generic[Found]):
    """What the database says of names; each that is known is asked for at most once in KEY_CACHE_SECONDS."""

    def __init__(self, ask: Callable[[str], Awaitable[Found | None]]) -> None:
        self._ask = ask
        self._known: dict[str, tuple[float, Found]] = {}
        self._looking: dict[str, asyncio.Task[Found | None]] = {}

    def known(self, name: str) -> Found | None:
        """What is believed still."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    async def find(self, name: str) -> Found | None:
        """What is known, or what the database says; callers that come meanwhile wait for the same answer."""
        if (known := self.known(name)) is not None:
            return known
        task = self._looking.get(name)
        if task is None:
            task = self._looking[name] = asyncio.create_task(self._look_up(name))
            task.add_done_callback(lambda _: self._looking.pop(name, None))
        return await asyncio.shield(task)

    async def _look_up(self, name: str) -> Found | None:
        found = await self._ask(name)
        if found is not None:
            if len(self._known) >= MAX_CACHED_KEYS:
                self._known.clear()
            self._known[name] = (time.monotonic() + KEY_CACHE_SECONDS, found)
        return found


class Keys:
    """Keys by what was presented, and by id with their programs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._presented: Lookups[ApiKey] = Lookups(self._ask)
        self._issuers: Lookups[Issuer] = Lookups(self._ask_issuer)

    async def find(self, presented: str) -> ApiKey | None:
        """The valid key that this is; None if it is mistyped, unknown, expired or revoked."""
        key = self._presented.known(presented)
        if key is None and is_well_formed(presented):
            key = await self._presented.find(presented)
        return key if key is not None and key.valid_at(self._clock()) else None

    async def find_issuer(self, key_id: str) -> Issuer | None:
        """The key of this id and its program, if the key may give out member tokens now."""
        issuer = await self._issuers.find(key_id)
        if issuer is None or not issuer[0].valid_at(self._clock()):
            return None
        return issuer if scopes.allows(issuer[0].scopes, Permission.TOKENS_WRITE) else None

    async def _ask(self, presented: str) -> ApiKey | None:
        async with self._database.begin() as session:
            return await api_keys.find_by_digest(session, digest(presented))

    async def _ask_issuer(self, key_id: str) -> Issuer | None:
        async with self._database.begin() as session:
            key = await api_keys.find(session, key_id)
            return (key, await programs.get(session, key.program_id)) if key else None


class Authentication:
    """Lets requests below /v1 pass with a valid key or token, which routes find as `caller(request)`."""

    def __init__(self, app: ASGIApp, keys: Keys, signer: TokenSigner, own_origin: str, clock: Clock) -> None:
        self.app = app
        self.keys = keys
        self.signer = signer
        self.own_origin = own_origin
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope["path"].startswith(GUARDED):
            try:
                scope["api_key"] = await self._authenticate(scope)
                scope["authenticate"] = self._authenticate_again  # for answers that take long
            except Exception as error:
                await problems.answer(problems.of(error), scope["path"])(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _authenticate_again(self, scope: Scope) -> None:
        await self._authenticate({**scope, "answer_headers": []})

    async def _authenticate(self, scope: Scope) -> ApiKey:
        presented = bearer(scope) or _offered(scope)
        if presented is None:
            raise Problem("unauthenticated", headers={"WWW-Authenticate": CHALLENGE})
        is_token = member_tokens.is_token(presented)
        key = await (self._open(scope, presented) if is_token else self.keys.find(presented))
        if key is None:
            raise Problem("unauthenticated", headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'})
        return key

    async def _open(self, scope: Scope, presented: str) -> ApiKey | None:
        """The key that gave the token out, with what tokens may do; raises Problem for pages of other origins."""
        token = self.signer.read(presented)
        issuer = await self.keys.find_issuer(token.key_id) if token else None
        if token is None or issuer is None:
            return None
        key, program = issuer
        # First, so that the page can read that its token is over.
        cors.admit(scope, (*program.origins, self.own_origin))
        scope["member_token"] = token
        return replace(key, scopes=member_tokens.SCOPES) if token.valid_at(self.clock()) else None


def bearer(scope: Scope) -> str | None:
    """The bearer token of a request, if it has one."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return None


def _offered(scope: Scope) -> str | None:
    """The member token among a WebSocket's subprotocols."""
    return next(filter(member_tokens.is_token, scope.get("subprotocols", ())), None)


def caller(request: HTTPConnection) -> ApiKey:
    """The key that the request was made with."""
    key: ApiKey = request.scope["api_key"]
    return key


def actor(request: HTTPConnection) -> str:
    """The caller as records name it."""
    return f"key:{caller(request).id}"


def require(request: HTTPConnection, needed: Permission, *, for_members: bool = False) -> None:
    """Raises Problem forbidden unless the caller's key holds the scope, or the caller's token is this member's."""
    if not scopes.allows(caller(request).scopes, needed):
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{needed}"'
        raise Problem("forbidden", f"needs {needed}", headers={"WWW-Authenticate": challenge}, more={"scope": needed})
    token: MemberToken | None = request.scope.get("member_token")
    if token is not None and not (for_members and request.path_params["member_id"] == token.member_id):
        raise Problem("forbidden", "a member token reads the balance of its own member, and nothing else")
