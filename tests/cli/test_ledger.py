"""`laurel ledger` says how much it checked, ends badly when something is wrong, and proves to others what is right."""

import asyncio
import subprocess
import sys
from pathlib import Path

import orjson
import psycopg

from domain.events import SourcePolicy
from storage import intake
from storage.database import Database
from tests.cli.conftest import Laurel
from tests.docs.pages import ROOT
from tests.programs import NOW, deal, make_member, make_program

SCRIPT = ROOT / "docs" / "verify_proof.py"


async def earn_something(database_url: str) -> None:
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session)
        await make_member(session, program_id, "ada")
        await intake.record(session, program_id, [deal(1)], SourcePolicy(), as_of=NOW)
    await database.dispose()


def test_a_sound_ledger_verifies(laurel: Laurel, database_url: str):
    asyncio.run(earn_something(database_url))

    told = laurel("ledger", "verify", "--json")

    answer = orjson.loads(told.stdout)
    assert (told.exit_code, answer["violations"]) == (0, 0)
    assert answer["checked"] > 5


def test_a_ledger_that_was_tampered_with_ends_with_status_1_and_names_what_is_wrong(
    laurel: Laurel, database_url: str, owner_url: str
):
    asyncio.run(earn_something(database_url))
    with psycopg.connect(owner_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("UPDATE accounts SET balance = balance + 1 WHERE running")

    told, shown = laurel("ledger", "verify", "--json"), laurel("ledger", "verify")

    assert (told.exit_code, shown.exit_code) == (1, 1)
    assert orjson.loads(told.stdout)["violations"] > 0
    assert ".points" in shown.stdout


def test_every_line_is_explained_or_named(laurel: Laurel, database_url: str, owner_url: str):
    asyncio.run(earn_something(database_url))

    sound = laurel("ledger", "verify", "--explain", "--json")
    with psycopg.connect(owner_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("UPDATE transactions SET business_key = 'gift:1'")
    unexplained = laurel("ledger", "verify", "--explain")

    [program] = orjson.loads(sound.stdout)["programs"]
    assert sound.exit_code == 0
    assert sum(check["name"].startswith("I14") and check["checked"] > 0 for check in program["checks"]) >= 4
    assert unexplained.exit_code == 1
    assert "explained by what caused it" in unexplained.stdout


def test_without_programs_there_is_nothing_to_verify(laurel: Laurel):
    assert "no program yet" in laurel("ledger", "verify").stdout


def signed(laurel: Laurel) -> str:
    """A checkpoint, once no other test's transaction at the same server is older than what is to be sealed."""
    while (told := laurel("ledger", "checkpoint")).exit_code:
        assert "nothing to seal yet" in str(told.exception)
    return told.stdout


def test_a_proof_is_made_and_verified_by_the_script_alone(laurel: Laurel, database_url: str, tmp_path: Path):
    asyncio.run(earn_something(database_url))
    checkpoint, key = signed(laurel), laurel("ledger", "keys").stdout.strip()
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT account_id, version, amount FROM entries WHERE version IS NOT NULL").fetchone()
    assert row is not None
    proof = tmp_path / "proof.json"
    proof.write_text(laurel("ledger", "prove", f"{row[0]}/{row[1]}").stdout)

    told = subprocess.run(
        [sys.executable, SCRIPT, proof, key], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert checkpoint.startswith("laurel/prg_")
    assert f"amount: {row[2]}\n" in told.stdout
    assert told.stdout.endswith("The proof holds.\n")


def test_verification_compares_checkpoints_that_were_kept_outside(
    laurel: Laurel, database_url: str, owner_url: str, tmp_path: Path
):
    asyncio.run(earn_something(database_url))
    kept = tmp_path / "checkpoints"
    kept.write_text(signed(laurel))
    before = laurel("ledger", "verify", "--checkpoints", str(kept), "--json")
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("DELETE FROM seals")
        owner.execute("DELETE FROM checkpoints")

    after, without = laurel("ledger", "verify", "--checkpoints", str(kept)), laurel("ledger", "verify")

    assert (before.exit_code, after.exit_code, without.exit_code) == (0, 1, 0)
    assert "the chain ends before" in after.stdout


def test_what_cannot_be_proven_is_said(laurel: Laurel, database_url: str):
    asyncio.run(earn_something(database_url))

    unknown, unsigned = laurel("ledger", "prove", "txn_none"), laurel("ledger", "prove", "acc_none/one")

    assert "no transaction txn_none" in str(unknown.exception)
    assert "named by its account and version" in str(unsigned.exception)


def test_texts_are_erased_and_verification_goes_on(laurel: Laurel, database_url: str):
    asyncio.run(earn_something(database_url))
    with psycopg.connect(database_url) as connection:
        [(one,)] = connection.execute("SELECT id FROM transactions").fetchall()

    told = laurel("ledger", "erase", one, "--by", "data protection", "--reason", "request 17")
    again = laurel("ledger", "erase", one, "--by", "data protection", "--reason", "request 17")
    unknown = laurel("ledger", "erase", "txn_none", "--by", "data protection", "--reason", "request 17")

    assert told.stdout == f"{one}: erased\n"
    assert again.stdout == "All of it was erased before.\n"
    assert (unknown.exit_code, "txn_none" in str(unknown.exception)) == (1, True)
    [erasure] = orjson.loads(laurel("ledger", "erasures", "--json").stdout)
    assert (erasure["subject_id"], erasure["actor"], erasure["reason"]) == (one, "data protection", "request 17")
    assert one in laurel("ledger", "erasures").stdout
    assert laurel("ledger", "verify").exit_code == 0
