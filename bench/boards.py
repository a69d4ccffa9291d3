"""boards: one member's new standing, a member's neighbourhood, and a rebuild, against bare Redis calls.

The yardsticks keep no versions and no cohorts: an update is one ZADD for each of the two boards, sent together; a
neighbourhood is ZRANK and then ZRANGE; a rebuild reads the same rows and only adds them to one board.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
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
EMPTY_SECONDS = 60.0  # a million members are not emptied in the client's own five

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
    async with _server() as url, Redis.from_url(url, socket_timeout=EMPTY_SECONDS) as redis, databases() as servers:
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
    return Standing(_name(member), "points", version, earned, attributes)


def _name(member: int) -> str:
    return f"mem_{member:026x}"


async def _live(redis: Redis, size: int, calls: int) -> list[Compared]:
    await redis.flushdb()
    await _fill(redis, size)
    live, detail = _Live(redis, size, calls), {"members": size}
    return [
        await compare("update", "updates/s", live.update, live.bare_update, detail=detail),
        await compare("around", "reads/s", live.around, live.bare_around, detail=detail),
    ]


async def _fill(redis: Redis, size: int) -> None:
    """Our boards and the yardstick's, which are of the company and of one department."""
    for first in range(0, size, PAGE):
        page = range(first, min(first + PAGE, size))
        await leaderboards.write(redis, _ON, [_standing(member, member, 1) for member in page])
        await redis.zadd(_COMPANY, {_name(member): -member for member in page})
        await redis.zadd(_SALES, {_name(member): -member for member in page if member % DEPARTMENTS == 0})


class _Live:
    """Calls one after the other, about members by chance; each answers how many a second."""

    def __init__(self, redis: Redis, size: int, calls: int) -> None:
        self._redis = redis
        self._size = size
        self._calls = calls
        self._chance = random.Random(7)
        self._versions = count(2)

    async def update(self) -> float:
        standings = [_standing(self._any(), self._any(), next(self._versions)) for _ in range(self._calls)]
        return await self._rate(leaderboards.write(self._redis, _ON, [standing]) for standing in standings)

    async def bare_update(self) -> float:
        scores = [(_name(self._any()), -self._any()) for _ in range(self._calls)]
        return await self._rate(self._add(name, score) for name, score in scores)

    async def _add(self, name: str, score: int) -> None:
        async with self._redis.pipeline(transaction=False) as together:
            together.zadd(_COMPANY, {name: score})
            together.zadd(_SALES, {name: score})
            await together.execute()

    async def around(self) -> float:
        names = [_name(self._any()) for _ in range(self._calls)]
        return await self._rate(leaderboards.around(self._redis, _ON, "company", name) for name in names)

    async def bare_around(self) -> float:
        names = [_name(self._any()) for _ in range(self._calls)]
        return await self._rate(map(self._look, names))

    async def _look(self, name: str) -> None:
        rank: int = await self._redis.zrank(_COMPANY, name) or 0  # type: ignore[assignment]
        first, last = max(rank - leaderboards.AROUND, 0), rank + leaderboards.AROUND
        await self._redis.zrange(_COMPANY, first, last, withscores=True)

    def _any(self) -> int:
        return self._chance.randrange(self._size)

    async def _rate(self, calls: Iterable[Awaitable[object]]) -> float:
        began = time.perf_counter()
        for call in calls:
            await call
        return self._calls / (time.perf_counter() - began)


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
            made = await board_builds.rebuild(session, redis, program_id, as_of=NOW)
            counted.add(made)
            return made / (time.perf_counter() - began)

    async def yardstick() -> float:
        await redis.flushdb()
        async with database.begin() as session:
            on, added = await leaderboards.scheme(session, program_id, as_of=NOW), 0
            began = time.perf_counter()
            async for rows in standings.rows(session, on):
                await redis.zadd(_COMPANY, {row[1]: -row[4] for row in rows})
                added += len(rows)
            counted.add(added)
            return added / (time.perf_counter() - began)

    compared = await compare("rebuild", "standings/s", ours, yardstick, detail={"members": size})
    assert len(counted) == 1, counted
    await database.dispose()
    return compared
