"""Fetching deals: what HubSpot says after its notices is what the program's book says."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.hubspot import HubSpotActivities
from connectors.hubspot import HubSpots
from domain.connections import Connection
from domain.notices import Matters, Notice, ObjectToFetch
from relay import namespaces, temporal
from sandbox.hubspot import create_app
from sandbox.hubspot.crm import Deal
from sandbox.hubspot.faults import Fault
from storage import connections, notices, outages, programs, tables
from storage.database import Database
from storage.keyring import Keyring
from tests.eventually import eventually
from tests.programs import SAMPLE, apply, make_member, make_program
from tests.sandboxes import running
from workflows import queues

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
KEYRING = Keyring({"a": bytes(32)}, "a")
FIELDS = {
    "deal_id": {"type": "string"},
    "name": {"type": "string"},
    "amount_minor": {"type": "integer"},
    "currency": {"type": "string"},
    "pipeline": {"type": "string"},
}
# A point for each whole unit of money.
CONFIGURATION: dict[str, Any] = SAMPLE | {
    "event_types": SAMPLE["event_types"] | {"deal.won": {"fields": FIELDS}},
    "rules": {"worth": {"event_type": "deal.won", "award": {"expression": "event.amount_minor / 100"}}},
    "milestones": {},
}


class Gate:
    """Lets HubSpot's answers pass; once closed, it holds each back after it was made, until it is opened."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.holds = Event()
        self.open = Event()
        self.open.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer: list[Any] = []

        async def keep(message: Any) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        if not self.open.is_set():
            self.holds.set()
            await asyncio.to_thread(self.open.wait)
        for message in answer:
            await send(message)


class Account:
    """One HubSpot account, the program that listens to it, and what has been recorded."""

    def __init__(self, app: FastAPI, database: Database, connection: Connection, hubspots: HubSpots) -> None:
        self.crm = app.state.crm
        self.faults = app.state.faults
        self.requests = app.state.requests
        self.now = NOW
        self.connection = connection
        self.database = database
        self.activities = HubSpotActivities(database, KEYRING, hubspots, lambda: self.now)
        self._keys = 0

    def win(self, **properties: str) -> Deal:
        deal: Deal = self.crm.create({"dealname": "Big one", "amount": "100", "hubspot_owner_id": "71"} | properties)
        self.crm.update(deal, {"dealstage": "closedwon"})
        return deal

    async def tell(self, deal_id: str) -> None:
        """A notice about the deal arrives."""
        self._keys += 1
        notice = Notice(str(self._keys), deal_id, "deal.propertyChange", self.now, Matters.ALWAYS, {})
        async with self.database.begin() as session:
            await notices.insert_new(session, self.connection, [notice], now=self.now)

    async def fetch(self, deal_id: str) -> None:
        await self.activities.fetch_object(
            ObjectToFetch(self.connection.program_id, self.connection.id, deal_id, "hubspot")
        )

    async def tell_and_fetch(self, deal_id: str) -> None:
        await self.tell(deal_id)
        await self.fetch(deal_id)

    async def points(self) -> int:
        async with self.database.begin() as session:
            balances = select(tables.accounts.c.balance).where(tables.accounts.c.member_id.is_not(None))
            return sum((await session.execute(balances)).scalars())

    async def events(self) -> list[tuple[str, str]]:
        """Type and state of everything recorded, in order."""
        async with self.database.begin() as session:
            rows = select(tables.events.c.type, tables.events.c.state).order_by(tables.events.c.id)
            return [(type_, state) for type_, state in await session.execute(rows)]

    async def outages(self) -> list[tuple[datetime, datetime | None]]:
        async with self.database.begin() as session:
            found = await outages.list_of(session, self.connection.program_id)
            return [(outage.began_at, outage.ended_at) for outage in found]

    async def open_notices(self) -> int:
        async with self.database.begin() as session:
            rows = select(tables.notices.c.id).where(tables.notices.c.state == "open")
            return len((await session.execute(rows)).all())


@pytest.fixture
def app() -> FastAPI:
    app = create_app(clock=lambda: NOW)
    app.state.crm.add_owner("ada@example.com", "Ada", "Lovelace")
    return app


@pytest.fixture
def gate(app: FastAPI) -> Gate:
    return Gate(app)


