"""Merges of members: nothing is lost, nothing counts twice, whoever names the alias means the other, and back again."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Adjust, CloseAccount, Confirm, PlaceHold, Refused, Release, Reverse, Settle, Transfer
from domain.events import MEMBER_ID, Identity, SourcePolicy
from domain.merges import Merge
from storage import intake, merges, verification
from storage.database import Database
from storage.failures import retry
from storage.tables import accounts, counters, crossings, identities, lots, members, rewards
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


async def undo(program: Program, merged: Merge, days: int = 0) -> Any:
    as_of = NOW + timedelta(days=days)
    return await merges.undo(program.session, program.id, merged.id, actor="hr", reason="two people", as_of=as_of)


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


# -- Where value came from -----------------------------------------------------------------------------------------


async def debt(program: Program, member: str) -> int:
    query = select(accounts.c.debt).where(accounts.c.id == f"acc_{member[4:]}.points")
    return (await program.session.execute(query)).scalar() or 0


async def left(program: Program, member: str, unit: str = "points") -> list[int]:
    """What is left of the member's lots, the first to lapse first."""
    open_ = lots.c.account_id == f"acc_{member[4:]}.{unit}", lots.c.remaining > 0
    query = select(lots.c.remaining).where(*open_).order_by(lots.c.expires_at.nulls_last(), lots.c.id)
    return list((await program.session.execute(query)).scalars())


async def test_what_expired_in_the_hands_of_the_other_is_not_owed(program: Program):
    earned = await program.earn(100, expires_at=NOW + timedelta(days=10))
    await program.earn(30, member_id=program.ben)
    await merge(program, program.ada, program.ben)

    await program.done(order(Reverse, transaction_id=earned.transaction_id), days=11)

    assert (await program.balance(program.ben), await debt(program, program.ben)) == (30, 0)


async def test_what_expired_after_two_merges_is_not_owed(program: Program):
    cleo = await make_member(program.session, program.id, "cleo")
    earned = await program.earn(100, expires_at=NOW + timedelta(days=10))
    await merge(program, program.ada, program.ben)
    await merge(program, program.ben, cleo)

    await program.done(order(Reverse, transaction_id=earned.transaction_id), days=11)

    assert (await program.balance(cleo), await debt(program, cleo)) == (0, 0)


async def test_an_event_that_is_retracted_after_a_merge_owes_nothing_that_expired(program: Program):
    await take(program, *(deal(number, "ada") for number in (1, 2, 3)))  # the third earns 100 for 30 days as well
    await merge(program, program.ada, program.ben)
    late = NOW + timedelta(days=31)

    await intake.record(program.session, program.id, [retraction(deal(3, "ada"))], SourcePolicy(), as_of=late)

    assert (await program.balance(program.ben), await debt(program, program.ben)) == (100, 0)


async def test_a_reversal_takes_what_was_merged_before_what_the_other_had(program: Program):
    await program.earn(50, member_id=program.ben, expires_at=NOW + timedelta(days=10))
    earned = await program.earn(80, expires_at=NOW + timedelta(days=90))
    await merge(program, program.ada, program.ben)

    await program.done(order(Reverse, transaction_id=earned.transaction_id))

    assert await left(program, program.ben) == [50]


async def test_what_was_renewed_and_expired_then_is_not_owed(program: Program):
    earned = await program.earn(100, unit="cashback", expires_at=NOW + timedelta(days=10))
    held = await program.done(order(PlaceHold, member_id=program.ada, unit="cashback", amount=60))
    await program.done(order(Release, hold_id=held.hold_id), days=11)

    await program.done(order(Reverse, transaction_id=earned.transaction_id), days=42)

    assert await program.balance(program.ada, "cashback") == 0


async def test_a_transfer_between_two_who_became_one_is_turned_round(program: Program):
    await program.earn(80, expires_at=NOW + timedelta(days=10))
    given = order(Transfer, from_member_id=program.ada, to_member_id=program.ben, amount=60)
    transfer = await program.done(given)
    await merge(program, program.ben, program.ada)

    await program.done(order(Reverse, transaction_id=transfer.transaction_id))

    assert (await program.balance(program.ada), sum(await left(program, program.ada))) == (80, 80)


# -- Undoing -------------------------------------------------------------------------------------------------------


