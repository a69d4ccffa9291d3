"""Sources that are believed for some hours only: what they tell later counts, for challenges, from when it was told."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import ChallengeEvent, ClaimState
from domain.events import SourcePolicy
from storage import challenges, explanations, intake, settlements
from tests.challenges import ENDS_AT, STARTS_AT, claims, days, sprint, with_challenges
from tests.programs import NOW, deal, make_member, make_program

SOURCES = {"sources": {"crm": {"late_hours": 48}}}


async def test_a_time_that_is_told_too_late_wins_no_place(session: AsyncSession) -> None:
    body = with_challenges(sprint=sprint(first=2, fairness="event_time")) | SOURCES
    program_id = await make_program(session, body)
    for name in ("ada", "ben", "cleo"):
        await make_member(session, program_id, name)
    told = [(1, "ada", days(-1)), (2, "ben", days(-2)), (3, "cleo", days(-2) - timedelta(seconds=1))]
    events = [deal(number, name, occurred_at=at) for number, name, at in told]

    await intake.record(session, program_id, events, SourcePolicy(), as_of=NOW)
    stored = await challenges.find(session, program_id, "sprint")
    assert stored is not None
    for event in (ChallengeEvent.BEGIN, ChallengeEvent.END):
        stored = await challenges.move(session, stored, event, now=ENDS_AT)
    await settlements.settle(session, stored, now=days(10))

    found = await claims(session, program_id)
    assert [(one.place, one.occurred_at) for one in found] == [(2, days(-1)), (1, days(-2)), (None, NOW)]
    assert found[2].state is ClaimState.BEYOND


@pytest.mark.parametrize(
    ("occurred_at", "told"),
    [
        (ENDS_AT - timedelta(hours=47), "50 points"),
        (ENDS_AT - timedelta(hours=49), "not so: told too late by its source"),
        (STARTS_AT - timedelta(hours=1), "not so: outside its window"),
    ],
)
async def test_what_is_told_too_late_is_over_and_nothing_comes_into_the_window_by_being_late(
    session: AsyncSession, occurred_at: datetime, told: str
) -> None:
    program_id = await make_program(session, with_challenges(sprint=sprint()) | SOURCES)
    await make_member(session, program_id, "ada")

    event = deal(1, occurred_at=occurred_at)
    [outcome] = await intake.record(session, program_id, [event], SourcePolicy(), as_of=ENDS_AT)

    explained = (await explanations.get(session, program_id, outcome.event_id or "")).decisions[-1]
    assert [one.told for one in explained.challenges] == [told]
    assert explained.not_derived is None
