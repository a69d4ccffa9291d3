"""A program with a catalog, a connected vendor's sandbox, and members with points: what orders need around them."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import insert, select, update

from connectors.http import Bounds
from connectors.vendors import REQUEST_BODIES, Vendors
from domain.configuration import CatalogItem, Reward
from domain.connections import Connection
from domain.definitions import Definitions
from domain.ledger import Grant, member_account
from domain.orders import Order, OrderRequest
from domain.programs import Program, ProgramKind
from storage import configurations, connections, ledger, orders, programs, verification
from storage.database import Database
from storage.ids import new_id
from storage.keyring import Keyring
from storage.ledger import UNIT
from storage.tables import accounts, members, notifications, outbox, rewards
from storage.tables import orders as order_table
from storage.tables import programs as program_table
from tests.eventually import eventually

NOWHERE = "http://127.0.0.1:9/api/v2/"
# Short, so that a vendor that hangs costs a test little.
BOUNDS = Bounds(connect_seconds=1.0, request_seconds=1.5, attempts=1)

COFFEE = CatalogItem(
    key="coffee",
    version=1,
    name="Example Coffee",
    vendor="gifts",
    product="SMPLCOFFEEUS",
    category="food",
    countries=("US",),
    currency="USD",
    denominations=(1_000, 2_500, 20_000),
    points_per_unit=10,
)
BOOKS = CatalogItem(
    key="books",
    version=1,
    name="Beispielbuch",
    vendor="gifts",
    product="SMPLBUCHXXDE",
    countries=("DE",),
    currency="EUR",
    denominations=(1_000, 2_500),
    points_per_unit=10,
)
LUNCH = CatalogItem(
    key="lunch",
    version=1,
    name="Lunch with the founders",
    vendor="own",
    currency="USD",
    denominations=(2_500,),
    points_per_unit=10,
)
AUTOMATIC = Reward("automatic", 1, "A coffee card", ("books", "coffee"), 2_500, "USD", automatic=True)
CHOICE = Reward("choice", 1, "Your choice", ("coffee", "lunch"), 2_500, "USD", offer_days=30, remind_days=7)
PAID = Reward("paid", 1, "For your points", ("coffee",), 2_500, "USD", automatic=True, price_points=100)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Shop:
    """One program in one database; its vendor is reached at `url`."""

    database: Database
    keyring: Keyring
    vendors: Vendors
    program: Program
    url: str
    connection_id: str
    key: str
    clock: Callable[[], datetime] = now

    @property
    def id(self) -> str:
        return self.program.id

    async def connection(self) -> Connection:
        async with self.database.begin() as session:
            return await connections.get(session, self.keyring, self.id, self.connection_id)

    async def member(self, points: int = 0, country: str | None = "US", email: str | None = "ada@example.com") -> str:
        """A new member with this balance; the id."""
        member_id, at = new_id("mem"), self.clock()
        row = {"id": member_id, "program_id": self.id, "external_id": member_id, "name": "Ada", "email": email}
        async with self.database.begin() as session:
            await session.execute(
                insert(members).values(row | {"country": country, "created_at": at, "updated_at": at})
            )
        if points:
            await self.grant(member_id, points)
        return member_id

    async def grant(self, member_id: str, points: int, expires_at: datetime | None = None) -> None:
        async with self.database.begin() as session:
            book = await ledger.open_book(session, self.id, [member_id], recorded_at=self.clock())
            book.earn(
                member=member_account(member_id, UNIT),
                grants=[Grant(points, expires_at)],
                business_key=f"test:{new_id('txn')}",
                effective_at=self.clock(),
            )
            await ledger.write(session, book)

    async def balance(self, member_id: str) -> int:
        async with self.database.begin() as session:
            own = select(accounts.c.balance).where(accounts.c.id == member_account(member_id, UNIT))
            return int((await session.execute(own)).scalar_one_or_none() or 0)

    async def held(self, member_id: str) -> int:
        async with self.database.begin() as session:
            own = select(accounts.c.balance).where(accounts.c.id == f"{member_account(member_id, UNIT)}.held")
            return int((await session.execute(own)).scalar_one_or_none() or 0)

    async def place(self, member_id: str, item: str = "coffee", value_minor: int = 2_500, **request: Any) -> Order:
        """An order placed as the API places it."""
        async with self.database.begin() as session:
            return await orders.place(
                session,
                self.id,
                OrderRequest(member_id, item, value_minor, **request),
                request_bodies=REQUEST_BODIES,
                actor="key_test",
                now=self.clock(),
            )

    async def order(self, order_id: str) -> Order:
        async with self.database.begin() as session:
            return await orders.get(session, self.id, order_id)

    async def steps(self, order_id: str) -> list[str]:
        """The names of what happened to the order."""
        async with self.database.begin() as session:
            return [step.step for step in await orders.list_steps(session, self.id, order_id)]

    async def give(self, member_id: str, reward: str) -> str:
        """A reward as intake gives it; the id."""
        reward_id, at = new_id("rwd"), self.clock()
        row = {"id": reward_id, "program_id": self.id, "member_id": member_id, "reward": reward, "configuration": 1}
        async with self.database.begin() as session:
            await session.execute(
                insert(rewards).values(row | {"state": "unlocked", "created_at": at, "updated_at": at})
            )
        return reward_id

    async def set_order(self, order_id: str, **values: object) -> None:
        async with self.database.begin() as session:
            await session.execute(update(order_table).where(order_table.c.id == order_id).values(values))

    async def set_reward(self, reward_id: str, **values: object) -> None:
        async with self.database.begin() as session:
            await session.execute(update(rewards).where(rewards.c.id == reward_id).values(values))

    async def set_member(self, member_id: str, **values: object) -> None:
        async with self.database.begin() as session:
            await session.execute(update(members).where(members.c.id == member_id).values(values))

    async def set_program(self, **values: object) -> None:
        async with self.database.begin() as session:
            own = update(program_table).where(program_table.c.program_id == self.id)
            await session.execute(own.values(values))

    async def told(self) -> list[str]:
        """The kinds of the notifications so far."""
        async with self.database.begin() as session:
            own = select(notifications.c.kind).where(notifications.c.program_id == self.id)
            return list((await session.execute(own.order_by(notifications.c.id))).scalars())

    async def effects(self) -> list[str]:
        """The kinds of the outbox rows so far."""
        async with self.database.begin() as session:
            own = select(outbox.c.kind).where(outbox.c.program_id == self.id)
            return list((await session.execute(own.order_by(outbox.c.id))).scalars())

    async def violations(self) -> int:
        """How many things of the ledger are not as they must be."""
        async with self.database.begin() as session:
            return sum(check.violations for check in await verification.verify(session, self.id))


async def open_shop(database: Database, url: str = NOWHERE, kind: ProgramKind = ProgramKind.SANDBOX) -> Shop:
    """A new program with the catalog above, connected to the vendor at `url` under the name "gifts"."""
    key, at = os.urandom(32), now() - timedelta(seconds=1)
    keyring = Keyring({"test": key}, "test")
    catalog = {item.key: item for item in (COFFEE, BOOKS, LUNCH)}
    given = {reward.key: reward for reward in (AUTOMATIC, CHOICE, PAID)}
    async with database.begin() as session:
        program = await programs.insert(session, name="Example", kind=kind, now=at)
        connection = await connections.insert(
            session,
            keyring,
            program,
            kind="tremendous",
            name="gifts",
            config={"base_url": url},
            secrets={"api_key": "TEST_key" if kind is ProgramKind.SANDBOX else "PROD_key"},
            now=at,
        )
        definitions = Definitions(catalog=catalog, rewards=given)
        await configurations.apply(session, program.id, definitions, applied_by="test", applied_at=at)
    secret = base64.b64encode(key).decode()
    return Shop(database, keyring, Vendors(BOUNDS), program, url, connection.id, secret)


_AUTHORIZED = {"authorization": "Bearer TEST_key"}


class Knobs:
    """The sandbox's controls."""

    def __init__(self, root: str) -> None:
        self._client = httpx.Client(base_url=root)

    def fault(self, kind: str, **more: object) -> None:
        self._client.post("/_control/faults", json={"kind": kind} | more).raise_for_status()

    def fund(self, cents: int) -> None:
        self._client.post("/_control/balance", json={"available_cents": cents}).raise_for_status()

    def sell(self, product: str, *, on_sale: bool) -> None:
        self._client.post(f"/_control/products/{product}", json={"on_sale": on_sale}).raise_for_status()

    def cards(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get("/_control/cards").json()
        return found

    def emails(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.get("/_control/inbox").json()["emails"]
        return found

    async def delivered(self, count: int) -> None:
        """Until so many e-mails have gone out, or bounced."""

        async def gone() -> None:
            assert len(self.emails()) >= count

        await eventually(gone)

    def approve(self, order_id: str) -> None:
        self._approval(order_id, "approve")

    def reject(self, order_id: str) -> None:
        self._approval(order_id, "reject")

    def calls(self) -> dict[str, int]:
        found: dict[str, int] = self._client.get("/_control/calls").json()["calls"]
        return found

    async def called(self, route: str, times: int) -> None:
        """Until the route has been called so often."""

        async def enough() -> None:
            assert self.calls().get(route, 0) >= times

        await eventually(enough)

    def cancel(self, reward_id: str) -> None:
        self._client.post(f"/api/v2/rewards/{reward_id}/cancel", headers=_AUTHORIZED).raise_for_status()

    def order_at_vendor(self, key: str, denomination: int) -> None:
        """Somebody else orders under the key."""
        value = {"denomination": denomination, "currency_code": "USD"}
        recipient = {"name": "Ada", "email": "ada@example.com"}
        reward = {"products": ["SMPLCOFFEEUS"], "value": value, "recipient": recipient, "delivery": {"method": "EMAIL"}}
        order = {"external_id": key, "payment": {"funding_source_id": "BALANCE"}, "reward": reward}
        self._client.post("/api/v2/orders", json=order, headers=_AUTHORIZED).raise_for_status()

    def _approval(self, order_id: str, how: str) -> None:
        self._client.post(f"/api/v2/order_approvals/{order_id}/{how}", headers=_AUTHORIZED).raise_for_status()

    def close(self) -> None:
        self._client.close()