async def test_whoever_parts_has_the_lots_that_were_theirs(program: Program):
    await program.earn(100, member_id=program.ben, expires_at=NOW + timedelta(days=10))
    await program.earn(100, expires_at=NOW + timedelta(days=90))
    merged = await merge(program, program.ada, program.ben)

    await undo(program, merged)

    query = select(lots.c.account_id, lots.c.expires_at).where(lots.c.remaining > 0)
    assert set((await program.session.execute(query)).tuples()) == {
        (f"acc_{program.ben[4:]}.points", NOW + timedelta(days=10)),
        (f"acc_{program.ada[4:]}.points", NOW + timedelta(days=90)),
    }


async def test_what_expired_or_was_taken_back_is_not_parted(program: Program):
    earned = await program.earn(100)
    await program.earn(40, expires_at=NOW + timedelta(days=10))
    await program.earn(500, member_id=program.ben)
    merged = await merge(program, program.ada, program.ben)
    await program.done(order(Reverse, transaction_id=earned.transaction_id, amount=70))

    await undo(program, merged, days=11)

    assert (await program.balance(program.ada), await program.balance(program.ben)) == (30, 500)
    assert (await lifetime(program, program.ada), await lifetime(program, program.ben)) == (70, 500)


async def test_what_came_to_the_alias_meanwhile_is_parted_too(program: Program):
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))
    promised = await program.earn(25, awaits_approval=True)
    merged = await merge(program, program.ada, program.ben)
    await program.done(order(Release, hold_id=held.hold_id))
    await program.done(order(Confirm, pending_id=promised.pending_id))

    await undo(program, merged)

    assert (await program.balance(program.ada), await program.balance(program.ben)) == (125, 0)
    assert (await lifetime(program, program.ada), await lifetime(program, program.ben)) == (125, 0)


async def test_whoever_had_been_merged_into_the_alias_goes_along(program: Program):
    cleo = await make_member(program.session, program.id, "cleo")
    await program.earn(100)
    await merge(program, program.ada, program.ben)
    merged = await merge(program, program.ben, cleo)

    await undo(program, merged)

    assert (await program.balance(program.ben), await lifetime(program, program.ben)) == (100, 100)
    assert (await program.balance(cleo), await lifetime(program, cleo)) == (0, 0)


async def standing(program: Program) -> list[tuple[str, str, int]]:
    query = select(crossings.c.member_id, crossings.c.milestone, crossings.c.n)
    found = await program.session.execute(query.where(crossings.c.state == "standing"))
    names = {program.ada: "ada", program.ben: "ben"}
    return sorted((names[member], mark.split(":")[0], n) for member, mark, n in found)


async def open_rewards(program: Program) -> list[str]:
    found = await program.session.execute(select(rewards.c.member_id).where(rewards.c.state == "unlocked"))
    return sorted({program.ada: "ada", program.ben: "ben"}[member] for member in found.scalars())


async def place(program: Program, *where: Any) -> None:
    """Order the rewards, as their workflows do."""
    ordered = {"state": "ordered", "order_id": "ord_1"}
    await program.session.execute(update(rewards).where(*where).values(**ordered))


async def test_what_the_merge_gained_goes_with_it(program: Program):
    await program.earn(300)
    await program.earn(200, member_id=program.ben)
    merged = await merge(program, program.ada, program.ben)
    gained = await standing(program)

    await undo(program, merged)

    assert (gained, await standing(program), await open_rewards(program)) == ([("ben", "every-500", 1)], [], [])
    await program.earn(300, member_id=program.ben)
    assert (await standing(program), await open_rewards(program)) == ([("ben", "every-500", 1)], ["ben"])


async def test_what_the_merge_gained_and_was_ordered_stays_with_whoever_has_it(program: Program):
    await program.earn(300)
    await program.earn(200, member_id=program.ben)
    merged = await merge(program, program.ada, program.ben)
    await place(program)

    await undo(program, merged)
    await program.earn(300, member_id=program.ben)
    await program.earn(200)

    assert await standing(program) == [("ada", "every-500", 1), ("ben", "every-500", 1)]
    assert await open_rewards(program) == ["ada"]


async def test_a_crossing_that_both_had_comes_back_with_a_reward(program: Program):
    await program.earn(500)
    await program.earn(500, member_id=program.ben)
    merged = await merge(program, program.ada, program.ben)

    await undo(program, merged)

    assert await standing(program) == [("ada", "every-500", 1), ("ben", "every-500", 1)]
    assert await open_rewards(program) == ["ada", "ben"]


async def test_a_crossing_that_both_had_is_not_rewarded_twice(program: Program):
    await program.earn(500)
    await place(program)
    await program.earn(500, member_id=program.ben)
    merged = await merge(program, program.ada, program.ben)

    await undo(program, merged)

    assert await standing(program) == [("ada", "every-500", 1), ("ben", "every-500", 1)]
    assert await open_rewards(program) == ["ben"]


