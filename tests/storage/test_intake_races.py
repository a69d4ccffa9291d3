"""Processes take events of the same members at once: no deadlock, nothing lost, nothing twice, nothing spent twice."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, text

from connectors.vendors import REQUEST_BODIES
from domain.events import Event, SourcePolicy
from domain.ledger import InsufficientPoints
from domain.orders import OrderRefused, OrderRequest
from storage import intake, orders, verification
from storage.database import Database
from storage.failures import retry
from storage.tables import accounts, decisions, events, identities
from tests.programs import NOW, course, deal, make_member, make_program, retraction

MEMBERS = 12
EVENTS = 300
PROCESSES = 2
CALLERS = 4
POLICY = SourcePolicy(amendments="redecide")


def facts(seed: int) -> list[Event]:
    """The same facts in every process, in an order of its own, some amended and some taken back."""
    taken: list[Event] = []
    for number in range(EVENTS):
        member, at = f"member{number % MEMBERS}", NOW - timedelta(days=number % 30)
        made = (deal if number % 3 else course)(number, member, occurred_at=at)
        taken.append(made)
        if number % 10 == 0:
            taken.append(retraction(made))
    random.Random(seed).shuffle(taken)
    return taken


async def take(database_url: str, program_id: str, seed: int) -> None:
    """Take all facts in batches of random sizes, by several callers of this process at once."""
    database, order = Database(database_url), random.Random(seed)
    left = facts(seed)

    async def caller() -> None:
        while left:
            batch = [left.pop() for _ in range(min(order.randint(1, 40), len(left)))]
            await intake.record_batch(database, program_id, batch, POLICY, as_of=NOW)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await database.dispose()


async def test_two_processes_over_shared_members_never_deadlock(database_url: str):
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session)
        for number in range(MEMBERS):
            await make_member(session, program_id, f"member{number}")

    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, database_url, program_id, str(seed), cwd=Path(__file__).parents[2]
        )
        for seed in range(PROCESSES)
    ]
    ended = [await process.wait() for process in running]

    async with database.begin() as session:
        own = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert (await session.execute(own)).scalar_one() == 0
        assert ended == [0] * PROCESSES
        retracted = select(func.count()).select_from(events).where(events.c.state == "retracted")
        assert (await session.execute(retracted)).scalar_one() == EVENTS // 10
        decided = select(func.count()).select_from(decisions).where(decisions.c.kind == "award")
        assert (await session.execute(decided)).scalar_one() == EVENTS
        assert [check for check in await verification.verify(session, program_id) if check.violations] == []
    await database.dispose()


# -- The same fact, its retraction and the spending of its points ----------------------------------------------------

FACTS = 150
KEPT = 200  # points of each member that nobody takes back
PRICE = 60  # points
ORDERS = 10  # that one member tries to place


async def tell(database: Database, program_id: str, number: int) -> str:
    """Tell one fact; what came of it."""
    return await _record(database, program_id, deal(number, f"member{number % MEMBERS}"))


async def take_back(database: Database, program_id: str, number: int) -> str:
    return await _record(database, program_id, retraction(deal(number, f"member{number % MEMBERS}")))


async def _record(database: Database, program_id: str, event: Event) -> str:
    [outcome] = await intake.record_batch(database, program_id, [event], POLICY, as_of=NOW)
    return outcome.status


async def spend(database: Database, program_id: str, number: int) -> str:
    """Place one order; whether there were the points for it."""

    async def place() -> None:
        async with database.begin() as session:
            known = identities.c.program_id == program_id, identities.c.external_id == f"member{number % MEMBERS}"
            member = (await session.execute(select(identities.c.member_id).where(*known))).scalar_one()
            request = OrderRequest(member, "mug", 500, price_points=PRICE)
            await orders.place(session, program_id, request, request_bodies=REQUEST_BODIES, actor="test", now=NOW)

    try:
        await retry(place)
    except (InsufficientPoints, OrderRefused):
        return "refused"
    return "placed"


Act = Callable[[Database, str, int], Awaitable[str]]
PARTS: dict[str, tuple[Act, int]] = {
    "tell": (tell, FACTS),
    "tell too": (tell, FACTS),
    "take back": (take_back, FACTS),
    "spend": (spend, MEMBERS * ORDERS),
}


async def play(database_url: str, program_id: str, part: str) -> Counter[str]:
    """Do one part of the race in an order of its own, by several callers at once."""
    database, (act, times) = Database(database_url), PARTS[part]
    numbers = list(range(times))
    random.Random(part).shuffle(numbers)
    came: Counter[str] = Counter()

    async def caller(mine: Iterable[int]) -> None:
        for number in mine:
            came[await act(database, program_id, number)] += 1

    await asyncio.gather(*(caller(numbers[n::CALLERS]) for n in range(CALLERS)))
    await database.dispose()
    return came


async def _race(database_url: str, program_id: str) -> dict[str, Counter[str]]:
    """Every part in a process of its own, started together; what came of each."""
    pipe = asyncio.subprocess.PIPE
    processes = {
        part: await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__, database_url, program_id, part),
            stdin=pipe,
            stdout=pipe,
            cwd=Path(__file__).parents[2],
        )
        for part in PARTS
    }
    for process in processes.values():
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    came = await asyncio.gather(*(process.communicate(b"go\n") for process in processes.values()))
    return {part: Counter(json.loads(out)) for part, (out, _) in zip(processes, came, strict=True)}


async def test_a_fact_told_twice_taken_back_and_spent_at_once_counts_once_and_is_spent_once(database_url: str):
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session)
        for number in range(MEMBERS):
            await make_member(session, program_id, f"member{number}")
        kept = [deal(10_000 + n, f"member{n % MEMBERS}") for n in range(MEMBERS * KEPT // 50)]
        await intake.record(session, program_id, kept, POLICY, as_of=NOW)
        # Some of what is taken back is there before the race, so that it may be spent before.
        for number in range(0, FACTS, 3):
            early = deal(number, f"member{number % MEMBERS}")
            await intake.record(session, program_id, [early], POLICY, as_of=NOW)

    came = await _race(database_url, program_id)

    assert came["tell"]["recorded"] + came["tell too"]["recorded"] == FACTS - len(range(0, FACTS, 3))
    assert came["take back"] == {"recorded": FACTS}
    assert came["spend"]["placed"] > 0
    async with database.begin() as session:
        retracted = select(func.count()).select_from(events).where(events.c.state == "retracted")
        assert (await session.execute(retracted)).scalar_one() == FACTS
        own = accounts.c.program_id == program_id, accounts.c.running
        columns = func.sum(accounts.c.lifetime), func.sum(accounts.c.balance)
        lifetime, points = (await session.execute(select(*columns).where(*own))).one()
        assert lifetime == points
        uncovered = select(func.count()).select_from(accounts).where(*own, accounts.c.balance < -accounts.c.debt)
        assert (await session.execute(uncovered)).scalar_one() == 0
        assert [check for check in await verification.verify(session, program_id) if check.violations] == []
    await database.dispose()


def _take_part(database_url: str, program_id: str, part: str) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(asyncio.run(play(database_url, program_id, part))))


if __name__ == "__main__":
    if sys.argv[3] in PARTS:
        _take_part(*sys.argv[1:])
    else:
        asyncio.run(take(sys.argv[1], sys.argv[2], int(sys.argv[3])))
