"""Badges: earned by the event that completes them, kept, withdrawn only with that event, given silently when new."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.events import Event, SourcePolicy
from domain.outbox import Kind
from storage import badges, intake, merges
from storage.tables import notifications, outbox
from tests.programs import NOW, SAMPLE, apply, course, deal, make_member, make_program, retraction

AGGREGATES = {
    **SAMPLE["aggregates"],
    "deals": {"event_type": "deal.won", "per": "lifetime"},
    "won": {"event_type": "deal.won", "per": "lifetime", "field": "amount_minor"},
    "courses": {"event_type": "course.completed", "per": "lifetime"},
}
BADGES: Mapping[str, Any] = {
    "closer": {"title": "Closer", "aggregate": "deals", "at_least": 2},
    "rich": {"aggregate": "won", "at_least": 1_000_000},
    "learner": {"aggregate": "courses"},
    "all-round": {"badges": ["closer", "learner"]},
    "best-of-all": {"badges": ["all-round", "winner"]},
    "winner": {"challenge": "march"},
    "steady": {"streak": "daily", "at_least": 5},
}
GAME = SAMPLE | {"aggregates": AGGREGATES, "badges": BADGES}


class Program:
    """A program with badges, and Ada in it."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str):
        self.session = session
        self.id = program_id
        self.ada = ada

    async def take(self, *events: Any) -> None:
        await intake.record(
            self.session, self.id, events, SourcePolicy(amendments="redecide", is_laurel=True), as_of=NOW
        )

    async def has(self, member: str = "") -> set[str]:
        return {one.badge for one in await badges.list_of(self.session, self.id, member or self.ada)}

    async def told(self) -> list[tuple[str, str | None]]:
        rows = select(outbox.c.payload).where(outbox.c.kind == Kind.DERIVED).order_by(outbox.c.id)
        found = (await self.session.execute(rows)).scalars()
        return [(row["external_id"].split(":")[1], row["retracts"]) for row in found if row["type"] == "badge.earned"]

    def prize(self, challenge: str) -> Event:
        data = {"challenge": challenge, "points": 10, "reason": "goal"}
        return derived.event(derived.CHALLENGE_PRIZE, challenge, self.ada, NOW, data)

    def streak(self, length: int, name: str = "daily") -> Event:
        data = {"streak": name, "length": length, "started_on": "2026-03-01", "reached_on": "2026-03-04"}
        return derived.event(derived.STREAK_REACHED, f"{name}:{length}", self.ada, NOW, data)


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    program_id = await make_program(session, GAME)
    return Program(session, program_id, await make_member(session, program_id, "ada"))


async def test_a_count_earns_a_badge_with_the_event_that_completes_it(program: Program) -> None:
    await program.take(deal(1))
    before = await program.has()

    await program.take(deal(2))

    [earned] = await badges.list_of(program.session, program.id, program.ada)
    assert (before, earned.badge) == (set(), "closer")
    assert str(earned.event_id).startswith("evt_")
    assert earned.earned_at == deal(2).occurred_at
    assert await program.told() == [("closer", None)]
    assert (await program.session.execute(select(notifications.c.subject))).scalars().all() == [
        "You have earned Closer"
    ]


async def test_it_is_earned_once(program: Program) -> None:
    await program.take(*(deal(n) for n in range(6)))
    await program.take(deal(9))

    assert await program.told() == [("closer", None)]


async def test_a_sum_a_streak_and_a_prize_earn_badges(program: Program) -> None:
    await program.take(deal(1, amount_minor=2_000_000))
    await program.take(program.streak(4), program.streak(7, "weekly"), program.prize("april"))
    before = await program.has()

    await program.take(program.streak(5), program.prize("march"))

    assert before == {"rich"}
    assert await program.has() == {"rich", "steady", "winner"}


async def test_a_composite_comes_with_its_last_part_and_so_does_what_it_is_part_of(program: Program) -> None:
    await program.take(deal(1), deal(2), program.prize("march"))

    await program.take(course(1))

    assert await program.has() == {"closer", "winner", "learner", "all-round", "best-of-all"}


async def test_a_badge_stays_when_another_event_is_taken_back(program: Program) -> None:
    await program.take(deal(1), deal(2))

    await program.take(retraction(deal(1)))

    assert await program.has() == {"closer"}


async def test_a_badge_goes_with_the_event_that_earned_it_and_composites_with_it(program: Program) -> None:
    await program.take(course(1), deal(1), deal(2))

    await program.take(retraction(deal(2)))

    assert await program.has() == {"learner"}
    assert {name for name, retracts in await program.told() if retracts} == {"closer", "all-round"}


async def test_it_stays_if_enough_others_came_since(program: Program) -> None:
    await program.take(deal(1), deal(2), deal(3))

    await program.take(retraction(deal(2)))

    assert await program.has() == {"closer"}


async def test_what_holds_again_is_found_under_another_name(program: Program) -> None:
    await program.take(deal(1), deal(2), retraction(deal(2)))
    await program.take(deal(3))

    names = select(outbox.c.payload["external_id"].as_string()).where(outbox.c.kind == Kind.DERIVED)
    found = (await program.session.execute(names.order_by(outbox.c.id))).scalars().all()
    assert await program.has() == {"closer"}
    assert found == [f"badge.earned:closer:{program.ada}:2"]


async def test_an_amendment_takes_what_it_no_longer_earns(program: Program) -> None:
    await program.take(deal(1, amount_minor=2_000_000))

    await program.take(deal(1, amount_minor=5))

    assert await program.has() == set()


async def test_a_new_badge_is_given_silently_to_whoever_has_achieved_it(session: AsyncSession) -> None:
    program_id = await make_program(session, GAME | {"badges": {}})
    program = Program(session, program_id, await make_member(session, program_id, "ada"))
    await make_member(session, program_id, "bob")
    await program.take(deal(1), deal(2), course(1), program.prize("march"))

    await apply(session, program_id, GAME)
    await apply(session, program_id, GAME | {"badges": {**BADGES, "closer": {**BADGES["closer"], "title": "C"}}})

    assert await program.has() == {"closer", "learner", "all-round", "winner", "best-of-all"}
    assert await badges.count_holders(session, program_id) == dict.fromkeys(await program.has(), 1)
    assert await program.told() == []
    assert (await session.execute(select(notifications.c.subject))).all() == []


async def test_whoever_turns_out_to_be_somebody_has_the_badges_of_both(program: Program) -> None:
    ben = await make_member(program.session, program.id, "ben")
    await program.take(deal(1), deal(2), course(1, "ben"))
    told = await program.told()
    named: dict[str, Any] = {"actor": "hr", "reason": "one person", "as_of": NOW + timedelta(days=1)}

    await merges.merge(program.session, program.id, source=ben, destination=program.ada, **named)

    assert await program.has() == {"closer", "learner"}
    assert await program.told() == told
