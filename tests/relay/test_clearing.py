"""Clearing accounts are measured across programs, and one that is wrong shows."""

import psycopg
import pytest
from prometheus_client import REGISTRY

from relay.clearing import CLEARING, ClearingMeter
from storage.database import Database
from tests.programs import make_member, make_program
from tests.tellers import Teller


def differences() -> dict[str, float | None]:
    name = "laurel_ledger_clearing_difference"
    return {account.value: REGISTRY.get_sample_value(name, {"account": account.value}) for account in CLEARING}


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("SELECT 1", {"held": 0, "pending": 0, "liquidity": 0}),
        ("UPDATE holds SET amount = 39 WHERE amount = 40", {"held": 1, "pending": 0, "liquidity": 0}),
        ("UPDATE pendings SET amount = 35", {"held": 0, "pending": 15, "liquidity": 0}),
        ("UPDATE conversions SET to_amount = 21", {"held": 0, "pending": 0, "liquidity": 1}),
    ],
)
async def test_what_is_not_explained_is_measured(
    database_url: str, owner_url: str, tampering: str, found: dict[str, int]
):
    database = Database(database_url)
    async with database.begin() as session:
        for name in ("ada", "bob"):
            program_id = await make_program(session)
            member = await make_member(session, program_id, name)
            teller = Teller(session, program_id)
            await teller.earn(member, 1_000)
            await teller.hold(member, 40 if name == "ada" else 41)
            if name == "ada":
                await teller.pend(member, 20)
                await teller.convert(member, 10, "cash")
    with psycopg.connect(owner_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(tampering)

    await ClearingMeter(database).measure()

    assert differences() == found
    await database.dispose()
