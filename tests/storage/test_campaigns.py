"""Campaigns: what follows a challenge that repeats, when, and under which name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import Campaign, ChallengeEvent, ChallengeState
from storage import campaigns, challenge_commands, challenges, configurations, notifications, publishing
from storage.tables import programs
from tests.challenges import days, sprint, with_challenges
from tests.programs import NOW, apply, definitions, make_program

# Nine in the morning in Berlin, before the clocks go forward on 29 March.
MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)


async def monthly(session: AsyncSession, **changes: Any) -> Campaign:
    """A challenge of a week of each month, of a program in Berlin."""
    program_id = await make_program(session, with_challenges())
    await session.execute(update(programs).where(programs.c.program_id == program_id).values(time_zone="Europe/Berlin"))
    said = {"starts_at": MORNING.isoformat(), "ends_at": (MORNING + timedelta(days=7)).isoformat(), "repeats": "month"}
    await apply(session, program_id, with_challenges(sprint=sprint(**said | changes)))
    [campaign] = await campaigns.list_running(session)
    return campaign


async def test_the_next_one_is_launched_once_at_the_same_local_time(session: AsyncSession) -> None:
    campaign = await monthly(session)

    made = [await campaigns.make_next(session, campaign, now=NOW) for _ in range(2)]

    assert made == ["sprint.2026-04-02", None]
    following = await challenges.find(session, campaign.program_id, "sprint.2026-04-02")
    assert following is not None
    assert following.state is ChallengeState.SCHEDULED
    assert following.definition.starts_at == datetime(2026, 4, 2, 7, tzinfo=UTC)
    assert following.definition.ends_at == datetime(2026, 4, 9, 7, tzinfo=UTC)
    active = await configurations.read_active(session, campaign.program_id)
    assert (active.challenges["sprint.2026-04-02"].repeats, active.challenges["sprint.2026-04-02"].origin) == (
        None,
        "page",
    )


async def test_the_one_after_it_is_made_when_it_has_begun(session: AsyncSession) -> None:
    campaign = await monthly(session)
    moments = [NOW, NOW + timedelta(days=28), NOW + timedelta(days=30)]

    made = [await campaigns.make_next(session, campaign, now=at) for at in moments]

    assert made == ["sprint.2026-04-02", None, "sprint.2026-05-02"]


async def test_the_last_day_of_a_month_stays_the_last_day(session: AsyncSession) -> None:
    starts_at = datetime(2026, 1, 31, 8, tzinfo=UTC)
    campaign = await monthly(
        session, starts_at=starts_at.isoformat(), ends_at=(starts_at + timedelta(hours=8)).isoformat()
    )

    assert await campaigns.make_next(session, campaign, now=starts_at) == "sprint.2026-02-28"


async def on_a_page(session: AsyncSession) -> Campaign:
    """A campaign of each month that somebody made by command, whose first challenge is long settled."""
    program_id = await make_program(session)
    at: dict[str, Any] = {"actor": "a test", "now": NOW}
    draft = await challenge_commands.create(session, program_id, "sprint", sprint(repeats="month"), **at)
    await challenge_commands.launch(session, program_id, draft.id, seen=draft.fingerprint, **at)
    stored = await challenges.get(session, program_id, draft.id)
    for event in (ChallengeEvent.BEGIN, ChallengeEvent.END, ChallengeEvent.SETTLE):
        stored = await challenges.move(session, stored, event, now=stored.definition.until)
    return Campaign(program_id, draft.id)


@pytest.mark.parametrize(("cancelled_on", "after_it"), [(days(20), None), (days(25), "sprint.2026-04-25")])
async def test_whoever_cancels_the_next_before_it_begins_ends_the_campaign_and_later_only_that_one(
    session: AsyncSession, cancelled_on: datetime, after_it: str | None
) -> None:
    campaign = await on_a_page(session)
    key = await campaigns.make_next(session, campaign, now=days(10))
    second = await challenges.find(session, campaign.program_id, key or "")
    assert second is not None
    assert days(20) < second.definition.starts_at < days(25)

    await challenge_commands.cancel(
        session, campaign.program_id, second.id, reason="enough", actor="a test", now=cancelled_on
    )

    assert await campaigns.make_next(session, campaign, now=days(30)) == after_it


async def test_what_fits_the_configuration_no_more_is_not_made_and_administrators_are_told_once(
    session: AsyncSession,
) -> None:
    campaign = await on_a_page(session)
    await apply(session, campaign.program_id, {"event_types": {"survey.submitted": {"fields": {}}}})

    made = [await campaigns.make_next(session, campaign, now=days(60)) for _ in range(2)]

    assert made == [None, None]
    [told] = await notifications.list_page(session, campaign.program_id, member_id=None, limit=9)
    assert (told.kind, told.body) == ("campaign_interrupted", "event_types.0: no event type deal.won")


@pytest.mark.parametrize("how", ["cancelled", "dropped"])
async def test_a_campaign_ends_with_its_first_challenge(session: AsyncSession, how: str) -> None:
    campaign = await monthly(session)

    if how == "dropped":
        await apply(session, campaign.program_id, with_challenges())
    else:
        await challenge_commands.cancel(
            session, campaign.program_id, campaign.challenge_id, reason="enough", actor="a test", now=NOW
        )

    assert await campaigns.make_next(session, campaign, now=NOW) is None
    assert await campaigns.list_running(session) == []


LONG = {
    "starts_at": "2026-03-23T00:00:00+01:00",
    "ends_at": "2026-03-30T01:00:00+02:00",  # a week by the clock, and the hour that the clocks go forward
    "repeats": "week",
}


async def test_what_would_go_on_when_the_next_begins_is_refused_by_the_programs_zone(session: AsyncSession) -> None:
    campaign = await monthly(session)
    file = definitions(with_challenges(sprint=sprint(**LONG)))

    with pytest.raises(publishing.NotSound, match=r"challenges\.sprint\.repeats: .* a week is shorter"):
        await publishing.submit(session, campaign.program_id, file, actor="a test", at=NOW)
    with pytest.raises(publishing.NotSound, match=r"challenges\.sprint\.repeats: .* a week is shorter"):
        await publishing.preview(session, campaign.program_id, file, at=NOW)
    with pytest.raises(challenge_commands.InvalidChallenge, match=r"^repeats: .* a week is shorter"):
        await challenge_commands.create(session, campaign.program_id, "race", sprint(**LONG), actor="a test", now=NOW)
