"""Orders are placed whole or not at all, and their points are moved once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from connectors.tremendous import Tremendous
from connectors.vendors import REQUEST_BODIES
from domain.commands import Accepted, CloseAccount
from domain.configuration import Unit
from domain.definitions import Definitions
from domain.orders import (
    ARROWS,
    Delivery,
    DeliveryEvent,
    IllegalTransition,
    OrderEvent,
    OrderRefused,
    OrderRequest,
    OrderState,
    Refusal,
)
from domain.programs import ProgramKind
from domain.vendors import Band, GiftLink, Money, VendorProduct, VendorRequest
from storage import catalog, commands, configurations, merges, orders
from storage.database import Database
from storage.ledger import UNIT
from storage.tables import orders as order_table
from tests.shop import Shop, now, open_shop


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    database = Database(database_url)
    yield await open_shop(database)
    await database.dispose()


def product(code: str = "SMPLCOFFEEUS", most_minor: int = 5_000) -> VendorProduct:
    return VendorProduct(
        code, "Coffee", "Coffee.", "food", None, ("US",), ("USD",), (Band(500, most_minor, "USD"),), "None."
    )


async def sell(shop: Shop, *products: VendorProduct) -> None:
    async with shop.database.begin() as session:
        await catalog.replace_products(session, shop.id, shop.connection_id, products, now=now())


async def test_an_order_commits_with_its_hold_its_frozen_request_its_first_step_and_its_workflow(shop: Shop) -> None:
    member = await shop.member(points=600)

    order = await shop.place(member)

    assert (order.state, order.price_points, order.value) == (OrderState.PLACED, 250, Money(2_500, "USD"))
    assert (await shop.balance(member), await shop.held(member)) == (350, 250)
    assert await shop.steps(order.id) == ["place"]
    assert await shop.effects() == ["start_order"]
    async with shop.database.begin() as session:
        task = await orders.read_task(session, shop.keyring, shop.id, order.id)
    assert task.request_body == Tremendous.request_body(
        VendorRequest(order.id, "SMPLCOFFEEUS", Money(2_500, "USD"), "Ada", "ada@example.com")
    )
    assert await shop.violations() == 0


async def test_what_is_not_committed_leaves_neither_hold_nor_order(shop: Shop) -> None:
    member = await shop.member(points=600)

    async with AsyncSession(shop.database.engine) as session:
        await orders.place(
            session,
            shop.id,
            OrderRequest(member, "coffee", 2_500),
            request_bodies=REQUEST_BODIES,
            actor="key_test",
            now=now(),
        )
        await session.rollback()

    assert (await shop.balance(member), await shop.effects()) == (600, [])


@pytest.mark.parametrize(
    ("code", "request_", "of_member"),
    [
        (Refusal.INSUFFICIENT_POINTS, {}, {"points": 249}),
        (Refusal.ITEM_UNAVAILABLE, {"item": "tea"}, {}),
        (Refusal.INVALID_DENOMINATION, {"value_minor": 2_501}, {}),
        (Refusal.INVALID_DENOMINATION, {"currency": "EUR"}, {}),
        (Refusal.INVALID_RECIPIENT, {"recipient_email": "nobody"}, {}),
        (Refusal.INVALID_RECIPIENT, {}, {"email": None}),
        (Refusal.COUNTRY_NOT_SUPPORTED, {}, {"country": "DE"}),
        (Refusal.COUNTRY_NOT_SUPPORTED, {}, {"country": None}),
    ],
)
async def test_a_refusal_is_the_same_every_time_and_leaves_no_hold(
    shop: Shop, code: Refusal, request_: dict[str, object], of_member: dict[str, object]
) -> None:
    member = await shop.member(**({"points": 1_000} | of_member))  # type: ignore[arg-type]
    before = await shop.balance(member)

    for _ in range(2):
        with pytest.raises(OrderRefused) as refused:
            await shop.place(member, **request_)  # type: ignore[arg-type]
        assert refused.value.code == code

    assert (await shop.balance(member), await shop.held(member), await shop.effects()) == (before, 0, [])


async def test_an_item_of_a_vendor_that_is_not_connected_is_refused(shop: Shop) -> None:
    member = await shop.member(points=1_000)

    with pytest.raises(OrderRefused) as refused:
        async with shop.database.begin() as session:
            await orders.place(
                session, shop.id, OrderRequest(member, "coffee", 2_500), request_bodies={}, actor="test", now=now()
            )

    assert refused.value.code == Refusal.VENDOR_UNAVAILABLE


async def test_what_the_vendor_does_not_sell_now_is_unavailable(shop: Shop) -> None:
    member = await shop.member(points=1_000)
    await sell(shop, product())
    await sell(shop, product("SMPLBOOKSXUS"))

    with pytest.raises(OrderRefused) as refused:
        await shop.place(member)

    assert refused.value.code == Refusal.ITEM_UNAVAILABLE


async def test_what_the_vendor_does_not_sell_in_this_value_is_no_denomination(shop: Shop) -> None:
    member = await shop.member(points=10_000)
    await sell(shop, product(most_minor=5_000))

    with pytest.raises(OrderRefused) as refused:
        await shop.place(member, value_minor=20_000)

    assert refused.value.code == Refusal.INVALID_DENOMINATION


async def test_who_has_left_orders_nothing(shop: Shop) -> None:
    member = await shop.member(points=1_000)
    await shop.set_member(member, status="left")

    with pytest.raises(OrderRefused) as refused:
        await shop.place(member)

    assert refused.value.code == Refusal.MEMBER_NOT_ACTIVE


async def test_a_member_of_another_program_is_unknown(shop: Shop) -> None:
    other = await open_shop(shop.database)
    member = await other.member(points=1_000)

    with pytest.raises(LookupError):
        await shop.place(member)


@pytest.mark.parametrize("limit", ["daily_limit_minor", "monthly_limit_minor"])
async def test_a_limit_holds_for_orders_that_race(shop: Shop, limit: str) -> None:
    await shop.set_program(**{limit: 5_500})
    placing = [shop.place(await shop.member(points=1_000)) for _ in range(6)]

    outcomes = await asyncio.gather(*placing, return_exceptions=True)

    refusals = [outcome.code for outcome in outcomes if isinstance(outcome, OrderRefused)]
    assert refusals == [Refusal.LIMIT_REACHED] * 4


async def test_an_order_that_the_limit_cannot_measure_is_refused(shop: Shop) -> None:
    await shop.set_program(daily_limit_minor=1_000_000)
    member = await shop.member(points=1_000, country="DE")

    with pytest.raises(OrderRefused) as refused:
        await shop.place(member, item="books")

    assert refused.value.code == Refusal.LIMIT_REACHED


async def test_what_came_to_nothing_and_what_is_of_another_day_does_not_count(shop: Shop) -> None:
    await shop.set_program(daily_limit_minor=2_500)
    member = await shop.member(points=1_000)
    failed, earlier = await shop.place(member), None
    await shop.set_order(failed.id, state="failed")
    earlier = await shop.place(member)
    await shop.set_order(earlier.id, created_at=now() - timedelta(days=1))

    placed = await shop.place(member)

    assert placed.state is OrderState.PLACED


async def test_the_last_points_are_ordered_exactly_as_often_as_they_suffice(shop: Shop) -> None:
    member = await shop.member(points=1_100)

    outcomes = await asyncio.gather(*(shop.place(member) for _ in range(12)), return_exceptions=True)

    refusals = [outcome.code for outcome in outcomes if isinstance(outcome, OrderRefused)]
    assert refusals == [Refusal.INSUFFICIENT_POINTS] * 8
    assert (await shop.balance(member), await shop.held(member)) == (100, 1_000)
    assert await shop.violations() == 0


async def test_an_item_of_the_programs_own_is_held_for_without_a_vendor(shop: Shop) -> None:
    member = await shop.member(points=250)

    order = await shop.place(member, item="lunch")

    assert order.connection_id is None
    assert await shop.held(member) == 250


async def test_points_are_settled_once_however_often_it_is_asked(shop: Shop) -> None:
    member = await shop.member(points=300)
    order = await shop.place(member)

    for _ in range(2):
        async with shop.database.begin() as session:
            locked = await orders.lock(session, shop.id, order.id, with_member=True)
            await orders.settle_hold(session, locked, now=now())

    assert (await shop.balance(member), await shop.held(member)) == (50, 0)
    assert await shop.violations() == 0


@pytest.mark.parametrize("settled", [False, True])
async def test_points_come_back_once_whether_held_or_spent(shop: Shop, settled: bool) -> None:
    member = await shop.member(points=300)
    order = await shop.place(member)
    if settled:
        async with shop.database.begin() as session:
            locked = await orders.lock(session, shop.id, order.id, with_member=True)
            await orders.settle_hold(session, locked, now=now())

    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order.id, with_member=True)
        await orders.give_back(session, locked, actor="test", now=now())

    assert (await shop.balance(member), await shop.held(member)) == (300, 0)
    assert await shop.violations() == 0


async def closed_after_settling(shop: Shop, member: str) -> str:
    """An order for all that the member has, settled; then the member's account is closed."""
    order = await shop.place(member)
    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order.id, with_member=True)
        await orders.settle_hold(session, locked, now=now())
    await close(shop, member)
    return order.id


