"""Heartbeats: a step says that its process lives, so that one whose process died is begun again soon.

Without them nobody would miss it before its time is up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity

# Of a heartbeat timeout, so that one beat may be late.
SHARE = 3


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Beat while the block runs, if the activity has a heartbeat timeout."""
    timeout = activity.info().heartbeat_timeout
    if not timeout:
        yield
        return
    beats = asyncio.create_task(_beat(timeout / SHARE))
    try:
        yield
    finally:
        beats.cancel()


async def _beat(interval: timedelta) -> None:
    while True:
        await asyncio.sleep(interval.total_seconds())
        activity.heartbeat()
