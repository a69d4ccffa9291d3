"""The story of a reward on the real servers."""

from datetime import timedelta

import pytest
from temporalio.testing import TimeSkipper

from connectors.vendors import REQUEST_BODIES
from domain.member_changes import read
from domain.orders import OrderState, Refusal
from domain.rewards import GivenReward, RewardEvent, RewardState
from storage import member_changes, rewards
from tests.eventually import eventually
from tests.shop import Knobs, Shop, now
from tests.workflows.conftest import A_YEAR, Begin, Handle
from workflows import runs, starts


async def follow(begin: Begin, shop: Shop, reward_id: str, *, waits: bool = False) -> Handle:
    return await begin(starts.reward(shop.id, reward_id), waits=waits)


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

    await follow(begin, shop, reward_id, waits=True)

    async def offered() -> None:
        given = await of(shop, reward_id)
        assert (given.state, given.reason) == (RewardState.OFFERED, reason)

    await eventually(offered)
    assert (await shop.told())[:2] == ["reward_not_ordered", "reward_offered"]


async def until(shop: Shop, reward_id: str, state: RewardState) -> GivenReward:
    """The reward once it stands so."""

    async def stands() -> GivenReward:
        given = await of(shop, reward_id)
        assert given.state is state
        return given

    return await eventually(stands)


async def test_an_offer_waits_for_the_members_choice(begin: Begin, shop: Shop) -> None:
    reward_id = await shop.give(await shop.member(), "choice")
    handle = await follow(begin, shop, reward_id, waits=True)
    await until(shop, reward_id, RewardState.OFFERED)

    async with shop.database.begin() as session:
        order = await rewards.choose(
            session, shop.id, reward_id, item="lunch", request_bodies=REQUEST_BODIES, actor="key_test", now=now()
        )
    await handle.signal(starts.WAKE, 1)
    ended = await handle.result()

    assert ended == RewardState.ORDERED
    assert (await of(shop, reward_id)).order_id == order.id
    assert await shop.told() == ["reward_offered"]


async def test_an_offer_is_reminded_of_once_and_expires(begin: Begin, shop: Shop) -> None:
    reward_id = await shop.give(await shop.member(), "choice")

    ended = await (await follow(begin, shop, reward_id)).result()

    given = await of(shop, reward_id)
    assert (ended, given.state) == (RewardState.EXPIRED, RewardState.EXPIRED)
    assert given.expires_at is not None
    assert given.updated_at >= given.expires_at
    assert await shop.told() == ["reward_offered", "reward_reminder", "reward_expired"]


async def test_a_reward_that_was_withdrawn_ends_its_workflow(begin: Begin, shop: Shop) -> None:
    reward_id = await shop.give(await shop.member(), "choice")
    handle = await follow(begin, shop, reward_id, waits=True)
    await until(shop, reward_id, RewardState.OFFERED)

    async with shop.database.begin() as session:
        given = await rewards.lock(session, shop.id, reward_id)
        await rewards.move(session, given, RewardEvent.WITHDRAW, now=now())
        await rewards.wake(session, given, now=now())
    await handle.signal(starts.WAKE, 1)

    assert await handle.result() == RewardState.WITHDRAWN


async def test_the_offer_of_a_member_who_leaves_ends_with_its_workflow(begin: Begin, shop: Shop) -> None:
    member_id = await shop.member()
    reward_id = await shop.give(member_id, "choice")
    handle = await follow(begin, shop, reward_id, waits=True)
    await until(shop, reward_id, RewardState.OFFERED)

    async with shop.database.begin() as session:
        change = read({"external_id": member_id, "status": "left"})
        await member_changes.write(session, shop.id, [change], effective_at=now(), now=now())
    await handle.signal(starts.WAKE, 1)

    assert await handle.result() == RewardState.WITHDRAWN
    assert (await of(shop, reward_id)).reason == "member_left"


async def test_an_automatic_reward_beyond_the_programs_limit_is_tried_again_until_it_fits(
    begin: Begin, shop: Shop
) -> None:
    await shop.set_program(daily_limit_minor=2_500)
    first, second = [await shop.give(await shop.member(), "automatic") for _ in range(2)]
    await (await follow(begin, shop, first)).result()

    ended = await (await follow(begin, shop, second)).result()

    given = await of(shop, second)
    assert ended == RewardState.ORDERED
    assert given.updated_at > given.created_at + timedelta(minutes=59)
    assert (await shop.told()).count("reward_not_ordered") == 1


async def test_a_reward_that_is_tried_again_for_long_goes_on_in_a_new_run(
    begin: Begin, shop: Shop, time: TimeSkipper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_HISTORY_EVENTS", 50)
    await shop.set_program(monthly_limit_minor=1)
    handle = await follow(begin, shop, await shop.give(await shop.member(), "automatic"), waits=True)
    first = (await handle.describe()).run_id

    await time.fast_forward(handle, timedelta(hours=12))
    described = await handle.describe()

    assert described.run_id != first
    assert described.history_length < 100
    await shop.set_program(monthly_limit_minor=None)
    await time.fast_forward(handle, A_YEAR)
    assert await handle.result() == RewardState.ORDERED


async def test_a_reward_whose_order_came_to_nothing_may_be_chosen_again(begin: Begin, shop: Shop, knobs: Knobs) -> None:
    reward_id = await shop.give(await shop.member(), "automatic")
    await (await follow(begin, shop, reward_id)).result()
    given = await of(shop, reward_id)
    assert given.order_id is not None
    knobs.fault("invalid_denomination", route="POST /orders")

    ended = await (await begin(starts.order(shop.id, given.order_id))).result()

    again = await of(shop, reward_id)
    assert ended == OrderState.FAILED
    assert (again.state, again.order_id, again.reason) == (RewardState.OFFERED, None, "order_came_to_nothing")
    async with shop.database.begin() as session:
        chosen = await rewards.choose(
            session, shop.id, reward_id, item="coffee", request_bodies=REQUEST_BODIES, actor="key_test", now=now()
        )
    assert (chosen.reward_id, chosen.state) == (reward_id, OrderState.PLACED)
