"""A vendor's notice makes us ask; what it says is never believed."""

from datetime import UTC, datetime

import pytest

from activities.orders import OrderActivities, OrderAt
from activities.vendor_notices import VendorNoticeActivities
from connectors.tremendous import Tremendous
from connectors.vendors import notice
from domain.notices import Matters, ObjectToFetch
from domain.orders import Delivery, Order, OrderState
from domain.vendors import NoticeKind, VendorNotice
from sandbox.tremendous.courier import sign
from storage import catalog, notices
from tests.shop import Knobs, Shop, now

RETRIED = {"failure_reason": "mailbox_unavailable", "retryable": True}


@pytest.fixture
def of_orders(shop: Shop) -> OrderActivities:
    return OrderActivities(shop.database, shop.keyring, shop.vendors, now)


@pytest.fixture
def of_notices(shop: Shop, of_orders: OrderActivities) -> VendorNoticeActivities:
    return VendorNoticeActivities(shop.database, shop.keyring, shop.vendors, of_orders, now)


async def sent(shop: Shop, of_orders: OrderActivities, email: str = "ada@example.com") -> Order:
    """An order whose card is on its way."""
    order = await shop.place(await shop.member(points=300, email=email))
    at = OrderAt(shop.id, order.id, now())
    for step in (of_orders.begin_order, of_orders.place_order, of_orders.settle_order):
        await step(at)
    return await shop.order(order.id)


async def arrive(
    shop: Shop,
    kind: NoticeKind,
    resource_id: str = "",
    key: str = "n1",
    reason: str | None = None,
    retryable: bool | None = None,
) -> str:
    """A notice as the API keeps it; what its object is called."""
    told = VendorNotice(key, kind, "REWARDS.DELIVERY", kind, resource_id, now(), reason, retryable)
    async with shop.database.begin() as session:
        await notices.insert_new(session, await shop.connection(), [notice(told)], now=now())
    return notice(told).object_id


def target(shop: Shop, object_id: str) -> ObjectToFetch:
    return ObjectToFetch(shop.id, shop.connection_id, object_id, "tremendous")


async def is_open(shop: Shop, object_id: str) -> bool:
    async with shop.database.begin() as session:
        return await notices.find_highest_open(session, shop.connection_id, object_id) is not None


async def test_a_delivered_card_is_stored_and_its_order_woken(
    shop: Shop, of_orders: OrderActivities, of_notices: VendorNoticeActivities, knobs: Knobs
) -> None:
    order = await sent(shop, of_orders)
    await knobs.delivered(1)
    assert order.vendor_reward_id is not None
    about = await arrive(shop, NoticeKind.REWARD, order.vendor_reward_id)

    await of_notices.fetch_object(target(shop, about))

    assert (await shop.order(order.id)).state is OrderState.DELIVERED
    assert (await shop.effects())[-1] == "wake_order"
    assert not await is_open(shop, about)


async def test_a_bounce_is_stored_with_why(
    shop: Shop, of_orders: OrderActivities, of_notices: VendorNoticeActivities, knobs: Knobs
) -> None:
    order = await sent(shop, of_orders, "gone@bounce.example")
    await knobs.delivered(1)
    assert order.vendor_order_id is not None
    about = await arrive(shop, NoticeKind.ORDER, order.vendor_order_id, reason="invalid_email")

    await of_notices.fetch_object(target(shop, about))

    bounced = await shop.order(order.id)
    assert (bounced.state, bounced.delivery, bounced.reason) == (OrderState.SENT, Delivery.BOUNCED, "invalid_email")
    assert "delivery_bounced" in await shop.told()


async def test_a_card_that_may_be_taken_later_goes_to_the_same_address_twice_before_another_is_asked_for(
    shop: Shop, of_orders: OrderActivities, of_notices: VendorNoticeActivities, knobs: Knobs
) -> None:
    order = await sent(shop, of_orders, "full@bounce.example")
    assert order.vendor_reward_id is not None
    stood, reward_id = [], order.vendor_reward_id
    for turn in range(1, 4):
        await knobs.delivered(turn)
        about = await arrive(shop, NoticeKind.REWARD, reward_id, f"n{turn}", "mailbox_unavailable", retryable=True)
        await of_notices.fetch_object(target(shop, about))
        stands = await shop.order(order.id)
        stood.append((stands.delivery, stands.reason))
        await of_orders.resend_card(OrderAt(shop.id, order.id, now()))

    again = (Delivery.READDRESSED, "same_address")
    assert stood == [again, again, (Delivery.BOUNCED, "mailbox_unavailable")]
    assert {mail["email"] for mail in knobs.emails()} == {"full@bounce.example"}
    assert (await shop.told()).count("delivery_bounced") == 1