@pytest.fixture
def base_url(gate: Gate) -> Iterator[str]:
    with running(gate) as base_url:
        yield base_url


@pytest.fixture
async def account(app: FastAPI, base_url: str, database_url: str) -> AsyncIterator[Account]:
    database, hubspots = Database(database_url), HubSpots()
    async with database.begin() as session:
        program_id = await make_program(session, CONFIGURATION)
        await make_member(session, program_id, "ada")
        connection = await connections.insert(
            session,
            KEYRING,
            await programs.get(session, program_id),
            kind="hubspot",
            name="sales",
            config={"base_url": base_url},
            secrets={"client_secret": "s", "access_token": app.state.access_token},
            now=NOW - timedelta(days=1),
        )
    yield Account(app, database, connection, hubspots)
    await hubspots.aclose()
    await database.dispose()


async def test_a_won_deal_earns_its_owner_points(account: Account) -> None:
    deal = account.win()

    await account.tell_and_fetch(deal.id)

    assert await account.events() == [("deal.won", "decided")]
    assert await account.points() == 100
    assert await account.open_notices() == 0


async def test_a_deal_fetched_again_earns_nothing_more(account: Account) -> None:
    deal = account.win()
    for _ in range(3):
        await account.tell_and_fetch(deal.id)

    assert await account.points() == 100


async def test_without_an_open_notice_hubspot_is_not_asked(account: Account) -> None:
    await account.fetch("404")

    assert account.requests == {}


async def test_many_notices_are_answered_by_one_question(account: Account) -> None:
    deal = account.win()
    for _ in range(5):
        await account.tell(deal.id)

    await account.fetch(deal.id)

    assert account.requests[f"/crm/v3/objects/0-3/{deal.id}"] == 1
    assert await account.open_notices() == 0


async def test_a_notice_that_comes_during_the_question_is_asked_about_again(account: Account, gate: Gate) -> None:
    deal = account.win()
    await account.tell(deal.id)
    gate.open.clear()
    fetching = asyncio.create_task(account.fetch(deal.id))
    await asyncio.to_thread(gate.holds.wait)

    account.crm.update(deal, {"amount": "250"})
    await account.tell(deal.id)
    gate.open.set()
    await fetching

    assert await account.points() == 250
    assert await account.open_notices() == 0


async def test_an_edited_amount_amends_what_was_earned(account: Account) -> None:
    deal = account.win()
    await account.tell_and_fetch(deal.id)
    account.crm.update(deal, {"amount": "30"})

    await account.tell_and_fetch(deal.id)

    assert await account.events() == [("deal.won", "decided")]
    assert await account.points() == 30


async def test_a_reopened_deal_gives_its_points_back_and_a_second_win_earns_anew(account: Account) -> None:
    deal = account.win()
    await account.tell_and_fetch(deal.id)
    account.crm.update(deal, {"dealstage": "contractsent"})
    await account.tell_and_fetch(deal.id)
    reopened = await account.points()
    account.crm.update(deal, {"dealstage": "closedwon", "amount": "70"})

    await account.tell_and_fetch(deal.id)

    assert (reopened, await account.points()) == (0, 70)
    assert [state for type_, state in await account.events() if type_ == "deal.won"] == ["retracted", "decided"]


async def test_a_deal_won_and_reopened_unseen_earns_nothing(account: Account) -> None:
    deal = account.win()
    account.crm.update(deal, {"dealstage": "contractsent"})

    await account.tell_and_fetch(deal.id)

    assert await account.points() == 0


async def test_a_deleted_deal_gives_its_points_back(account: Account) -> None:
    deal = account.win()
    await account.tell_and_fetch(deal.id)
    account.crm.archive(deal)

    await account.tell_and_fetch(deal.id)

    assert await account.points() == 0


async def test_a_deal_that_hubspot_forgot_gives_its_points_back(account: Account) -> None:
    deal = account.win()
    await account.tell_and_fetch(deal.id)
    del account.crm.deals[deal.id]

    await account.tell_and_fetch(deal.id)

    assert await account.points() == 0
    assert await account.open_notices() == 0


async def test_of_two_won_deals_that_were_merged_one_is_left(account: Account) -> None:
    first, second = account.win(), account.win(amount="40")
    for deal in (first, second):
        await account.tell_and_fetch(deal.id)
    before = await account.points()
    merged = account.crm.merge(first, second)

    for deal in (second, merged, first):
        await account.tell_and_fetch(deal.id)

    assert (before, await account.points()) == (140, 100)


