"""Tiers in the database: up at once, down by settling, silent when a ladder is new, told as events and to members."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Earn
from domain.events import SourcePolicy
from domain.merges import Merge
from domain.outbox import Kind
from storage import commands, configurations, intake, merges, tiers
from storage.tables import notifications, outbox
from tests.programs import NOW, SAMPLE, apply, deal, make_member, make_program, retraction

LEVELS = [{"key": "bronze", "at": 50}, {"key": "silver", "at": 120, "keep": 100, "title": "Silver"}]
LADDERS: dict[str, Any] = SAMPLE | {
    "tiers": {"status": {"levels": LEVELS}, "lately": {"levels": LEVELS, "days": 7}},
}


class Program:
    """A program with two ladders, and Ada in it."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str):
        self.session = session
        self.id = program_id
        self.ada = ada

    async def take(self, *events: Any, days: int = 0) -> None:
        as_of = NOW + timedelta(days=days)
        await intake.record(self.session, self.id, events, SourcePolicy(amendments="redecide"), as_of=as_of)

    async def stands(self, days: int = 0, member: str = "") -> dict[str, str | None]:
        configuration = await configurations.get_active(self.session, self.id)
        as_of = NOW + timedelta(days=days)
        found = await tiers.list_of(self.session, configuration, member or self.ada, as_of=as_of)
        return {one.ladder: one.tier for one in found}

    async def settle(self, days: int) -> list[int]:
        configuration = await configurations.get_active(self.session, self.id)
        as_of = NOW + timedelta(days=days)
        return [await tiers.settle_page(self.session, configuration, key, as_of=as_of) for key in LADDERS["tiers"]]

    async def told(self) -> list[dict[str, Any]]:
        rows = select(outbox.c.payload).where(outbox.c.kind == Kind.DERIVED).order_by(outbox.c.id)
        return [row["data"] for row in (await self.session.execute(rows)).scalars() if row["type"] == "tier.changed"]


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    program_id = await make_program(session, LADDERS)
    return Program(session, program_id, await make_member(session, program_id, "ada"))


async def test_a_tier_is_reached_in_the_transaction_that_earns_it(program: Program) -> None:
    await program.take(deal(1))

    changes = await tiers.list_changes(program.session, program.id, program.ada)
    assert await program.stands() == {"status": "bronze", "lately": "bronze"}
    assert {(one["ladder"], one["tier"], one["amount"], one["n"]) for one in changes} == {
        ("status", "bronze", 50, 1), ("lately", "bronze", 50, 1)
    }  # fmt: skip
    assert all(str(one["event_id"]).startswith("evt_") for one in changes)
    assert {"ladder": "status", "tier": "bronze", "upgraded": True} in await program.told()
    subjects = (await program.session.execute(select(notifications.c.subject))).scalars().all()
    assert subjects == ["You are bronze"] * 2


@pytest.mark.parametrize("together", [True, False])
async def test_a_batch_passes_the_same_levels_as_its_events_one_by_one(program: Program, *, together: bool) -> None:
    events = [deal(1), deal(2), deal(3)]

    for batch in [events] if together else [[one] for one in events]:
        await program.take(*batch)

    changes = await tiers.list_changes(program.session, program.id, program.ada)
    assert [(one["tier"], one["n"], one["amount"]) for one in changes if one["ladder"] == "status"] == [
        ("silver", 2, 250), ("bronze", 1, 50)
    ]  # fmt: skip


async def test_what_a_command_grants_counts_as_well(program: Program) -> None:
    named: dict[str, Any] = {"reference": "r1", "actor": "key_hr", "unit": "points", "effective_at": None}

    await commands.execute(program.session, program.id, [Earn(member_id=program.ada, amount=130, **named)], as_of=NOW)

    assert await program.stands() == {"status": "silver", "lately": "silver"}


async def test_only_what_was_earned_within_the_days_counts(program: Program) -> None:
    await program.take(deal(1, occurred_at=NOW - timedelta(days=8)))

    assert await program.stands() == {"status": "bronze", "lately": None}


async def test_time_takes_a_tier_away_when_it_is_settled(program: Program) -> None:
    await program.take(deal(1))

    before, after = await program.settle(days=6), await program.settle(days=7)

    assert (before, after) == ([0, 0], [0, 1])
    assert await program.stands() == {"status": "bronze", "lately": None}
    assert (await program.told())[-1] == {"ladder": "lately", "before": "bronze", "upgraded": False}
    assert await program.settle(days=8) == [0, 0]


async def test_what_was_taken_back_lowers_a_tier_below_what_keeps_it(program: Program) -> None:
    await program.take(deal(1), deal(2), deal(3))
    await program.take(retraction(deal(3)), days=1)
    kept = await program.settle(days=1)

    await program.take(retraction(deal(2)), days=1)

    assert kept == [0, 0]
    assert await program.settle(days=1) == [1, 1]
    assert await program.stands() == {"status": "bronze", "lately": "bronze"}


async def test_a_new_ladder_finds_silently_where_everybody_stands(session: AsyncSession) -> None:
    program_id = await make_program(session)
    program = Program(session, program_id, await make_member(session, program_id, "ada"))
    await program.take(deal(1))

    await apply(session, program_id, LADDERS)

    changes = await tiers.list_changes(session, program_id, program.ada)
    assert await program.stands() == {"status": "bronze", "lately": "bronze"}
    assert [one["silent"] for one in changes] == [True, True]
    assert await program.told() == []


async def test_a_ladder_that_changes_puts_everybody_where_they_belong(program: Program) -> None:
    await program.take(deal(1))
    steeper = [{"key": "bronze", "at": 60}, {"key": "silver", "at": 600}]

    await apply(program.session, program.id, LADDERS | {"tiers": {"status": {"levels": steeper}}})

    assert await program.stands() == {"status": None}
    assert len(await program.told()) == 2


async def test_a_merge_lets_the_one_member_stand_where_both_belong(program: Program) -> None:
    await program.take(deal(1), deal(2))
    ben = await make_member(program.session, program.id, "ben")
    await program.take(deal(3, "ben"))
    named: dict[str, Any] = {"actor": "hr", "reason": "one person", "as_of": NOW}

    merged = await merges.merge(program.session, program.id, source=ben, destination=program.ada, **named)
    assert isinstance(merged, Merge)
    together = await program.stands()
    await merges.undo(program.session, program.id, merged.id, **named)

    assert together == {"status": "silver", "lately": "silver"}
    assert await program.stands(member=ben) == {"status": "bronze", "lately": "bronze"}
