"""Whoever may change every row, as the owner, cannot do so unseen; the first bad record is named."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import sql

from domain.chain import digest, first_link, link
from domain.checkpoints import SigningKeys
from domain.refusals import Refusal
from storage import chain, records, refusals, verification
from storage.records import Subject
from storage.seals import Seal
from storage.verification import Check
from tests.programs import NOW
from tests.sealed import KEYS, SealedProgram, sealed_program

RECORDS, LINKS, ERASED, CHECKPOINTS = range(4)
Owner = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
async def program(database_url: str) -> AsyncIterator[SealedProgram]:
    """A program with ten sealed records: nine deals won and one taken back, six of them under a checkpoint."""
    async with sealed_program(database_url) as made:
        await made.win(6)
        await made.checkpoint()
        await made.win(3)
        await made.lose(1)
        await made.seal()
        yield made


@pytest.fixture
def owner(owner_url: str) -> Owner:
    return psycopg.connect(owner_url, autocommit=True)


async def verify(program: SealedProgram, *exported: str, keys: SigningKeys = KEYS) -> list[Check]:
    async with program.database.snapshot() as session:
        return await chain.verify(session, program.id, keys, exported)


async def notes(program: SealedProgram, owner: Owner) -> list[str]:
    return [str(note) for (note,) in owner.execute("SELECT note FROM checkpoints ORDER BY size")]


def first_bad(check: Check) -> str:
    return check.examples[0].split()[0].rstrip(":") if check.examples else "none"


async def test_an_untouched_chain_holds(program: SealedProgram, owner: Owner):
    checks = await verify(program, *await notes(program, owner))

    assert [(check.checked, check.violations) for check in checks] == [(10, 0), (10, 0), (0, 0), (2, 0)]


async def test_an_entry_that_was_edited_is_named(program: SealedProgram, owner: Owner):
    fourth = (await program.sealed())[3]
    owner.execute("UPDATE entries SET amount = amount + 1 WHERE transaction_id = %s AND amount > 0", [fourth])

    checks = await verify(program)

    assert (first_bad(checks[RECORDS]), checks[RECORDS].violations) == ("3", 1)
    assert fourth in checks[RECORDS].examples[0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transactions SET effective_at = effective_at + interval '1 day' WHERE id = %s",
        "UPDATE transactions SET business_key = 'another' WHERE id = %s",
        "UPDATE transfers SET unit = 'pounds' WHERE transaction_id = %s",
        "UPDATE lots SET expires_at = now() WHERE transaction_id = %s",
        "DELETE FROM entries WHERE transaction_id = %s AND amount > 0",
        "DELETE FROM lots WHERE transaction_id = %s",
    ],
)
async def test_whatever_is_edited_or_deleted_of_a_record_is_noticed(
    program: SealedProgram, owner: Owner, statement: str
):
    fifth = (await program.sealed())[4]
    owner.execute(statement, [fifth])

    assert first_bad((await verify(program))[RECORDS]) == "4"


async def test_a_whole_transaction_that_was_deleted_is_named(program: SealedProgram, owner: Owner):
    fourth = (await program.sealed())[3]
    for table in ("lot_moves", "lots", "entries", "transfers"):
        statement = sql.SQL("DELETE FROM {} WHERE transaction_id = %s").format(sql.Identifier(table))
        owner.execute(statement, [fourth])
    owner.execute("DELETE FROM transactions WHERE id = %s", [fourth])

    assert "gone" in (await verify(program))[RECORDS].examples[0]


async def test_two_records_that_were_swapped_are_named(program: SealedProgram, owner: Owner):
    third, fourth = (await program.sealed())[2:4]
    owner.execute("UPDATE seals SET subject_id = 'x' WHERE subject_id = %s", [third])
    owner.execute("UPDATE seals SET subject_id = %s WHERE subject_id = %s", [third, fourth])
    owner.execute("UPDATE seals SET subject_id = %s WHERE subject_id = 'x'", [fourth])

    checks = await verify(program)

    assert (first_bad(checks[RECORDS]), checks[RECORDS].violations) == ("2", 2)


async def test_two_seals_that_were_swapped_are_named(program: SealedProgram, owner: Owner):
    for before, after in ((2, 100), (3, 2), (100, 3)):
        owner.execute("UPDATE seals SET position = %s WHERE position = %s", [after, before])

    checks = await verify(program)

    assert checks[RECORDS].violations == 0
    assert first_bad(checks[LINKS]) == "2"


async def test_a_seal_that_was_deleted_is_named(program: SealedProgram, owner: Owner):
    owner.execute("DELETE FROM seals WHERE position = 4")

    assert (await verify(program))[LINKS].examples[0].startswith("4: missing")


async def test_a_tail_that_was_cut_off_is_noticed_by_the_stored_checkpoint(program: SealedProgram, owner: Owner):
    owner.execute("DELETE FROM seals WHERE position >= 4")

    checks = await verify(program)

    assert [check.violations for check in checks] == [0, 0, 0, 1]
    assert "ends before, at 4" in checks[CHECKPOINTS].examples[0]


async def test_a_rewritten_suffix_is_noticed_by_the_checkpoint_alone(program: SealedProgram, owner: Owner):
    kept = await notes(program, owner)
    fourth = (await program.sealed())[3]
    owner.execute("UPDATE entries SET amount = sign(amount) * 5000 WHERE transaction_id = %s", [fourth])
    await rewrite(program, owner, 3)

    with_the_checkpoint = await verify(program)
    owner.execute("DELETE FROM checkpoints")
    without = await verify(program)
    with_what_was_kept_outside = await verify(program, *kept)

    assert [check.violations for check in with_the_checkpoint] == [0, 0, 0, 1]
    assert [check.violations for check in without] == [0, 0, 0, 0]
    assert [check.violations for check in with_what_was_kept_outside] == [0, 0, 0, 1]
    assert first_bad(with_what_was_kept_outside[CHECKPOINTS]) == "5"


async def rewrite(program: SealedProgram, owner: Owner, first: int) -> None:
    """Recompute every seal from the position on, as somebody would who knows how they are made."""
    rows = owner.execute(
        sql.SQL("SELECT {} FROM seals ORDER BY position").format(sql.SQL(", ").join(map(sql.Identifier, Seal._fields)))
    ).fetchall()
    seals = [Seal._make(row) for row in rows]
    async with program.database.begin() as session:
        found = await records.load(session, program.id, [Subject(seal.kind, seal.subject_id) for seal in seals])
    previous = seals[first - 1].link if first else first_link(program.id)
    for seal in seals[first:]:
        made = digest(found[seal.subject_id].parts(program.id, None), seal.salt)
        previous = link(previous, seal.position, made)
        owner.execute("UPDATE seals SET digest = %s, link = %s WHERE position = %s", [made, previous, seal.position])


async def test_a_checkpoint_that_was_signed_by_somebody_else_is_not_believed(program: SealedProgram, owner: Owner):
    mallory = SigningKeys({"mallory": bytes(32)})

    checks = await verify(program, keys=mallory)

    assert "signed by no key" in checks[CHECKPOINTS].examples[0]


async def test_a_checkpoint_that_was_edited_is_not_believed(program: SealedProgram, owner: Owner):
    owner.execute("UPDATE checkpoints SET note = replace(note, E'\\n6\\n', E'\\n7\\n')")

    assert "not of this text" in (await verify(program))[CHECKPOINTS].examples[0]


async def test_checkpoints_of_the_old_key_still_verify_after_a_rotation(program: SealedProgram):
    rotated = SigningKeys({"new": bytes(32), "development": b"laurel-development-signing-key--"})

    assert [check.violations for check in await verify(program, keys=rotated)] == [0, 0, 0, 0]


# -- Personal texts ------------------------------------------------------------------------------------------------


@pytest.fixture
async def refused(program: SealedProgram) -> str:
    """The id of a sealed refusal of Ada's."""
    async with program.database.begin() as session:
        one = Refusal("order-9", "hold", "insufficient_points", "key_1", NOW, program.ada, {"needed": 70})
        await refusals.record(session, program.id, [one])
    await program.seal()
    return (await program.sealed())[-1]


