"""Campaigns: a challenge that repeats is followed by the next one, a period before it begins."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count, takewhile

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import Campaign, following, next_due
from domain.configuration import Configuration
from domain.definitions import definitions_of
from domain.game import Challenge
from domain.sentences import alone, sentence
from storage import challenges, configurations, notifications
from storage.challenge_commands import InvalidChallenge, including, require_fit
from storage.game_tables import challenges as rows

MAX_LISTED = 1_000  # campaigns of all programs

ACTOR = "campaign"  # who launches what follows


async def list_running(session: AsyncSession) -> Sequence[Campaign]:
    """The campaigns of all programs, oldest first, at most MAX_LISTED."""
    goes_on = rows.c.state.not_in(("draft", "cancelled")) & rows.c.body["repeats"].astext.is_not(None)
    chosen = select(rows.c.program_id, rows.c.id).where(goes_on).order_by(rows.c.id).limit(MAX_LISTED)
    return [Campaign(*row) for row in await session.execute(chosen)]


async def make_next(session: AsyncSession, campaign: Campaign, *, now: datetime) -> str | None:
    """The key of the next challenge, if it was time to make it: its row, the snapshot that has it, and its workflow.

    A campaign that was ended makes none. One that fits the configuration no more makes none until it does, and
    administrators are told.
    """
    await configurations.lock_alone(session, campaign.program_id)
    stored = await challenges.get(session, campaign.program_id, campaign.challenge_id)
    active = await configurations.read_active(session, campaign.program_id)
    first = active.challenges.get(stored.key)
    if first is None or first.repeats is None or _was_ended(first, active, now):
        return None
    follower = _follower(first, *next_due(first, now, active.time_zone))
    if await challenges.find(session, campaign.program_id, follower.key) is not None:
        return None
    try:
        require_fit(follower, definitions_of(active))
    except InvalidChallenge as misfit:
        await _tell_misfit(session, campaign.program_id, follower, misfit, now)
        return None
    await configurations.change(
        session, campaign.program_id, lambda known: including(known, follower), applied_by=ACTOR, applied_at=now
    )
    return follower.key


def _follower(first: Challenge, key: str, starts_at: datetime, ends_at: datetime) -> Challenge:
    return replace(first, key=key, starts_at=starts_at, ends_at=ends_at, repeats=None, origin="page", extended_to=None)


def _was_ended(first: Challenge, active: Configuration, as_of: datetime) -> bool:
    """Whether its first challenge was cancelled, or one that followed before that began: so people end a campaign."""
    if first.is_called_off:
        return True
    periods = (following(first, number, active.time_zone) for number in count(1))
    made = (active.challenges.get(key) for key, *_ in takewhile(lambda found: found[1] <= as_of, periods))
    return any(one.cancelled_at < one.starts_at for one in made if one and one.cancelled_at)


async def _tell_misfit(
    session: AsyncSession, program_id: str, challenge: Challenge, misfit: InvalidChallenge, now: datetime
) -> None:
    await notifications.tell(
        session,
        program_id,
        member_id=None,
        kind="campaign_interrupted",
        subject=sentence(
            "{title} was not made again: it does not fit the configuration any more",
            title=challenge.title or challenge.key,
        ),
        body=alone(str(misfit)),
        reference=challenge.key,
        now=now,
    )
