"""The story of a reward on the real servers."""

import pytest

from domain.orders import OrderState, Refusal
from domain.rewards import GivenReward, RewardState
from storage import rewards
from tests.eventually import eventually
from tests.shop import Shop
from tests.workflows.conftest import Begin, Handle
from workflows import starts


async def follow(begin: Begin, shop: Shop, reward_id: str) -> Handle:
    return await begin(starts.reward(shop.id, reward_id))


async def of(shop: Shop, reward_id: str) -> GivenReward:
    async with shop.database.begin() as session:
        return await rewards.get(session, shop.id, reward_id)


async def test_an_automatic_reward_is_ordered_for_the_first_item_of_its_currency_and_the_members_country(
    begin: Begin, shop: Shop
) -> None:
    member = await shop.member()
    reward_id = await shop.give(member, "automatic")

    ended = await (await follow(begin, shop, reward_id)).result()

    given = await of(shop, reward_id)
    assert (ended, given.state) == (RewardState.ORDERED, RewardState.ORDERED)
    assert given.order_id is not None
    order = await shop.order(given.order_id)
    assert (order.item, order.price_points, order.hold_id, order.reward_id) == ("coffee", 0, None, reward_id)
    assert (order.recipient_email, order.state) == ("ada@example.com", OrderState.PLACED)
    assert await shop.effects() == ["start_order"]


async def test_a_reward_for_points_holds_them(begin: Begin, shop: Shop) -> None:
    member = await shop.member(points=150)
    reward_id = await shop.give(member, "paid")

    await (await follow(begin, shop, reward_id)).result()

    assert (await shop.balance(member), await shop.held(member)) == (50, 100)


@pytest.mark.parametrize(
    ("reward", "of_member", "reason"),
    [
        ("automatic", {"email": None}, Refusal.INVALID_RECIPIENT),
        ("automatic", {"country": "DE"}, Refusal.COUNTRY_NOT_SUPPORTED),
        ("paid", {"points": 99}, Refusal.INSUFFICIENT_POINTS),
    ],
)
async def test_an_automatic_reward_that_cannot_be_ordered_is_offered_and_both_sides_are_told(
    begin: Begin, shop: Shop, reward: str, of_member: dict[str, str | None], reason: Refusal
) -> None:
    reward_id = await shop.give(await shop.member(**of_member), reward)  # type: ignore[arg-type]

    await follow(begin, shop, reward_id)

    async def offered() -> None:
        given = await of(shop, reward_id)
        assert (given.state, given.reason) == (RewardState.OFFERED, reason)

    await eventually(offered)
    assert (await shop.told())[:2] == ["reward_not_ordered", "reward_offered"]
