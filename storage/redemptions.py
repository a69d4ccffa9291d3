"""Redemptions: what a member can have, and one choice ordered once.

A choice is made under the key of the click that made it: the same click again is answered with its order.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain.answers import Offer, Shop
from domain.catalog import Listing
from domain.configuration import Configuration
from domain.idempotency import IdempotencyKey
from domain.ledger import InsufficientPoints
from domain.members import Member
from domain.orders import Order, OrderRefused, OrderRequest, Refusal
from domain.redemptions import Choice, Outcome, Pick, Placed, Purchase, Refused, Selected, Selection, find
from domain.rewards import GivenReward, RewardState, items_of
from domain.vendors import Money
from storage import catalog, configurations, idempotency, members, orders, people, rewards
from storage.orders import RequestBodies

MAX_OFFERS = 20  # of one member that are shown

_SCOPE = "redeem"  # of idempotency keys


async def read_shop(session: AsyncSession, program_id: str, member_id: str, *, as_of: datetime) -> Shop:
    """What the member can have in the member's country, whatever it costs; raises LookupError."""
    member = await members.get(session, program_id, member_id)
    balance = await members.balance(session, program_id, member_id, as_of=as_of)
    listed = {one.key: one for one in await catalog.list_all(session, program_id) if _is_for(member, one)}
    given = await rewards.list_page(
        session, program_id, member_id=member_id, state=RewardState.OFFERED, limit=MAX_OFFERS
    )
    active = await configurations.read_active(session, program_id)
    open_ones = [one for one in given if one.expires_at is None or one.expires_at > as_of]
    offers = [await _offer(session, one, active, listed) for one in open_ones]
    return Shop(
        points=balance.available,
        offers=tuple(offers),
        listings=tuple(sorted(listed.values(), key=lambda one: (one.category, one.name, one.key))),
        recipient_email=member.email,
        time_zone=member.time_zone,
    )


async def find_repriced(
    session: AsyncSession, program_id: str, member_id: str, selection: Selection, seen: int, *, as_of: datetime
) -> tuple[Shop, Selected] | None:
    """What was selected, if it costs something else than was seen. No price changes until the transaction ends.

    Raises LookupError for an unknown member.
    """
    await configurations.get_active(session, program_id)
    shop = await read_shop(session, program_id, member_id, as_of=as_of)
    selected = find(shop, selection)
    return (shop, selected) if selected and selected.price_points != seen else None


def _is_for(member: Member, listing: Listing) -> bool:
    return listing.available and (listing.countries is None or member.country in listing.countries)


async def _offer(
    session: AsyncSession, given: GivenReward, active: Configuration, listed: Mapping[str, Listing]
) -> Offer:
    """The offer with those of its items that the member can have in its value."""
    definition = await rewards.get_definition(session, given)
    value = Money(definition.value_minor, definition.currency)
    items = [listed[item.key] for item in items_of(definition, active.catalog) if item.key in listed]
    return Offer(
        given.id,
        definition.title,
        value,
        definition.price_points,
        given.expires_at,
        tuple(item for item in items if item.comes_in(value)),
    )


async def act(
    session: AsyncSession,
    program_id: str,
    member_id: str,
    choice: Choice,
    key: str,
    *,
    request_bodies: RequestBodies,
    now: datetime,
) -> Outcome:
    """Order what the member chose; under a key that was used, what it ordered. A refusal leaves nothing behind.

    Raises LookupError for an unknown member.
    """
    name = IdempotencyKey(f"{_SCOPE} {member_id}", key, hashlib.sha256(repr(choice).encode()).digest())
    await people.follow_again(session, program_id, [member_id])  # the same click waits here for the first
    kept = (await idempotency.find(session, program_id, [name.name])).get(name.name)
    if kept is not None:
        return Placed(await orders.get(session, program_id, str(kept.outcome["order_id"])))
    try:
        order = await _place(session, program_id, member_id, choice, request_bodies, now)
    except OrderRefused as refused:
        return _refused(refused)
    await idempotency.insert(session, program_id, [(name, {"order_id": order.id})], now=now)
    return Placed(order)


async def _place(
    session: AsyncSession, program_id: str, member_id: str, choice: Choice, bodies: RequestBodies, now: datetime
) -> Order:
    match choice:
        case Purchase(item, value, email):
            request = OrderRequest(member_id, item, value.amount_minor, value.currency, recipient_email=email)
            return await orders.place(session, program_id, request, request_bodies=bodies, actor=member_id, now=now)
        case Pick(reward_id, item, email):
            given = await rewards.find(session, program_id, reward_id)
            if given is None or given.member_id != member_id:
                raise OrderRefused(Refusal.REWARD_NOT_OFFERED, f"{member_id} was not given {reward_id}")
            return await rewards.choose(
                session,
                program_id,
                reward_id,
                item=item,
                request_bodies=bodies,
                actor=member_id,
                now=now,
                recipient_email=email,
            )


def _refused(refused: OrderRefused) -> Refused:
    lack = refused.__cause__
    return Refused(refused.code, lack.needed - lack.available if isinstance(lack, InsufficientPoints) else 0)
