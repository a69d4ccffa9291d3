"""Orders: placed with their hold in one transaction, moved by the arrows of domain.orders, each move recorded.

Locks are taken in the fixed order: members, rewards, orders, accounts. Whoever moves points or a reward locks the
member first. Every function answers for one program.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import CatalogItem
from domain.connections import Connection
from domain.ledger import Book, Hold, InsufficientPoints, held_account, member_account
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
from domain.programs import ProgramKind
from domain.time import zone
from domain.units import policies
from domain.vendors import DeliveryMethod, GiftLink, Money, VendorRequest
from storage import catalog, configurations, connections, ledger, outbox, people, slack_homes
from storage.hot_path import Found, run, run_together
from storage.ids import new_id
from storage.keyring import Keyring, binding
from storage.ledger import UNIT
from storage.sets import Rows, insert_all
from storage.tables import order_steps, orders, programs

MAX_PAGE = 101  # orders: a page, and one more that tells whether another follows
MAX_STEPS = 500  # steps of one order
WAKE_PAGE = 500  # orders woken by one statement
NO_CHANGES: Mapping[str, object] = {}

# An advisory lock of two keys: this space and the program's hash. The program's row would make orders wait for others.
_LIMITED = text(f"SELECT pg_advisory_xact_lock({0x4C49}, hashtext(:program_id))")

# By a connection's kind, the frozen bytes of a request to that vendor: pure, so that they are stored before any call.
RequestBodies = Mapping[str, Callable[[VendorRequest], bytes]]


@dataclass(frozen=True, slots=True)
class VendorTask:
    """An order with what it takes to ask its vendor; one without a connection is fulfilled by an administrator."""

    order: Order
    connection: Connection | None
    program_kind: ProgramKind
    are_paused: bool
    request_body: bytes | None


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


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What will be ordered, for whom and from where: nothing stands in the way but its price."""

    member: _Member
    recipient_name: str
    recipient_email: str
    item: CatalogItem
    value: Money
    supply: _Supply


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
    admitted = await _admit(session, program_id, request, request_bodies, now)
    order = _draft(program_id, request, admitted, now)
    held = await _hold(session, order, now=now) if order.price_points else None
    order = replace(order, hold_id=held[1].id if held else None)
    await _insert(session, order, held, _freeze(order, admitted.supply, request_bodies), actor=actor)
    if held:
        await slack_homes.follow(session, program_id, [order.member_id], now=now)
    return order


async def _admit(
    session: AsyncSession, program_id: str, request: OrderRequest, request_bodies: RequestBodies, now: datetime
) -> _Admitted:
    member, limits, time_zone = await _lock_member(session, program_id, request.member_id)
    if member.status == "left":
        raise OrderRefused(Refusal.MEMBER_NOT_ACTIVE, "the member has left")
    name, email = check_recipient(request.recipient_name or member.name, request.recipient_email or member.email)
    item = await _get_item(session, program_id, request.item)
    supply = await _find_supply(session, program_id, item, request_bodies)
    value = Money(request.value_minor, request.currency or item.currency)
    await _check_offered(session, program_id, item, value, member.country, supply)
    await _check_program_limits(session, program_id, limits, time_zone, value, now)
    return _Admitted(member, name, email, item, value, supply)