async def close(shop: Shop, member: str) -> None:
    command = CloseAccount(reference=f"close {member}", actor="hr", member_id=member, unit=UNIT)
    [outcome] = await commands.execute_batch(shop.database, shop.id, [command], as_of=now())
    assert isinstance(outcome, Accepted), outcome


async def refund(shop: Shop, order_id: str, as_of: datetime | None = None) -> None:
    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order_id, with_member=True)
        await orders.give_back(session, locked, actor="test", now=as_of or now())


async def test_what_comes_back_to_a_closed_account_opens_it_again(shop: Shop) -> None:
    member = await shop.member(points=250)
    order_id = await closed_after_settling(shop, member)

    await refund(shop, order_id)

    assert (await shop.balance(member), await shop.steps(order_id)) == (250, ["place", "reopen_account"])
    await shop.place(member)
    assert (await shop.held(member), await shop.violations()) == (250, 0)


async def test_what_lapsed_before_it_comes_back_leaves_the_account_closed(shop: Shop) -> None:
    member = await shop.member()
    await shop.grant(member, 250, expires_at=now() + timedelta(days=1))
    order_id = await closed_after_settling(shop, member)

    await refund(shop, order_id, as_of=now() + timedelta(days=2))

    assert (await shop.balance(member), await shop.steps(order_id)) == (0, ["place"])
    assert await shop.violations() == 0


