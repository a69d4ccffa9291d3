"""Counted of all members together: budgets hold in any batch and any race, and come back with what is undone."""

import asyncio
import copy
import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event, SourcePolicy
from domain.outcomes import Outcome
from storage import explanations, intake
from storage.database import Database
from storage.game_tables import program_counters
from storage.tables import accounts
from tests.programs import NOW, SAMPLE, course, deal, make_member, make_program, retraction

POLICY = SourcePolicy(amendments="redecide")
MEMBERS = ("ada", "ben", "cleo")

# 40 points a course, of which all members together may have 100 a day and 150 a month.
BUDGETED = copy.deepcopy(SAMPLE)
BUDGETED["rules"]["course"] |= {"budgets": [{"points": 100, "per": "day"}, {"points": 150, "per": "month"}], "caps": []}
BUDGETED["rules"]["deal-won"] |= {"budgets": [{"points": 170, "per": "lifetime"}]}
BUDGETED["rules"] = {key: BUDGETED["rules"][key] for key in ("course", "deal-won")}


async def make(session: AsyncSession) -> str:
    program_id = await make_program(session, BUDGETED)
    for name in MEMBERS:
        await make_member(session, program_id, name)
    return program_id


async def take(session: AsyncSession, program_id: str, *taken: Event) -> list[Outcome]:
    return await intake.record(session, program_id, taken, POLICY, as_of=NOW)


async def spent(session: AsyncSession, program_id: str) -> dict[tuple[str, str], int]:
    query = select(program_counters).where(program_counters.c.program_id == program_id)
    return {(row.name, row.period): row.total for row in await session.execute(query)}


@pytest.fixture
async def program_id(session: AsyncSession) -> str:
    return await make(session)


async def test_a_budget_is_of_all_members_together_and_the_last_award_is_cut_to_fit(
    session: AsyncSession, program_id: str
) -> None:
    outcomes = await take(session, program_id, *(course(n, member) for n, member in enumerate(MEMBERS)), course(4))

    assert [outcome.points for outcome in outcomes] == [40, 40, 20, 0]
    assert await spent(session, program_id) == {("rule:course", "day"): 100, ("rule:course", "month"): 100}


async def test_a_retraction_gives_back_what_the_budget_had_paid(session: AsyncSession, program_id: str) -> None:
    await take(session, program_id, *(course(n, member) for n, member in enumerate(MEMBERS)))

    await take(session, program_id, retraction(course(0)))
    [outcome] = await take(session, program_id, course(5, "ben"))

    assert outcome.points == 40
    assert (await spent(session, program_id))["rule:course", "day"] == 100


async def test_an_amended_event_uses_the_budget_of_its_new_day(session: AsyncSession, program_id: str) -> None:
    await take(session, program_id, course(0))

    await take(session, program_id, course(0, occurred_at=NOW - timedelta(days=2)))

    query = select(program_counters.c.period_on, program_counters.c.total)
    by_day = await session.execute(query.where(program_counters.c.period == "day"))
    assert dict(by_day.tuples().all()) == {NOW.date(): 0, NOW.date() - timedelta(days=2): 40}


async def test_a_budgets_day_is_the_programs_not_the_members(session: AsyncSession) -> None:
    program_id = await make_program(session, BUDGETED, time_zone="Pacific/Auckland")
    await make_member(session, program_id, "ada", time_zone="America/Los_Angeles")

    await take(session, program_id, course(0, occurred_at=NOW))

    query = select(program_counters.c.period_on).where(program_counters.c.period == "day")
    assert (await session.execute(query)).scalar_one() == (NOW + timedelta(days=1)).date()


async def test_a_budget_is_explained(session: AsyncSession, program_id: str) -> None:
    *_, last = await take(session, program_id, *(course(n) for n in range(3)))

    explained = await explanations.get(session, program_id, last.event_id or "")

    [decision] = explained.decisions
    assert decision.not_derived is None
    assert decision.verdict["rules"][0]["budgets"] == ["day"]


events = st.builds(course, st.integers(0, 12), st.sampled_from(MEMBERS)) | st.builds(
    deal, st.integers(0, 8), st.sampled_from(MEMBERS)
)
histories = st.lists(events | events.map(retraction), min_size=1, max_size=25)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, cuts=st.sets(st.integers(1, 24)))
async def test_a_batch_uses_a_budget_as_its_events_do_one_by_one(
    session: AsyncSession, history: list[Event], cuts: set[int]
) -> None:
    async def lived(bounds: list[int]) -> object:
        program_id = await make(session)
        outcomes: list[Outcome] = []
        for start, end in itertools.pairwise(bounds):
            outcomes += await take(session, program_id, *history[start:end])
        return [(outcome.status, outcome.points) for outcome in outcomes], await spent(session, program_id)

    at_once = await lived([0, len(history)])

    assert await lived(list(range(len(history) + 1))) == at_once
    assert await lived([0, *sorted(cut for cut in cuts if cut < len(history)), len(history)]) == at_once


async def test_whoever_comes_at_once_never_gets_more_than_the_budget(database_url: str) -> None:
    """Each event in a transaction of its own, all at once: none is taken back, then some are while others come."""
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make(session)

    async def one(event: Event) -> None:
        await intake.record_batch(database, program_id, [event], POLICY, as_of=NOW)

    async def used() -> tuple[dict[tuple[str, str], int], int]:
        async with database.begin() as session:
            query = select(accounts.c.balance).where(accounts.c.program_id == program_id, accounts.c.running)
            return await spent(session, program_id), sum((await session.execute(query)).scalars())

    told = [(course if n % 2 else deal)(n, MEMBERS[n % 3]) for n in range(80)]
    full = {("rule:course", "day"): 100, ("rule:course", "month"): 100, ("rule:deal-won", "lifetime"): 170}
    await asyncio.gather(*map(one, told[:40]))
    assert await used() == (full, 270)

    await asyncio.gather(*map(one, (*map(retraction, told[:40]), *told[40:])))
    after, paid = await used()
    assert after["rule:course", "day"] + after["rule:deal-won", "lifetime"] == paid
    assert all(total <= full[key] for key, total in after.items())
    await database.dispose()
