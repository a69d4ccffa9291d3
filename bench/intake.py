"""intake: 64 callers in this process, each awaiting one event after the other, against a batcher written by hand.

The yardstick's batcher takes what queued while its last batch was written and writes it by set-based statements: the
same rows, known beforehand. It decides nothing, reads nothing, checks nothing. The figure is p99 of a call; lower is
better, so the ratio says how many times longer ours takes.
"""

import asyncio
import re
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from api.writer import Writer
from bench.pairs import Compared, compare
from bench.programs import NOW, Databases, databases, deals
from bench.recorded import Write, connect, recording, write
from domain.events import Event, SourcePolicy
from storage import intake
from storage.database import Database

CALLERS, EACH = 64, 30
MAX_BATCH = 500

Call = Callable[[int], Awaitable[None]]


async def run() -> Compared:
    """Milliseconds of p99, both; events a second are in the detail."""
    throughput: dict[str, list[float]] = {"ours": [], "yardstick": []}
    async with databases() as servers:
        taken = deals(0, CALLERS * EACH)
        writes = await _record(servers, taken)

        async def ours() -> float:
            async with _writer(servers) as writer:

                async def call(number: int) -> None:
                    await writer.record(servers.program_id, taken[number], SourcePolicy())

                return await _drive(call, throughput["ours"])

        async def yardstick() -> float:
            connection = await connect(servers.fresh())
            batcher = Batcher(connection)

            async def call(number: int) -> None:
                await batcher.record(writes[number])

            p99 = await _drive(call, throughput["yardstick"])
            await connection.close()
            return p99

        compared = await compare("intake", "ms (p99)", ours, yardstick)
    compared.detail["events_per_second"] = {name: round(statistics.median(all_)) for name, all_ in throughput.items()}
    return compared


async def _drive(call: Call, throughput: list[float]) -> float:
    """Let every caller make its calls; p99 of a call in milliseconds."""
    waits: list[float] = []

    async def caller(first: int) -> None:
        for number in range(first, first + EACH):
            began = time.perf_counter()
            await call(number)
            waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller(number * EACH) for number in range(CALLERS)))
    throughput.append(len(waits) / (time.perf_counter() - began))
    return statistics.quantiles(waits, n=100)[98] * 1000


@asynccontextmanager
async def _writer(servers: Databases) -> AsyncIterator[Writer]:
    database = Database(servers.fresh())
    async with database.begin() as session:
        await session.connection()
    yield (writer := Writer(database, lambda: NOW))
    await writer.close()
    await database.dispose()


async def _record(servers: Databases, taken: list[Event]) -> list[Write]:
    database = Database(servers.fresh())
    with recording() as writes:
        for event in taken:
            await intake.record_batch(database, servers.program_id, [event], SourcePolicy(), as_of=NOW)
    await database.dispose()
    return writes


class Batcher:
    """One task writes what queued, batch after batch."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._queue: deque[tuple[Write, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def record(self, one: Write) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((one, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve())
        await done

    async def _serve(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))]
            await write(self._connection, _merged([one for one, _ in batch]))
            for _, done in batch:
                done.set_result(None)


def _merged(writes: list[Write]) -> Write:
    """Several events' statements as one batch writes them: arrays put together, of one account the last row."""
    by_statement: dict[str, list[dict[str, Any]]] = {}
    for one in writes:
        for statement, arrays in one:
            by_statement.setdefault(statement, []).append(arrays)
    return [(statement, _put_together(statement, several)) for statement, several in by_statement.items()]


def _put_together(statement: str, several: list[dict[str, Any]]) -> dict[str, Any]:
    merged = {
        name: "{" + ",".join(arrays[name][1:-1] for arrays in several) + "}" if value.startswith("{") else value
        for name, value in several[0].items()
        if isinstance(value, str)
    }
    merged |= {name: value for name, value in several[0].items() if not isinstance(value, str)}
    for number, table in enumerate(re.findall(r"INSERT INTO (\w+)", statement)):
        if table in _KEYS:
            merged |= _last_of_each(merged, f"_{number}", _KEYS[table])
    return merged | _last_of_each(merged, "", ("ids",)) if statement.startswith("UPDATE") else merged


# Tables whose rows are brought up to date, and the columns that tell their rows apart.
_KEYS = {"accounts": ("id",), "counters": ("member_id", "name", "period", "period_on")}


def _last_of_each(arrays: dict[str, Any], suffix: str, key: tuple[str, ...]) -> dict[str, Any]:
    names = [name for name, value in arrays.items() if name.endswith(suffix) and str(value).startswith("{")]
    rows = list(zip(*(arrays[name][1:-1].split(",") for name in names), strict=True))
    places = [names.index(column + suffix) for column in key]
    last = {tuple(row[place] for place in places): row for row in rows}
    columns = zip(*last.values(), strict=True)
    return {name: "{" + ",".join(column) + "}" for name, column in zip(names, columns, strict=True)}
