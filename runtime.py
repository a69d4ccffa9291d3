"""What every server process of Laurel does to its Python before it serves."""

import asyncio
import gc
import os
import threading
from collections.abc import Collection, Coroutine
from typing import Any

import structlog
import uvloop

# Objects made before the youngest are looked at, and how many times seldom the older generations are. Taking events in
# makes many short-lived objects and no cycles: at Python's own 700 the collector took a third of the API's time.
YOUNGEST_THRESHOLD = 50_000
OLDER_THRESHOLDS = (20, 100)
ASK_AGAIN_SECONDS = 1.0
# For leaving, once nothing more is to be finished.
LEAVE_SECONDS = 2.0

log = structlog.get_logger()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it to its end on uvloop: a transaction of one statement costs a fifth less than on Python's own loop."""
    uvloop.run(main)


def spare_the_collector() -> None:
    """Leave what was imported out of every collection, and collect the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST_THRESHOLD, *OLDER_THRESHOLDS)
    gc.enable()


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel these and wait for them, asking again whoever goes on.

    Before Python 3.12 `asyncio.wait_for` loses a cancellation that comes just when what it waits for is done, and
    the clients of Redis and PostgreSQL wait by it.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ASK_AGAIN_SECONDS)


def leave_after(seconds: float) -> None:
    """End this process soon after that time, also while a server that hangs holds something up.

    Whoever comes next finishes what it had begun, as after a power cut.
    """
    timer = threading.Timer(seconds + LEAVE_SECONDS, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    log.error("left what did not end in time")
    os._exit(1)
