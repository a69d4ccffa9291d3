"""A proof over HTTP is what the stand-alone script verifies, and of the member's own line only."""

import runpy
from typing import Any

import pytest
from sqlalchemy import select

from domain.checkpoints import verifier_key
from domain.events import SourcePolicy
from domain.scopes import Scope
from storage import intake
from storage.database import Database
from storage.tables import members
from tests.api.conftest import Client, MakeClient
from tests.docs.pages import ROOT
from tests.programs import NOW, deal, make_member
from tests.sealed import KEYS, SealedProgram

verify = runpy.run_path(str(ROOT / "docs" / "verify_proof.py"))["verify"]


@pytest.fixture
async def program(client: Client, database_url: str) -> Any:
    """The client's own program, in which Ada has won a deal under a checkpoint."""
    database = Database(database_url)
    program = SealedProgram(database)
    program.id = client.program_id
    async with database.begin() as session:
        program.ada = (
            await session.execute(select(members.c.id).where(members.c.program_id == program.id))
        ).scalar_one()
    await program.win(1)
    await program.checkpoint()
    yield program
    await database.dispose()


async def test_a_line_is_proven_to_whoever_has_the_key(client: Client, program: SealedProgram):
    (line,) = (await client.get(f"/v1/members/{program.ada}/statement")).json()["lines"]

    answer = await client.get(f"/v1/members/{program.ada}/proof", transaction_id=line["transaction_id"], n=line["n"])

    assert answer.status_code == 200, answer.text
    proven = verify(answer.json(), verifier_key(program.id, KEYS.public[KEYS.current]))
    assert {name: proven[name] for name in ("amount", "balance")} == {
        name: line[name] for name in ("amount", "balance")
    }


async def test_a_line_of_another_member_is_not_found(client: Client, program: SealedProgram):
    async with program.database.begin() as session:
        eve = await make_member(session, program.id, "eve")

    answer = await client.get(f"/v1/members/{eve}/proof", transaction_id=(await program.sealed())[0])

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_line_under_no_checkpoint_yet_is_not_found(client: Client, program: SealedProgram):
    async with program.database.begin() as session:
        await intake.record(session, program.id, [deal(9)], SourcePolicy(), as_of=NOW)
    last = (await client.get(f"/v1/members/{program.ada}/statement")).json()["lines"][-1]

    answer = await client.get(f"/v1/members/{program.ada}/proof", transaction_id=last["transaction_id"])

    assert (answer.status_code, "under no checkpoint yet" in answer.json()["detail"]) == (404, True)


async def test_another_program_finds_nothing(make_client: MakeClient, program: SealedProgram):
    stranger = await make_client(Scope.BALANCES_READ)

    answer = await stranger.get(f"/v1/members/{program.ada}/proof", transaction_id=(await program.sealed())[0])

    assert answer.status_code == 404
