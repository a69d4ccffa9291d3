"""Large adjustments: proposed by one, decided by another, posted once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Accepted, Adjust, Refused
from storage import adjustments
from storage.adjustments import Adjustment
from storage.tables import lots, refusals, transactions
from tests.programs import NOW
from tests.storage.test_commands import Program, make, order


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    return await make(session)


async def propose(program: Program, **what: Any) -> Any:
    command = order(Adjust, **{"member_id": program.ada, "amount": 5_000, "reason": "a mistake", **what})
    return await adjustments.order(program.session, program.id, command, as_of=NOW)


async def approve(program: Program, one: Adjustment, actor: str = "key_cfo") -> Any:
    return await adjustments.approve(program.session, program.id, one.id, actor=actor, as_of=NOW)


async def test_a_small_one_is_posted_at_once(program: Program):
    assert isinstance(await propose(program, amount=1_000), Accepted)
    assert await program.balance(program.ada) == 1_000


async def test_a_large_one_is_posted_when_another_approves(program: Program):
    proposed = await propose(program)
    assert (proposed.state, await program.balance(program.ada)) == ("proposed", 0)

    approved = await approve(program, proposed)

    assert (approved.state, approved.decided_by, await program.balance(program.ada)) == ("approved", "key_cfo", 5_000)
    assert approved.transaction_id


async def test_who_proposed_it_decides_nothing(program: Program):
    proposed = await propose(program)

    refused = await approve(program, proposed, actor="key_hr")

    assert isinstance(refused, Refused)
    assert refused.code == "needs_second_person"
    [kept] = await program.session.execute(select(refusals.c.code, refusals.c.actor))
    assert kept == ("needs_second_person", "key_hr")
    assert await program.balance(program.ada) == 0


async def test_it_is_decided_once(program: Program):
    proposed = await propose(program)
    rejected = await adjustments.reject(program.session, program.id, proposed.id, actor="key_cfo", as_of=NOW)
    assert isinstance(rejected, Adjustment)
    assert rejected.state == "rejected"

    refused = await approve(program, proposed)

    assert refused.code == "adjustment_not_open"


async def test_a_repeat_finds_what_became_of_the_first(program: Program):
    proposed = await propose(program, reference="hr-1")
    approved = await approve(program, proposed)

    assert await propose(program, reference="hr-1") == approved
    other = await propose(program, reference="hr-1", amount=6_000)
    assert other.code == "duplicate_request"


async def test_a_large_one_lapses_and_takes_effect_as_it_was_proposed(program: Program):
    when = {"effective_at": NOW - timedelta(days=3), "expires_at": NOW + timedelta(days=9)}

    approved = await approve(program, await propose(program, **when))

    posted = select(transactions.c.effective_at, lots.c.expires_at).join(
        lots, lots.c.transaction_id == transactions.c.id
    )
    [kept] = await program.session.execute(posted.where(transactions.c.id == approved.transaction_id))
    assert kept == (when["effective_at"], when["expires_at"])


async def test_what_would_lapse_at_another_time_is_another_adjustment(program: Program):
    await propose(program, reference="hr-1", expires_at=NOW + timedelta(days=9))

    assert (await propose(program, reference="hr-1")).code == "duplicate_request"


async def test_what_cannot_be_taken_any_more_stays_proposed(program: Program):
    await program.earn(5_000)
    proposed = await propose(program, amount=-5_000)
    await program.done(order(Adjust, member_id=program.ada, amount=-1))

    refused = await approve(program, proposed)

    assert refused.code == "insufficient_points"
    found = await adjustments.find(program.session, program.id, proposed.id)
    assert found == proposed


async def test_nobody_unknown_is_adjusted(program: Program):
    refused = await propose(program, member_id="mem_" + "0" * 26)

    assert refused.code == "member_not_found"
