"""Streak clocks: every policy in force has one, a workflow; here it is told what becomes of its policy."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain.game import StreakPolicy
from domain.outbox import Kind, Lane, OutboxRow
from storage import outbox


async def follow(
    session: AsyncSession,
    program_id: str,
    before: Mapping[str, StreakPolicy],
    after: Mapping[str, StreakPolicy],
    *,
    now: datetime,
) -> None:
    """Clocks of new policies start; those of changed and retired ones look again."""
    changed = [key for key in before if after.get(key) != before[key]]
    effects = [_effect(program_id, Kind.START_CLOCK, key) for key in after if key not in before]
    await outbox.add(session, [*effects, *_wakes(program_id, changed)], now=now)


async def wake(session: AsyncSession, program_id: str, policies: Collection[str], *, now: datetime) -> None:
    """Deadlines of these policies have come that their clocks do not know of."""
    await outbox.add(session, [*_wakes(program_id, policies)], now=now)


def _wakes(program_id: str, policies: Iterable[str]) -> Iterable[OutboxRow]:
    return (_effect(program_id, Kind.WAKE_CLOCK, key) for key in policies)


def _effect(program_id: str, kind: Kind, policy: str) -> OutboxRow:
    return OutboxRow(program_id, Lane.TEMPORAL, kind, {"policy": policy}, order_key=f"streaks/{program_id}/{policy}")
