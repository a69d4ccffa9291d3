"""Boards that Redis has lost, that are defined anew or whose day is over are made again, in a loop beside the relay.

Nobody has to command it: a new period empties its boards, and points per working day are of every day other ones.
"""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.time import Clock
from relay.outages import is_outage
from storage import board_builds, leaderboards, programs
from storage.database import Database
from storage.leaderboards import Scheme

PASS_SECONDS = 15.0

log = structlog.get_logger()


class Boards:
    """Any number may run; they take turns."""

    def __init__(self, database: Database, redis: Redis, *, clock: Clock) -> None:
        self._database = database
        self._redis = redis
        self._clock = clock

    async def run(self) -> None:
        """Look for boards to make until cancelled; whatever Redis says, a worker has more to do than boards."""
        while True:
            try:
                await self.heal()
            except Exception as error:
                if not isinstance(error, RedisError) and not is_outage(error):
                    raise
                log.info("boards not looked after", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PASS_SECONDS)

    async def heal(self) -> int:
        """Make the boards of every program whose boards are not today's; of how many that was."""
        async with self._database.begin() as session:
            known = await programs.list_all(session)
            schemes = [await leaderboards.scheme(session, program.id, as_of=self._clock()) for program in known]
        old = [on for on in schemes if not await board_builds.is_built(self._redis, on)]
        for on in old:
            await self._refresh(on)
        return len(old)

    async def _refresh(self, on: Scheme) -> None:
        async with self._database.begin() as session:
            count = await board_builds.refresh(session, self._redis, on)
        if count is not None:
            log.info("boards rebuilt", program_id=on.program_id, standings=count)