async def test_another_owner_takes_the_points_over(account: Account) -> None:
    async with account.database.begin() as session:
        bob = await make_member(session, account.connection.program_id, "bob")
    account.crm.add_owner("bob@example.com", "Bob", "Stone")
    deal = account.win()
    await account.tell_and_fetch(deal.id)
    account.crm.update(deal, {"hubspot_owner_id": "72"})

    await account.tell_and_fetch(deal.id)

    async with account.database.begin() as session:
        of_bob = select(tables.accounts.c.balance).where(tables.accounts.c.member_id == bob)
        assert (await session.execute(of_bob)).scalar_one() == 100
    assert await account.points() == 100


async def test_a_win_from_before_the_connection_is_left_alone(account: Account) -> None:
    deal = account.win()
    async with account.database.begin() as session:
        later = update(tables.connections).values(created_at=NOW + timedelta(hours=1))
        await session.execute(later)

    await account.tell_and_fetch(deal.id)

    assert await account.events() == []


async def test_a_deal_of_an_unknown_owner_is_parked(account: Account) -> None:
    account.crm.add_owner("stranger@example.com", "A", "Stranger")
    deal = account.win(hubspot_owner_id="72")

    await account.tell_and_fetch(deal.id)

    assert await account.events() == [("deal.won", "parked")]


async def test_while_hubspot_is_away_the_notice_stays_open_and_the_wait_is_theirs(account: Account) -> None:
    deal = account.win()
    await account.tell(deal.id)
    account.faults.append(Fault(kind="rate_limited", retry_after_seconds=60))

    with pytest.raises(ApplicationError) as away:
        await account.fetch(deal.id)

    assert away.value.next_retry_delay == timedelta(seconds=60)
    assert await account.open_notices() == 1
    await account.fetch(deal.id)
    assert await account.points() == 100


async def test_an_outage_lasts_from_what_waited_longest_until_nothing_has_waited_for_long(account: Account) -> None:
    first, second = account.win(), account.win(amount="40")
    await account.tell(first.id)
    account.now = NOW + timedelta(minutes=2)
    await account.tell(second.id)
    account.faults += [Fault(kind="rate_limited", retry_after_seconds=60) for _ in range(2)]
    for minutes in (3, 30):
        account.now = NOW + timedelta(minutes=minutes)
        with pytest.raises(ApplicationError):
            await account.fetch(first.id)
    down = await account.outages()

    account.now = NOW + timedelta(minutes=40)
    await account.fetch(first.id)
    waiting = await account.outages()
    account.now = NOW + timedelta(minutes=41)
    await account.fetch(second.id)

    assert down == waiting == [(NOW, None)]
    assert await account.outages() == [(NOW, NOW + timedelta(minutes=41))]


async def test_what_is_asked_again_soon_is_no_outage(account: Account) -> None:
    deal = account.win()
    await account.tell(deal.id)
    account.faults.append(Fault(kind="rate_limited", retry_after_seconds=60))

    with pytest.raises(ApplicationError):
        await account.fetch(deal.id)
    await account.fetch(deal.id)

    assert await account.outages() == []


async def test_a_program_without_the_event_type_records_nothing_and_asks_no_more(account: Account) -> None:
    async with account.database.begin() as session:
        await apply(session, account.connection.program_id, SAMPLE | {"event_types": {}, "rules": {}, "aggregates": {}})
    deal = account.win()

    await account.tell_and_fetch(deal.id)

    assert await account.events() == []
    assert await account.open_notices() == 0


async def test_a_worker_fetches_what_the_relay_asks_for(account: Account, temporal_client: Client) -> None:
    deal = account.win()
    await account.tell(deal.id)
    target = ObjectToFetch(account.connection.program_id, account.connection.id, deal.id, "hubspot")
    await eventually(lambda: namespaces.prepare(temporal_client))
    await eventually(lambda: temporal.fetch(temporal_client, target))

    async with Worker(temporal_client, task_queue=queues.HUBSPOT.name, activities=[account.activities.fetch_object]):
        await temporal_client.get_activity_handle(target.activity_id).result()

    assert await account.points() == 100