async def test_what_lapsed_before_it_comes_back_is_renewed_as_the_unit_says(shop: Shop) -> None:
    member = await shop.member()
    await shop.grant(member, 250, expires_at=now() + timedelta(days=1))
    order_id = await closed_after_settling(shop, member)
    async with shop.database.begin() as session:
        renewing = Definitions(units={UNIT: Unit(UNIT, 1, renew_days=30)})
        await configurations.apply(session, shop.id, renewing, applied_by="test", applied_at=now())

    await refund(shop, order_id, as_of=now() + timedelta(days=2))

    assert (await shop.balance(member), await shop.violations()) == (250, 0)


async def test_what_comes_back_to_an_alias_opens_the_account_of_the_other(shop: Shop) -> None:
    alias, member = await shop.member(points=250), await shop.member()
    order_id = await closed_after_settling(shop, alias)
    async with shop.database.begin() as session:
        named = {"source": alias, "destination": member, "actor": "hr", "reason": "one"}
        await merges.merge(session, shop.id, as_of=now(), **named)
    await close(shop, member)

    await refund(shop, order_id)

    assert (await shop.balance(alias), await shop.balance(member), await shop.violations()) == (0, 250, 0)


async def test_the_database_knows_every_state_and_no_other(shop: Shop) -> None:
    order = await shop.place(await shop.member(points=300))

    for state in OrderState:
        await shop.set_order(order.id, state=state)
    for delivery in Delivery:
        await shop.set_order(order.id, delivery_state=delivery)

    for column in ("state", "delivery_state"):
        with pytest.raises(Exception, match="check constraint"):
            await shop.set_order(order.id, **{column: "lost"})


@pytest.mark.parametrize(("state", "event"), ARROWS, ids="-".join)
async def test_each_arrow_is_walked_and_recorded(shop: Shop, state: OrderState, event: OrderEvent) -> None:
    order = await shop.place(await shop.member(points=300))
    await shop.set_order(order.id, state=state)

    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order.id)
        moved = await orders.move(session, locked, event, actor="test", now=now(), reason="because")

    assert moved.state is ARROWS[state, event]
    assert await shop.order(order.id) == moved
    async with shop.database.begin() as session:
        last = (await orders.list_steps(session, shop.id, order.id))[-1]
    assert (last.step, last.state, last.actor, last.detail["reason"]) == (event, moved.state, "test", "because")


