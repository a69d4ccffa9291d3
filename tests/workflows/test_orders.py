"""The story of an order on the real servers: whatever goes wrong, one card or none, the points where they belong."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio.testing import TimeSkipper

from domain.orders import SAME_ADDRESS, Delivery, DeliveryEvent, Order, OrderState
from storage import orders
from tests.eventually import eventually
from tests.histories import recording
from tests.shop import Knobs, Shop, now
from tests.workflows.conftest import A_YEAR, Begin, Handle
from workflows import runs, starts


async def follow(begin: Begin, order: Order, *, waits: bool = False) -> Handle:
    return await begin(starts.order(order.program_id, order.id), waits=waits)


async def finish(time: TimeSkipper, handle: Handle) -> str:
    """How it ends, all further waits skipped."""
    await time.fast_forward(handle, A_YEAR)
    return await handle.result()


async def until(shop: Shop, order: Order, state: OrderState, delivery: Delivery | None = None) -> Order:
    """The order once it stands so."""

    async def stands() -> Order:
        found = await shop.order(order.id)
        assert found.state is state
        assert delivery in (None, found.delivery)
        return found

    return await eventually(stands)


async def wake(handle: Handle) -> None:
    """As the relay wakes it when a command has committed."""
    await handle.signal(starts.WAKE, 1)


Command = Callable[..., Awaitable[Order]]


async def decide(shop: Shop, handle: Handle, command: Command, order: Order, **more: object) -> None:
    """A person's command, committed, and the workflow woken."""
    async with shop.database.begin() as session:
        await command(session, shop.id, order.id, actor="key_admin", now=now(), **more)
    await wake(handle)


async def test_an_order_becomes_one_card_and_its_hold_is_settled(begin: Begin, shop: Shop, knobs: Knobs) -> None:
    member = await shop.member(points=300)
    order = await shop.place(member)

    ended = await (await follow(begin, order)).result()

    assert ended == OrderState.DELIVERED
    assert knobs.cards()["by_external_id"] == {order.id: 1}
    assert (await shop.balance(member), await shop.held(member)) == (50, 0)
    assert await shop.steps(order.id) == ["place", "begin", "accept", "settle", "deliver"]
    assert "order_delivered" in await shop.told()
    assert await shop.violations() == 0


@pytest.mark.parametrize(
    "fault",
    ["timeout_after_success", "error_after_success", "drop_after_success", "garbage_after_success"],
)
async def test_a_card_whose_answer_was_lost_is_found_by_its_key(
    begin: Begin, shop: Shop, knobs: Knobs, fault: str
) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fault(fault, route="POST /orders")

    ended = await (await follow(begin, order)).result()

    assert ended == OrderState.DELIVERED
    assert knobs.cards()["by_external_id"] == {order.id: 1}
    assert (await shop.steps(order.id))[1:4] == ["begin", "lose_answer", "accept"]


@pytest.mark.parametrize("fault", ["error", "drop", "garbage"])
async def test_a_request_that_did_nothing_is_sent_again_under_its_key(
    begin: Begin, shop: Shop, knobs: Knobs, fault: str
) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fault(fault, route="POST /orders")

    ended = await (await follow(begin, order)).result()

    assert ended == OrderState.DELIVERED
    assert knobs.cards()["by_external_id"] == {order.id: 1}
    assert (await shop.steps(order.id))[1:5] == ["begin", "lose_answer", "miss", "accept"]


async def test_a_vendor_that_asks_to_slow_down_is_asked_again_later(begin: Begin, shop: Shop, knobs: Knobs) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fault("rate_limited", route="POST /orders", retry_after=60, times=2)

    ended = await (await follow(begin, order)).result()

    assert ended == OrderState.DELIVERED
    assert knobs.cards()["by_external_id"] == {order.id: 1}


