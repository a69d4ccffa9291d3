"""Previews of challenges, from what was recorded; nothing is written, and the work is bounded."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import watched
from domain.game import Challenge
from domain.members import MemberStatus
from domain.previews import Preview, beside, looks_back, preview, put_over
from domain.time import ALWAYS
from storage import backtests
from storage.tables import members

MAX_DECISIONS = 30_000  # some seconds of deciding

_AN_INSTANT = timedelta(microseconds=1)  # what was decided just now is seen as well


class TooMuch(Exception):
    """More was decided than a preview reads."""


async def of_challenge(
    session: AsyncSession, program_id: str, challenge: Challenge, *, days: int, as_of: datetime
) -> Preview:
    """What the challenge, which is taken as checked, would have paid in the last days; raises TooMuch.

    The session should see one instant (`Database.snapshot`): the work takes seconds.
    """
    over = put_over(challenge, as_of - timedelta(days=days), as_of)
    since = ALWAYS if looks_back(over) else over.starts_at
    types, until = watched(over), as_of + _AN_INSTANT
    found = await backtests.count(session, program_id, types, since=since, until=until, at_most=MAX_DECISIONS)
    if found > MAX_DECISIONS:
        raise TooMuch(f"more than {MAX_DECISIONS} decisions about {', '.join(sorted(types))}: take fewer days or types")
    outcome = await backtests.replay(
        session,
        program_id,
        lambda live: beside(over, live),
        begins_at=over.starts_at,
        until=until,
        types=types,
        since=since,
    )
    return preview(over, outcome, await _count_members(session, program_id))


async def _count_members(session: AsyncSession, program_id: str) -> int:
    """Whoever may take part."""
    here = members.c.program_id == program_id, members.c.merged_into.is_(None)
    query = select(func.count()).where(*here, members.c.status != MemberStatus.LEFT)
    return int(await session.scalar(query) or 0)
