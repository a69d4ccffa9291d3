"""Rewards: given by intake, then ordered, offered, declined, expired or withdrawn; the member's lock comes first."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.cards import OFFERS
from domain.configuration import Configuration, Reward
from domain.orders import Order, OrderRefused, OrderRequest, Refusal
from domain.outbox import Kind, Lane, OutboxRow
from domain.rewards import GivenReward, RewardEvent, RewardState, reward_after
from domain.vendors import DeliveryMethod
from storage import configurations, dispatches, orders, outbox
from storage.orders import RequestBodies
from storage.tables import members, rewards

MAX_PAGE = 101  # rewards: a page, and one more that tells whether another follows

_COLUMNS = tuple(rewards.c[name] for name in GivenReward.__dataclass_fields__)


def _reward(row: Mapping[Any, Any]) -> GivenReward:
    return GivenReward(**(dict(row) | {"state": RewardState(row["state"])}))


async def find(session: AsyncSession, program_id: str, reward_id: str) -> GivenReward | None:
    """The program's reward of this id, or None."""
    own = select(*_COLUMNS).where(rewards.c.program_id == program_id, rewards.c.id == reward_id)
    row = (await session.execute(own)).mappings().first()
    return _reward(row) if row else None


async def get(session: AsyncSession, program_id: str, reward_id: str) -> GivenReward:
    """The program's reward of this id; raises LookupError."""
    reward = await find(session, program_id, reward_id)
    if reward is None:
        raise LookupError(f"no reward {reward_id}")
    return reward


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    member_id: str | None = None,
    state: RewardState | None = None,
    before: str | None = None,
    limit: int = MAX_PAGE,
) -> list[GivenReward]:
    """Up to `limit` rewards, newest first, older than the id `before`."""
    chosen = select(*_COLUMNS).where(rewards.c.program_id == program_id)
    if member_id is not None:
        chosen = chosen.where(rewards.c.member_id == member_id)
    if state is not None:
        chosen = chosen.where(rewards.c.state == state)
    if before is not None:
        chosen = chosen.where(rewards.c.id < before)
    rows = await session.execute(chosen.order_by(rewards.c.id.desc()).limit(min(limit, MAX_PAGE)))
    return [_reward(row) for row in rows.mappings()]


async def get_definition(session: AsyncSession, given: GivenReward) -> Reward:
    """What the reward is, in the configuration that gave it."""
    configuration: Configuration = await configurations.get(session, given.program_id, given.configuration)
    return configuration.rewards[given.reward]


async def lock(session: AsyncSession, program_id: str, reward_id: str) -> GivenReward:
    """The reward, locked behind its member until the transaction ends; raises LookupError."""
    reward = await get(session, program_id, reward_id)
    member = select(members.c.id).where(members.c.program_id == program_id, members.c.id == reward.member_id)
    await session.execute(member.with_for_update(key_share=True))
    own = select(*_COLUMNS).where(rewards.c.program_id == program_id, rewards.c.id == reward_id)
    return _reward((await session.execute(own.with_for_update(key_share=True))).mappings().one())


async def move(
    session: AsyncSession,
    given: GivenReward,
    event: RewardEvent,
    *,
    now: datetime,
    reason: str | None = None,
    **values: object,
) -> GivenReward:
    """The locked reward after the event; raises IllegalReward."""
    state = reward_after(given.state, event)
    own = update(rewards).where(rewards.c.program_id == given.program_id, rewards.c.id == given.id)
    changed = {"state": state, "reason": reason, "updated_at": now} | values
    await session.execute(own.values(changed))
    await dispatches.retell(session, given.program_id, OFFERS, [given.id], now=now)
    return replace(given, **changed)  # type: ignore[arg-type]


async def offer(
    session: AsyncSession,
    given: GivenReward,
    definition: Reward,
    event: RewardEvent = RewardEvent.OFFER,
    *,
    now: datetime,
    reason: str | None = None,
) -> GivenReward:
    """The locked reward, waiting for its member's choice for `offer_days` from now."""
    expires_at = now + timedelta(days=definition.offer_days)
    return await move(
        session, given, event, now=now, reason=reason, order_id=None, offered_at=now, expires_at=expires_at
    )


async def order(
    session: AsyncSession,
    given: GivenReward,
    definition: Reward,
    *,
    item: str,
    request_bodies: RequestBodies,
    actor: str,
    now: datetime,
    recipient_email: str | None = None,
    recipient_name: str | None = None,
    delivery_method: DeliveryMethod = DeliveryMethod.EMAIL,
) -> Order:
    """The locked reward becomes an order of this item; raises OrderRefused with nothing written."""
    request = OrderRequest(
        member_id=given.member_id,
        item=item,
        value_minor=definition.value_minor,
        currency=definition.currency,
        recipient_email=recipient_email,
        recipient_name=recipient_name,
        delivery_method=delivery_method,
        reward_id=given.id,
        price_points=definition.price_points,
    )
    placed = await orders.place(session, given.program_id, request, request_bodies=request_bodies, actor=actor, now=now)
    await move(session, given, RewardEvent.ORDER, now=now, order_id=placed.id)
    return placed


# -- Commands of people --------------------------------------------------------------------------------------------


async def choose(
    session: AsyncSession,
    program_id: str,
    reward_id: str,
    *,
    item: str,
    request_bodies: RequestBodies,
    actor: str,
    now: datetime,
    recipient_email: str | None = None,
    recipient_name: str | None = None,
    delivery_method: DeliveryMethod = DeliveryMethod.EMAIL,
) -> Order:
    """The member's choice, ordered at once. Raises OrderRefused with nothing written, LookupError."""
    given = await lock(session, program_id, reward_id)
    _require_open(given, now)
    definition = await get_definition(session, given)
    if item not in definition.items:
        raise OrderRefused(Refusal.ITEM_UNAVAILABLE, f"{definition.key} does not offer {item}")
    chosen = await order(
        session,
        given,
        definition,
        item=item,
        request_bodies=request_bodies,
        actor=actor,
        now=now,
        recipient_email=recipient_email,
        recipient_name=recipient_name,
        delivery_method=delivery_method,
    )
    await wake(session, given, now=now)
    return chosen


async def decline(session: AsyncSession, program_id: str, reward_id: str, *, now: datetime) -> GivenReward:
    """The member does not want it. Raises OrderRefused if it is not on offer, LookupError."""
    given = await lock(session, program_id, reward_id)
    _require_open(given, now)
    declined = await move(session, given, RewardEvent.DECLINE, now=now)
    await wake(session, given, now=now)
    return declined


def _require_open(given: GivenReward, now: datetime) -> None:
    if given.state is not RewardState.OFFERED:
        raise OrderRefused(Refusal.REWARD_NOT_OFFERED, f"the reward is {given.state}")
    if given.expires_at is not None and given.expires_at <= now:
        raise OrderRefused(Refusal.REWARD_NOT_OFFERED, "the offer has expired")


async def wake(session: AsyncSession, given: GivenReward, *, now: datetime) -> None:
    """The reward's workflow looks at its row again, once this transaction is committed."""
    payload = {"reward_id": given.id}
    row = OutboxRow(given.program_id, Lane.TEMPORAL, Kind.WAKE_REWARD, payload, order_key=f"reward/{given.id}")
    await outbox.add(session, [row], now=now)
