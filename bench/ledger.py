"""ledger: transfers between members as commands, each awaited by its caller, against three others that do the same.

One statement per transaction through the same driver (the best of several numbers of connections) and a batcher written
by hand write the same rows, known beforehand: they decide nothing, read nothing, check nothing. django-hordak does the
same transfers as its users would, each side at the concurrency that suits it best. Beside throughput stand: holds with
their settlements, one member who is in every transfer against thousands, and the same at a hundred times the entries.
"""

import asyncio
import random
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from api.writer import Writer
from bench.grown import grow
from bench.hordak import Rates, transfers_a_second
from bench.intake import Batcher
from bench.pairs import PAIRS, Compared, Several, compare
from bench.programs import CONFIGURATION, NOW, Databases, databases
from bench.recorded import Write, connect
from domain.commands import Accepted, Command, Earn, PlaceHold, Settle, Transfer
from domain.definitions import read_definitions
from storage import commands, configurations, hot_path
from storage.database import Database
from storage.failures import retry

CALLERS = {1: 300, 64: 60, 512: 12}  # and how many commands each awaits, one after the other
CONNECTIONS = (8, 16, 32, 64)
THREADS = (1, 8, 64)  # of django-hordak
MEMBERS = 10_000
SMALL, LARGE = 10_000, 1_000_000  # entries
GROWN_MEMBERS = 1_000
GROWTH_PAIRS = 3  # each takes a copy of everything
BALANCE = 1_000_000

Call = Callable[[int], Awaitable[Any]]
Made = list[Command]


