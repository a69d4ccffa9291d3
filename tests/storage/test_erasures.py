"""Erasing people's texts: they are gone everywhere in the ledger, it is on record, and all of it still verifies."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text

from domain.commands import Accepted, Adjust, PlaceHold
from domain.merges import Merge
from domain.proofs import Proof
from storage import adjustments, chain, commands, erasures, merges, proofs, seals, verification
from storage.adjustments import Adjustment
from storage.database import Database
from storage.erasures import ERASED, Erasure, NotErasable
from storage.verification import Check
from tests.programs import NOW, SAMPLE, apply, make_member
from tests.sealed import KEYS, SealedProgram, sealed_program

WHY: dict[str, Any] = {"actor": "data protection", "reason": "request 17", "now": NOW}
SECRET = "burnout"
# Every text that the fixture's records have, in one line each.
TEXTS = """SELECT concat_ws(' ', reason, actor) FROM transactions UNION ALL
    SELECT concat_ws(' ', reference, detail, member_id, actor) FROM refusals UNION ALL
    SELECT concat_ws(' ', reason, actor) FROM merges UNION ALL
    SELECT concat_ws(' ', reason, proposed_by, decided_by) FROM adjustments"""
UNITS = {"units": {"points": {"approval_above": 100}}}


@dataclass
class Told:
    """A program whose records tell something about Ada."""

    program: SealedProgram
    database: Database  # as the owner
    ids: list[str]  # of an adjustment, a refusal and a merge


@pytest.fixture
async def told(database_url: str, owner_url: str) -> AsyncIterator[Told]:
    database = Database(owner_url)
    async with sealed_program(database_url) as program:
        who: dict[str, Any] = {"actor": f"Grace of {SECRET}", "reason": SECRET, "member_id": program.ada}
        async with program.database.begin() as session:
            await apply(session, program.id, SAMPLE | UNITS)
            given = Adjust(**who, reference="one", unit="points", amount=500)
            proposed = await adjustments.order(session, program.id, given, as_of=NOW)
            assert isinstance(proposed, Adjustment)
            approved = await adjustments.approve(session, program.id, proposed.id, actor=SECRET, as_of=NOW)
            assert isinstance(approved, Adjustment)
            await commands.execute(
                session, program.id, [PlaceHold(**who, reference=SECRET, unit="points", amount=900)], as_of=NOW
            )
            other = await make_member(session, program.id, "ada twice")
            both: dict[str, Any] = {"source": other, "destination": program.ada}
            merged = await merges.merge(session, program.id, **both, actor=SECRET, reason=SECRET, as_of=NOW)
            assert isinstance(merged, Merge)
            refused = (await session.execute(text("SELECT id FROM refusals"))).scalar_one()
        await program.checkpoint()
        yield Told(program, database, [str(approved.transaction_id), refused, merged.id])
    await database.dispose()


async def read(told: Told) -> str:
    async with told.database.begin() as session:
        return "\n".join((await session.execute(text(TEXTS))).scalars())


async def verify(told: Told) -> list[Check]:
    async with told.program.database.snapshots() as (rows, links):
        return [
            *await verification.verify(rows, told.program.id),
            *await chain.verify(links, told.program.id, KEYS),
        ]


async def erase(told: Told, *ids: str) -> list[str]:
    async with told.database.begin() as session:
        return await erasures.erase(session, told.program.id, ids, **WHY)


async def test_the_texts_are_gone_and_everything_still_verifies(told: Told):
    assert SECRET in await read(told)

    assert await erase(told, *told.ids) == sorted(told.ids)

    assert SECRET not in await read(told)
    checks = await verify(told)
    assert [check for check in checks if check.violations] == []
    [erased] = [check for check in checks if "erased" in check.name]
    assert erased.checked == 2  # a merge's row is not in the chain


async def test_an_erasure_is_on_record_once(told: Told):
    await erase(told, *told.ids)

    assert await erase(told, *told.ids) == []

    async with told.program.database.begin() as session:
        recorded = await erasures.list_all(session, told.program.id)
    assert recorded == [Erasure(one, "data protection", "request 17", NOW) for one in sorted(told.ids)]


async def test_the_other_texts_stay(told: Told):
    await erase(told, told.ids[0])

    left = await read(told)
    assert left.count(SECRET) == 4  # the refusal's reference and actor, the merge's reason and actor
    assert left.splitlines()[-1].strip() == ERASED
    assert [check for check in await verify(told) if check.violations] == []


async def test_the_proof_of_a_line_stays_the_same(told: Told):
    async def prove() -> Proof:
        async with told.program.database.snapshot() as session:
            return await proofs.get(session, told.program.id, told.ids[0])

    before = await prove()
    await erase(told, told.ids[0])

    assert await prove() == before


async def test_what_was_erased_before_it_was_sealed_is_sealed_without_its_texts(told: Told):
    async with told.program.database.begin() as session:
        given = Adjust(reference="two", actor=SECRET, member_id=told.program.ada, unit="points", amount=5)
        [outcome] = await commands.execute(session, told.program.id, [given], as_of=NOW)
        assert isinstance(outcome, Accepted)
    await erase(told, str(outcome.transaction_id))

    await told.program.seal()

    assert outcome.transaction_id in await told.program.sealed()
    assert [check for check in await verify(told) if check.violations] == []


async def test_of_an_unknown_record_or_another_programs_nothing_is_erased(told: Told):
    with pytest.raises(NotErasable, match="txn_none"):
        await erase(told, told.ids[0], "txn_none")
    async with told.database.begin() as session:
        with pytest.raises(NotErasable, match=told.ids[0]):
            await erasures.erase(session, "prg_other", told.ids, **WHY)

    assert "erased" not in await read(told)


async def test_nothing_is_erased_under_the_hands_of_a_sealer(told: Told):
    async with told.program.database.begin() as session:
        assert await seals.take_turn(session, told.program.id)

        with pytest.raises(NotErasable, match="try again"):
            await erase(told, *told.ids)


async def test_the_application_erases_nothing(told: Told):
    async with told.program.database.begin() as session:
        with pytest.raises(InsufficientPrivilege):
            await erasures.erase(session, told.program.id, told.ids, **WHY)