async def test_a_notice_that_lies_changes_nothing(
    shop: Shop, of_orders: OrderActivities, of_notices: VendorNoticeActivities, knobs: Knobs
) -> None:
    order = await sent(shop, of_orders)
    await knobs.delivered(1)
    assert order.vendor_reward_id is not None
    about = await arrive(shop, NoticeKind.REWARD, order.vendor_reward_id, reason="invalid_email")

    await of_notices.fetch_object(target(shop, about))

    assert (await shop.order(order.id)).delivery is Delivery.DELIVERED


@pytest.mark.parametrize("kind", [NoticeKind.ORDER, NoticeKind.REWARD])
async def test_a_notice_about_what_nobody_knows_is_answered(
    shop: Shop, of_notices: VendorNoticeActivities, kind: NoticeKind
) -> None:
    about = await arrive(shop, kind, "UNKNOWN00000")

    await of_notices.fetch_object(target(shop, about))

    assert not await is_open(shop, about)


async def test_new_money_wakes_the_orders_that_wait_for_it(
    shop: Shop, of_orders: OrderActivities, of_notices: VendorNoticeActivities, knobs: Knobs
) -> None:
    knobs.fund(0)
    for _ in range(2):
        order = await shop.place(await shop.member(points=300))
        await of_orders.begin_order(OrderAt(shop.id, order.id, now()))
    about = await arrive(shop, NoticeKind.FUNDING, "SMPLBALANCE1")

    await of_notices.fetch_object(target(shop, about))

    assert (await shop.effects()).count("wake_order") == 2


async def test_a_changed_catalog_is_read(shop: Shop, of_notices: VendorNoticeActivities, knobs: Knobs) -> None:
    sold = []
    for on_sale in (True, False):
        knobs.sell("SMPLCOFFEEUS", on_sale=on_sale)
        about = await arrive(shop, NoticeKind.CATALOG, "SMPLCOFFEEUS", key=str(on_sale))
        await of_notices.fetch_object(target(shop, about))
        async with shop.database.begin() as session:
            sold.append((await catalog.find_sold(session, shop.id, shop.connection_id, "SMPLCOFFEEUS")).may_be_ordered)

    assert sold == [True, False]


async def test_a_catalog_is_read_without_a_notice_as_well(shop: Shop, of_notices: VendorNoticeActivities) -> None:
    await of_notices.fetch_object(target(shop, catalog.CATALOG))

    async with shop.database.begin() as session:
        found = await catalog.find_sold(session, shop.id, shop.connection_id, "SMPLCOFFEEUS")
        due = await catalog.list_due(session, ["tremendous"], before=datetime(2020, 1, 1, tzinfo=UTC))
    assert found.product is not None
    assert due == []


def test_a_signed_notice_names_what_to_ask_for_and_keeps_why_it_failed() -> None:
    body = (
        b'{"event": "REWARDS.DELIVERY.FAILED", "uuid": "u-1", "created_utc": "2026-03-02T09:00:00.000Z", "payload":'
        b' {"resource": {"id": "ABCDEFGH1234", "type": "rewards"}, "meta": {"failure_reason": "mailbox_unavailable",'
        b' "retryable": true}}}'
    )
    told = Tremendous.parse_notice(body, {"tremendous-webhook-signature": sign(body, "secret")}, "secret")

    kept = notice(told)

    assert (kept.object_id, kept.notice_key, kept.matters) == ("reward/ABCDEFGH1234", "u-1", Matters.ALWAYS)
    assert kept.raw == RETRIED


def test_a_notice_about_nothing_of_ours_is_not_worth_a_question() -> None:
    told = VendorNotice("u-1", NoticeKind.OTHER, "MEMBERS.CREATED", "members", "M1", now())

    assert notice(told).matters is Matters.NEVER
