"""Callers race for the same points: as often as they suffice, each command once, no deadlock, nothing lost.

Where it says so the callers are in two processes, and all of the issue's sizes run here.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from connectors.vendors import REQUEST_BODIES
from domain.commands import (
    Accepted,
    Adjust,
    Command,
    Earn,
    Outcome,
    PlaceHold,
    Refused,
    Release,
    Replayed,
    Reverse,
    Settle,
    Transfer,
)
from domain.ledger import InsufficientPoints, held_account, member_account
from domain.merges import Merge
from domain.orders import OrderRefused, OrderRequest
from storage import commands, merges, orders, verification
from storage.database import Database
from storage.failures import retry
from storage.isolation import Overtaken
from storage.tables import accounts, transactions
from tests.programs import NOW, SAMPLE, make_member, make_program

PROCESSES = 2
CONNECTIONS = 8  # of each process
BODY = SAMPLE | {"milestones": {}, "units": {"points": {"transfer": {}}}}

Work = Callable[[Database, str, list[str], int], Awaitable[Counter[str]]]


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=16)
    yield database
    await database.dispose()


async def make(database: Database, *names: str) -> tuple[str, list[str]]:
    async with database.begin() as session:
        program_id = await make_program(session, BODY)
        return program_id, [await make_member(session, program_id, name) for name in names]


async def done(database: Database, program_id: str, *several: Command) -> list[Accepted]:
    outcomes = await commands.execute_batch(database, program_id, several, as_of=NOW)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, Accepted)]


async def balance(database: Database, account: str) -> int:
    async with database.begin() as session:
        return (await session.execute(select(accounts.c.balance).where(accounts.c.id == account))).scalar() or 0


async def assert_sound(database: Database, program_id: str) -> None:
    async with database.begin() as session:
        own = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert (await session.execute(own)).scalar_one() == 0
        assert [check for check in await verification.verify(session, program_id) if check.violations] == []


def earn(member: str, reference: str, amount: int = 10) -> Earn:
    return Earn(reference=reference, actor="test", member_id=member, unit="points", amount=amount)


# -- In two processes ----------------------------------------------------------------------------------------------


async def race(work: Work, database_url: str, program_id: str, named: Sequence[str]) -> Counter[str]:
    """Do the work in each process, started together; what came of it in all."""
    pipe = asyncio.subprocess.PIPE
    told = (sys.executable, "-m", __name__, work.__name__, database_url, program_id, ",".join(named))
    racing = [
        await asyncio.create_subprocess_exec(*told, str(number), stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[2])
        for number in range(PROCESSES)
    ]
    for process in racing:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in racing))
    return sum((Counter(json.loads(out)) for out, _ in answers), Counter())


def _take_part(work: Work, database_url: str, program_id: str, named: str, number: str) -> None:
    async def play() -> Counter[str]:
        database = Database(database_url, pool_size=CONNECTIONS)
        came = await work(database, program_id, named.split(","), int(number))
        await database.dispose()
        return came

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(asyncio.run(play())))


async def _all_at_once(act: Callable[[int], Awaitable[str]], times: int) -> Counter[str]:
    """So many tasks, as many of them at work as there are connections."""
    free = asyncio.Semaphore(CONNECTIONS)

    async def one(number: int) -> str:
        async with free:
            return await act(number)

    return Counter(await asyncio.gather(*(one(number) for number in range(times))))


# -- The last 100 points -------------------------------------------------------------------------------------------

ORDERS = 1_000
PRICE = 30  # points: three of the last 100


async def spend(database: Database, program_id: str, named: list[str], process: int) -> Counter[str]:
    """Order with the last points, or have a caller hold them."""

    async def order() -> None:
        async with database.begin() as session:
            request = OrderRequest(named[0], "mug", 500, price_points=PRICE)
            await orders.place(session, program_id, request, request_bodies=REQUEST_BODIES, actor="test", now=NOW)

    async def act(number: int) -> str:
        if number % 2:
            hold: dict[str, Any] = {"member_id": named[0], "unit": "points", "amount": PRICE}
            held = PlaceHold(reference=f"{process}-{number}", actor="test", **hold)
            [outcome] = await commands.execute_batch(database, program_id, [held], as_of=NOW)
            return outcome.code if isinstance(outcome, Refused) else "done"
        try:
            await retry(order)
        except (InsufficientPoints, OrderRefused) as error:
            return str(getattr(error, "code", "insufficient_points"))
        return "done"

    return await _all_at_once(act, ORDERS // PROCESSES)


async def test_the_last_points_are_spent_exactly_as_often_as_they_suffice(opened: Database, database_url: str):
    """1,000 orders and holds at once, in two processes over 16 connections."""
    program_id, [ada] = await make(opened, "ada")
    await done(opened, program_id, earn(ada, "all there is", 100))

    came = await race(spend, database_url, program_id, [ada])

    assert came == {"done": 3, "insufficient_points": ORDERS - 3}
    left = [await balance(opened, kind(ada, "points")) for kind in (member_account, held_account)]
    assert left == [10, 90]
    await assert_sound(opened, program_id)


# -- Everything at once, half of it twice --------------------------------------------------------------------------

COMMANDS = 5_000  # different ones, each sent twice
MEMBERS = 40  # the first has a part in half of all commands
BATCH = 25


def mixed(members: Sequence[str], named: Sequence[str]) -> list[Command]:
    """Commands of every kind that nothing refuses; `named` are holds and then transactions that are there."""
    holds, earned = named[: COMMANDS // 10], named[COMMANDS // 10 :]
    return [_mixed(members, holds, earned, number) for number in range(COMMANDS)]


def _mixed(members: Sequence[str], holds: Sequence[str], earned: Sequence[str], number: int) -> Command:
    kind, of_kind = number % 10, number // 10
    one, other = members[0], members[1 + of_kind % (len(members) - 1)]
    who: dict[str, Any] = {"reference": f"mixed {number}", "actor": "test"}
    value: dict[str, Any] = {"unit": "points", "amount": 1 + of_kind % 7}
    match kind:
        case 0 | 1:
            return Earn(**who, member_id=one if kind else other, **value)
        case 2 | 3:
            return Transfer(**who, from_member_id=(one, other)[kind - 2], to_member_id=(other, one)[kind - 2], **value)
        case 4 | 5:
            return PlaceHold(**who, member_id=one if kind == 4 else other, **value)
        case 6 | 7:
            return Adjust(**who, member_id=other, unit="points", amount=(-1) ** kind * value["amount"])
        case 8:
            end = Settle if of_kind % 2 else Release
            return end(**who, hold_id=holds[of_kind])
        case _:
            return Reverse(**who, transaction_id=earned[of_kind])


async def mix(database: Database, program_id: str, named: list[str], process: int) -> Counter[str]:
    """Send every command, in an order and in batches of this process's own."""
    left = mixed(named[:MEMBERS], named[MEMBERS:])
    random.Random(process).shuffle(left)
    batches = [left[n : n + BATCH] for n in range(0, len(left), BATCH)]
    came: Counter[str] = Counter()

    async def act(number: int) -> str:
        for outcome in await commands.execute_batch(database, program_id, batches[number], as_of=NOW):
            came[_told(outcome)] += 1
        return "batch"

    await _all_at_once(act, len(batches))
    return came


