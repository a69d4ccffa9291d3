"""Orders: placed with their hold in one transaction, moved by the arrows of domain.orders, each move recorded.

Locks are taken in the fixed order: members, rewards, orders, accounts. Whoever moves points or a reward locks the
member first. Every function answers for one program.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import CatalogItem
from domain.ledger import InsufficientPoints, held_account, member_account
from domain.orders import (
    MAX_REASON_LENGTH,
    OWN_VENDOR,
    Delivery,
    DeliveryEvent,
    IllegalTransition,
    Limits,
    Order,
    OrderEvent,
    OrderRefused,
    OrderRequest,
    OrderState,
    OrderStep,
    Refusal,
    after,
    check_item,
    check_limits,
    check_recipient,
    delivery_after,
    price,
    vendor_request,
)
from domain.outbox import Kind, Lane, OutboxRow
from domain.time import zone
from domain.vendors import DeliveryMethod, GiftLink, Money, VendorRequest
from storage import catalog, configurations, ledger, outbox
from storage.ids import new_id
from storage.keyring import Keyring, binding
from storage.ledger import UNIT
from storage.tables import connections, members, order_steps, orders, programs, rewards

MAX_PAGE = 101  # orders: a page, and one more that tells whether another follows
MAX_STEPS = 500  # steps of one order
WAKE_PAGE = 500  # orders woken by one statement
NO_CHANGES: Mapping[str, object] = {}

# An advisory lock of two keys: this space and the program's hash. The program's row would make orders wait for others.
_LIMITED = text(f"SELECT pg_advisory_xact_lock({0x4C49}, hashtext(:program_id))")

# By a connection's kind, the frozen bytes of a request to that vendor: pure, so that they are stored before any call.
RequestBodies = Mapping[str, Callable[[VendorRequest], bytes]]


@dataclass(frozen=True, slots=True)
class _Member:
    id: str
    name: str
    email: str | None
    country: str | None
    status: str


@dataclass(frozen=True, slots=True)
class _Supply:
    """Where an item comes from; no connection means an administrator."""

    connection_id: str | None = None
    kind: str | None = None
    funding_source_id: str | None = None


# -- Placing -------------------------------------------------------------------------------------------------------


async def place(
    session: AsyncSession,
    program_id: str,
    request: OrderRequest,
    *,
    request_bodies: RequestBodies,
    actor: str,
    now: datetime,
) -> Order:
    """The order with its hold, its frozen vendor request and its workflow's start, all in this transaction.

    Raises OrderRefused with nothing written, LookupError for an unknown member.
    """
    member = await _lock_member(session, program_id, request.member_id)
    if member.status == "left":
        raise OrderRefused(Refusal.MEMBER_NOT_ACTIVE, "the member has left")
    name, email = check_recipient(request.recipient_name or member.name, request.recipient_email or member.email)
    configuration = await configurations.read_active(session, program_id)
    item = configuration.catalog.get(request.item)
    if item is None:
        raise OrderRefused(Refusal.ITEM_UNAVAILABLE, f"the catalog has no {request.item}")
    supply = await _find_supply(session, program_id, item, request_bodies)
    value = Money(request.value_minor, request.currency or item.currency)
    await _check_offered(session, program_id, item, value, member.country, supply)
    await _check_program_limits(session, program_id, value, now)
    price_points = price(value, item.points_per_unit) if request.price_points is None else request.price_points
    order = Order(
        id=new_id("ord"),
        program_id=program_id,
        member_id=member.id,
        reward_id=request.reward_id,
        item=item.key,
        item_name=item.name,
        connection_id=supply.connection_id,
        product=item.product or None,
        value=value,
        price_points=price_points,
        hold_id=None,
        recipient_name=name,
        recipient_email=email,
        delivery_method=request.delivery_method,
        state=OrderState.PLACED,
        reason=None,
        delivery=Delivery.NONE,
        vendor_order_id=None,
        vendor_reward_id=None,
        has_link=False,
        created_at=now,
        updated_at=now,
    )
    order = replace(order, hold_id=await _hold(session, order, now=now))
    await _insert(session, order, _freeze(order, supply, request_bodies))
    await _record(session, order, "place", actor=actor, now=now, detail={"price_points": price_points})
    await outbox.add(session, [_effect(Kind.START_ORDER, order)], now=now)
    return order


async def _lock_member(session: AsyncSession, program_id: str, member_id: str) -> _Member:
    columns = (members.c.id, members.c.name, members.c.email, members.c.country, members.c.status)
    own = select(*columns).where(members.c.program_id == program_id, members.c.id == member_id)
    row = (await session.execute(own.with_for_update(key_share=True))).first()
    if row is None:
        raise LookupError(f"no member {member_id}")
    return _Member(*row)


async def _find_supply(
    session: AsyncSession, program_id: str, item: CatalogItem, request_bodies: RequestBodies
) -> _Supply:
    if item.vendor == OWN_VENDOR:
        return _Supply()
    columns = (connections.c.id, connections.c.kind, connections.c.config)
    named = select(*columns).where(connections.c.program_id == program_id, connections.c.name == item.vendor)
    row = (await session.execute(named)).first()
    if row is None or row.kind not in request_bodies:
        raise OrderRefused(Refusal.VENDOR_UNAVAILABLE, f"{item.vendor} is not connected")
    return _Supply(row.id, row.kind, row.config.get("funding_source_id"))


async def _check_offered(
    session: AsyncSession, program_id: str, item: CatalogItem, value: Money, country: str | None, supply: _Supply
) -> None:
    product = None
    if supply.connection_id is not None:
        sold = await catalog.find_sold(session, program_id, supply.connection_id, item.product)
        if not sold.may_be_ordered:
            raise OrderRefused(Refusal.ITEM_UNAVAILABLE, f"{item.vendor} does not sell {item.key} now")
        product = sold.product
    check_item(item, value, country, product)


async def _check_program_limits(session: AsyncSession, program_id: str, value: Money, now: datetime) -> None:
    """Where a limit is set, orders are placed one after the other, so that no two share what is left of it."""
    columns = (programs.c.limit_currency, programs.c.daily_limit_minor, programs.c.monthly_limit_minor)
    own = select(*columns, programs.c.time_zone).where(programs.c.program_id == program_id)
    row = (await session.execute(own)).one()
    limits = Limits(*row[:3])
    if limits.any:
        await session.execute(_LIMITED, {"program_id": program_id})
        today, this_month = await _ordered_minor(session, program_id, limits.currency, row.time_zone, now)
        check_limits(limits, value, today, this_month)


async def _ordered_minor(
    session: AsyncSession, program_id: str, currency: str, time_zone: str, now: datetime
) -> tuple[int, int]:
    """What was ordered and stands, of the program's day and month that hold `now`."""
    day = now.astimezone(zone(time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    value = func.coalesce(func.sum(orders.c.value_minor), 0)
    today = func.coalesce(func.sum(orders.c.value_minor).filter(orders.c.created_at >= day), 0)
    standing = select(today, value).where(
        orders.c.program_id == program_id,
        orders.c.created_at >= day.replace(day=1),
        orders.c.currency == currency,
        orders.c.state.not_in((OrderState.REFUNDED, OrderState.FAILED)),
    )
    row = (await session.execute(standing)).one()
    return int(row[0]), int(row[1])


async def _hold(session: AsyncSession, order: Order, *, now: datetime) -> str | None:
    """Set the price aside; raises OrderRefused with nothing written if the member has less."""
    if order.price_points == 0:
        return None
    book = await ledger.open_book(
        session, order.program_id, [order.member_id], recorded_at=now, debited=[order.member_id]
    )
    try:
        hold = book.hold(
            member=member_account(order.member_id, UNIT),
            held=held_account(order.member_id, UNIT),
            amount=order.price_points,
            business_key=f"hold:{order.id}",
            effective_at=now,
            order_id=order.id,
        )
    except InsufficientPoints as lack:
        raise OrderRefused(Refusal.INSUFFICIENT_POINTS, str(lack)) from lack
    await ledger.write(session, book)
    await ledger.insert_hold(session, order.program_id, hold, created_at=now)
    return hold.id


def _freeze(order: Order, supply: _Supply, request_bodies: RequestBodies) -> bytes | None:
    if supply.kind is None:
        return None
    return request_bodies[supply.kind](vendor_request(order, funding_source_id=supply.funding_source_id))


async def _insert(session: AsyncSession, order: Order, body: bytes | None) -> None:
    values = {name: getattr(order, name) for name in _PLAIN_COLUMNS}
    values |= {"value_minor": order.value.amount_minor, "currency": order.value.currency}
    values |= {"delivery_state": order.delivery, "vendor_request": body}
    await session.execute(orders.insert().values(values))


# -- Reading -------------------------------------------------------------------------------------------------------

_PLAIN_COLUMNS = (
    "id", "program_id", "member_id", "reward_id", "item", "item_name", "connection_id", "product", "price_points",
    "hold_id", "recipient_name", "recipient_email", "delivery_method", "state", "reason", "vendor_order_id",
    "vendor_reward_id", "created_at", "updated_at",
)  # fmt: skip
_SELECTED = (
    *(orders.c[name] for name in _PLAIN_COLUMNS),
    orders.c.value_minor,
    orders.c.currency,
    orders.c.delivery_state,
    orders.c.link.is_not(None).label("has_link"),
)


def _order(row: Mapping[Any, Any]) -> Order:
    values = {name: row[name] for name in _PLAIN_COLUMNS} | {
        "state": OrderState(row["state"]),
        "delivery": Delivery(row["delivery_state"]),
        "delivery_method": DeliveryMethod(row["delivery_method"]),
        "value": Money(row["value_minor"], row["currency"]),
        "has_link": row["has_link"],
    }
    return Order(**values)


async def find(session: AsyncSession, program_id: str, order_id: str) -> Order | None:
    """The program's order of this id, or None."""
    own = select(*_SELECTED).where(orders.c.program_id == program_id, orders.c.id == order_id)
    row = (await session.execute(own)).mappings().first()
    return _order(row) if row else None


async def get(session: AsyncSession, program_id: str, order_id: str) -> Order:
    """The program's order of this id; raises LookupError."""
    order = await find(session, program_id, order_id)
    if order is None:
        raise LookupError(f"no order {order_id}")
    return order


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    member_id: str | None = None,
    state: OrderState | None = None,
    before: str | None = None,
    limit: int = MAX_PAGE,
) -> list[Order]:
    """Up to `limit` orders, newest first, older than the id `before`."""
    chosen = select(*_SELECTED).where(orders.c.program_id == program_id)
    if member_id is not None:
        chosen = chosen.where(orders.c.member_id == member_id)
    if state is not None:
        chosen = chosen.where(orders.c.state == state)
    if before is not None:
        chosen = chosen.where(orders.c.id < before)
    rows = await session.execute(chosen.order_by(orders.c.id.desc()).limit(min(limit, MAX_PAGE)))
    return [_order(row) for row in rows.mappings()]


async def list_steps(session: AsyncSession, program_id: str, order_id: str) -> list[OrderStep]:
    """What happened to the order, oldest first: the evidence of a review, and part of a story."""
    columns = [order_steps.c[name] for name in ("id", "step", "state", "detail", "actor", "recorded_at")]
    own = select(*columns).where(order_steps.c.program_id == program_id, order_steps.c.order_id == order_id)
    rows = await session.execute(own.order_by(order_steps.c.id).limit(MAX_STEPS))
    return [OrderStep(**(dict(row) | {"state": OrderState(row["state"])})) for row in rows.mappings()]


async def count_steps(session: AsyncSession, order: Order, step: str) -> int:
    """How often this has happened to the order."""
    own = select(func.count()).where(
        order_steps.c.program_id == order.program_id, order_steps.c.order_id == order.id, order_steps.c.step == step
    )
    return (await session.execute(own)).scalar_one()


async def get_request_body(session: AsyncSession, program_id: str, order_id: str) -> bytes:
    """The frozen request to the vendor; raises LookupError for an order that has none."""
    own = select(orders.c.vendor_request).where(orders.c.program_id == program_id, orders.c.id == order_id)
    body = (await session.execute(own)).scalar_one_or_none()
    if body is None:
        raise LookupError(f"no vendor request of order {order_id}")
    return bytes(body)


# -- Moving --------------------------------------------------------------------------------------------------------


async def lock(session: AsyncSession, program_id: str, order_id: str, *, with_member: bool = False) -> Order:
    """The order, locked until the transaction ends; with its member and reward first if points may move."""
    if with_member:
        order = await get(session, program_id, order_id)
        await _lock_member(session, program_id, order.member_id)
        if order.reward_id is not None:
            own = select(rewards.c.id).where(rewards.c.program_id == program_id, rewards.c.id == order.reward_id)
            await session.execute(own.with_for_update(key_share=True))
    locked = select(*_SELECTED).where(orders.c.program_id == program_id, orders.c.id == order_id)
    row = (await session.execute(locked.with_for_update(key_share=True))).mappings().first()
    if row is None:
        raise LookupError(f"no order {order_id}")
    return _order(row)


async def move(
    session: AsyncSession,
    order: Order,
    event: OrderEvent,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
    delivery: DeliveryEvent | None = None,
    detail: Mapping[str, object] | None = None,
    changes: Mapping[str, object] = NO_CHANGES,
) -> Order:
    """The locked order after the event, written and recorded; raises IllegalTransition."""
    state = after(order.state, event)
    delivered = order.delivery if delivery is None else delivery_after(order.delivery, delivery)
    moved = replace(order, state=state, delivery=delivered, reason=reason, updated_at=now, **changes)  # type: ignore[arg-type]
    await _update(session, moved, changes)
    await _record(session, moved, event, actor=actor, now=now, detail=_because(reason, detail))
    return moved


async def move_delivery(
    session: AsyncSession,
    order: Order,
    event: DeliveryEvent,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
    changes: Mapping[str, object] = NO_CHANGES,
) -> Order:
    """The locked order with its delivery after the event, its own state unchanged; raises IllegalTransition."""
    delivered = delivery_after(order.delivery, event)
    moved = replace(order, delivery=delivered, reason=reason, updated_at=now, **changes)  # type: ignore[arg-type]
    await _update(session, moved, changes)
    await _record(session, moved, f"delivery_{event}", actor=actor, now=now, detail=_because(reason, None))
    return moved


async def set_vendor_ids(session: AsyncSession, order: Order, ids: Mapping[str, object]) -> None:
    """The locked order knows what the vendor calls it and its card."""
    await _update(session, order, ids)


async def note(
    session: AsyncSession, order: Order, step: str, *, actor: str, now: datetime, detail: Mapping[str, object]
) -> None:
    """Record what moved nothing, such as an answer that says to wait."""
    await _record(session, order, step, actor=actor, now=now, detail=detail)


def _because(reason: str | None, detail: Mapping[str, object] | None) -> dict[str, object]:
    return ({"reason": reason} if reason else {}) | dict(detail or {})


async def _update(session: AsyncSession, order: Order, changes: Mapping[str, object]) -> None:
    own = update(orders).where(orders.c.program_id == order.program_id, orders.c.id == order.id)
    standing = {
        "state": order.state,
        "delivery_state": order.delivery,
        "reason": order.reason,
        "updated_at": order.updated_at,
    }
    await session.execute(own.values(standing | dict(changes)))


async def _record(
    session: AsyncSession, order: Order, step: str, *, actor: str, now: datetime, detail: Mapping[str, object]
) -> None:
    values = {
        "program_id": order.program_id,
        "order_id": order.id,
        "step": step,
        "state": order.state,
        "detail": dict(detail) | {"delivery": order.delivery},
        "actor": actor,
        "recorded_at": now,
    }
    await session.execute(order_steps.insert().values(values))


def _effect(kind: Kind, order: Order) -> OutboxRow:
    return OutboxRow(order.program_id, Lane.TEMPORAL, kind, {"order_id": order.id}, order_key=f"order/{order.id}")


async def wake(session: AsyncSession, order: Order, *, now: datetime) -> None:
    """The order's workflow looks at its row again, once this transaction is committed."""
    await outbox.add(session, [_effect(Kind.WAKE_ORDER, order)], now=now)


# -- Points --------------------------------------------------------------------------------------------------------


async def settle_hold(session: AsyncSession, order: Order, *, now: datetime) -> None:
    """What was held for the order is spent; done already, or free of charge, nothing changes."""
    hold = await ledger.find_hold(session, order.program_id, order.hold_id) if order.hold_id else None
    if hold is None or hold.state != "open":
        return
    book = await ledger.open_book(session, order.program_id, [order.member_id], recorded_at=now)
    book.settle(hold, business_key=f"settle:{order.id}", effective_at=now)
    await ledger.write(session, book)
    await ledger.close_hold(session, order.program_id, hold)


async def give_back(session: AsyncSession, order: Order, *, now: datetime) -> None:
    """The points are back in the lots they came from, whether they were held or spent already; once."""
    hold = await ledger.find_hold(session, order.program_id, order.hold_id) if order.hold_id else None
    if hold is None or hold.state == "released":
        return
    book = await ledger.open_book(
        session, order.program_id, [order.member_id], recorded_at=now, lot_ids=list(hold.lots)
    )
    if hold.state == "open":
        book.release(hold, business_key=f"release:{order.id}", effective_at=now)
    else:
        book.refund(hold, business_key=f"refund:{order.id}", effective_at=now)
    await ledger.write(session, book)
    await ledger.close_hold(session, order.program_id, hold)


# -- Gift links ----------------------------------------------------------------------------------------------------


async def store_link(session: AsyncSession, keyring: Keyring, order: Order, link: GiftLink) -> None:
    """The link, encrypted and bound to its order; an earlier one is replaced."""
    sealed = keyring.seal(link.reveal().encode(), binding(order.program_id, order.id))
    own = update(orders).where(orders.c.program_id == order.program_id, orders.c.id == order.id)
    await session.execute(own.values(link=sealed.ciphertext, key_id=sealed.key_id))


async def find_link(session: AsyncSession, keyring: Keyring, program_id: str, order_id: str) -> GiftLink | None:
    """The order's gift link, opened, or None if it has none."""
    own = select(orders.c.link, orders.c.key_id).where(orders.c.program_id == program_id, orders.c.id == order_id)
    row = (await session.execute(own)).first()
    if row is None or row.link is None:
        return None
    return GiftLink(keyring.open(row.key_id, row.link, binding(program_id, order_id)).decode())


async def reveal_link(
    session: AsyncSession, keyring: Keyring, program_id: str, order_id: str, *, actor: str, now: datetime
) -> GiftLink | None:
    """The order's gift link for a person, who goes on record; None if it has none. Raises LookupError."""
    order = await lock(session, program_id, order_id)
    link = await find_link(session, keyring, program_id, order_id)
    if link is not None:
        await note(session, order, "reveal_link", actor=actor, now=now, detail={})
    return link


# -- Commands of people --------------------------------------------------------------------------------------------


async def retry(
    session: AsyncSession, program_id: str, order_id: str, *, actor: str, note: str, now: datetime
) -> Order:
    """Out of review: the vendor is asked again under the same key. Raises IllegalTransition."""
    order = await lock(session, program_id, order_id)
    return await _command(session, order, OrderEvent.RETRY, actor=actor, note=note, now=now)


async def fulfil(
    session: AsyncSession, program_id: str, order_id: str, *, actor: str, proof: str, now: datetime
) -> Order:
    """Out of review: a person vouches with a proof that the card arrived; the hold is settled."""
    order = await lock(session, program_id, order_id, with_member=True)
    after(order.state, OrderEvent.FULFIL)
    await settle_hold(session, order, now=now)
    arrival = None if order.delivery is Delivery.DELIVERED else DeliveryEvent.ARRIVE
    return await _command(session, order, OrderEvent.FULFIL, actor=actor, note=proof, now=now, delivery=arrival)


async def cancel(
    session: AsyncSession, program_id: str, order_id: str, *, actor: str, note: str, now: datetime
) -> Order:
    """The card is taken back, or never ordered, then the points are refunded; its workflow does both.

    Raises IllegalTransition, also for a card that is on its way: only a bounced one can be taken back.
    """
    order = await lock(session, program_id, order_id)
    if order.state is OrderState.SENT and order.delivery not in (Delivery.BOUNCED, Delivery.READDRESSED):
        raise IllegalTransition("a card that is on its way cannot be taken back")
    return await _command(session, order, OrderEvent.CANCEL, actor=actor, note=note, now=now)


async def readdress(
    session: AsyncSession, program_id: str, order_id: str, *, email: str, actor: str, now: datetime
) -> Order:
    """A bounced card goes to another address; raises OrderRefused for no address, IllegalTransition."""
    order = await lock(session, program_id, order_id)
    _, address = check_recipient(order.recipient_name, email)
    if order.state is not OrderState.SENT:
        raise IllegalTransition(f"an order that is {order.state} takes no other address")
    changes = {"recipient_email": address}
    moved = await move_delivery(session, order, DeliveryEvent.READDRESS, actor=actor, now=now, changes=changes)
    await wake(session, moved, now=now)
    return moved


async def _command(
    session: AsyncSession,
    order: Order,
    event: OrderEvent,
    *,
    actor: str,
    note: str,
    now: datetime,
    delivery: DeliveryEvent | None = None,
) -> Order:
    detail = {"note": note[:MAX_REASON_LENGTH]}
    moved = await move(session, order, event, actor=actor, now=now, delivery=delivery, detail=detail)
    await wake(session, moved, now=now)
    return moved


async def pause(session: AsyncSession, program_id: str) -> None:
    """No order of the program is sent to a vendor until they are resumed; what was sent goes on."""
    await session.execute(update(programs).where(programs.c.program_id == program_id).values(orders_paused=True))


async def resume(session: AsyncSession, program_id: str, *, now: datetime) -> int:
    """Orders are sent again; how many were waiting for it."""
    await session.execute(update(programs).where(programs.c.program_id == program_id).values(orders_paused=False))
    return await wake_waiting(session, program_id, OrderState.PAUSED, now=now)


async def are_paused(session: AsyncSession, program_id: str) -> bool:
    """Whether the program's switch is on."""
    switch = select(programs.c.orders_paused).where(programs.c.program_id == program_id)
    return bool((await session.execute(switch)).scalar_one())


async def wake_waiting(
    session: AsyncSession, program_id: str, state: OrderState, *, now: datetime, connection_id: str | None = None
) -> int:
    """Every order that waits in this state (for this connection) looks again; how many there were."""
    count, last = 0, ""
    while True:
        waiting = select(orders.c.id).where(
            orders.c.program_id == program_id, orders.c.state == state, orders.c.id > last
        )
        if connection_id is not None:
            waiting = waiting.where(orders.c.connection_id == connection_id)
        page: Sequence[str] = (await session.execute(waiting.order_by(orders.c.id).limit(WAKE_PAGE))).scalars().all()
        rows = [OutboxRow(program_id, Lane.TEMPORAL, Kind.WAKE_ORDER, {"order_id": found}) for found in page]
        await outbox.add(session, rows, now=now)
        count += len(page)
        if len(page) < WAKE_PAGE:
            return count
        last = page[-1]