async def test_a_reward_that_the_other_has_ordered_is_given_to_whoever_earned_it(program: Program):
    await program.earn(500)
    merged = await merge(program, program.ada, program.ben)
    await place(program)

    await undo(program, merged)

    assert await standing(program) == [("ada", "every-500", 1), ("ben", "every-500", 1)]
    assert await open_rewards(program) == ["ada"]
    ordered = select(rewards.c.member_id).where(rewards.c.state == "ordered")
    assert (await program.session.execute(ordered)).scalars().all() == [program.ben]


async def test_marks_are_counted_as_if_each_had_been_alone(program: Program):
    await program.earn(1_000)
    merged = await merge(program, program.ada, program.ben)
    await program.earn(600, member_id=program.ben)
    together = await standing(program)

    await undo(program, merged)

    assert [one for one in together if one[1] == "every-500"] == [("ben", "every-500", n) for n in (1, 2, 3)]
    assert [one for one in await standing(program) if one[1] == "every-500"] == [
        ("ada", "every-500", 1),
        ("ada", "every-500", 2),
        ("ben", "every-500", 1),
    ]


async def test_what_was_taken_back_while_they_were_one_is_crossed_no_more(program: Program):
    earned = await program.earn(500)
    await program.earn(600, member_id=program.ben)
    merged = await merge(program, program.ada, program.ben)
    await program.done(order(Reverse, transaction_id=earned.transaction_id))

    await undo(program, merged)

    assert (await standing(program), await open_rewards(program)) == ([("ben", "every-500", 1)], ["ben"])


async def test_counters_that_were_returned_meanwhile_are_not_returned_again(program: Program):
    await take(program, deal(1, "ada"), deal(2, "ada"), deal(3, "ben"))
    merged = await merge(program, program.ada, program.ben)
    await take(program, retraction(deal(1)), retraction(deal(2)), retraction(deal(3)))

    await undo(program, merged)

    uses = select(counters.c.uses).where(counters.c.name == "event:deal.won")
    assert set((await program.session.execute(uses)).scalars()) == {0}


# -- Closed accounts -----------------------------------------------------------------------------------------------


async def close(program: Program, member: str, unit: str = "points") -> None:
    await program.done(order(CloseAccount, member_id=member, unit=unit))


async def test_a_merge_that_is_refused_has_moved_nothing(program: Program):
    await program.earn(600)
    await close(program, program.ben)

    refused = await merge(program, program.ada, program.ben)

    assert refused.code == "account_closed"
    assert await standing(program) == [("ada", "every-500", 1)]
    assert (await program.balance(program.ada), await open_rewards(program)) == (600, ["ada"])


async def test_a_closed_account_stands_in_nobodys_way_where_nothing_moves(program: Program):
    await program.earn(100)
    await close(program, program.ben, "cashback")
    await close(program, program.ada, "kudos")

    merged = await merge(program, program.ada, program.ben)
    await undo(program, merged)

    assert (await program.balance(program.ada), await program.balance(program.ben)) == (100, 0)


async def test_whoever_parts_has_open_accounts_whatever_the_other_has_closed(program: Program):
    merged = await merge(program, program.ada, program.ben)
    await close(program, program.ben)

    await undo(program, merged)
    await program.earn(100)
    await program.earn(10, awaits_approval=True)
    await program.done(order(PlaceHold, member_id=program.ada, amount=60))

    assert await program.balance(program.ada) == 40


async def test_a_debt_that_comes_back_pays_the_other_whose_account_is_closed(program: Program):
    earned = await program.earn(100)
    await program.done(order(Adjust, member_id=program.ada, amount=-100))
    await program.done(order(Reverse, transaction_id=earned.transaction_id))
    await program.earn(100, member_id=program.ben)
    merged = await merge(program, program.ada, program.ben)
    await close(program, program.ben)

    await undo(program, merged)

    assert (await program.balance(program.ada), await program.balance(program.ben)) == (-100, 100)


async def test_what_was_settled_by_the_alias_comes_back_to_nobody_once_the_account_is_closed(program: Program):
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=100))
    settled = await program.done(order(Settle, hold_id=held.hold_id))
    await merge(program, program.ada, program.ben)
    await close(program, program.ben)

    assert await program.refused(order(Reverse, transaction_id=settled.transaction_id)) == "account_closed"


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