def _told(outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return "accepted"
        case Replayed():
            return "replayed"
    return outcome.code


async def test_commands_that_race_are_carried_out_once_and_never_deadlock(opened: Database, database_url: str):
    """10,000 commands, half of them duplicates, one account in half of them, in two processes over 16 connections."""
    program_id, members = await make(opened, *(f"member{n}" for n in range(MEMBERS)))
    await done(opened, program_id, *(earn(member, f"begin {member}", 100_000) for member in members))
    each = COMMANDS // 10
    hot: dict[str, Any] = {"member_id": members[0], "unit": "points", "amount": 3}
    held = [
        one.hold_id or ""
        for one in await done(
            opened, program_id, *(PlaceHold(reference=f"h{n}", actor="test", **hot) for n in range(each))
        )
    ]
    earned = [
        one.transaction_id or ""
        for one in await done(opened, program_id, *(earn(members[0], f"e{n}", 3) for n in range(each)))
    ]

    came = await race(mix, database_url, program_id, [*members, *held, *earned])

    assert came == {"accepted": COMMANDS, "replayed": COMMANDS}
    async with opened.begin() as session:
        own = transactions.c.program_id == program_id, transactions.c.business_key.like("command:mixed %")
        assert (await session.execute(select(func.count()).where(*own))).scalar_one() == COMMANDS
    # What the hot member earned, gave, took and has had held comes to nothing but: 1 + n % 7 earned and held each,
    # given and taken each, every other hold of 3 come back and every other settled, every earning of 3 taken back.
    assert await balance(opened, member_account(members[0], "points")) == 100_000 - each * 3 // 2
    await assert_sound(opened, program_id)


# -- Reversals and merges ------------------------------------------------------------------------------------------

ROUNDS = 60


async def test_a_reversal_that_is_raced_happens_once(opened: Database):
    """60 earnings, each taken back by three callers at once."""
    program_id, [ada] = await make(opened, "ada")
    earned = await done(opened, program_id, *(earn(ada, f"e{n}") for n in range(ROUNDS)))

    async def take_back(number: int, caller: int) -> str:
        named: dict[str, Any] = {"reference": f"{number}-{caller}", "actor": "test"}
        reverse = Reverse(**named, transaction_id=earned[number].transaction_id or "")
        return _told((await commands.execute_batch(opened, program_id, [reverse], as_of=NOW))[0])

    for number in range(ROUNDS):
        came = await asyncio.gather(*(take_back(number, caller) for caller in range(3)))
        assert Counter(came) == {"accepted": 1, "already_reversed": 2}

    assert await balance(opened, member_account(ada, "points")) == 0
    await assert_sound(opened, program_id)


async def test_a_merge_that_races_what_both_earn_and_spend_loses_nothing(opened: Database):
    """60 pairs of members; each pair earns 60 points and spends 20 while it becomes one member."""
    program_id, members = await make(opened, *(f"member{n}" for n in range(2 * ROUNDS)))
    await done(opened, program_id, *(earn(member, f"begin {member}", 20) for member in members))

    async def merge(one: str, other: str) -> None:
        async with opened.begin() as session:
            named: dict[str, Any] = {"actor": "test", "reason": "the same person", "as_of": NOW}
            merged = await merges.merge(session, program_id, source=one, destination=other, **named)
            assert isinstance(merged, Merge)

    async def again(one: str, other: str) -> None:
        for _ in range(10):
            try:
                return await merge(one, other)
            except Overtaken:
                await asyncio.sleep(0.01)
        raise AssertionError("overtaken ten times")

    async def send(command: Command) -> str:
        return _told((await commands.execute_batch(opened, program_id, [command], as_of=NOW))[0])

    def hold(member: str) -> PlaceHold:
        return PlaceHold(reference=f"hold {member}", actor="test", member_id=member, unit="points", amount=10)

    for n in range(ROUNDS):
        one, other = members[2 * n], members[2 * n + 1]
        sent = [earn(member, f"{member} {number}") for member in (one, other) for number in range(3)]
        racing = [again(one, other), *map(send, (*sent, hold(one), hold(other)))]
        random.Random(n).shuffle(racing)
        assert set(await asyncio.gather(*racing)) == {None, "accepted"}

    left = [await balance(opened, member_account(member, "points")) for member in members]
    assert left == [0, 80] * ROUNDS
    await assert_sound(opened, program_id)


if __name__ == "__main__":
    _take_part({work.__name__: work for work in (spend, mix)}[sys.argv[1]], *sys.argv[2:])
