"""Challenges through histories by chance: whatever is told, amended, taken back and settled, what is counted of all
members together is what the claims say, and the prizes that stand are those that claims name.

What chance must have reached is counted and asserted, because a generator that misses a path proves nothing about it.
"""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import Claim, ClaimState, exceptions_name
from domain.derived import CHALLENGE_PRIZE
from domain.events import Event, Identity, SourcePolicy
from storage import explanations, intake
from tests.challenges import claims, counted, days, sprint, with_challenges
from tests.programs import NOW, deal, make_member, make_program, retraction
from tests.storage.test_settlements import settle, told

pytestmark = pytest.mark.thorough

POLICY = SourcePolicy(amendments="redecide")
HISTORIES = 6  # of each challenge
LENGTH = 21  # batches of one history
SETTLED = 7  # those before the settlement
MEMBERS = ("ada", "ben", "cleo", "dan", "eve")
WORTH = {
    "bonus": "event.amount_minor",
    "when": [{"name": "is worth something", "expression": "event.amount_minor > 0"}],
}
CHALLENGES: dict[str, dict[str, Any]] = {
    "places by arrival": {"first": 2, "budget_points": 150},
    "places by the event's time": {"first": 2, "fairness": "event_time", "exceptions_points": 70},
    "places and a budget": {"first": 2, "fairness": "event_time", "budget_points": 200},
    "one place for each": {"first": 2, "fairness": "event_time", "once": True, "exceptions_points": 70},
    "at most so much for each": {"first": 2, "fairness": "event_time", "member_points": 100},
    "a budget": {"budget_points": 250},
}


def step(chance: random.Random, told: dict[str, Event]) -> Event:
    """A new deal, another version of one that was told, or what takes it back."""
    if not told or chance.random() < 0.5:
        event = varied(chance, deal(len(told)))
    elif chance.random() < 0.9:
        event = varied(chance, chance.choice(list(told.values())))
    else:
        return retraction(chance.choice(list(told.values())))
    told[event.external_id] = event
    return event


def varied(chance: random.Random, event: Event) -> Event:
    return replace(
        event,
        data={**event.data, "amount_minor": chance.choice((0, 40, 60, 60, 70, 100))},
        occurred_at=days(-chance.choice((1, 2, 3, 4, 5, 9))),
        member=Identity("crm", chance.choice(MEMBERS)),
    )


async def check(session: AsyncSession, program_id: str, *, first: int | None, is_settled: bool) -> list[Claim]:
    """Every program counter is what the claims come to, nobody is paid without a place, and prizes are told once."""
    found = await claims(session, program_id)
    standing, honoured = (
        [one.points for one in found if one.state is state] for state in (ClaimState.STANDING, ClaimState.HONOURED)
    )
    numbers = [one.number for one in found if one.number is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    assert await counted(session, program_id) == (len(numbers), sum(standing))
    assert await counted(session, program_id, exceptions_name("sprint")) == (len(honoured), sum(honoured))
    assert first is None or len([points for points in standing if points]) <= first
    assert not is_settled or first is None or all(one.place for one in found if one.state is ClaimState.STANDING)
    assert await prizes(session, program_id) == {
        f"{CHALLENGE_PRIZE}:{one.prize}": one.points for one in found if one.prize
    }
    return found


async def prizes(session: AsyncSession, program_id: str) -> dict[str, int]:
    """What was told as prizes for places and not taken back, by name."""
    standing: dict[str, int] = {}
    for payload in await told(session, program_id):
        if payload["retracts"] is not None:
            del standing[payload["retracts"]]
        else:
            assert payload["external_id"] not in standing
            standing[payload["external_id"]] = payload["data"]["points"]
    return standing


async def live(session: AsyncSession, chance: random.Random, changes: dict[str, Any]) -> Counter[str]:
    """One history, checked after every step; how often which state was met by what came after the settlement."""
    program_id = await make_program(session, with_challenges(sprint=sprint(**WORTH, **changes)))
    for name in MEMBERS:
        await make_member(session, program_id, name)
    events: dict[str, Event] = {}
    met = Counter[str]()
    for n in range(LENGTH):
        is_settled = n >= SETTLED
        if n == SETTLED:
            await settle(session, program_id)
        before = {one.event_id: one.state for one in await claims(session, program_id)}
        together = [step(chance, events) for _ in range(chance.choice((1, 2, 3)))]
        as_of = days(11) if is_settled else NOW
        outcomes = await intake.record(session, program_id, together, POLICY, as_of=as_of)
        await check(session, program_id, first=changes.get("first"), is_settled=is_settled)
        met.update(before[one.event_id] for one in outcomes if is_settled and one.event_id in before)
    for event_id in before:
        explained = await explanations.get(session, program_id, event_id)
        assert [one.not_derived for one in explained.decisions if one.not_derived] == []
    return met


@pytest.mark.parametrize("changes", CHALLENGES.values(), ids=CHALLENGES)
async def test_what_is_counted_of_all_together_is_what_the_claims_come_to(
    session: AsyncSession, changes: dict[str, Any]
) -> None:
    met = Counter[str]()
    for seed in range(HISTORIES):
        met += await live(session, random.Random(seed), changes)

    expected = {ClaimState.STANDING, ClaimState.WITHDRAWN}
    if "fairness" in changes:
        expected |= {ClaimState.HONOURED if "exceptions_points" in changes else ClaimState.DISPLACED}
    assert expected <= met.keys()