async def test_an_illegal_move_changes_nothing(shop: Shop) -> None:
    order = await shop.place(await shop.member(points=300))

    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order.id)
        with pytest.raises(IllegalTransition):
            await orders.move(session, locked, OrderEvent.DELIVER, actor="test", now=now())

    assert await shop.order(order.id) == order


async def test_an_order_pages_newest_first(shop: Shop) -> None:
    member = await shop.member(points=1_000)
    placed = [(await shop.place(member)).id for _ in range(3)]

    async with shop.database.begin() as session:
        first = await orders.list_page(session, shop.id, limit=2)
        second = await orders.list_page(session, shop.id, before=first[-1].id, limit=2)

    assert [order.id for order in (*first, *second)] == placed[::-1]


async def test_nobody_sees_another_programs_order(shop: Shop) -> None:
    order = await shop.place(await shop.member(points=300))
    other = await open_shop(shop.database)

    async with shop.database.begin() as session:
        found = await orders.find(session, other.id, order.id)
        listed = await orders.list_page(session, other.id)
        steps = await orders.list_steps(session, other.id, order.id)
        link = await orders.find_link(session, other.keyring, other.id, order.id)

    assert (found, listed, steps, link) == (None, [], [], None)


async def test_a_gift_link_lies_encrypted_and_opens_only_for_its_order(shop: Shop) -> None:
    order = await shop.place(await shop.member(points=300))
    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order.id)
        await orders.store_link(session, shop.keyring, locked, GiftLink("https://gifts.example/canary"))

    async with shop.database.begin() as session:
        raw = (await session.execute(select(order_table.c.link, order_table.c.key_id))).one()
        opened = await orders.find_link(session, shop.keyring, shop.id, order.id)

    assert b"canary" not in raw.link
    assert raw.key_id == "test"
    assert opened is not None
    assert opened.reveal() == "https://gifts.example/canary"


async def test_whoever_reveals_a_gift_link_is_on_record(shop: Shop) -> None:
    order = await shop.place(await shop.member(points=300))
    async with shop.database.begin() as session:
        none = await orders.reveal_link(session, shop.keyring, shop.id, order.id, actor="key_test", now=now())
        locked = await orders.lock(session, shop.id, order.id)
        await orders.store_link(session, shop.keyring, locked, GiftLink("https://gifts.example/canary"))

    async with shop.database.begin() as session:
        link = await orders.reveal_link(session, shop.keyring, shop.id, order.id, actor="key_test", now=now())

    assert none is None
    assert link is not None
    assert link.reveal() == "https://gifts.example/canary"
    async with shop.database.begin() as session:
        steps = await orders.list_steps(session, shop.id, order.id)
    assert [(step.step, step.actor) for step in steps][1:] == [("reveal_link", "key_test")]
    assert "canary" not in str(steps)


# -- Commands of people --------------------------------------------------------------------------------------------


async def in_state(shop: Shop, state: OrderState, delivery: Delivery = Delivery.NONE) -> str:
    order = await shop.place(await shop.member(points=300))
    await shop.set_order(order.id, state=state, delivery_state=delivery)
    return order.id


async def test_a_review_ends_by_another_try(shop: Shop) -> None:
    order_id = await in_state(shop, OrderState.IN_REVIEW)

    async with shop.database.begin() as session:
        order = await orders.retry(session, shop.id, order_id, actor="key_admin", note="They fixed it.", now=now())

    assert order.state is OrderState.PLACED
    assert await shop.effects() == ["start_order", "wake_order"]
    async with shop.database.begin() as session:
        last = (await orders.list_steps(session, shop.id, order_id))[-1]
    assert (last.step, last.actor, last.detail["note"]) == ("retry", "key_admin", "They fixed it.")


async def test_a_review_ends_by_proof_and_the_hold_is_settled(shop: Shop) -> None:
    order_id = await in_state(shop, OrderState.IN_REVIEW)

    async with shop.database.begin() as session:
        order = await orders.fulfil(session, shop.id, order_id, actor="key_admin", proof="Card no. 1", now=now())

    assert (order.state, order.delivery) == (OrderState.DELIVERED, Delivery.DELIVERED)
    assert (await shop.balance(order.member_id), await shop.held(order.member_id)) == (50, 0)


