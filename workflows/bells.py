"""Bells: what a signal rings, and what ends a wait early. A ring says only that there is something to read."""

from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow


class Bell:
    """One story's bell; a ring before anybody waits ends the next wait at once."""

    def __init__(self) -> None:
        self._rung = False

    def ring(self) -> None:
        """End the wait."""
        self._rung = True

    async def wait(self, long: timedelta, for_what: str) -> bool:
        """Until it rings, or so long: whether it rang, which is heard once."""
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._rung, timeout=long, timeout_summary=f"Wait {for_what}")
        rung, self._rung = self._rung, False
        return rung

    async def wait_until(self, moment: datetime, for_what: str) -> bool:
        """Until it rings, or that moment: whether it rang."""
        return await self.wait(max(moment - workflow.now(), timedelta()), for_what)
