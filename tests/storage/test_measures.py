"""What was committed is counted once, and nothing else."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from domain.commands import Adjust, Earn, PlaceHold
from domain.events import SourcePolicy
from storage import adjustments, commands, intake, merges
from storage.adjustments import Adjustment
from storage.database import Database
from tests.programs import NOW, deal, make_member, make_program
from tests.storage.test_commands import UNITS


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"laurel_{name}_total", labels) or 0.0


def tally() -> dict[str, float]:
    return {
        "earn postings": counted("ledger_postings", kind="earn"),
        "hold postings": counted("ledger_postings", kind="hold"),
        "earn accepted": counted("ledger_commands", kind="earn", outcome="accepted"),
        "earn replayed": counted("ledger_commands", kind="earn", outcome="replayed"),
        "hold refused": counted("ledger_commands", kind="hold", outcome="refused"),
        "hold without points": counted("ledger_refusals", kind="hold", code="insufficient_points"),
        "events recorded": counted("events", outcome="recorded"),
        "events replayed": counted("events", outcome="replayed"),
    }


async def test_large_adjustments_that_are_refused_are_counted_as_well(opened: Database):
    async with opened.begin() as session:
        program_id = await make_program(session, UNITS)
        ada = await make_member(session, program_id, "ada")
    large = Adjust(reference="one", actor="key_hr", reason="x", member_id=ada, unit="points", amount=5_000)
    codes = ("duplicate_request", "needs_second_person", "adjustment_not_open")
    before = [counted("ledger_refusals", kind="adjust", code=code) for code in codes]

    async with opened.begin() as session:
        proposed = await adjustments.order(session, program_id, large, as_of=NOW)
        assert isinstance(proposed, Adjustment)
        await adjustments.order(session, program_id, replace(large, amount=6_000), as_of=NOW)
        for decide, actor in ((adjustments.approve, "key_hr"), (adjustments.reject, "b"), (adjustments.reject, "b")):
            await decide(session, program_id, proposed.id, actor=actor, as_of=NOW)

    after = [counted("ledger_refusals", kind="adjust", code=code) for code in codes]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]


async def test_commands_events_and_postings_are_counted_when_they_are_committed(opened: Database):
    async with opened.begin() as session:
        program_id = await make_program(session)
        ada = await make_member(session, program_id, "ada")
    earn = Earn(reference="one", actor="a test", member_id=ada, unit="points", amount=5)
    hold = PlaceHold(reference="two", actor="a test", member_id=ada, unit="points", amount=9_000)
    before = tally()

    async with opened.begin() as session:
        await commands.execute(session, program_id, [earn, earn, hold], as_of=NOW)
        await intake.record(session, program_id, [deal(1), deal(1)], SourcePolicy(), as_of=NOW)
        assert tally() == before

    assert {name: number - before[name] for name, number in tally().items()} == {
        "earn postings": 2,
        "hold postings": 0,
        "earn accepted": 1,
        "earn replayed": 1,
        "hold refused": 1,
        "hold without points": 1,
        "events recorded": 1,
        "events replayed": 1,
    }


async def test_what_is_rolled_back_is_not_counted(opened: Database):
    async with opened.begin() as session:
        program_id = await make_program(session)
        await make_member(session, program_id, "ada")
    before = tally()

    async def take_and_fail() -> None:
        async with opened.begin() as session:
            await intake.record(session, program_id, [deal(1)], SourcePolicy(), as_of=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await take_and_fail()

    assert tally() == before


async def test_a_merge_is_counted_and_told_to_whoever_watches(database_url: str) -> None:
    told: list[tuple[str, str]] = []
    database = Database(database_url, tell=told.extend)
    async with database.begin() as session:
        program_id = await make_program(session, UNITS)
        ada, bob = [await make_member(session, program_id, name) for name in ("ada", "bob")]
        earn = Earn(reference="one", actor="key_hr", reason="x", member_id=ada, unit="points", amount=50)
        await commands.execute(session, program_id, [earn], as_of=NOW)
    told.clear()
    before = counted("ledger_postings", kind="merge")

    async with database.begin() as session:
        await merges.merge(session, program_id, source=ada, destination=bob, actor="hr", reason="one", as_of=NOW)
    await database.dispose()

    assert counted("ledger_postings", kind="merge") - before == 1
    assert sorted(told) == sorted([(program_id, ada), (program_id, bob)])
