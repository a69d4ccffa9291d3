"""Who leaves: what waits for them is closed in the transaction that says that they have left.

Points and cards that they have stay theirs. Whoever is hired again is the same member and begins anew.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.rewards import RewardEvent, RewardState
from storage import employment, nominations, rewards
from storage.tables import rewards as given

REASON = "member_left"


async def close(session: AsyncSession, program_id: str, member_ids: Collection[str], *, now: datetime) -> None:
    """Of these members, whom the caller has locked, nothing waits any more."""
    if not member_ids:
        return
    await nominations.close(session, program_id, member_ids, now=now)
    await _withdraw_rewards(session, program_id, member_ids, now)
    await employment.close(session, program_id, member_ids, now=now)


async def _withdraw_rewards(session: AsyncSession, program_id: str, member_ids: Collection[str], now: datetime) -> None:
    """What is still to be ordered or chosen is withdrawn; an order that was placed goes its way."""
    waiting = select(given.c.id).where(
        given.c.program_id == program_id,
        given.c.member_id.in_(member_ids),
        given.c.state.in_((RewardState.UNLOCKED, RewardState.OFFERED)),
    )
    for reward_id in (await session.execute(waiting.order_by(given.c.id))).scalars().all():
        reward = await rewards.lock(session, program_id, reward_id)
        if reward.state in (RewardState.UNLOCKED, RewardState.OFFERED):
            await rewards.move(session, reward, RewardEvent.WITHDRAW, now=now, reason=REASON)
            await rewards.wake(session, reward, now=now)
