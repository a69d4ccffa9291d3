"""Boards that Redis has lost are made again, without anybody's command, in a loop beside the relay."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from relay.outages import is_outage
from storage import leaderboards, programs
from storage.database import Database

PASS_SECONDS = 15.0
# Nobody else begins to make a program's boards within this; a rebuild that takes longer may be made twice.
TURN_SECONDS = 300

log = structlog.get_logger()


class Boards:
    """Any number may run; they take turns."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis

    async def run(self) -> None:
        """Look for lost boards until cancelled; whatever Redis says, a worker has more to do than boards."""
        while True:
            try:
                await self.heal()
            except Exception as error:
                if not isinstance(error, RedisError) and not is_outage(error):
                    raise
                log.info("boards not looked after", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PASS_SECONDS)

    async def heal(self) -> int:
        """Make the boards of every program that has none since Redis was last emptied; of how many that was."""
        async with self._database.begin() as session:
            known = await programs.list_all(session)
        lost = [program.id for program in known if not await leaderboards.is_built(self._redis, program.id)]
        for program_id in lost:
            if await self._redis.set(f"laurel:turns:boards:{program_id}", "1", nx=True, ex=TURN_SECONDS):
                await self._rebuild(program_id)
        return len(lost)

    async def _rebuild(self, program_id: str) -> None:
        try:
            async with self._database.begin() as session:
                count = await leaderboards.rebuild(session, self._redis, program_id)
        finally:
            await self._redis.delete(f"laurel:turns:boards:{program_id}")
        log.info("boards rebuilt", program_id=program_id, standings=count)
