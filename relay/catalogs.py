"""Vendors' catalogs are read again every hour, so that the last one known is never old without a reason."""

import asyncio
from datetime import timedelta

import structlog
from temporalio.client import Client

from connectors.vendors import VENDORS
from domain.time import Clock
from relay import temporal
from relay.outages import is_outage
from storage import catalog
from storage.database import Database

PASS_SECONDS = 15.0
OLD_AFTER = timedelta(hours=1)
VENDOR_KINDS = tuple(VENDORS)

log = structlog.get_logger()


class Catalogs:
    """Any number may run: one activity at a time reads one catalog. The client may be lazy."""

    def __init__(self, client: Client, database: Database, *, clock: Clock) -> None:
        self._client = client
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Refresh until cancelled; while anything is away, try again at the next pass."""
        while True:
            try:
                await self.refresh()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("catalogs not refreshed", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PASS_SECONDS)

    async def refresh(self) -> int:
        """Have every catalog read that is old or was never read; how many."""
        async with self._database.begin() as session:
            due = await catalog.list_due(session, VENDOR_KINDS, before=self._clock() - OLD_AFTER)
        for target in due:
            await temporal.fetch(self._client, target)
        return len(due)
