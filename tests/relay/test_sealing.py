"""The sealer: everything is sealed once, nothing is skipped, whoever else writes or seals meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select, text

from connectors.checkpoints import CheckpointFile
from domain.checkpoints import split
from domain.events import SourcePolicy
from domain.outbox import Lane
from domain.refusals import Refusal
from relay.checkpoints import CheckpointLane
from relay.relay import Relay
from relay.sealing import Sealer
from storage import intake, refusals
from storage.tables import refusal_counts, transactions
from storage.wakeups import Wakeups
from tests.programs import NOW, deal, make_member, make_program
from tests.sealed import KEYS, SealedProgram, sealed_program


@pytest.fixture
async def program(database_url: str) -> AsyncIterator[SealedProgram]:
    async with sealed_program(database_url) as made:
        yield made


async def transaction_ids(program: SealedProgram) -> list[str]:
    async with program.database.begin() as session:
        mine = select(transactions.c.id).where(transactions.c.program_id == program.id).order_by(transactions.c.id)
        return list((await session.execute(mine)).scalars())


async def test_every_transaction_is_sealed_once_in_order(program: SealedProgram):
    await program.win(3)
    assert await program.seal() == 3
    await program.win(2)
    assert await program.seal() == 2

    assert await program.seal() == 0
    assert await program.sealed() == await transaction_ids(program)


async def test_rows_of_a_transaction_that_was_open_across_a_seal_are_sealed_later(program: SealedProgram):
    async with program.database.begin() as late:
        other = await make_program(late)
        await make_member(late, other, "eve")
        await intake.record(late, other, [deal(1, member="eve")], SourcePolicy(), as_of=NOW)
        await program.win(2)

        while_open = await program.sealer.seal()

    assert while_open == 0  # the open transaction was there first
    assert await program.seal() == 3
    assert await program.sealed() == await transaction_ids(program)


async def test_a_late_committer_of_the_same_program_is_not_skipped(program: SealedProgram):
    await program.win(1)
    await program.seal()
    async with program.database.begin() as late:
        await make_member(late, program.id, "eve")
        await intake.record(late, program.id, [deal(99, member="eve")], SourcePolicy(), as_of=NOW)
        await program.win(1)
        await program.sealer.seal()
        before = await program.sealed()
    await program.seal()

    assert len(before) == 1
    assert sorted(await program.sealed()) == await transaction_ids(program)


async def test_a_sealer_that_knows_nothing_seals_nothing_twice(program: SealedProgram):
    await program.win(3)
    await program.seal()
    await program.win(1)

    program.sealer = Sealer(program.database, KEYS, clock=program.clock)

    assert await program.seal() == 1
    assert len(await program.sealed()) == 4


async def test_two_sealers_at_once_make_one_chain(program: SealedProgram):
    await program.win(20)
    sealers = [Sealer(program.database, KEYS, clock=program.clock) for _ in range(3)]

    sealed = await asyncio.gather(program.seal(), *(sealer.seal() for sealer in sealers))

    assert sum(sealed) == 20
    assert sorted(await program.sealed()) == await transaction_ids(program)


async def test_rows_of_another_cluster_are_sealed_although_their_xids_have_not_come_yet(
    program: SealedProgram, owner_url: str
):
    await program.win(3)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("UPDATE transactions SET xid = (xid::text::bigint + 1000000000)::text::xid8")

    assert await program.seal() == 3
    await program.win(1)
    assert await program.seal() == 1


async def test_a_program_with_much_to_seal_does_not_hold_up_another(
    program: SealedProgram, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("relay.sealing.ROUNDS", 1)
    monkeypatch.setattr("storage.seals.TURN_ROWS", 2)
    await program.win(9)
    async with program.database.begin() as session:
        other = await make_program(session)
        await make_member(session, other, "eve")
        await intake.record(session, other, [deal(1, member="eve")], SourcePolicy(), as_of=NOW)

    passes = [await program.seal() for _ in range(6)]

    assert passes == [3, 2, 2, 2, 1, 0]


async def test_refusals_are_sealed_and_beyond_the_limit_their_count_is(program: SealedProgram):
    limit = refusals.REFUSALS_PER_MINUTE
    refused = [
        Refusal(f"order-{n}", "hold", "insufficient_points", "key_1", NOW, program.ada) for n in range(limit + 20)
    ]
    async with program.database.begin() as session:
        await refusals.record(session, program.id, refused[: limit - 1])
    async with program.database.begin() as session:
        await refusals.record(session, program.id, refused[limit - 1 :])

    first = await program.seal()
    program.clock.go_on(minutes=2)
    second = await program.seal()

    async with program.database.begin() as session:
        counted = (await session.execute(select(func.sum(refusal_counts.c.counted)))).scalar_one()
    assert (first, second, counted) == (limit, 1, 20)


async def test_a_count_that_was_sealed_is_not_gone_on_with(program: SealedProgram):
    refused = [Refusal("again", "hold", "insufficient_points", "key_1", NOW)] * (refusals.REFUSALS_PER_MINUTE + 1)
    for _ in range(2):
        async with program.database.begin() as session:
            await refusals.record(session, program.id, refused)
        program.clock.go_on(minutes=2)
        await program.seal()

    async with program.database.begin() as session:
        counts = (await session.execute(select(refusal_counts.c.counted).order_by(refusal_counts.c.id))).scalars().all()
    assert counts == [1, len(refused)]


async def test_the_delay_is_that_of_the_oldest_row_that_waits(program: SealedProgram):
    await program.win(1)
    await program.seal()
    async with program.database.begin() as blocker:
        await blocker.execute(text("SELECT pg_current_xact_id()"))
        await program.win(1)
        await program.sealer.seal()
        program.clock.go_on(seconds=30)
        await program.sealer.measure()
        waiting = delay()
    await program.seal()
    await program.sealer.measure()

    assert (waiting, delay()) == (30, 0)


def delay() -> float:
    value = REGISTRY.get_sample_value("laurel_seal_delay_seconds")
    assert value is not None
    return value


async def test_a_checkpoint_is_signed_once_the_last_one_is_old_enough(program: SealedProgram):
    await program.win(1)
    await program.seal()
    first = await program.sealer.sign()
    await program.win(1)
    await program.seal()
    too_early = await program.sealer.sign()
    program.clock.go_on(minutes=10)
    later = await program.sealer.sign()
    program.clock.go_on(minutes=10)
    nothing_new = await program.sealer.sign()

    assert (first, too_early, later, nothing_new) == (1, 0, 1, 0)


async def test_a_newcomer_signs_what_was_sealed_before_it_came(program: SealedProgram):
    await program.win(1)
    await program.seal()
    program.sealer = Sealer(program.database, KEYS, clock=program.clock)
    await program.seal()

    assert await program.sealer.sign() == 1


async def test_a_signed_checkpoint_is_kept_outside_by_the_relay(program: SealedProgram, tmp_path: Path):
    kept = tmp_path / "checkpoints"
    await program.win(2)
    await program.checkpoint()
    await program.win(2)
    await program.checkpoint()
    lanes = {Lane.CHECKPOINTS: CheckpointLane(program.database, [CheckpointFile(kept)])}
    relay = Relay(program.database, lanes, clock=program.clock, wakeups=Wakeups(""))

    while await relay.work(Lane.CHECKPOINTS):
        pass

    assert [KEYS.open(note).size for note in split(kept.read_text())] == [2, 4]


async def test_a_count_that_is_still_open_waits_for_nobody(program: SealedProgram):
    refused = [Refusal("again", "hold", "insufficient_points", "key_1", NOW)] * (refusals.REFUSALS_PER_MINUTE + 1)
    async with program.database.begin() as session:
        await refusals.record(session, program.id, refused)
    await program.seal()
    program.clock.go_on(seconds=59)
    await program.sealer.measure()

    assert delay() == 0
