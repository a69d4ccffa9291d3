"""How many requests a key may make: a fixed window of a minute, counted in Redis for all processes together.

A process takes requests from Redis in small lots of LOT_SHARE of the limit and spends them by itself, so that a busy
key costs one call to Redis in a hundred requests; what a process has taken and not spent is lost at the end of the
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
    """What one process holds of one key's minute: requests to spend, and those that others may still take."""

    number: int
    in_hand: int = 0
    elsewhere: int = 0
    spent: bool = False
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Allowance:
    """The requests that are left to each key in this minute."""

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

    async def take(self, key_id: str) -> tuple[bool, int, int]:
        """Take one request: whether there was one, how many are left, and in how many seconds the minute ends."""
        now = self._clock().timestamp()
        number = int(now // WINDOW_SECONDS)
        window = self._windows.get(key_id)
        if window is None or window.number != number:
            window = self._open(key_id, number)
        if window.in_hand == 0 and not window.spent:
            async with window.taking:
                if window.in_hand == 0 and not window.spent:
                    await self._refill(key_id, window)
        allowed = window.in_hand > 0
        window.in_hand -= allowed
        return allowed, window.in_hand + window.elsewhere, math.ceil((number + 1) * WINDOW_SECONDS - now)

    def _open(self, key_id: str, number: int) -> Window:
        if len(self._windows) >= MAX_WINDOWS:
            self._windows.clear()
        self._windows[key_id] = window = Window(number)
        return window

    async def _refill(self, key_id: str, window: Window) -> None:
        taken = await self._count(f"{key_id}:{window.number}")
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
        self._policy = (b"ratelimit-policy", f'"key";q={allowance.per_minute};w={WINDOW_SECONDS}'.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key: ApiKey | None = scope.get("api_key")
        if key is None:
            await self.app(scope, receive, send)
            return
        allowed, left, seconds = await self.allowance.take(key.id)
        scope["answer_headers"] += [self._policy, (b"ratelimit", b'"key";r=%d;t=%d' % (left, seconds))]
        if allowed:
            await self.app(scope, receive, send)
        else:
            refusal = Problem("rate_limited", retry_after_seconds=seconds)
            await problems.answer(refusal, scope["path"])(scope, receive, send)
