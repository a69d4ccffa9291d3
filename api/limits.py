"""How many requests a key, or a connection's system, may make in a minute, counted in Redis for all processes together.

A process takes requests from Redis in small lots of LOT_SHARE of the limit and spends them by itself, so that a busy
caller costs one call to Redis in a hundred requests; what a process has taken and not spent is lost at the end of the
window, never added to it. While Redis is away each process counts by itself.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field

import structlog
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.errors import StorageError
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.problems import Problem
from domain.api_keys import ApiKey
from domain.time import Clock

WINDOW_SECONDS = 60
LOT_SHARE = 100
REDIS_TIMEOUT_SECONDS = 0.5
REDIS_PAUSE_SECONDS = 5
MAX_WINDOWS = 10_000

log = structlog.get_logger()


@dataclass(slots=True)
class Window:
    """What one process holds of one caller's minute: requests to spend, and those that others may still take."""

    number: int
    in_hand: int = 0
    elsewhere: int = 0
    spent: bool = False
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Allowance:
    """The requests that are left to each caller in this minute; a caller is known by its id."""

    def __init__(self, redis_url: str, per_minute: int, clock: Clock) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._lot = max(1, per_minute // LOT_SHARE)
        self._shared: Storage = RedisStorage(
            f"async+{redis_url}",
            wrap_exceptions=True,
            implementation="redispy",
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        )
        self._own: Storage = MemoryStorage()
        self._shared_from = 0.0
        self._windows: dict[str, Window] = {}

    async def spend(self, scope: Scope, kind: str, caller_id: str) -> None:
        """Take one request and have the answer's headers say what is left; raises Problem rate_limited."""
        allowed, left, seconds = await self.take(caller_id)
        scope["answer_headers"] += [
            (b"ratelimit-policy", f'"{kind}";q={self.per_minute};w={WINDOW_SECONDS}'.encode()),
            (b"ratelimit", f'"{kind}";r={left};t={seconds}'.encode()),
        ]
        if not allowed:
            raise Problem("rate_limited", retry_after_seconds=seconds)

    async def take(self, caller_id: str) -> tuple[bool, int, int]:
        """Take one request: whether there was one, how many are left, and in how many seconds the minute ends."""
        now = self._clock().timestamp()
        number = int(now // WINDOW_SECONDS)
        window = self._windows.get(caller_id)
        if window is None or window.number != number:
            window = self._open(caller_id, number)
        if window.in_hand == 0 and not window.spent:
            async with window.taking:
                if window.in_hand == 0 and not window.spent:
                    await self._refill(caller_id, window)
        allowed = window.in_hand > 0
        window.in_hand -= allowed
        return allowed, window.in_hand + window.elsewhere, math.ceil((number + 1) * WINDOW_SECONDS - now)

    def _open(self, caller_id: str, number: int) -> Window:
        if len(self._windows) >= MAX_WINDOWS:
            self._windows.clear()
        self._windows[caller_id] = window = Window(number)
        return window

    async def _refill(self, caller_id: str, window: Window) -> None:
        taken = await self._count(f"{caller_id}:{window.number}")
        before = taken - self._lot
        window.in_hand = max(0, min(self._lot, self.per_minute - before))
        window.elsewhere = max(0, self.per_minute - taken)
        window.spent = window.in_hand == 0

    async def _count(self, name: str) -> int:
        if time.monotonic() >= self._shared_from:
            try:
                return await self._shared.incr(name, 2 * WINDOW_SECONDS, self._lot)
            except StorageError:
                self._shared_from = time.monotonic() + REDIS_PAUSE_SECONDS
                log.warning("rate limits are counted by this process alone: Redis is away")
        return await self._own.incr(name, 2 * WINDOW_SECONDS, self._lot)


class RateLimits:
    """Refuses a key's requests beyond its limit before their bodies are read, and tells where each key stands."""

    def __init__(self, app: ASGIApp, allowance: Allowance) -> None:
        self.app = app
        self.allowance = allowance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key: ApiKey | None = scope.get("api_key")
        if key is not None:
            try:
                if token := scope.get("member_token"):  # no member uses up what is the key's
                    await self.allowance.spend(scope, "member", token.member_id)
                else:
                    await self.allowance.spend(scope, "key", key.id)
            except Problem as refusal:
                await problems.answer(refusal, scope["path"])(scope, receive, send)
                return
        await self.app(scope, receive, send)
