"""A proof convinces somebody who has nothing but the stand-alone script, and shows nobody else's value."""

import json
import runpy
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from domain.checkpoints import verifier_key
from storage import proofs
from tests.docs.pages import ROOT
from tests.sealed import KEYS, SealedProgram, sealed_program

Verify = Callable[[dict[str, Any], str], dict[str, Any]]


@pytest.fixture(scope="module")
def script() -> Verify:
    """What is in docs/verify_proof.py, which imports nothing of Laurel's."""
    path = ROOT / "docs" / "verify_proof.py"
    assert not {"domain", "storage"} & set(path.read_text().split())
    verify: Verify = runpy.run_path(str(path))["verify"]
    return verify


@pytest.fixture
async def program(database_url: str) -> AsyncIterator[SealedProgram]:
    async with sealed_program(database_url) as made:
        await made.win(7)
        await made.checkpoint()
        yield made


@pytest.fixture
def key(program: SealedProgram) -> str:
    return verifier_key(program.id, KEYS.public[KEYS.current])


async def proof_of(program: SealedProgram, position: int) -> dict[str, Any]:
    """The proof of a record's first entry of Ada's, as it arrives elsewhere."""
    transaction_id = (await program.sealed())[position]
    async with program.database.begin() as session:
        proof = await proofs.get(session, program.id, transaction_id, n=1)
    arrived: dict[str, Any] = json.loads(json.dumps(proof.as_json()))
    return arrived


@pytest.mark.parametrize("position", range(7))
async def test_every_entry_under_a_checkpoint_can_be_proven(
    program: SealedProgram, key: str, script: Verify, position: int
):
    line = script(await proof_of(program, position), key)

    assert line["account"] == f"acc_{program.ada[4:]}.points"
    assert line["transaction"] == (await program.sealed())[position]


async def test_a_transaction_with_two_entries_of_a_member_asks_which(program: SealedProgram):
    third = (await program.sealed())[2]

    async with program.database.begin() as session:
        with pytest.raises(proofs.NotProvable, match=r"points/3, .*points/4"):
            await proofs.get(session, program.id, third)


async def test_a_proof_shows_one_entry_and_nobody_elses(program: SealedProgram):
    proof = await proof_of(program, 3)

    shown = [part["fields"] for part in proof["parts"] if "fields" in part]
    assert [fields[0] for fields in shown] == ["laurel/transaction/1", "laurel/entry/1"]
    assert "issued" not in json.dumps(proof)
    assert all(set(part) == {"hash"} for part in proof["parts"] if "fields" not in part)


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another amount": lambda proof: shown(proof, "laurel/entry/1").__setitem__(4, 5000),
    "another balance": lambda proof: shown(proof, "laurel/entry/1").__setitem__(5, 5000),
    "another day": lambda proof: shown(proof, "laurel/transaction/1").__setitem__(4, 0),
    "another salt": lambda proof: proof["parts"][0].update(salt="AAAA"),
    "another place": lambda proof: proof.update(index=2),
    "a shorter path": lambda proof: proof["path"].pop(),
    "a longer path": lambda proof: proof["path"].append(proof["path"][0]),
    "another entry hidden": lambda proof: proof["parts"].pop(),
}


def shown(proof: dict[str, Any], kind: str) -> list[Any]:
    found: list[list[Any]] = [part["fields"] for part in proof["parts"] if part.get("fields", [""])[0] == kind]
    return found[0]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_proof_that_was_changed_does_not_hold(
    program: SealedProgram, key: str, script: Verify, change: Callable[[dict[str, Any]], Any]
):
    proof = await proof_of(program, 3)
    change(proof)

    with pytest.raises(ValueError, match=r"not under this checkpoint|too short|too long"):
        script(proof, key)


async def test_a_checkpoint_that_was_changed_does_not_hold(program: SealedProgram, key: str, script: Verify):
    proof = await proof_of(program, 3)
    proof["checkpoint"] = proof["checkpoint"].replace("\n7\n", "\n8\n")

    with pytest.raises(InvalidSignature):
        script(proof, key)


async def test_another_key_does_not_verify(program: SealedProgram, script: Verify):
    with pytest.raises(ValueError, match="not signed by this key"):
        script(await proof_of(program, 3), verifier_key(program.id, bytes(32)))


async def test_what_is_under_no_checkpoint_yet_cannot_be_proven(program: SealedProgram):
    await program.win(1)
    await program.seal()

    with pytest.raises(proofs.NotProvable, match="under no checkpoint yet"):
        await proof_of(program, 7)
