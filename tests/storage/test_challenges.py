"""Challenges at the door: what completes them, who gets a place, what limits them, and what taking back gives back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import ChallengeState, ClaimState
from domain.definitions import KeyTaken
from domain.events import Event, SourcePolicy
from domain.outbox import Kind
from domain.outcomes import Outcome
from storage import challenge_commands, challenges, explanations, intake
from storage.database import Database
from storage.ids import new_id
from storage.tables import identities, members
from tests.challenges import ENDS_AT, STARTS_AT, claims, counted, days, effects, sprint, with_challenges
from tests.programs import NOW, SAMPLE, apply, course, deal, make_member, make_program, retraction

POLICY = SourcePolicy(amendments="redecide")
BASE = 50  # points of a deal without any challenge


async def take(session: AsyncSession, program_id: str, *events: Event, as_of: Any = NOW) -> list[Outcome]:
    return await intake.record(session, program_id, events, POLICY, as_of=as_of)


async def points(session: AsyncSession, program_id: str, *events: Event, as_of: Any = NOW) -> list[int]:
    return [outcome.points for outcome in await take(session, program_id, *events, as_of=as_of)]


async def program(session: AsyncSession, **changes: Any) -> str:
    program_id = await make_program(session, with_challenges(sprint=sprint(**changes)))
    for name in ("ada", "ben", "cleo"):
        await make_member(session, program_id, name, department="Sales" if name != "cleo" else "Support")
    return program_id


# -- What is paid ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, BASE + 50),
        ({"bonus": "event.amount_minor / 1000"}, BASE + 10),
        ({"multiplier": "2"}, BASE * 2),
        ({"multiplier": "1.25"}, BASE + 12),
        ({"multiplier": "1.25", "rounding": "ceiling"}, BASE + 13),
        ({"multiplier": "1.57", "rounding": "floor"}, BASE + 28),
        ({"audience": 'member.department == "Support"'}, BASE),
        ({"when": [{"name": "is big", "expression": "event.amount_minor > 2000000"}]}, BASE),
        ({"event_types": ["survey.submitted"]}, BASE),
        ({"bonus": "1 / 0"}, BASE),
        ({"member_points": 30}, BASE + 30),
        ({"budget_points": 20}, BASE + 20),
    ],
)
async def test_a_completion_is_paid_on_top_of_what_rules_give(
    session: AsyncSession, changes: dict[str, Any], expected: int
) -> None:
    program_id = await program(session, **changes)

    assert await points(session, program_id, deal(1)) == [expected]


@pytest.mark.parametrize(
    ("occurred_at", "as_of", "expected"),
    [
        (STARTS_AT, NOW, BASE + 50),
        (STARTS_AT - timedelta(seconds=1), NOW, BASE),
        (ENDS_AT - timedelta(seconds=1), ENDS_AT, BASE + 50),
        (ENDS_AT, ENDS_AT, BASE),
        (ENDS_AT - timedelta(seconds=1), ENDS_AT + timedelta(hours=24, seconds=-1), BASE + 50),
        (ENDS_AT - timedelta(seconds=1), ENDS_AT + timedelta(hours=24), BASE),
    ],
)
async def test_a_challenge_counts_to_the_second_by_the_events_time_and_closes_for_what_comes_late(
    session: AsyncSession, occurred_at: Any, as_of: Any, expected: int
) -> None:
    program_id = await program(session)

    assert await points(session, program_id, deal(1, occurred_at=occurred_at), as_of=as_of) == [expected]


async def test_what_it_pays_is_explained_with_its_place(session: AsyncSession) -> None:
    program_id = await program(session, first=1)
    paid, refused = await take(session, program_id, deal(1), deal(2, "ben"))

    told = [(await explanations.get(session, program_id, one.event_id or "")).decisions[-1] for one in (paid, refused)]

    assert [one.not_derived for one in told] == [None, None]
    assert [one.challenges[0].told for one in told] == [
        "50 points, place 1 of 1",
        "the only place was taken; yours was the 2nd",
    ]


# -- Places ---------------------------------------------------------------------------------------------------------


async def test_the_first_are_paid_in_the_order_in_which_they_arrive(session: AsyncSession) -> None:
    program_id = await program(session, first=2)

    assert await points(session, program_id, deal(1), deal(2, "ben"), deal(3, "cleo")) == [BASE + 50, BASE + 50, BASE]
    found = [(one.number, one.place, one.state, one.points, one.due) for one in await claims(session, program_id)]
    assert found == [
        (1, 1, ClaimState.STANDING, 50, 50),
        (2, 2, ClaimState.STANDING, 50, 50),
        (3, None, ClaimState.BEYOND, 0, 50),
    ]


async def test_a_place_that_was_taken_back_stays_consumed(session: AsyncSession) -> None:
    program_id = await program(session, first=1)
    first = deal(1)

    await take(session, program_id, first)
    await take(session, program_id, retraction(first))

    assert await points(session, program_id, deal(2, "ben")) == [BASE]
    assert [one.state for one in await claims(session, program_id)] == [ClaimState.WITHDRAWN, ClaimState.BEYOND]


async def test_an_amended_completion_keeps_its_place(session: AsyncSession) -> None:
    program_id = await program(session, first=1)
    first = deal(1)
    await take(session, program_id, first, deal(2, "ben"))

    amended = replace(first, data={**first.data, "amount_minor": 5_00})

    assert await points(session, program_id, amended) == [BASE + 50]
    assert [one.place for one in await claims(session, program_id)] == [1, None]
    assert await counted(session, program_id) == (2, 50)


async def test_a_batch_gives_places_as_its_events_one_by_one_do(session: AsyncSession) -> None:
    events = [deal(n, ("ada", "ben", "cleo")[n % 3]) for n in range(9)]
    events.insert(4, retraction(events[1]))
    together, apart = await program(session, first=4), await program(session, first=4)

    at_once = await points(session, together, *events)
    one_by_one = [await points(session, apart, event) for event in events]

    assert at_once == [amount for [amount] in one_by_one]
    assert await counted(session, together) == await counted(session, apart)


async def make_members(session: AsyncSession, program_id: str, count: int) -> None:
    """Members known as ("crm", "member0") and on."""
    ids = [new_id("mem") for _ in range(count)]
    everybody = [
        {"id": id, "program_id": program_id, "external_id": id, "name": "Ada", "created_at": NOW, "updated_at": NOW}
        for id in ids
    ]
    names = [
        {"program_id": program_id, "source": "crm", "external_id": f"member{n}", "member_id": id, "created_at": NOW}
        for n, id in enumerate(ids)
    ]
    await session.execute(members.insert().values(everybody))
    await session.execute(identities.insert().values(names))


async def fill(database: Database, program_id: str, completions: int, callers: int) -> None:
    """Completions of as many members by several callers at once, each in batches of its own."""
    left = [deal(n, f"member{n}") for n in range(completions)]

    async def caller() -> None:
        while left:
            batch = [left.pop() for _ in range(min(7, len(left)))]
            await intake.record_batch(database, program_id, batch, POLICY, as_of=NOW)

    await asyncio.gather(*(caller() for _ in range(callers)))


@pytest.mark.thorough
async def test_a_thousand_completions_at_once_fill_exactly_twenty_places_ten_times_in_a_row(database_url: str) -> None:
    database = Database(database_url)
    body = with_challenges(sprint=sprint(first=20))
    for _ in range(10):
        async with database.begin() as session:
            program_id = await make_program(session, body)
            await make_members(session, program_id, 1_000)

        await fill(database, program_id, 1_000, callers=8)

        async with database.begin() as session:
            assert await counted(session, program_id) == (1_000, 20 * 50)
            first = await claims(session, program_id)
            assert [one.place for one in first] == [*range(1, 21), *[None] * (len(first) - 20)]
    await database.dispose()


# -- Limits ---------------------------------------------------------------------------------------------------------


async def test_it_counts_once_for_each_member_where_it_says_so(session: AsyncSession) -> None:
    program_id = await program(session, once=True)

    assert await points(session, program_id, deal(1), deal(2), deal(3, "ben")) == [BASE + 50, BASE, BASE + 50]
    assert len(await claims(session, program_id)) == 2


async def test_what_is_taken_back_may_be_completed_again_and_returns_its_budget(session: AsyncSession) -> None:
    program_id = await program(session, once=True, budget_points=50)
    first = deal(1)
    await take(session, program_id, first, retraction(first))

    assert await points(session, program_id, deal(4)) == [BASE + 50]
    assert await points(session, program_id, deal(5, "ben")) == [BASE]


async def test_a_budget_pays_what_it_has_left_and_then_nothing(session: AsyncSession) -> None:
    program_id = await program(session, budget_points=80)

    found = await points(session, program_id, deal(1), deal(2, "ben"), deal(3, "cleo"))

    assert found == [BASE + 50, BASE + 30, BASE]
    assert await counted(session, program_id) == (2, 80)


@pytest.mark.parametrize(
    ("stacking", "expected"),
    [
        (("sum", "sum"), 30 + 50),
        (("best", "best"), 50),
        (("first", "first"), 30),
        (("sum", "exclusive"), 30),
        (("exclusive", "exclusive"), 0),
        (("best", "sum"), 30 + 50),
    ],
)
async def test_several_challenges_pay_as_they_say(
    session: AsyncSession, stacking: tuple[str, str], expected: int
) -> None:
    one, other = (sprint(bonus=str(n), stacking=how) for n, how in zip((30, 50), stacking, strict=True))
    program_id = await make_program(session, with_challenges(a=one, b=other))
    await make_member(session, program_id, "ada")

    assert await points(session, program_id, deal(1)) == [BASE + expected]


async def test_who_is_outweighed_takes_no_place(session: AsyncSession) -> None:
    body = with_challenges(a=sprint(bonus="30", stacking="best", first=5), b=sprint(bonus="50", stacking="best"))
    program_id = await make_program(session, body)
    await make_member(session, program_id, "ada")

    await take(session, program_id, deal(1))

    assert await claims(session, program_id, "a") == []
    assert await counted(session, program_id, "challenge:a") == (0, 0)


# -- Places by the event's time -------------------------------------------------------------------------------------


async def test_places_by_the_events_time_are_lent_and_paid_by_prizes(session: AsyncSession) -> None:
    program_id = await program(session, first=1, fairness="event_time")

    found = await points(session, program_id, deal(1), deal(2, "ben", occurred_at=days(-1)))

    assert found == [BASE, BASE]
    [prize] = await effects(session, program_id, [Kind.DERIVED])
    assert prize["data"] == {"challenge": "sprint", "points": 50, "reason": "place"}
    assert [one.state for one in await claims(session, program_id)] == [ClaimState.STANDING, ClaimState.BEYOND]


async def test_taking_back_a_lent_place_takes_back_its_prize(session: AsyncSession) -> None:
    program_id = await program(session, first=1, fairness="event_time")
    first = deal(1)

    await take(session, program_id, first)
    await take(session, program_id, retraction(first))

    paid, taken = await effects(session, program_id, [Kind.DERIVED])
    assert taken["retracts"] == paid["external_id"]


# -- After it was cancelled, taken out of the file, or closed --------------------------------------------------------


async def cancel(session: AsyncSession, program_id: str) -> None:
    stored = await challenges.find(session, program_id, "sprint")
    assert stored is not None
    await challenge_commands.cancel(session, program_id, stored.id, reason="a mistake", actor="ann", now=NOW)


async def take_out(session: AsyncSession, program_id: str) -> None:
    await apply(session, program_id, with_challenges())


def worth(event: Event, amount_minor: int) -> Event:
    """The event as its source has corrected it."""
    return replace(event, data={**event.data, "amount_minor": amount_minor})


@pytest.mark.parametrize("end", [cancel, take_out])
@pytest.mark.parametrize("changes", [{}, {"budget_points": 80}, {"once": True, "member_points": 50}, {"first": 1}])
async def test_what_a_challenge_has_paid_stays_when_its_event_is_amended_after_its_end(
    session: AsyncSession, end: Callable[[AsyncSession, str], Awaitable[None]], changes: dict[str, Any]
) -> None:
    when = [{"name": "is worth something", "expression": "has(event.amount_minor) && event.amount_minor > 0"}]
    program_id = await program(session, when=when, **changes)
    done = deal(1)
    await take(session, program_id, done, deal(2, "ben"))
    before = await counted(session, program_id)
    await end(session, program_id)

    assert await points(session, program_id, worth(done, 5_00)) == [BASE + 50]
    assert (await claims(session, program_id))[0].state is ClaimState.STANDING
    assert await counted(session, program_id) == before
    assert await points(session, program_id, worth(done, 0)) == [BASE]
    [outcome] = await take(session, program_id, worth(done, 6_00))
    explained = await explanations.get(session, program_id, outcome.event_id or "")
    assert (outcome.points, [one.not_derived for one in explained.decisions]) == (BASE + 50, [None] * 4)


@pytest.mark.parametrize("end", [cancel, take_out])
async def test_what_did_not_complete_a_challenge_before_its_end_does_not_when_it_is_amended(
    session: AsyncSession, end: Callable[[AsyncSession, str], Awaitable[None]]
) -> None:
    when = [{"name": "is worth something", "expression": "has(event.amount_minor) && event.amount_minor > 0"}]
    program_id = await program(session, when=when, first=5)
    nothing = deal(1, amount_minor=0)
    await take(session, program_id, nothing)
    await end(session, program_id)

    assert await points(session, program_id, worth(nothing, 5_00), deal(2)) == [BASE, BASE]
    assert await claims(session, program_id) == []


async def test_one_that_was_taken_out_does_not_come_back_under_its_key(session: AsyncSession) -> None:
    program_id = await program(session)
    await take_out(session, program_id)
    await apply(session, program_id, {**with_challenges(), "rewards": SAMPLE["rewards"]})

    with pytest.raises(KeyTaken):
        await apply(session, program_id, with_challenges(sprint=sprint()))


async def test_what_comes_too_late_for_a_challenge_waits_for_nobody_who_holds_its_budget(database_url: str) -> None:
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await program(session, budget_points=80)
        done = deal(1)
        await take(session, program_id, done)

    async with database.begin() as first, database.begin() as second:
        await second.execute(text("SET LOCAL lock_timeout = '100ms'"))
        await take(first, program_id, retraction(done), as_of=days(11))
        late = await points(second, program_id, deal(2, "ben"), as_of=days(11))

    assert late == [BASE]
    await database.dispose()


# -- Goals by streaks and old challenges ----------------------------------------------------------------------------


async def test_a_challenge_that_is_over_costs_events_nothing(session: AsyncSession) -> None:
    over = sprint(first=5, starts_at=days(-30).isoformat(), ends_at=days(-20).isoformat())
    program_id = await make_program(session, with_challenges(sprint=over))
    await make_member(session, program_id, "ada")

    await take(session, program_id, deal(1), course(1))

    assert await counted(session, program_id) == (0, 0)
    await apply(session, program_id, with_challenges())


async def test_one_that_fits_the_configuration_no_more_can_be_cancelled(session: AsyncSession) -> None:
    program_id = await program(session)
    await apply(session, program_id, with_challenges(sprint=sprint(event_types=["deal.gone"])))

    await cancel(session, program_id)

    stored = await challenges.find(session, program_id, "sprint")
    assert stored is not None
    assert stored.state is ChallengeState.CANCELLED
