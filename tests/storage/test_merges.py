"""Merges of members: nothing is lost, nothing counts twice, whoever names the alias means the other, and back again."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Adjust, Confirm, PlaceHold, Refused, Release, Reverse
from domain.events import MEMBER_ID, Identity, SourcePolicy
from domain.merges import Merge
from storage import intake, merges, verification
from storage.database import Database
from storage.failures import retry
from storage.tables import accounts, counters, crossings, identities, members, rewards
from tests.programs import NOW, deal, make_member, make_program, retraction
from tests.storage.test_commands import Program, make, order


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    return await make(session)


@pytest.fixture(autouse=True)
async def the_ledger_verifies(program: Program):
    yield
    checks = await verification.verify(program.session, program.id)
    assert [check for check in checks if check.violations] == []


async def merge(program: Program, source: str, destination: str) -> Any:
    named = {"source": source, "destination": destination, "actor": "hr", "reason": "the same person"}
    return await merges.merge(program.session, program.id, as_of=NOW, **named)


async def undo(program: Program, merged: Merge) -> Any:
    return await merges.undo(program.session, program.id, merged.id, actor="hr", reason="two people", as_of=NOW)


async def lifetime(program: Program, member: str) -> int:
    query = select(accounts.c.lifetime).where(accounts.c.id == f"acc_{member[4:]}.points")
    return (await program.session.execute(query)).scalar() or 0


async def take(program: Program, *taken: Any) -> Any:
    return await intake.record(program.session, program.id, taken, SourcePolicy(), as_of=NOW)


async def test_what_both_had_is_the_one_members(program: Program):
    await program.earn(300)
    await program.earn(70, unit="cashback")
    await program.earn(200, member_id=program.ben)

    merged = await merge(program, program.ada, program.ben)

    assert await merge(program, program.ada, program.ben) == merged
    assert (await program.balance(program.ada), await program.balance(program.ben)) == (0, 500)
    assert await program.balance(program.ben, "cashback") == 70
    assert (await lifetime(program, program.ada), await lifetime(program, program.ben)) == (0, 500)
    assert await program.count(crossings, crossings.c.member_id == program.ben) == 1
    assert await program.count(identities, identities.c.member_id == program.ada) == 0


async def test_commands_and_events_that_name_the_alias_mean_the_other(program: Program):
    await merge(program, program.ada, program.ben)

    await program.earn(40)
    await take(program, deal(1, "ada"), replace(deal(2), member=Identity(MEMBER_ID, program.ada)))

    assert (await program.balance(program.ada), await program.balance(program.ben)) == (0, 40 + 50 + 50)


async def test_what_was_under_way_comes_to_the_other(program: Program):
    earned = await program.earn(200)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))
    promised = await program.earn(25, awaits_approval=True)
    await take(program, deal(1, "ada"))
    await merge(program, program.ada, program.ben)

    await program.done(order(Release, hold_id=held.hold_id))
    await program.done(order(Confirm, pending_id=promised.pending_id))
    await program.done(order(Reverse, transaction_id=earned.transaction_id, amount=30))
    await take(program, retraction(deal(1, "ada")))

    assert (await program.balance(program.ada), await program.balance(program.ben)) == (0, 195)
    assert await lifetime(program, program.ben) == 195


async def test_a_debt_goes_along_and_is_repaid(program: Program):
    earned = await program.earn(100)
    await program.done(order(Adjust, member_id=program.ada, amount=-100))
    await program.done(order(Reverse, transaction_id=earned.transaction_id))
    await program.earn(130, member_id=program.ben)

    await merge(program, program.ada, program.ben)

    assert (await program.balance(program.ada), await program.balance(program.ben)) == (0, 30)


async def test_a_milestone_that_both_have_crossed_counts_once(program: Program):
    await program.earn(500)
    await program.earn(500, member_id=program.ben)

    await merge(program, program.ada, program.ben)

    standing = select(crossings.c.member_id, crossings.c.milestone, crossings.c.n)
    found = await program.session.execute(standing.where(crossings.c.state == "standing"))
    assert sorted(found.tuples()) == [(program.ben, "every-500:500", 1), (program.ben, "every-500:500", 2)]
    assert await program.count(rewards, rewards.c.state == "withdrawn") == 1


async def test_counters_are_added_up(program: Program):
    await take(program, deal(1, "ada"), deal(2, "ben"), deal(3, "ben"))

    merged = await merge(program, program.ada, program.ben)

    uses = select(counters.c.uses).where(counters.c.name == "event:deal.won", counters.c.member_id == program.ben)
    assert (await program.session.execute(uses)).scalar_one() == 3
    await undo(program, merged)
    assert (await program.session.execute(uses)).scalar_one() == 2


async def test_a_merge_is_undone_with_what_is_still_there(program: Program):
    await program.earn(300)
    await program.earn(200, member_id=program.ben)
    merged = await merge(program, program.ada, program.ben)
    await program.done(order(Adjust, member_id=program.ben, amount=-350))

    undone = await undo(program, merged)

    assert await undo(program, merged) == undone
    assert (undone.undoes, await program.balance(program.ada), await program.balance(program.ben)) == (
        merged.id,
        150,
        0,
    )
    assert (await lifetime(program, program.ada), await lifetime(program, program.ben)) == (300, 200)
    assert await program.count(identities, identities.c.member_id == program.ada) == 2
    again = await merge(program, program.ada, program.ben)
    assert again.id != merged.id


async def test_whoever_was_merged_before_follows(program: Program):
    cleo = await make_member(program.session, program.id, "cleo")
    await merge(program, program.ada, program.ben)
    await merge(program, program.ben, cleo)

    await program.earn(10)

    assert await program.balance(cleo) == 10
    into = select(members.c.merged_into).where(members.c.id == program.ada)
    assert (await program.session.execute(into)).scalar_one() == cleo


async def test_what_cannot_be_merged_is_refused(program: Program):
    cleo = await make_member(program.session, program.id, "cleo")
    merged = await merge(program, program.ada, program.ben)

    assert (await merge(program, cleo, cleo)).code == "self_merge"
    assert (await merge(program, program.ada, cleo)).code == "already_merged"
    undone = await undo(program, merged)
    refused = await undo(program, undone)
    assert isinstance(refused, Refused)
    assert refused.code == "not_merged"


async def test_a_merge_that_races_with_earning_loses_nothing(database_url: str):
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session)
        people = [await make_member(session, program_id, name) for name in ("ada", "ben", "cleo")]

    async def earn(number: int) -> None:
        await intake.record_batch(database, program_id, [deal(number, "ada")], SourcePolicy(), as_of=NOW)

    async def join(source: str, destination: str) -> None:
        async def attempt() -> None:
            async with database.begin() as session:
                named = {"source": source, "destination": destination, "actor": "hr", "reason": "one"}
                await merges.merge(session, program_id, as_of=NOW, **named)

        await asyncio.sleep(0.05)
        await retry(attempt)

    await asyncio.gather(*(earn(number) for number in range(40)), join(*people[:2]), join(people[1], people[2]))

    async with database.begin() as session:
        found = await session.execute(select(accounts.c.member_id, accounts.c.balance).where(accounts.c.running))
        balances = {member: balance for member, balance in found if balance}
        assert balances == {people[2]: 40 * 50 + 100}  # and the third one's, once
        assert [check for check in await verification.verify(session, program_id) if check.violations] == []
    await database.dispose()
