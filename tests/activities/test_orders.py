"""Each step of an order may run twice, late, or beside a person's command, and does its part once."""

import asyncio
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import update
from temporalio.exceptions import ApplicationError

from activities.orders import OrderActivities, OrderAt, OrderToReview
from domain.orders import Delivery, Order, OrderState
from domain.programs import ProgramKind
from storage import orders
from storage.tables import programs
from tests.shop import Knobs, Shop, now, open_shop


@pytest.fixture
def steps(shop: Shop) -> OrderActivities:
    return OrderActivities(shop.database, shop.keyring, shop.vendors, now)


def at(order: Order) -> OrderAt:
    return OrderAt(order.program_id, order.id, now())


async def placed(shop: Shop, **request: object) -> Order:
    return await shop.place(await shop.member(points=300), **request)  # type: ignore[arg-type]


async def beginning(shop: Shop, steps: OrderActivities) -> Order:
    """An order whose request is about to be sent."""
    order = await placed(shop)
    await steps.begin_order(at(order))
    return order


async def test_a_step_that_runs_twice_does_its_part_once(shop: Shop, steps: OrderActivities, knobs: Knobs) -> None:
    order = await placed(shop)
    for step in (steps.begin_order, steps.place_order, steps.settle_order):
        for _ in range(2):
            await step(at(order))

    assert knobs.cards()["by_external_id"] == {order.id: 1}
    assert await shop.steps(order.id) == ["place", "begin", "accept", "settle"]
    assert (await shop.balance(order.member_id), await shop.held(order.member_id)) == (50, 0)


async def test_two_workers_that_place_one_order_make_one_card(shop: Shop, steps: OrderActivities, knobs: Knobs) -> None:
    order = await beginning(shop, steps)

    ended = await asyncio.gather(*(steps.place_order(at(order)) for _ in range(4)))

    assert {status.state for status in ended} == {OrderState.ACCEPTED}
    assert knobs.cards()["by_external_id"] == {order.id: 1}
    assert (await shop.steps(order.id)).count("accept") == 1


async def test_two_workers_that_settle_one_order_spend_once(shop: Shop, steps: OrderActivities, knobs: Knobs) -> None:
    order = await beginning(shop, steps)
    await steps.place_order(at(order))

    await asyncio.gather(*(steps.settle_order(at(order)) for _ in range(4)))

    assert (await shop.balance(order.member_id), await shop.held(order.member_id)) == (50, 0)
    assert await shop.violations() == 0


