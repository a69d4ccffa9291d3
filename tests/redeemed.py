"""Orders that are placed, sent and taken back as the activities do it, without a vendor."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.vendors import REQUEST_BODIES
from domain.orders import Order, OrderEvent, OrderRequest
from storage import orders


async def place(session: AsyncSession, program_id: str, member: str, at: datetime, points: int | None = None) -> Order:
    """A mug, for its price in points or for another."""
    request = OrderRequest(member, "mug", 2500, price_points=points)
    return await orders.place(session, program_id, request, request_bodies=REQUEST_BODIES, actor="a test", now=at)


async def send(session: AsyncSession, order: Order, at: datetime) -> Order:
    """Accepted and spent."""
    for event in (OrderEvent.BEGIN, OrderEvent.ACCEPT):
        order = await orders.move(session, order, event, actor="a test", now=at)
    await orders.settle_hold(session, order, now=at)
    return await orders.move(session, order, OrderEvent.SETTLE, actor="a test", now=at)


async def refund(session: AsyncSession, order: Order, at: datetime) -> Order:
    """Taken back, and the points are where they came from."""
    order = await orders.move(session, order, OrderEvent.CANCEL, actor="a test", now=at)
    await orders.give_back(session, order, actor="test", now=at)
    return await orders.move(session, order, OrderEvent.REFUND, actor="a test", now=at)
