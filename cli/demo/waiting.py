"""Waiting for what the running parts do, within bounds, and saying what did not come."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from cli.embedded.processes import log_tail
from cli.errors import CommandFailed

PATIENCE_SECONDS = 90.0
POLL_SECONDS = 0.1

T = TypeVar("T")


class DemoFailed(CommandFailed):
    """Something that had to happen did not."""


class Waiting:
    """Waits in one state directory, where the logs of the parts are."""

    def __init__(self, directory: Path) -> None:
        self._logs = directory / "logs"

    async def until(self, what: str, probe: Callable[[], Awaitable[T | None]], *, part: str) -> T:
        """What `probe` finds, once it finds something; raises DemoFailed with the end of the part's log."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := await probe()) is None:
            if time.monotonic() > deadline:
                tail = log_tail(self._logs / f"{part}.log")
                raise DemoFailed(f"waited {PATIENCE_SECONDS:.0f} s for {what}; the last lines of {part}.log:\n{tail}")
            await asyncio.sleep(POLL_SECONDS)
        return found
