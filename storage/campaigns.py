"""Campaigns: a challenge that repeats is followed by the next one, a period before it begins."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import Campaign, next_due
from domain.definitions import Definitions
from domain.game import Challenge
from storage import challenges, configurations
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

    A campaign whose first challenge was cancelled, or is in the configuration no more, makes none.
    """
    await configurations.lock_alone(session, campaign.program_id)
    stored = await challenges.get(session, campaign.program_id, campaign.challenge_id)
    active = await configurations.read_active(session, campaign.program_id)
    first = active.challenges.get(stored.key)
    if first is None or first.repeats is None or first.cancelled_at is not None:
        return None
    key, starts_at, ends_at = next_due(first, now, active.time_zone)
    if await challenges.find(session, campaign.program_id, key) is not None:
        return None
    following = _following(first, key, starts_at, ends_at)

    def with_next(known: Definitions) -> Definitions:
        return replace(known, challenges=dict(sorted({**known.challenges, key: following}.items())))

    await configurations.change(session, campaign.program_id, with_next, applied_by=ACTOR, applied_at=now)
    return key


def _following(first: Challenge, key: str, starts_at: datetime, ends_at: datetime) -> Challenge:
    return replace(first, key=key, starts_at=starts_at, ends_at=ends_at, repeats=None, origin="page", extended_to=None)
