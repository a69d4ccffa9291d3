"""What the database refuses of one event is that event's alone, whatever was sent before and behind it."""

import pytest
from sqlalchemy import update

from domain.events import SourcePolicy
from domain.ledger import member_account
from storage import intake
from storage.database import Database
from storage.tables import accounts
from tests.programs import NOW, deal, make_member, make_program

SIZE = 12
FULL = 2**63 - 1


@pytest.mark.parametrize("events", [4, 100])
async def test_one_that_cannot_be_kept_is_found_wherever_it_stands(
    database_url: str, monkeypatch: pytest.MonkeyPatch, events: int
):
    monkeypatch.setattr(intake, "SLICE", events)
    database = Database(database_url, pool_size=1)  # one connection, with all that it has prepared
    async with database.begin() as session:
        program_id = await make_program(session)
        await make_member(session, program_id, "ada")
        ben = await make_member(session, program_id, "ben")
        await intake.record(session, program_id, [deal(0, "ada"), deal(1, "ben")], SourcePolicy(), as_of=NOW)
        account = update(accounts).where(accounts.c.id == member_account(ben, "points"))
        await session.execute(account.values(lifetime=FULL))

    for place in range(SIZE):
        batch = [deal(100 * place + n + 2, "ben" if n == place else "ada") for n in range(SIZE)]
        outcomes = await intake.record_batch(database, program_id, batch, SourcePolicy(), as_of=NOW)
        refused = [n for n, outcome in enumerate(outcomes) if outcome.status != "recorded"]
        assert (refused, outcomes[place].status) == ([place], "quarantined")
    await database.dispose()