async def test_proof_is_taken_in_review_only(shop: Shop) -> None:
    order_id = await in_state(shop, OrderState.ORDERING)

    with pytest.raises(IllegalTransition):
        async with shop.database.begin() as session:
            await orders.fulfil(session, shop.id, order_id, actor="key_admin", proof="Card no. 1", now=now())

    assert await shop.held((await shop.order(order_id)).member_id) == 250


@pytest.mark.parametrize(
    ("state", "delivery"),
    [
        (OrderState.IN_REVIEW, Delivery.NONE),
        (OrderState.PLACED, Delivery.NONE),
        (OrderState.PAUSED, Delivery.NONE),
        (OrderState.AWAITING_FUNDS, Delivery.NONE),
        (OrderState.SENT, Delivery.BOUNCED),
        (OrderState.SENT, Delivery.READDRESSED),
    ],
)
async def test_what_is_not_on_its_way_may_be_cancelled(shop: Shop, state: OrderState, delivery: Delivery) -> None:
    order_id = await in_state(shop, state, delivery)

    async with shop.database.begin() as session:
        order = await orders.cancel(session, shop.id, order_id, actor="key_admin", note="", now=now())

    assert order.state is OrderState.CANCELLING


@pytest.mark.parametrize("state", [OrderState.SENT, OrderState.ORDERING, OrderState.UNANSWERED, OrderState.DELIVERED])
async def test_what_may_be_out_already_cannot_be_cancelled(shop: Shop, state: OrderState) -> None:
    order_id = await in_state(shop, state, Delivery.PENDING)

    with pytest.raises(IllegalTransition):
        async with shop.database.begin() as session:
            await orders.cancel(session, shop.id, order_id, actor="key_admin", note="", now=now())


async def test_a_bounced_card_takes_another_address(shop: Shop) -> None:
    order_id = await in_state(shop, OrderState.SENT, Delivery.BOUNCED)

    async with shop.database.begin() as session:
        order = await orders.readdress(
            session, shop.id, order_id, email=" new@example.com ", actor="key_test", now=now()
        )

    assert (order.delivery, order.recipient_email) == (Delivery.READDRESSED, "new@example.com")
    assert await shop.effects() == ["start_order", "wake_order"]
    assert "new@example.com" not in str(await shop.steps(order_id))


async def test_only_a_bounced_card_takes_another_address(shop: Shop) -> None:
    order_id = await in_state(shop, OrderState.SENT, Delivery.PENDING)

    with pytest.raises(IllegalTransition):
        async with shop.database.begin() as session:
            await orders.readdress(session, shop.id, order_id, email="new@example.com", actor="test", now=now())


async def test_resuming_wakes_every_paused_order_of_the_program_and_no_other(shop: Shop) -> None:
    paused = [await in_state(shop, OrderState.PAUSED) for _ in range(3)]
    await in_state(shop, OrderState.AWAITING_FUNDS)
    other = await open_shop(shop.database)
    await in_state(other, OrderState.PAUSED)

    async with shop.database.begin() as session:
        await orders.pause(session, shop.id)
        was = await orders.are_paused(session, shop.id)
        woken = await orders.resume(session, shop.id, now=now())
        are = await orders.are_paused(session, shop.id)

    assert (was, woken, are) == (True, len(paused), False)
    assert (await shop.effects()).count("wake_order") == len(paused)


async def test_a_live_program_orders_like_any_other(shop: Shop) -> None:
    live = await open_shop(shop.database, kind=ProgramKind.LIVE)

    order = await live.place(await live.member(points=300))

    assert order.state is OrderState.PLACED


async def test_delivery_moves_by_itself(shop: Shop) -> None:
    order_id = await in_state(shop, OrderState.SENT, Delivery.PENDING)

    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order_id)
        moved = await orders.move_delivery(
            session, locked, DeliveryEvent.BOUNCE, actor="test", now=now(), reason="invalid_email"
        )

    assert (moved.state, moved.delivery, moved.reason) == (OrderState.SENT, Delivery.BOUNCED, "invalid_email")
    assert await shop.order(order_id) == moved
