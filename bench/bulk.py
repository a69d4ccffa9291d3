"""bulk: batches of 500 events by the one door, against raw SQL that writes the same rows, byte for byte.

The yardstick knows every row beforehand: it decides nothing, reads nothing, checks nothing.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.pairs import Compared, compare
from bench.programs import HISTORY, NOW, Databases, databases, deals
from bench.recorded import Write, connect, recording, write
from domain.events import SourcePolicy
from storage import intake
from storage.database import Database

BATCHES, SIZE = 12, 500


async def run() -> Compared:
    """Events a second, both."""
    async with databases() as servers:
        writes = await _record(servers)

        async def ours() -> float:
            async with _opened(servers) as database:
                return BATCHES * SIZE / await _take(database, servers.program_id)

        async def yardstick() -> float:
            connection = await connect(servers.fresh())
            began = time.perf_counter()
            for statements in writes:
                await write(connection, statements)
            seconds = time.perf_counter() - began
            found = await (await connection.execute("SELECT count(*) FROM decisions")).fetchone()
            assert found == (HISTORY + BATCHES * SIZE,)
            await connection.close()
            return BATCHES * SIZE / seconds

        detail = {"batches": BATCHES, "events_each": SIZE}
        return await compare("bulk", "events/s", ours, yardstick, detail=detail)


@asynccontextmanager
async def _opened(servers: Databases) -> AsyncIterator[Database]:
    database = Database(servers.fresh())
    async with database.begin() as session:
        await session.connection()  # made before the clock runs, as the yardstick's is
    yield database
    await database.dispose()


async def _record(servers: Databases) -> list[Write]:
    async with _opened(servers) as database:
        with recording() as writes:
            await _take(database, servers.program_id)
    return writes


async def _take(database: Database, program_id: str) -> float:
    batches = [deals(number * SIZE, SIZE) for number in range(BATCHES)]
    began = time.perf_counter()
    for batch in batches:
        await intake.record_batch(database, program_id, batch, SourcePolicy(), as_of=NOW)
    return time.perf_counter() - began
