"""bulk: batches of 500 events by the one door, against raw SQL that writes the same rows, byte for byte.

The yardstick knows every row beforehand: it decides nothing, reads nothing, checks nothing.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import sql

from bench.pairs import Compared, compare
from bench.programs import NOW, Databases, Events, databases, deals
from bench.recorded import Write, connect, recording, write
from domain.events import SourcePolicy
from storage import intake, tables
from storage.database import Database

BATCHES, SIZE = 12, 500

_DIGEST = sql.SQL(
    """SELECT md5(string_agg(row, '' ORDER BY row COLLATE "C"))
    FROM (SELECT md5((to_jsonb(t) - 'xid')::text) AS row FROM {} t)"""
)


async def run() -> Compared:
    """Events a second, both."""
    async with databases() as servers:
        return await measure("bulk", servers, deals)


async def measure(name: str, servers: Databases, events: Events) -> Compared:
    """Events a second of batches of these events, both."""
    writes, made = await _record(servers, events)

    async def ours() -> float:
        async with _opened(servers.fresh()) as database:
            return BATCHES * SIZE / await _take(database, servers.program_id, events)

    async def yardstick() -> float:
        url = servers.fresh()
        connection = await connect(url)
        began = time.perf_counter()
        for statements in writes:
            await write(connection, statements)
        seconds = time.perf_counter() - began
        await connection.close()
        assert await _digests(url) == made
        return BATCHES * SIZE / seconds

    return await compare(name, "events/s", ours, yardstick, detail={"batches": BATCHES, "events_each": SIZE})


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    async with database.begin() as session:
        await session.connection()  # made before the clock runs, as the yardstick's is
    yield database
    await database.dispose()


async def _record(servers: Databases, events: Events) -> tuple[list[Write], dict[str, str]]:
    """What was written, transaction by transaction, and the digests of the tables afterwards."""
    url = servers.fresh()
    async with _opened(url) as database:
        with recording() as writes:
            await _take(database, servers.program_id, events)
    return writes, await _digests(url)


async def _take(database: Database, program_id: str, events: Events) -> float:
    batches = [events(number * SIZE, SIZE) for number in range(BATCHES)]
    began = time.perf_counter()
    for batch in batches:
        await intake.record_batch(database, program_id, batch, SourcePolicy(), as_of=NOW)
    return time.perf_counter() - began


async def _digests(url: str) -> dict[str, str]:
    """By table, a digest of all its rows, whatever their order; the server's own transaction number is not ours."""
    connection = await connect(url)
    digests = {}
    for name in sorted(tables.metadata.tables):
        row = await (await connection.execute(_DIGEST.format(sql.Identifier(name)))).fetchone()
        digests[name] = str(row and row[0])
    await connection.close()
    return digests
