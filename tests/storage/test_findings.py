"""What Laurel told of a tier or a badge is explained: the thresholds, what there was, and by which event."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import SourcePolicy
from domain.findings import Finding
from simulation.life import follow
from storage import configurations, explanations, intake, tiers
from storage.tables import events
from tests.programs import NOW, SAMPLE, course, deal, make_member, make_program

GAME: dict[str, Any] = SAMPLE | {
    "aggregates": SAMPLE["aggregates"]
    | {
        "won": {"event_type": "deal.won", "per": "lifetime", "field": "amount_minor"},
        "courses": {"event_type": "course.completed", "per": "lifetime"},
    },
    "tiers": {"lately": {"levels": [{"key": "warm", "at": 50}, {"key": "hot", "at": 100, "keep": 80}], "days": 7}},
    "badges": {
        "rich": {"aggregate": "won", "at_least": 15_000},
        "learner": {"aggregate": "courses"},
        "both": {"badges": ["rich", "learner"]},
    },
}


@pytest.fixture
async def program_id(session: AsyncSession) -> str:
    """A program in which Ada has won two deals, finished a course, and done nothing for a week."""
    program_id = await make_program(session, GAME)
    await make_member(session, program_id, "ada")
    for event in (deal(1), deal(2), course(1)):
        await intake.record(session, program_id, [event], SourcePolicy(), as_of=NOW)
    later = NOW + timedelta(days=7)
    configuration = await configurations.get_active(session, program_id)
    await tiers.settle_page(session, configuration, "lately", as_of=later)
    await follow(session, program_id, later)
    return program_id


async def finding(session: AsyncSession, program_id: str, name: str, n: int = 1) -> Finding:
    query = select(events.c.id).where(events.c.external_id.like(f"{name}:%:{n}"))
    found = (await explanations.get(session, program_id, (await session.execute(query)).scalar_one())).finding
    assert found is not None
    return found


async def event_id(session: AsyncSession, name: str) -> str | None:
    return await session.scalar(select(events.c.id).where(events.c.external_id == name))


async def test_a_tier_names_its_levels_and_what_was_earned(session: AsyncSession, program_id: str) -> None:
    found = await finding(session, program_id, "tier.changed:lately", 2)

    assert (found.asked, found.there) == ({"warm": 50, "hot": 100}, {"earned": 100})
    assert found.event_id == await event_id(session, "deal-2")
    assert found.told == (
        "100 points earned in 7 days; warm is kept with 50: enough; hot asks for 100: enough; from warm to hot"
    )


async def test_a_tier_that_time_takes_away_names_what_it_is_kept_with(session: AsyncSession, program_id: str) -> None:
    found = await finding(session, program_id, "tier.changed:lately", 3)

    assert (found.asked, found.there, found.event_id) == ({"warm": 50, "hot": 80}, {"earned": 0}, None)
    assert found.told.endswith("hot is kept with 80: 80 short; from hot to none")


async def test_a_badge_names_what_it_counts_and_the_event_that_completed_it(
    session: AsyncSession, program_id: str
) -> None:
    rich = await finding(session, program_id, "badge.earned:rich")
    both = await finding(session, program_id, "badge.earned:both")

    assert (rich.asked, rich.there) == ({"won": 15_000}, {"won": 20_000})
    assert rich.event_id == await event_id(session, "deal-2")
    assert "came to 20000 with the event, and 15000 are asked for" in rich.told
    assert both.event_id == await event_id(session, "course-1")
    assert both.told == "has all of rich, learner: the event completed the last of them"


async def test_what_a_source_tells_has_no_finding(session: AsyncSession, program_id: str) -> None:
    explained = await explanations.get(session, program_id, str(await event_id(session, "deal-1")))

    assert explained.finding is None
