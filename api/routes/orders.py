"""Orders: placed with their hold in the request's transaction, read, and led out of review."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages
from api.answers import answer
from api.auth import actor, caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.problems import Problem
from api.schemas.base import OrderId, Page
from api.schemas.orders import (
    AddressBody,
    LinkDocument,
    OrderBody,
    OrderDocument,
    OrderQuery,
    ResolutionBody,
    order_document,
)
from connectors.vendors import REQUEST_BODIES
from domain.orders import Order, Refusal
from domain.scopes import Scope
from storage import orders

router = APIRouter(route_class=Operation, tags=["orders"])

REFUSALS = tuple(code.value for code in Refusal if code is not Refusal.REWARD_NOT_OFFERED)

EXAMPLE = {
    "member_id": "mem_01a1fd1cfa630081c74091f5d2",
    "item": "coffee-card",
    "value_minor": 2500,
    "currency": "USD",
    "recipient_email": "ada@example.com",
}


@router.post(
    "/v1/orders",
    operation_id="place_order",
    summary="Place an order",
    **operation(
        Scope.ORDERS_WRITE,
        {201: OrderDocument},
        body=OrderBody,
        examples={"card": EXAMPLE},
        refusals=(*REFUSALS, "not_found"),
        takes_key=True,
    ),
)
async def place_order(request: Request) -> Response:
    """Priced in points and held at once; a refusal holds nothing. Without a key two requests are two orders."""
    body = await bodies.read_json(request)
    wanted, here = bodies.parse(OrderBody, body).request(), backends(request)

    async def place(session: AsyncSession) -> Answer:
        order = await orders.place(
            session,
            caller(request).program_id,
            wanted,
            request_bodies=REQUEST_BODIES,
            actor=actor(request),
            now=here.clock(),
        )
        return Answer(201, order_document(order))

    done = await idempotency.once(request, body, here.database, here.clock(), place)
    return done


@router.get(
    "/v1/orders",
    operation_id="list_orders",
    summary="List orders, newest first",
    **operation(Scope.ORDERS_READ, {200: Page[OrderDocument]}, refusals=("invalid_cursor",)),
)
async def list_orders(request: Request, query: Annotated[OrderQuery, Query()]) -> Response:
    """Those in review wait for a person: `state=in_review`."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Order]:
        return await orders.list_page(
            session,
            program_id,
            member_id=query.member_id,
            state=query.state,
            before=before[0] if before else None,
            limit=limit,
        )

    of = ("orders", query.member_id, query.state)
    return await pages.answer_page(request, query, of, page, lambda order: (order.id,), order_document)


@router.get(
    "/v1/orders/{order_id:ord}",
    operation_id="get_order",
    summary="Read one order",
    **operation(Scope.ORDERS_READ, {200: OrderDocument}, refusals=("not_found",)),
)
async def get_order(request: Request, order_id: OrderId) -> Response:
    """With every step that it took: the evidence for a review."""
    program_id = caller(request).program_id
    async with backends(request).database.begin() as session:
        order = await orders.find(session, program_id, order_id)
        if order is None:
            raise Problem("not_found", f"no order {order_id}")
        steps = await orders.list_steps(session, program_id, order_id)
    return answer(order_document(order, steps))


@router.post(
    "/v1/orders/{order_id:ord}/resolve",
    operation_id="resolve_order",
    summary="Lead an order out of review",
    **operation(
        Scope.PROGRAMS_ADMIN,
        {200: OrderDocument},
        body=ResolutionBody,
        examples={"retry": {"action": "retry", "note": "the vendor confirmed that nothing was ordered"}},
        refusals=("not_found", "illegal_transition"),
        takes_key=True,
    ),
)
async def resolve_order(request: Request, order_id: OrderId) -> Response:
    """Recorded with the key that did it; the order's workflow goes on from there."""
    body = await bodies.read_json(request)
    resolution = bodies.parse(ResolutionBody, body)

    async def resolve(session: AsyncSession, command: dict[str, Any]) -> Order:
        program_id, note = caller(request).program_id, resolution.note
        if resolution.action == "retry":
            return await orders.retry(session, program_id, order_id, note=note, **command)
        if resolution.action == "fulfil":
            return await orders.fulfil(session, program_id, order_id, proof=note, **command)
        return await orders.cancel(session, program_id, order_id, note=note, **command)

    return await _command(request, body, resolve)


@router.post(
    "/v1/orders/{order_id:ord}/readdress",
    operation_id="readdress_order",
    summary="Send a bounced card to another address",
    **operation(
        Scope.ORDERS_WRITE,
        {200: OrderDocument},
        body=AddressBody,
        examples={"address": {"recipient_email": "ada.lovelace@example.com"}},
        refusals=("not_found", "illegal_transition", "invalid_recipient"),
        takes_key=True,
    ),
)
async def readdress_order(request: Request, order_id: OrderId) -> Response:
    """For a delivery that bounced; the vendor sends the same card again."""
    body = await bodies.read_json(request)
    email = bodies.parse(AddressBody, body).recipient_email

    async def readdress(session: AsyncSession, command: dict[str, Any]) -> Order:
        return await orders.readdress(session, caller(request).program_id, order_id, email=email, **command)

    return await _command(request, body, readdress)


@router.post(
    "/v1/orders/{order_id}/reveal",
    operation_id="reveal_order_link",
    summary="Reveal the link of a card",
    **operation(Scope.ORDERS_WRITE, {200: LinkDocument}, refusals=("not_found",)),
)
async def reveal_order_link(request: Request, order_id: OrderId) -> Response:
    """For an order by link: worth money to whoever reads it, so never log it. Who asked goes on the order's record."""
    here = backends(request)
    async with here.database.begin() as session:
        link = await orders.reveal_link(
            session, here.keyring, caller(request).program_id, order_id, actor=actor(request), now=here.clock()
        )
    if link is None:
        raise Problem("not_found", f"no link of order {order_id}")
    return answer({"link": link.reveal()}, headers={"Cache-Control": "no-store"})


async def _command(
    request: Request, body: bytes, run: Callable[[AsyncSession, dict[str, Any]], Awaitable[Order]]
) -> Response:
    """Run a command of a person on an order; the order after it."""
    here = backends(request)

    async def command(session: AsyncSession) -> Answer:
        order = await run(session, {"actor": actor(request), "now": here.clock()})
        return Answer(200, order_document(order))

    done = await idempotency.once(request, body, here.database, here.clock(), command)
    return done
