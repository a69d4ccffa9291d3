"""boards: one member's new standing, a member's neighbourhood, and a rebuild, against bare Redis calls.

The yardsticks keep no versions and no cohorts: an update is one ZADD for each of the two boards, sent together; a
neighbourhood is ZRANK and then ZRANGE; a rebuild reads the same rows and only adds them to one board.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
from redis.asyncio import Redis

from bench.pairs import Compared, Several, compare
from bench.programs import NOW, Databases, databases
from cli.embedded.ports import free_port
from cli.embedded.processes import Child
from cli.embedded.redis import Redis as Server
from domain.game import Window
from domain.leaderboards import BUILT_IN, Earned, Standing
from storage import board_builds, leaderboards, standings
from storage.database import Database
from storage.leaderboards import Scheme

SIZES = (10_000, 100_000, 1_000_000)  # members
CALLS = 2_000  # of one measurement
DEPARTMENTS = 20
PAGE = 1_000  # standings written at once while a board is prepared

_PROGRAM = "prg_bench"
_ON = Scheme(_PROGRAM, BUILT_IN, "UTC", NOW.date())
_COMPANY, _SALES = "bare:company", "bare:department"

# Members with one transaction each; everything about them follows from their number.
_SEED = (
    """CREATE TEMP TABLE seed AS SELECT m, lpad(to_hex(m), 26, '0') AS id, 1 + m::bigint * 7919 %% 100000 AS points
        FROM generate_series(1, %(members)s) m""",
    """INSERT INTO members (id, program_id, external_id, name, created_at, updated_at)
        SELECT 'mem_' || id, %(program)s, 'seed-' || m, 'Seed', %(at)s, %(at)s FROM seed""",
    """INSERT INTO accounts (id, program_id, unit, running, created_at)
        VALUES ('acc_bench.issued.points', %(program)s, 'points', false, %(at)s)""",
    """INSERT INTO accounts (id, program_id, unit, member_id, running, balance, version, lifetime, created_at)
        SELECT 'acc_' || id || '.points', %(program)s, 'points', 'mem_' || id, true, points, 1, points, %(at)s
        FROM seed""",
    """INSERT INTO transactions (id, program_id, kind, business_key, effective_at, recorded_at)
        SELECT 'txn_' || id, %(program)s, 'earn', 'seed:' || m, %(at)s, %(at)s FROM seed""",
    """INSERT INTO transfers (program_id, transaction_id, n, unit, from_account, to_account, amount)
        SELECT %(program)s, 'txn_' || id, 1, 'points', 'acc_bench.issued.points', 'acc_' || id || '.points', points
        FROM seed""",
    """INSERT INTO entries (program_id, transaction_id, n, account_id, amount, balance, version)
        SELECT %(program)s, 'txn_' || id, 1, 'acc_' || id || '.points', points, points, 1 FROM seed
        UNION ALL SELECT %(program)s, 'txn_' || id, 1, 'acc_bench.issued.points', -points, NULL, NULL FROM seed""",
)


async def run(members: Sequence[int] = SIZES, calls: int = CALLS) -> Several:
    """Updates and neighbourhoods at each size, and a rebuild of the largest."""
    async with _server() as url, Redis.from_url(url) as redis, databases() as servers:
        figures = [figure for size in members for figure in await _live(redis, size, calls)]
        return Several("boards", [*figures, await _rebuild(redis, servers, max(members))])


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    """A Redis that keeps nothing, and ends with the block."""
    with tempfile.TemporaryDirectory(prefix="laurel-bench-") as directory:
        server = Server(free_port())
        child = await asyncio.to_thread(Child.start, server.program(Path(directory) / "redis.log"))
        try:
            yield server.url
        finally:
            await asyncio.to_thread(child.stop)


# -- Live ----------------------------------------------------------------------------------------------------------


def _standing(member: int, points: int, version: int) -> Standing:
    earned = {Window.LIFETIME: Earned(points, NOW + timedelta(microseconds=version))}
    attributes = {"department": f"department {member % DEPARTMENTS}"}
    return Standing(f"mem_{member:026x}", "points", version, earned, attributes)


async def _live(redis: Redis, size: int, calls: int) -> list[Compared]:
    await redis.flushdb()
    for first in range(0, size, PAGE):
        page = range(first, min(first + PAGE, size))
        await leaderboards.write(redis, _ON, [_standing(member, member, 1) for member in page])
        scores = {f"mem_{member:026x}": -member for member in page}
        await redis.zadd(_COMPANY, scores)
        await redis.zadd(
            _SALES, {name: score for n, (name, score) in enumerate(scores.items()) if n % DEPARTMENTS == 0}
        )
    chance, version = random.Random(7), iter(range(2, 10**9))

    async def update() -> float:
        standings = [_standing(chance.randrange(size), chance.randrange(size), next(version)) for _ in range(calls)]
        began = time.perf_counter()
        for standing in standings:
            await leaderboards.write(redis, _ON, [standing])
        return calls / (time.perf_counter() - began)

    async def bare_update() -> float:
        scores = [(f"mem_{chance.randrange(size):026x}", -chance.randrange(size)) for _ in range(calls)]
        began = time.perf_counter()
        for name, score in scores:
            async with redis.pipeline(transaction=False) as together:
                together.zadd(_COMPANY, {name: score})
                together.zadd(_SALES, {name: score})
                await together.execute()
        return calls / (time.perf_counter() - began)

    async def around() -> float:
        names = [f"mem_{chance.randrange(size):026x}" for _ in range(calls)]
        began = time.perf_counter()
        for name in names:
            await leaderboards.around(redis, _ON, "company", name)
        return calls / (time.perf_counter() - began)

    async def bare_around() -> float:
        names = [f"mem_{chance.randrange(size):026x}" for _ in range(calls)]
        began = time.perf_counter()
        for name in names:
            rank: int = await redis.zrank(_COMPANY, name) or 0  # type: ignore[assignment]
            first = max(rank - leaderboards.AROUND, 0)
            await redis.zrange(_COMPANY, first, rank + leaderboards.AROUND, withscores=True)
        return calls / (time.perf_counter() - began)

    detail = {"members": size}
    return [
        await compare("update", "updates/s", update, bare_update, detail=detail),
        await compare("around", "reads/s", around, bare_around, detail=detail),
    ]


# -- Rebuild -------------------------------------------------------------------------------------------------------


async def _rebuild(redis: Redis, servers: Databases, size: int) -> Compared:
    program_id = servers.program_id
    with psycopg.connect(servers.template) as connection:
        for statement in _SEED:
            connection.execute(statement, {"program": program_id, "members": size, "at": NOW})
    servers.analyze()
    database = Database(servers.fresh())
    counted: set[int] = set()

    async def ours() -> float:
        await redis.flushdb()
        async with database.begin() as session:
            began = time.perf_counter()
            count = await board_builds.rebuild(session, redis, program_id, as_of=NOW)
            counted.add(count)
            return count / (time.perf_counter() - began)

    async def yardstick() -> float:
        await redis.flushdb()
        async with database.begin() as session:
            on, count = await leaderboards.scheme(session, program_id, as_of=NOW), 0
            began = time.perf_counter()
            async for rows in standings.rows(session, on):
                await redis.zadd(_COMPANY, {row[1]: -row[4] for row in rows})
                count += len(rows)
            counted.add(count)
            return count / (time.perf_counter() - began)

    compared = await compare("rebuild", "standings/s", ours, yardstick, detail={"members": size})
    assert len(counted) == 1, counted
    await database.dispose()
    return compared
