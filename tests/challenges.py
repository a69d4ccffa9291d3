"""Challenges to test with, and what became of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import Claim
from domain.configuration import Period
from domain.counters import CounterKey
from domain.time import LIFETIME_ON
from storage import challenges, program_counters
from storage.tables import outbox
from tests.programs import NOW, SAMPLE

STARTS_AT = NOW - timedelta(days=7)
ENDS_AT = NOW + timedelta(days=7)


def sprint(**changes: Any) -> dict[str, Any]:
    """A challenge that is open now, as files say it: 50 points more for every deal."""
    given = {"bonus": "50"} if "multiplier" not in changes else {}
    said = {
        "title": "The sprint",
        "event_types": ["deal.won"],
        "starts_at": STARTS_AT.isoformat(),
        "ends_at": ENDS_AT.isoformat(),
        **given,
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def with_challenges(**said: dict[str, Any]) -> dict[str, Any]:
    """The sample configuration with these challenges."""
    return {**SAMPLE, "challenges": said}


async def claims(session: AsyncSession, program_id: str, key: str = "sprint") -> list[Claim]:
    """The challenge's claims in the order in which they came."""
    return await challenges.list_claims(session, program_id, key)


async def counted(session: AsyncSession, program_id: str, name: str = "challenge:sprint") -> tuple[int, int]:
    """What was counted of all members together, as (times, points)."""
    key: CounterKey = (name, Period.LIFETIME.value, LIFETIME_ON)
    return (await program_counters.lock(session, program_id, [key]))[key]


async def effects(session: AsyncSession, program_id: str, kinds: Iterable[str]) -> list[Any]:
    """The payloads of outbox rows of these kinds, in order."""
    own = select(outbox.c.payload).where(outbox.c.program_id == program_id, outbox.c.kind.in_(list(kinds)))
    return list((await session.execute(own.order_by(outbox.c.id))).scalars())


def days(number: float) -> datetime:
    """So many days from now."""
    return NOW + timedelta(days=number)
