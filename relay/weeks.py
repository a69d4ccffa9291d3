"""Every hour members for whom it is Monday are told what their week has brought; any number may look."""

import asyncio

import structlog

from domain.notifications import policy_of
from domain.time import Clock
from relay.outages import is_outage
from storage import configurations, programs, weeks
from storage.database import Database

PASS_SECONDS = 3_600.0

log = structlog.get_logger()


class Weeks:
    """Looks at all programs of the deployment that tell it, page by page."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Look until cancelled; while the database is away, the next pass finds what this one missed."""
        while True:
            try:
                await self.tell()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("weeks not told", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PASS_SECONDS)

    async def tell(self) -> None:
        """Everybody whose Monday it is has been told."""
        async with self._database.begin() as session:
            everybody = [program.id for program in await programs.list_all(session)]
        for program_id in everybody:
            await self._tell(program_id)

    async def _tell(self, program_id: str) -> None:
        async with self._database.begin() as session:
            if not policy_of(await configurations.read_active(session, program_id)).weekly_digest:
                return
        after: str | None = ""
        while after is not None:
            async with self._database.begin() as session:
                after = await weeks.tell_page(session, program_id, after=after, now=self._clock())