async def test_a_text_that_was_changed_is_noticed(program: SealedProgram, owner: Owner, refused: str):
    owner.execute("UPDATE refusals SET reference = 'order-8'")

    assert (await verify(program))[RECORDS].examples == (f"10: {refused} has other texts",)


async def test_the_reason_of_a_transaction_is_sealed_as_well(program: SealedProgram, owner: Owner):
    await program.win(1)
    last = "WHERE id = (SELECT max(id) FROM transactions)"
    owner.execute(f"UPDATE transactions SET reason = 'for the talk', actor = 'Grace' {last}")
    await program.seal()
    untouched = await verify(program)
    owner.execute(f"UPDATE transactions SET reason = 'for nothing' {last}")

    assert untouched[RECORDS].violations == 0
    assert "has other texts" in (await verify(program))[RECORDS].examples[0]


async def test_a_salt_that_is_gone_without_an_erasure_on_record_is_noticed(
    program: SealedProgram, owner: Owner, refused: str
):
    owner.execute("UPDATE refusals SET reference = '', detail = '{}', member_id = NULL, actor = ''")
    owner.execute("UPDATE commitments SET salt = NULL")

    checks = await verify(program)
    assert [check.violations for check in checks] == [0, 0, 1, 0]
    assert checks[ERASED].examples == (f"10: {refused}",)


async def test_a_text_whose_salt_was_taken_away_must_go_as_well(program: SealedProgram, owner: Owner, refused: str):
    owner.execute("UPDATE commitments SET salt = NULL")

    assert (await verify(program))[RECORDS].violations == 1


async def test_the_application_cannot_take_away_a_salt(program: SealedProgram, refused: str, database_url: str):
    with psycopg.connect(database_url) as application, pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute("UPDATE commitments SET salt = NULL")


async def test_memory_does_not_grow_with_the_chain(program: SealedProgram, monkeypatch: pytest.MonkeyPatch):
    pages: list[int] = []
    monkeypatch.setattr(chain, "PAGE_ROWS", 4)
    async with program.database.snapshot() as session:
        await chain.verify(session, program.id, KEYS, progress=pages.append)

    assert pages == [4, 4, 2]


async def test_the_other_checks_of_the_ledger_are_not_touched_by_sealing(program: SealedProgram):
    async with program.database.snapshot() as session:
        assert [check for check in await verification.verify(session, program.id) if check.violations] == []