async def test_an_order_without_funds_keeps_its_hold_and_goes_on_when_funded(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    member = await shop.member(points=300)
    order = await shop.place(member)
    knobs.fund(0)
    handle = await follow(begin, order, waits=True)
    await until(shop, order, OrderState.AWAITING_FUNDS)
    assert await shop.held(member) == 250
    assert "funds_missing" in await shop.told()

    knobs.fund(10_000)
    ended = await finish(time, handle)

    assert ended == OrderState.DELIVERED
    assert (await shop.balance(member), await shop.held(member)) == (50, 0)
    assert knobs.cards()["by_external_id"] == {order.id: 1}


async def test_a_402_to_the_order_itself_waits_like_an_empty_account(begin: Begin, shop: Shop, knobs: Knobs) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fault("funds_missing", route="POST /orders")

    ended = await (await follow(begin, order)).result()

    assert ended == OrderState.DELIVERED
    assert (await shop.steps(order.id))[:4] == ["place", "begin", "lack_funds", "begin"]


async def test_an_order_that_the_vendor_refuses_gives_the_points_back(begin: Begin, shop: Shop, knobs: Knobs) -> None:
    member = await shop.member(points=300)
    order = await shop.place(member)
    knobs.fault("invalid_denomination", route="POST /orders")

    ended = await (await follow(begin, order)).result()

    assert ended == OrderState.FAILED
    assert (await shop.order(order.id)).reason == "invalid_denomination"
    assert (await shop.balance(member), await shop.held(member)) == (300, 0)
    assert knobs.cards()["issued"] == 0
    assert "order_failed" in await shop.told()
    assert await shop.violations() == 0


async def test_a_refusal_after_a_lost_success_still_finds_the_card(begin: Begin, shop: Shop, knobs: Knobs) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fault("timeout_after_success", route="POST /orders")
    knobs.fault("error", route="GET /orders")
    knobs.fault("invalid_denomination", route="POST /orders")

    ended = await (await follow(begin, order)).result()

    assert ended == OrderState.DELIVERED
    assert knobs.cards()["by_external_id"] == {order.id: 1}


async def test_an_order_that_waits_for_the_vendors_approval_is_accepted_later(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    member = await shop.member(points=300)
    order = await shop.place(member)
    knobs.fault("pending_approval", route="POST /orders")
    handle = await follow(begin, order, waits=True)
    waiting = await until(shop, order, OrderState.ORDERED)
    assert await shop.held(member) == 250

    assert waiting.vendor_order_id is not None
    knobs.approve(waiting.vendor_order_id)
    ended = await finish(time, handle)

    assert ended == OrderState.DELIVERED
    assert await shop.held(member) == 0


async def test_an_order_that_the_vendor_turns_down_after_taking_it_gives_the_points_back(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    member = await shop.member(points=300)
    order = await shop.place(member)
    knobs.fault("pending_approval", route="POST /orders")
    handle = await follow(begin, order, waits=True)
    waiting = await until(shop, order, OrderState.ORDERED)

    assert waiting.vendor_order_id is not None
    knobs.reject(waiting.vendor_order_id)
    ended = await finish(time, handle)

    assert ended == OrderState.FAILED
    assert (await shop.balance(member), await shop.held(member)) == (300, 0)


async def test_a_paused_program_sends_nothing_until_it_is_resumed(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    order = await shop.place(await shop.member(points=300))
    async with shop.database.begin() as session:
        await orders.pause(session, shop.id)
    handle = await follow(begin, order, waits=True)
    await until(shop, order, OrderState.PAUSED)
    assert knobs.cards()["issued"] == 0

    async with shop.database.begin() as session:
        await orders.resume(session, shop.id, now=now())
    ended = await finish(time, handle)

    assert ended == OrderState.DELIVERED


# -- Delivery ------------------------------------------------------------------------------------------------------


async def test_a_bounced_card_goes_to_another_address(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    member = await shop.member(points=300, email="gone@bounce.example")
    order = await shop.place(member)
    handle = await follow(begin, order, waits=True)
    await time.fast_forward(handle, timedelta(minutes=1))
    await until(shop, order, OrderState.SENT, Delivery.BOUNCED)
    assert "delivery_bounced" in await shop.told()

    await decide(shop, handle, orders.readdress, order, email="ada@example.com")
    ended = await finish(time, handle)

    assert ended == OrderState.DELIVERED
    assert knobs.cards()["by_external_id"] == {order.id: 1}
    assert [mail["email"] for mail in knobs.emails()] == ["ada@example.com", "gone@bounce.example"]
    assert (await shop.balance(member), await shop.held(member)) == (50, 0)


async def test_a_card_goes_to_the_same_address_again_after_a_while(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    order = await shop.place(await shop.member(points=300, email="full@bounce.example"))
    handle = await follow(begin, order, waits=True)
    await until(shop, order, OrderState.SENT)
    await knobs.delivered(1)
    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order.id)
        bounced = await orders.move_delivery(session, locked, DeliveryEvent.BOUNCE, actor="test", now=now())
        await orders.move_delivery(
            session, bounced, DeliveryEvent.READDRESS, actor="test", now=now(), reason=SAME_ADDRESS
        )
    await wake(handle)

    await time.fast_forward(handle, timedelta(hours=5))
    assert len(knobs.emails()) == 1
    await time.fast_forward(handle, timedelta(hours=1))
    await knobs.delivered(2)

    assert [mail["email"] for mail in knobs.emails()] == ["full@bounce.example"] * 2


async def test_a_bounced_card_is_taken_back_and_refunded(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    member = await shop.member(points=300, email="gone@bounce.example")
    order = await shop.place(member)
    handle = await follow(begin, order, waits=True)
    await time.fast_forward(handle, timedelta(minutes=1))
    await until(shop, order, OrderState.SENT, Delivery.BOUNCED)

    await decide(shop, handle, orders.cancel, order, note="No other address.")
    ended = await finish(time, handle)

    assert ended == OrderState.REFUNDED
    assert knobs.cards()["cancelled"] == 1
    assert (await shop.balance(member), await shop.held(member)) == (300, 0)
    assert await shop.violations() == 0


async def test_a_cancellation_whose_answer_was_lost_refunds_once(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    member = await shop.member(points=300, email="gone@bounce.example")
    order = await shop.place(member)
    handle = await follow(begin, order, waits=True)
    await time.fast_forward(handle, timedelta(minutes=1))
    await until(shop, order, OrderState.SENT, Delivery.BOUNCED)
    knobs.fault("timeout_after_success", route="POST /rewards/{id}/cancel")

    await decide(shop, handle, orders.cancel, order, note="")
    ended = await finish(time, handle)

    assert ended == OrderState.REFUNDED
    assert await shop.balance(member) == 300


async def test_a_notice_that_was_quicker_than_the_order_was_sent_has_the_vendor_asked(
    begin: Begin, shop: Shop, knobs: Knobs
) -> None:
    order = await shop.place(await shop.member(points=300))
    handle = await follow(begin, order, waits=True)
    await until(shop, order, OrderState.SENT)
    await knobs.delivered(1)

    await wake(handle)  # as after a notice whose word found the order not sent yet
    await until(shop, order, OrderState.DELIVERED)

    assert await handle.result() == OrderState.DELIVERED


async def test_a_card_that_nobody_gives_an_address_for_comes_to_a_person(
    begin: Begin, shop: Shop, time: TimeSkipper
) -> None:
    order = await shop.place(await shop.member(points=300, email="gone@bounce.example"))

    await follow(begin, order)

    reviewed = await until(shop, order, OrderState.IN_REVIEW)
    assert reviewed.reason == "no_address"
    assert reviewed.updated_at > order.created_at + timedelta(days=14)


async def test_a_link_is_stored_encrypted_and_in_no_history(begin: Begin, shop: Shop, time: TimeSkipper) -> None:
    order = await shop.place(await shop.member(points=300), delivery_method="link")
    handle = await follow(begin, order)

    ended = await handle.result()

    assert ended == OrderState.DELIVERED
    async with shop.database.begin() as session:
        link = await orders.find_link(session, shop.keyring, shop.id, order.id)
    assert link is not None
    assert "/rewards/payout/" in link.reveal()
    history = await recording.decoded(time.client, await handle.fetch_history())
    told = b"".join(event.SerializeToString() for event in history.events)
    assert order.title.encode() in told
    assert b"payout" not in told
    assert b"ada@example.com" not in told


# -- Review --------------------------------------------------------------------------------------------------------


async def in_review(begin: Begin, shop: Shop, knobs: Knobs) -> tuple[Order, Handle]:
    """An order that came back with another amount."""
    order = await shop.place(await shop.member(points=300))
    knobs.fault("wrong_amount", route="POST /orders")
    handle = await follow(begin, order, waits=True)
    return await until(shop, order, OrderState.IN_REVIEW), handle


async def test_a_card_that_is_not_what_was_ordered_comes_to_a_person_with_the_evidence(
    begin: Begin, shop: Shop, knobs: Knobs
) -> None:
    order, _ = await in_review(begin, shop, knobs)

    async with shop.database.begin() as session:
        evidence = (await orders.list_steps(session, shop.id, order.id))[-1]
    assert (order.reason, await shop.held(order.member_id)) == ("difference", 250)
    assert evidence.detail["differences"] == ["amount 26.00 USD, ordered 25.00 USD"]
    assert evidence.detail["vendor_order"] == order.vendor_order_id
    assert "order_in_review" in await shop.told()


async def test_a_review_that_is_resolved_by_proof_settles_the_hold(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    order, handle = await in_review(begin, shop, knobs)

    await decide(shop, handle, orders.fulfil, order, proof="They keep the difference.")
    ended = await finish(time, handle)

    assert ended == OrderState.DELIVERED
    assert (await shop.balance(order.member_id), await shop.held(order.member_id)) == (50, 0)


async def test_a_review_that_is_resolved_by_refund_needs_the_card_back_first(
    begin: Begin, shop: Shop, knobs: Knobs
) -> None:
    order, handle = await in_review(begin, shop, knobs)

    await decide(shop, handle, orders.cancel, order, note="")
    again = await until(shop, order, OrderState.IN_REVIEW)

    assert again.reason == "not_cancellable"
    assert await shop.held(order.member_id) == 250


async def test_a_review_that_is_resolved_by_another_try_asks_under_the_same_key(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fault("unauthorized", route="POST /orders")
    handle = await follow(begin, order, waits=True)
    reviewed = await until(shop, order, OrderState.IN_REVIEW)
    assert reviewed.reason == "unauthorized"

    await decide(shop, handle, orders.retry, order, note="The key is right now.")
    ended = await finish(time, handle)

    assert ended == OrderState.DELIVERED
    assert knobs.cards()["by_external_id"] == {order.id: 1}


async def test_a_vendor_that_comes_back_after_hours_is_asked_without_a_person(
    begin: Begin, shop: Shop, knobs: Knobs
) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fault("rate_limited", route="POST /orders", retry_after=3_000, times=7)

    ended = await (await follow(begin, order)).result()

    assert ended == OrderState.DELIVERED
    assert "vendor_unavailable" in await shop.told()
    assert "review" not in await shop.steps(order.id)


async def test_a_cancellation_outlasts_a_vendor_that_is_away(
    begin: Begin, shop: Shop, knobs: Knobs, time: TimeSkipper
) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fund(0)
    handle = await follow(begin, order, waits=True)
    await until(shop, order, OrderState.AWAITING_FUNDS)
    knobs.fund(10_000)
    knobs.fault("rate_limited", route="GET /orders", retry_after=3_000, times=4)

    await decide(shop, handle, orders.cancel, order, note="Changed my mind.")
    ended = await finish(time, handle)

    assert ended == OrderState.REFUNDED
    assert knobs.cards()["issued"] == 0
    assert await shop.balance(order.member_id) == 300


async def test_a_vendor_that_stays_away_brings_the_order_to_a_person(begin: Begin, shop: Shop, knobs: Knobs) -> None:
    order = await shop.place(await shop.member(points=300))
    knobs.fault("rate_limited", retry_after=3_600, times=1_000)

    await follow(begin, order)

    reviewed = await until(shop, order, OrderState.IN_REVIEW)
    assert reviewed.reason == "vendor_unavailable"
    assert await shop.held(order.member_id) == 250


async def test_an_item_of_the_programs_own_waits_for_an_administrator(
    begin: Begin, shop: Shop, time: TimeSkipper
) -> None:
    order = await shop.place(await shop.member(points=300), item="lunch")
    handle = await follow(begin, order, waits=True)
    reviewed = await until(shop, order, OrderState.IN_REVIEW)
    assert reviewed.reason == "by_hand"

    await decide(shop, handle, orders.fulfil, order, proof="Lunch was had.")
    ended = await finish(time, handle)

    assert ended == OrderState.DELIVERED
    assert await shop.held(order.member_id) == 0


async def test_an_order_by_hand_may_be_refunded(begin: Begin, shop: Shop, time: TimeSkipper) -> None:
    order = await shop.place(await shop.member(points=300), item="lunch")
    handle = await follow(begin, order, waits=True)
    await until(shop, order, OrderState.IN_REVIEW)

    await decide(shop, handle, orders.cancel, order, note="The founders are away.")
    ended = await finish(time, handle)

    assert ended == OrderState.REFUNDED
    assert (await shop.balance(order.member_id), await shop.held(order.member_id)) == (300, 0)


async def test_a_long_wait_goes_on_in_a_new_run(
    begin: Begin, shop: Shop, time: TimeSkipper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_HISTORY_EVENTS", 50)
    order = await shop.place(await shop.member(points=300), item="lunch")
    handle = await follow(begin, order, waits=True)
    first = (await handle.describe()).run_id
    await until(shop, order, OrderState.IN_REVIEW)

    await time.fast_forward(handle, timedelta(days=7))
    described = await handle.describe()

    assert described.run_id != first
    assert described.history_length < 100
    await decide(shop, handle, orders.fulfil, order, proof="At last.")
    assert await finish(time, handle) == OrderState.DELIVERED