@dataclass(slots=True)
class Measured:
    """Commands a second, and p50 and p99 of a call in milliseconds, of each run."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def note(self, rate: float, p50: float, p99: float) -> float:
        self.rates.append(rate)
        self.p50.append(p50)
        self.p99.append(p99)
        return rate

    def told(self) -> dict[str, float]:
        waits = {"p50_ms": statistics.median(self.p50), "p99_ms": statistics.median(self.p99)}
        return {"per_second": round(statistics.median(self.rates))} | {name: round(ms, 2) for name, ms in waits.items()}


async def run() -> Several:
    """All figures: each is commands a second."""
    async with databases() as servers:
        members = await _prepare(servers, MEMBERS)
        figures = []
        for callers, each in CALLERS.items():
            made = transfers(members, callers * each)
            writes = await _record(servers, made)
            figures.append(await _against_batcher(servers, f"{callers} callers, batcher", made, writes, callers))
            figures.append(await _against_single(servers, f"{callers} callers, single", made, writes, callers))
        figures.append(await _hot(servers, members))
        figures.append(await _holds(servers, members))
        figures += await _against_hordak(servers, members)
    figures += await _growth()
    return Several("ledger", figures)


# -- (a) Awaited postings ------------------------------------------------------------------------------------------


async def _against_batcher(
    servers: Databases, name: str, made: Made, writes: Sequence[Write], callers: int, pairs: int = PAIRS
) -> Compared:
    mine, theirs = Measured(), Measured()

    async def ours() -> float:
        return await _ours(servers.fresh(), servers.program_id, made, callers, mine)

    async def yardstick() -> float:
        return await _batched(servers.fresh(), writes, callers, theirs)

    compared = await compare(name, "commands/s", ours, yardstick, pairs=pairs)
    compared.detail.update(ours=mine.told(), yardstick=theirs.told())
    compared.detail["p99_ratio"] = round(statistics.median(mine.p99) / statistics.median(theirs.p99), 2)
    return compared


async def _against_single(servers: Databases, name: str, made: Made, writes: Sequence[Write], callers: int) -> Compared:
    mine = Measured()
    statements = [_one_statement(write) for write in writes]
    best = {count: await _singly(servers.fresh(), statements, count) for count in CONNECTIONS}
    connections = max(best, key=lambda count: best[count])

    async def ours() -> float:
        return await _ours(servers.fresh(), servers.program_id, made, callers, mine)

    async def yardstick() -> float:
        return await _singly(servers.fresh(), statements, connections)

    compared = await compare(name, "commands/s", ours, yardstick)
    compared.detail.update(ours=mine.told(), connections={str(count): round(rate) for count, rate in best.items()})
    return compared


async def _ours(url: str, program_id: str, made: Made, callers: int, measured: Measured) -> float:
    async with _writer(url) as writer:

        async def call(number: int) -> None:
            done = await writer.command(program_id, made[number])
            assert isinstance(done.outcome, Accepted), done.outcome

        return measured.note(*await _drive(call, len(made), callers))


async def _batched(url: str, writes: Sequence[Write], callers: int, measured: Measured) -> float:
    connection = await connect(url)
    batcher = Batcher(connection)
    found = await _drive(lambda number: batcher.record(writes[number]), len(writes), callers)
    await connection.close()
    return measured.note(*found)


async def _singly(url: str, writes: Sequence[tuple[str, dict[str, Any]]], count: int) -> float:
    connections = [await connect(url) for _ in range(count)]
    for connection in connections:
        await connection.set_autocommit(True)
    left = iter(writes)

    async def work(connection: psycopg.AsyncConnection[Any]) -> None:
        for statement, arrays in left:

            async def once(statement: str = statement, arrays: dict[str, Any] = arrays) -> None:
                await connection.execute(statement, arrays)

            await retry(once)

    began = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in connections))
    seconds = time.perf_counter() - began
    for connection in connections:
        await connection.close()
    return len(writes) / seconds


async def _drive(call: Call, count: int, callers: int) -> tuple[float, float, float]:
    """Let every caller make its calls one after the other; calls a second, p50 and p99 of a call in milliseconds."""
    waits: list[float] = []

    async def caller(first: int) -> None:
        for number in range(first, count, callers):
            began = time.perf_counter()
            await call(number)
            waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    rate, percentiles = count / (time.perf_counter() - began), statistics.quantiles(waits, n=100)
    return rate, percentiles[49] * 1000, percentiles[98] * 1000


# -- (b) One hot member, (c) holds, (d) hordak, (e) growth ---------------------------------------------------------


async def _hot(servers: Databases, members: Sequence[str]) -> Compared:
    hot, uniform = transfers(members, 64 * 60, hot=True), transfers(members, 64 * 60)

    async def ours() -> float:
        return await _ours(servers.fresh(), servers.program_id, hot, 64, Measured())

    async def yardstick() -> float:
        return await _ours(servers.fresh(), servers.program_id, uniform, 64, Measured())

    return await compare("one hot member, ten thousand", "commands/s", ours, yardstick)


async def _holds(servers: Databases, members: Sequence[str]) -> Compared:
    """Each caller awaits a hold and then its settlement."""
    holds, callers = _holding(members, 64 * 30), 64
    writes: list[Write] = []

    async def settled(writer: Writer, number: int) -> None:
        held = (await writer.command(servers.program_id, holds[number])).outcome
        assert isinstance(held, Accepted)
        assert held.hold_id
        settle = Settle(reference=f"settle-{number}", actor="bench", hold_id=held.hold_id)
        await writer.command(servers.program_id, settle)

    async with _writer(servers.fresh()) as writer:
        with _recording(writes):
            for number in range(len(holds)):
                await settled(writer, number)

    async def ours() -> float:
        async with _writer(servers.fresh()) as writer:
            return (await _drive(lambda number: settled(writer, number), len(holds), callers))[0]

    async def yardstick() -> float:
        connection = await connect(servers.fresh())
        batcher = Batcher(connection)

        async def both(number: int) -> None:
            await batcher.record(writes[2 * number])
            await batcher.record(writes[2 * number + 1])

        rate, _, _ = await _drive(both, len(holds), callers)
        await connection.close()
        return rate

    return await compare("holds with settlements, batcher", "holds/s", ours, yardstick)


async def _against_hordak(servers: Databases, members: Sequence[str]) -> list[Compared]:
    """Ours with 512 callers against its threads, as many as suit it best: bare and covered transfers of its own."""
    callers = max(CALLERS)
    made = transfers(members, callers * CALLERS[callers])
    told: list[Rates] = []

    async def ours() -> float:
        return await _ours(servers.fresh(), servers.program_id, made, callers, Measured())

    async def theirs() -> float:
        told.append(await transfers_a_second(servers.empty(), accounts=200, transfers=400, threads=THREADS))
        return max(told[-1]["bare"].values())

    bare = await compare(f"{callers} callers, django-hordak", "transfers/s", ours, theirs)
    for way in told[0]:
        bare.detail[way] = {
            str(threads): round(statistics.median(rates[way][threads] for rates in told)) for threads in THREADS
        }
    best = tuple(max(rates["covered"].values()) for rates in told)
    return [bare, Compared(f"{callers} callers, django-hordak covered", bare.unit, bare.ours, best, {})]


async def _growth() -> list[Compared]:
    """Our share of what raw SQL writes, at few entries and at many; the last figure is the one over the other."""
    async with databases() as servers:
        members = await _prepare(servers, GROWN_MEMBERS)
        shares = []
        for entries in (SMALL, LARGE):
            grow(servers.as_owner(servers.template), servers.program_id, entries)
            servers.analyze()
            made = transfers(members, 64 * 60)
            writes = await _record(servers, made)
            name = f"{entries:,} entries, batcher"
            shares.append(await _against_batcher(servers, name, made, writes, 64, GROWTH_PAIRS))
    small, large = shares
    detail = {"entries": [LARGE, SMALL]}
    return [*shares, Compared("growth", "share of the batcher", _shares(large), _shares(small), detail)]


def _shares(compared: Compared) -> tuple[float, ...]:
    return tuple(mine / other for mine, other in zip(compared.ours, compared.yardstick, strict=True))


# -- What is ordered -----------------------------------------------------------------------------------------------

_made = iter(range(10**9))


def transfers(members: Sequence[str], count: int, *, hot: bool = False) -> Made:
    """Transfers of a few points between members, all from the same one if it is hot."""
    choose = random.Random(count)

    def pair() -> tuple[str, str]:
        giver, taker = choose.sample(range(1, len(members)), 2)
        return members[0 if hot else giver], members[taker]

    return [_transfer(*pair(), choose.randint(1, 9)) for _ in range(count)]


def _transfer(giver: str, taker: str, amount: int) -> Transfer:
    return Transfer(
        reference=f"transfer-{next(_made)}",
        actor="bench",
        from_member_id=giver,
        to_member_id=taker,
        unit="points",
        amount=amount,
    )


def _holding(members: Sequence[str], count: int) -> list[PlaceHold]:
    return [
        PlaceHold(reference=f"hold-{number}", actor="bench", member_id=members[number], unit="points", amount=5)
        for number in range(count)
    ]


async def _prepare(servers: Databases, count: int) -> list[str]:
    """Members with something to give, in the template; members may transfer points."""
    body = {**CONFIGURATION, "units": {"points": {"transfer": {}}}}
    database = Database(servers.template)
    async with database.begin() as session:
        definitions = read_definitions(body, [])
        await configurations.apply(session, servers.program_id, definitions, applied_by="bench", applied_at=NOW)
        query = "SELECT id FROM members ORDER BY id LIMIT %(count)s"
        members = [member for (member,) in await hot_path.run(session, query, {"count": count})]
    earned: Made = [
        Earn(reference=f"start-{member}", actor="bench", member_id=member, unit="points", amount=BALANCE)
        for member in members
    ]
    for first in range(0, count, commands.MAX_BATCH):
        batch = earned[first : first + commands.MAX_BATCH]
        await commands.execute_batch(database, servers.program_id, batch, as_of=NOW)
    await database.dispose()
    servers.analyze()
    return members


@asynccontextmanager
async def _writer(url: str) -> AsyncIterator[Writer]:
    database = Database(url)
    async with database.begin() as session:
        await session.connection()
    yield (writer := Writer(database, lambda: NOW))
    await writer.close()
    await database.dispose()


# -- The same rows again -------------------------------------------------------------------------------------------


async def _record(servers: Databases, made: Made) -> list[Write]:
    """What each command wrote, carried out alone."""
    writes: list[Write] = []
    database = Database(servers.fresh())
    with _recording(writes):
        for command in made:
            await commands.execute_batch(database, servers.program_id, [command], as_of=NOW)
    await database.dispose()
    return writes


@contextmanager
def _recording(writes: list[Write]) -> Iterator[None]:
    """While it lasts, what carrying out commands writes is kept: one list for each batch."""

    async def keep(session: Any, *queries: hot_path.Query) -> list[hot_path.Found]:
        if queries[0][0].startswith(("INSERT ", "WITH ")):
            writes.append([(statement, dict(parameters)) for statement, parameters in queries])
        return await hot_path.run_together(session, *queries)

    setattr(commands, "run_together", keep)  # noqa: B010 - its own name for it, which nobody else may use
    try:
        yield
    finally:
        setattr(commands, "run_together", hot_path.run_together)  # noqa: B010


def _one_statement(write: Write) -> tuple[str, dict[str, Any]]:
    """All that one command writes as a single statement, which is a transaction of its own."""
    (insert, parameters), *updates = write
    together = dict(parameters)
    others = []
    for number, (update, arrays) in enumerate(updates):
        named = re.sub(r"%\((\w+)\)s", rf"%(\1_u{number})s", update)
        others.append(f"u{number} AS ({named})")
        together |= {f"{name}_u{number}": value for name, value in arrays.items()}
    head = "".join(f"{other}, " for other in others)
    return insert.replace("WITH ", f"WITH {head}", 1), together
