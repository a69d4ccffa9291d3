"""Rewards become orders by a member's choice, once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from connectors.vendors import REQUEST_BODIES
from domain.orders import Order, OrderRefused, Refusal
from domain.rewards import REWARD_ARROWS, GivenReward, RewardEvent, RewardState
from storage import rewards
from storage.database import Database
from tests.shop import CHOICE, Shop, now, open_shop


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    database = Database(database_url)
    yield await open_shop(database)
    await database.dispose()


async def offered(shop: Shop, points: int = 0, reward: str = "choice") -> GivenReward:
    """A reward that its member may choose an item of."""
    reward_id = await shop.give(await shop.member(points=points), reward)
    async with shop.database.begin() as session:
        given = await rewards.lock(session, shop.id, reward_id)
        return await rewards.offer(session, given, CHOICE, now=now())


async def choose(shop: Shop, reward_id: str, item: str = "coffee") -> Order:
    async with shop.database.begin() as session:
        return await rewards.choose(
            session, shop.id, reward_id, item=item, request_bodies=REQUEST_BODIES, actor="key_test", now=now()
        )


async def get(shop: Shop, reward_id: str) -> GivenReward:
    async with shop.database.begin() as session:
        return await rewards.get(session, shop.id, reward_id)


async def test_a_choice_is_an_order_at_once_and_wakes_the_rewards_workflow(shop: Shop) -> None:
    given = await offered(shop)

    order = await choose(shop, given.id)

    chosen = await get(shop, given.id)
    assert (chosen.state, chosen.order_id) == (RewardState.ORDERED, order.id)
    assert (order.reward_id, order.price_points, order.value.amount_minor) == (given.id, 0, 2_500)
    assert await shop.effects() == ["start_order", "wake_reward"]


async def test_of_choices_that_race_one_is_ordered(shop: Shop) -> None:
    given = await offered(shop)

    outcomes = await asyncio.gather(*(choose(shop, given.id) for _ in range(4)), return_exceptions=True)

    refusals = [outcome.code for outcome in outcomes if isinstance(outcome, OrderRefused)]
    assert refusals == [Refusal.REWARD_NOT_OFFERED] * 3


@pytest.mark.parametrize("item", ["books", "tea"])
async def test_what_the_reward_does_not_offer_is_refused_and_it_stays_on_offer(shop: Shop, item: str) -> None:
    given = await offered(shop)

    with pytest.raises(OrderRefused) as refused:
        await choose(shop, given.id, item)

    assert refused.value.code is Refusal.ITEM_UNAVAILABLE
    assert (await get(shop, given.id)).state is RewardState.OFFERED


async def test_a_refused_choice_leaves_the_reward_on_offer(shop: Shop) -> None:
    given = await offered(shop, points=99, reward="paid")

    with pytest.raises(OrderRefused) as refused:
        await choose(shop, given.id)

    assert refused.value.code is Refusal.INSUFFICIENT_POINTS
    assert (await get(shop, given.id)).state is RewardState.OFFERED


async def test_nothing_is_chosen_after_the_offer_has_expired(shop: Shop) -> None:
    given = await offered(shop)
    async with shop.database.begin() as session:
        with pytest.raises(OrderRefused) as refused:
            await rewards.choose(
                session,
                shop.id,
                given.id,
                item="coffee",
                request_bodies=REQUEST_BODIES,
                actor="key_test",
                now=now() + timedelta(days=31),
            )

    assert refused.value.code is Refusal.REWARD_NOT_OFFERED


async def test_what_was_declined_is_not_chosen(shop: Shop) -> None:
    given = await offered(shop)
    async with shop.database.begin() as session:
        declined = await rewards.decline(session, shop.id, given.id, now=now())

    with pytest.raises(OrderRefused):
        await choose(shop, given.id)

    assert declined.state is RewardState.DECLINED


@pytest.mark.parametrize(("state", "event"), REWARD_ARROWS, ids="-".join)
async def test_each_arrow_is_walked(shop: Shop, state: RewardState, event: RewardEvent) -> None:
    reward_id, to = await shop.give(await shop.member(), "choice"), REWARD_ARROWS[state, event]
    await shop.set_reward(reward_id, state=state, order_id="ord_1" if state is RewardState.ORDERED else None)

    async with shop.database.begin() as session:
        given = await rewards.lock(session, shop.id, reward_id)
        order_id = "ord_2" if to is RewardState.ORDERED else None
        moved = await rewards.move(session, given, event, now=now(), order_id=order_id)

    assert moved.state is to
    assert await get(shop, reward_id) == moved


async def test_rewards_page_newest_first_and_for_their_program_only(shop: Shop) -> None:
    member = await shop.member()
    given = [await shop.give(member, "choice") for _ in range(3)]
    other = await open_shop(shop.database)

    async with shop.database.begin() as session:
        first = await rewards.list_page(session, shop.id, member_id=member, limit=2)
        second = await rewards.list_page(session, shop.id, before=first[-1].id, state=RewardState.UNLOCKED)
        others = await rewards.list_page(session, other.id)

    assert [reward.id for reward in (*first, *second)] == given[::-1]
    assert others == []
