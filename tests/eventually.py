"""Waiting in tests: for what is true some time after its cause, without saying when."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

# Never reached by a test that passes: how long a hopeless one keeps the run waiting.
GIVE_UP_SECONDS = 120.0
PAUSE_SECONDS = 0.02

T = TypeVar("T")


async def eventually(step: Callable[[], Awaitable[T]], pause_seconds: float = PAUSE_SECONDS) -> T:
    """What `step` returns once it neither raises nor fails an assertion; its last error after `GIVE_UP_SECONDS`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GIVE_UP_SECONDS
    while True:
        try:
            return await step()
        except Exception:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(pause_seconds)
