"""What a vendor's notice is about is asked for and stored, and whoever waits for it is woken.

A notice itself proves nothing: it may be old, repeated or out of order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.orders import OrderActivities
from activities.outside import retried
from connectors.errors import Rejected
from connectors.vendors import Vendor, Vendors
from domain.connections import Connection
from domain.notices import ObjectToFetch
from domain.orders import OrderState
from domain.time import Clock
from domain.vendors import VendorOrder, VendorProduct
from storage import catalog, connections, notices, orders
from storage.database import Database
from storage.keyring import Keyring

# Times that one activity asks again because more notices came meanwhile.
ROUNDS_MAX = 20

FUNDING = "funding"


@dataclass(frozen=True, slots=True)
class Question:
    """What the vendor is asked because of open notices up to `highest`, if any, the last of which said `body`."""

    connection: Connection
    object_id: str
    highest: int | None
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VendorSays:
    """What is true at the vendor now; nothing for money, which each waiting order asks about itself."""

    order: VendorOrder | None = None
    products: tuple[VendorProduct, ...] | None = None


class VendorNoticeActivities:
    """Registered on the vendors' task queue."""

    def __init__(
        self, database: Database, keyring: Keyring, vendors: Vendors, of_orders: OrderActivities, clock: Clock
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._vendors = vendors
        self._of_orders = of_orders
        self._clock = clock

    @activity.defn(name="fetch_object")
    async def fetch_object(self, target: ObjectToFetch) -> None:
        """No notice of the object is open afterwards, and what the vendor says of it is stored.

        The catalog is asked for without a notice as well.
        """
        question = await self._find_question(target)
        if question.highest is None and target.object_id != catalog.CATALOG:
            return
        for _ in range(ROUNDS_MAX):
            vendor = await self._vendors.of(question.connection)
            with retried():
                says = await _ask(vendor, question.object_id)
            question = await self._store(question, says)
            if question.highest is None:
                return
        raise ApplicationError(f"notices of {target.object_id} come faster than it can be fetched")

    async def _find_question(self, target: ObjectToFetch) -> Question:
        async with self._database.begin() as session:
            connection = await connections.get(session, self._keyring, target.program_id, target.connection_id)
            return await _question(session, connection, target.object_id)

    async def _store(self, question: Question, says: VendorSays) -> Question:
        """What the vendor says is kept, and the notices that it answers are handled; the next question."""
        connection, now = question.connection, self._clock()
        async with self._database.begin() as session:
            if question.object_id == FUNDING:
                waiting = OrderState.AWAITING_FUNDS
                await orders.wake_waiting(session, connection.program_id, waiting, now=now, connection_id=connection.id)
            if says.products is not None:
                await catalog.replace_products(session, connection.program_id, connection.id, says.products, now=now)
                await notices.keep_facts(session, connection, catalog.CATALOG, (), now=now)
            if says.order is not None:
                await self._store_order(session, question, says.order)
            if question.highest is not None:
                await notices.handle(session, connection, question.object_id, question.highest, now=now)
            return await _question(session, connection, question.object_id)

    async def _store_order(self, session: AsyncSession, question: Question, told: VendorOrder) -> None:
        """Our order, whose id is the key at the vendor, has their word about its card, and its workflow looks at it."""
        connection, now = question.connection, self._clock()
        order = await orders.find_locked(session, connection.program_id, told.external_id) if told.external_id else None
        if order is None or order.connection_id != connection.id:
            return
        because, passing = question.body.get("failure_reason"), question.body.get("retryable") is True
        moved = await self._of_orders.store_delivery(session, order, told, now, because=because, passing=passing)
        await orders.wake(session, moved, now=now)


async def _question(session: AsyncSession, connection: Connection, object_id: str) -> Question:
    highest, body = await notices.find_latest_open(session, connection.id, object_id) or (None, {})
    return Question(connection, object_id, highest, body)


async def _ask(vendor: Vendor, object_id: str) -> VendorSays:
    if object_id == catalog.CATALOG:
        return VendorSays(products=tuple(await vendor.catalog()))
    kind, _, resource_id = object_id.partition("/")
    if kind == "reward":
        return VendorSays(order=await vendor.find_by_reward(resource_id))
    return VendorSays(order=await _find_order(vendor, resource_id)) if kind == "order" else VendorSays()


async def _find_order(vendor: Vendor, vendor_order_id: str) -> VendorOrder | None:
    try:
        return await vendor.get(vendor_order_id)
    except Rejected as refusal:
        if refusal.code == "not_found":
            return None
        raise