async def test_a_step_whose_order_is_elsewhere_asks_nobody_and_tells_how_it_stands(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await placed(shop)
    async with shop.database.begin() as session:
        await orders.cancel(session, shop.id, order.id, actor="test", note="", now=now())
    before = knobs.calls()

    for step in (
        steps.begin_order,
        steps.resume_order,
        steps.place_order,
        steps.look_up_order,
        steps.settle_order,
        steps.check_delivery,
        steps.fetch_link,
        steps.resend_card,
    ):
        assert (await step(at(order))).state is OrderState.CANCELLING

    assert knobs.calls() == before


async def test_what_is_cancelled_while_it_is_checked_is_not_ordered(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await placed(shop)
    knobs.fault("slow", route="GET /funding_sources", seconds=0.5)

    beginning = asyncio.create_task(steps.begin_order(at(order)))
    await knobs.called("GET /funding_sources", 1)
    async with shop.database.begin() as session:
        await orders.cancel(session, shop.id, order.id, actor="test", note="", now=now())

    assert (await beginning).state is OrderState.CANCELLING
    assert (await steps.check_cancellation(at(order))).state is OrderState.REFUNDED
    assert await shop.balance(order.member_id) == 300


async def test_a_sandbox_program_never_reaches_a_live_vendor_nor_the_other_way(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await beginning(shop, steps)
    waiting = await placed(shop)
    async with shop.database.begin() as session:
        await session.execute(update(programs).values(kind=ProgramKind.LIVE))

    status = await steps.begin_order(at(waiting))
    with pytest.raises(ApplicationError) as refused:
        await steps.place_order(at(order))

    assert (status.state, status.reason) == (OrderState.IN_REVIEW, "wrong_realm")
    assert refused.value.non_retryable
    assert knobs.cards()["issued"] == 0


async def test_a_live_program_does_not_take_a_sandbox_for_a_vendor(shop: Shop, sandbox: str) -> None:
    live = await open_shop(shop.database, f"{sandbox}/api/v2/", ProgramKind.LIVE)
    steps = OrderActivities(live.database, live.keyring, live.vendors, now)
    order = await live.place(await live.member(points=300))

    status = await steps.begin_order(at(order))

    assert (status.state, status.reason) == (OrderState.IN_REVIEW, "unauthorized")
    await live.vendors.aclose()


async def test_what_they_asked_us_to_wait_is_what_temporal_waits(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await beginning(shop, steps)
    knobs.fault("rate_limited", route="POST /orders", retry_after=77)

    with pytest.raises(ApplicationError) as later:
        await steps.place_order(at(order))

    assert later.value.next_retry_delay is not None
    assert later.value.next_retry_delay.total_seconds() == 77
    assert (await shop.order(order.id)).state is OrderState.ORDERING


async def test_a_key_that_the_vendor_has_with_another_body_needs_a_person(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await beginning(shop, steps)
    knobs.order_at_vendor(order.id, denomination=10)

    status = await steps.place_order(at(order))

    assert (status.state, status.reason) == (OrderState.IN_REVIEW, "conflict")
    assert await shop.held(order.member_id) == 250


async def test_an_order_that_vanished_at_the_vendor_needs_a_person(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await placed(shop)
    await shop.set_order(order.id, state=OrderState.ORDERED)

    status = await steps.look_up_order(at(order))

    assert (status.state, status.reason) == (OrderState.IN_REVIEW, "unknown_at_vendor")


async def test_a_card_that_was_cancelled_at_the_vendor_needs_a_person(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await shop.place(await shop.member(points=300, email="gone@bounce.example"))
    for step in (steps.begin_order, steps.place_order, steps.settle_order):
        await step(at(order))
    await knobs.delivered(1)
    sent = await shop.order(order.id)
    assert sent.vendor_reward_id is not None
    knobs.cancel(sent.vendor_reward_id)

    status = await steps.check_delivery(at(order))

    assert (status.state, status.reason) == (OrderState.IN_REVIEW, "cancelled_at_vendor")


async def test_a_card_that_is_returned_after_it_arrived_is_on_its_way_again(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await shop.place(await shop.member(points=300, email="gone@bounce.example"))
    for step in (steps.begin_order, steps.place_order, steps.settle_order):
        await step(at(order))
    await knobs.delivered(1)
    await shop.set_order(order.id, state=OrderState.DELIVERED, delivery_state=Delivery.DELIVERED)
    vendor = await shop.vendors.of(await shop.connection())
    got = await vendor.find(order.id)
    assert got is not None

    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order.id)
        returned = await steps.store_delivery(session, locked, got, now())

    assert (returned.state, returned.delivery) == (OrderState.SENT, Delivery.BOUNCED)


async def test_an_address_that_the_vendor_does_not_take_is_asked_for_again(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    order = await shop.place(await shop.member(points=300, email="gone@bounce.example"))
    for step in (steps.begin_order, steps.place_order, steps.settle_order):
        await step(at(order))
    await knobs.delivered(1)
    await steps.check_delivery(at(order))
    await shop.set_order(order.id, delivery_state=Delivery.READDRESSED, recipient_email="nobody")

    status = await steps.resend_card(at(order))

    assert (status.state, status.delivery, status.reason) == (
        OrderState.SENT,
        Delivery.BOUNCED,
        "invalid_recipient",
    )


async def test_a_review_is_asked_for_once(shop: Shop, steps: OrderActivities) -> None:
    order = await placed(shop)
    review = OrderToReview(at(order), "vendor_unavailable")

    for _ in range(2):
        assert (await steps.review_order(review)).state is OrderState.IN_REVIEW

    assert (await shop.told()).count("order_in_review") == 1


async def test_administrators_are_told_once_a_day_that_money_is_missing(
    shop: Shop, steps: OrderActivities, knobs: Knobs
) -> None:
    knobs.fund(0)
    noon = now().replace(hour=12) + timedelta(days=1)
    for _ in range(3):
        order = await placed(shop)
        await steps.begin_order(OrderAt(shop.id, order.id, noon))

    assert (await shop.told()).count("funds_missing") == 1


CRASH = """
import asyncio, base64, sys
from datetime import UTC, datetime
from activities import failpoints
from activities.orders import OrderActivities, OrderAt
from connectors.vendors import Vendors
from storage.database import Database
from storage.keyring import Keyring

url, key, program_id, order_id, point = sys.argv[1:]
failpoints.arm(f"{point}:kill")

async def main():
    keyring = Keyring({"test": base64.b64decode(key)}, "test")
    steps = OrderActivities(Database(url), keyring, Vendors(), lambda: datetime.now(UTC))
    for step in (steps.begin_order, steps.place_order, steps.settle_order):
        await step(OrderAt(program_id, order_id, datetime.now(UTC)))

asyncio.run(main())
"""


@pytest.mark.parametrize("point", ["before_place", "after_vendor_took_it", "before_answer_stored", "before_settle"])
async def test_a_worker_that_dies_between_two_steps_leaves_one_card_and_one_settled_hold(
    shop: Shop, steps: OrderActivities, knobs: Knobs, database_url: str, point: str
) -> None:
    order = await placed(shop)
    command = [sys.executable, "-c", CRASH, database_url, shop.key, shop.id, order.id, point]

    died = await asyncio.to_thread(subprocess.run, command, check=False)
    for step in (steps.begin_order, steps.place_order, steps.settle_order):
        await step(at(order))

    assert died.returncode == -9
    assert knobs.cards()["by_external_id"] == {order.id: 1}
    assert (await shop.order(order.id)).state is OrderState.SENT
    assert (await shop.balance(order.member_id), await shop.held(order.member_id)) == (50, 0)
    assert await shop.violations() == 0