def _draft(program_id: str, request: OrderRequest, admitted: _Admitted, now: datetime) -> Order:
    """The order before its price is held."""
    item, value = admitted.item, admitted.value
    return Order(
        id=new_id("ord"),
        program_id=program_id,
        member_id=admitted.member.id,
        reward_id=request.reward_id,
        item=item.key,
        item_name=item.name,
        connection_id=admitted.supply.connection_id,
        product=item.product or None,
        value=value,
        price_points=price(value, item.points_per_unit) if request.price_points is None else request.price_points,
        hold_id=None,
        recipient_name=admitted.recipient_name,
        recipient_email=admitted.recipient_email,
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


_LOCK_MEMBER = """SELECT m.merged_into, m.id, m.name, m.email, m.country, m.status,
        p.limit_currency, p.daily_limit_minor, p.monthly_limit_minor, p.time_zone
    FROM members m JOIN programs p ON p.program_id = m.program_id
    WHERE m.program_id = %(program_id)s AND m.id = %(member_id)s FOR NO KEY UPDATE OF m"""


async def _lock_member(session: AsyncSession, program_id: str, member_id: str) -> tuple[_Member, Limits, str]:
    """Who orders, what the program allows, and the time zone in which it counts its days."""
    found = await run(session, _LOCK_MEMBER, {"program_id": program_id, "member_id": member_id})
    if not found:
        raise LookupError(f"no member {member_id}")
    into, *member = found[0][:-4]
    if into is not None:
        return await _lock_member(session, program_id, into)
    *guard, time_zone = found[0][-4:]
    return _Member(*member), Limits(*guard), time_zone


async def _get_item(session: AsyncSession, program_id: str, key: str) -> CatalogItem:
    configuration = await configurations.read_active(session, program_id)
    item = configuration.catalog.get(key)
    if item is None:
        raise OrderRefused(Refusal.ITEM_UNAVAILABLE, f"the catalog has no {key}")
    return item


_SUPPLY = """SELECT id, kind, config ->> 'funding_source_id' FROM connections
    WHERE program_id = %(program_id)s AND name = %(name)s"""


async def _find_supply(
    session: AsyncSession, program_id: str, item: CatalogItem, request_bodies: RequestBodies
) -> _Supply:
    if item.vendor == OWN_VENDOR:
        return _Supply()
    found = await run(session, _SUPPLY, {"program_id": program_id, "name": item.vendor})
    supply = _Supply(*found[0]) if found else None
    if supply is None or supply.kind not in request_bodies:
        raise OrderRefused(Refusal.VENDOR_UNAVAILABLE, f"{item.vendor} is not connected")
    return supply


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


async def _check_program_limits(
    session: AsyncSession, program_id: str, limits: Limits, time_zone: str, value: Money, now: datetime
) -> None:
    """Where a limit is set, orders are placed one after the other, so that no two share what is left of it."""
    if limits.any:
        await session.execute(_LIMITED, {"program_id": program_id})
        today, this_month = await _ordered_minor(session, program_id, limits.currency, time_zone, now)
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


async def _hold(session: AsyncSession, order: Order, *, now: datetime) -> tuple[Book, Hold]:
    """The price set aside, in a Book still to be written; raises OrderRefused if the member has less."""
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
    return book, hold


def _freeze(order: Order, supply: _Supply, request_bodies: RequestBodies) -> bytes | None:
    if supply.kind is None:
        return None
    return request_bodies[supply.kind](vendor_request(order, funding_source_id=supply.funding_source_id))


async def _insert(
    session: AsyncSession, order: Order, held: tuple[Book, Hold] | None, body: bytes | None, *, actor: str
) -> None:
    """The order with its hold, its first step and its workflow's start, in one statement."""
    columns = (*_PLAIN_COLUMNS, "value_minor", "currency", "delivery_state", "vendor_request")
    plain = (getattr(order, name) for name in _PLAIN_COLUMNS)
    row = (*plain, order.value.amount_minor, order.value.currency, order.delivery, body)
    step = _step(order, "place", actor=actor, now=order.created_at, detail={"price_points": order.price_points})
    start = outbox.rows(session, [_effect(Kind.START_ORDER, order, about=order.about)], now=order.created_at)
    own = [Rows(orders, columns, [row]), Rows(order_steps, tuple(step), [[*step.values()]]), start]
    if held is None:
        await insert_all(session, own)
        return
    book, hold = held
    await ledger.write(session, book, ledger.hold_rows(order.program_id, [hold], created_at=order.created_at), *own)


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
# The same on the driver: every step of every order reads its row.
_COLUMNS = ", ".join((*(f"o.{name}" for name in _PLAIN_COLUMNS), "o.value_minor", "o.currency", "o.delivery_state"))
_OWN = "o.program_id = %(program_id)s AND o.id = %(id)s"
_FIND = f"SELECT {_COLUMNS}, o.link IS NOT NULL FROM orders o WHERE {_OWN}"
_LOCK = f"{_FIND} FOR NO KEY UPDATE"


def _order(row: Sequence[Any]) -> Order:
    *plain, value_minor, currency, delivery_state, has_link = row
    values = dict(zip(_PLAIN_COLUMNS, plain, strict=True)) | {
        "value": Money(value_minor, currency),
        "delivery": Delivery(delivery_state),
        "has_link": has_link,
    }
    values["state"], values["delivery_method"] = OrderState(values["state"]), DeliveryMethod(values["delivery_method"])
    return Order(**values)


def _only(found: Found, order_id: str) -> Order:
    if not found:
        raise LookupError(f"no order {order_id}")
    return _order(found[0])


async def find(session: AsyncSession, program_id: str, order_id: str) -> Order | None:
    """The program's order of this id, or None."""
    found = await run(session, _FIND, {"program_id": program_id, "id": order_id})
    return _order(found[0]) if found else None


async def get(session: AsyncSession, program_id: str, order_id: str) -> Order:
    """The program's order of this id; raises LookupError."""
    return _only(await run(session, _FIND, {"program_id": program_id, "id": order_id}), order_id)


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
    return [_order(row) for row in rows]


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


_READ_TASK = f"""SELECT {", ".join(f"c.{name}" for name in connections.COLUMNS)}, p.kind, p.orders_paused,
    o.vendor_request, {_COLUMNS}, o.link IS NOT NULL
    FROM orders o JOIN programs p ON p.program_id = o.program_id
    LEFT JOIN connections c ON c.program_id = o.program_id AND c.id = o.connection_id WHERE {_OWN}"""


async def read_task(session: AsyncSession, keyring: Keyring, program_id: str, order_id: str) -> VendorTask:
    """The order with all that its vendor's steps need; raises LookupError."""
    found = await run(session, _READ_TASK, {"program_id": program_id, "id": order_id})
    if not found:
        raise LookupError(f"no order {order_id}")
    connection, (kind, paused, body, *order) = (
        found[0][: len(connections.COLUMNS)],
        found[0][len(connections.COLUMNS) :],
    )
    reached = connections.opened(keyring, connection) if connection[0] else None
    return VendorTask(_order(order), reached, ProgramKind(kind), paused, body)


# -- Moving --------------------------------------------------------------------------------------------------------


_OF_MEMBER = "SELECT o.member_id FROM orders o WHERE " + _OWN
_OF_REWARD = "SELECT o.reward_id FROM orders o WHERE " + _OWN
_LOCK_MEMBER_OF = f"""SELECT FROM members WHERE program_id = %(program_id)s AND id = ({_OF_MEMBER})
    FOR NO KEY UPDATE"""
_LOCK_REWARD_OF = f"""SELECT FROM rewards WHERE program_id = %(program_id)s AND id = ({_OF_REWARD})
    FOR NO KEY UPDATE"""


async def lock(session: AsyncSession, program_id: str, order_id: str, *, with_member: bool = False) -> Order:
    """The order, locked until the transaction ends; with its member and reward first if points may move."""
    key = {"program_id": program_id, "id": order_id}
    before = ((_LOCK_MEMBER_OF, key), (_LOCK_REWARD_OF, key)) if with_member else ()
    *_, found = await run_together(session, *before, (_LOCK, key))
    return _only(found, order_id)


async def find_locked(session: AsyncSession, program_id: str, order_id: str) -> Order | None:
    """The program's order of this id, locked until the transaction ends; None if it has none."""
    found = await run(session, _LOCK, {"program_id": program_id, "id": order_id})
    return _order(found[0]) if found else None


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
    await _write(session, moved, _step(moved, event, actor=actor, now=now, detail=_because(reason, detail)))
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
    step = _step(moved, f"delivery_{event}", actor=actor, now=now, detail=_because(reason, None))
    await _write(session, moved, step)
    return moved


async def set_vendor_ids(session: AsyncSession, order: Order, ids: Mapping[str, object]) -> None:
    """The locked order knows what the vendor calls it and its card."""
    await run(session, _UPDATE, _changing(replace(order, **ids)))  # type: ignore[arg-type]


async def note(
    session: AsyncSession, order: Order, step: str, *, actor: str, now: datetime, detail: Mapping[str, object]
) -> None:
    """Record what moved nothing, such as an answer that says to wait."""
    row = _step(order, step, actor=actor, now=now, detail=detail)
    await insert_all(session, [Rows(order_steps, tuple(row), [[*row.values()]])])


def _because(reason: str | None, detail: Mapping[str, object] | None) -> dict[str, object]:
    return ({"reason": reason} if reason else {}) | dict(detail or {})


# All that may change after an order was placed; whoever writes has locked the row.
_UPDATE = """UPDATE orders SET state = %(state)s, delivery_state = %(delivery)s, reason = %(reason)s,
    recipient_email = %(recipient_email)s, vendor_order_id = %(vendor_order_id)s,
    vendor_reward_id = %(vendor_reward_id)s, updated_at = %(updated_at)s
    WHERE program_id = %(program_id)s AND id = %(order_id)s"""
_UPDATE_AND_RECORD = f"""WITH moved AS ({_UPDATE})
    INSERT INTO order_steps (program_id, order_id, step, state, detail, actor, recorded_at)
    VALUES (%(program_id)s, %(order_id)s, %(step)s, %(state)s, CAST(%(told)s AS jsonb), %(actor)s, %(recorded_at)s)"""


def _changing(order: Order) -> dict[str, object]:
    return {
        "program_id": order.program_id,
        "order_id": order.id,
        "state": order.state.value,
        "delivery": order.delivery.value,
        "reason": order.reason,
        "recipient_email": order.recipient_email,
        "vendor_order_id": order.vendor_order_id,
        "vendor_reward_id": order.vendor_reward_id,
        "updated_at": order.updated_at,
    }


def _step(order: Order, step: str, *, actor: str, now: datetime, detail: Mapping[str, object]) -> dict[str, object]:
    """One line of the order's record, by column."""
    return {
        "program_id": order.program_id,
        "order_id": order.id,
        "step": str(step),
        "state": order.state.value,
        "detail": dict(detail) | {"delivery": order.delivery},
        "actor": actor,
        "recorded_at": now,
    }


async def _write(session: AsyncSession, order: Order, step: dict[str, object]) -> None:
    """The order as it now is, and the step that made it so."""
    told = {"told": orjson.dumps(step["detail"]).decode()}
    await run(session, _UPDATE_AND_RECORD, _changing(order) | step | told)


def _effect(kind: Kind, order: Order, **more: str) -> OutboxRow:
    payload = {"order_id": order.id} | more
    return OutboxRow(order.program_id, Lane.TEMPORAL, kind, payload, order_key=f"order/{order.id}")


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


async def give_back(session: AsyncSession, order: Order, *, actor: str, now: datetime) -> None:
    """The points are back in the lots they came from, whether they were held or spent already; once.

    An account that was closed meanwhile is open again if something came back to it, which goes on the order's record.
    """
    hold = await ledger.find_hold(session, order.program_id, order.hold_id) if order.hold_id else None
    if hold is None or hold.state == "released":
        return
    configuration = await configurations.read_active(session, order.program_id)
    _, into = await people.follow(session, order.program_id, [order.member_id])
    book = await ledger.open_book(
        session,
        order.program_id,
        [order.member_id, *into.values()],
        recorded_at=now,
        debited=into,
        lot_ids=list(hold.lots),
        policies=policies(configuration),
    )
    if hold.state == "open":
        done = book.release(hold, business_key=f"release:{order.id}", effective_at=now)
    else:
        done = book.refund(hold, business_key=f"refund:{order.id}", effective_at=now)
    end = member_account(into.get(order.member_id, order.member_id), UNIT)
    reopened = book.accounts[hold.account_id].balance > 0 and book.reopen(end)
    if end != hold.account_id:
        key = f"follow:{done.id}:{hold.account_id}"
        book.merge(source=hold.account_id, destination=end, business_key=key, effective_at=now)
    await ledger.write(session, book)
    await ledger.close_hold(session, order.program_id, hold)
    if reopened:
        await note(session, order, "reopen_account", actor=actor, now=now, detail={"account": end})


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
