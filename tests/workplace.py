"""A company at work in Slack: API, relay and workers as processes have them, in this one, with a vendor's sandbox.

Ruth leads Maya and Owen and works for Helen; everybody has kudos to give.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy import select
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from api.app import create_app
from connectors.bamboohr import BambooHRs
from connectors.hubspot import HubSpots
from connectors.slack.web import Slacks
from connectors.vendors import Vendors
from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.commands import Earn
from domain.events import MEMBER_ID, Identity
from domain.orders import Order
from relay import namespaces
from relay.lanes import handlers
from relay.relay import Relay
from relay.slack.lane import SlackLane
from relay.slack.meeting import Meeting
from sandbox import tremendous
from sandbox.slack.app import SIGNING_SECRET
from sandbox.slack.app import create_app as create_slack
from sandbox.slack.driver import Driver
from sandbox.slack.workspace import Json
from settings import Settings
from storage import absences, commands, connections, members, nominations, orders, programs
from storage.database import Database
from storage.keyring import Keyring
from storage.slack_tables import slack_envelopes, slack_messages
from storage.tables import outbox
from storage.wakeups import Wakeups
from tests.eventually import eventually
from tests.programs import make_member, make_program
from tests.sandboxes import running
from tests.shop import Knobs
from tests.slack import Way, install
from worker import Systems, activities_by_queue, make_workers

KUDOS = 100
A_YEAR = timedelta(days=365)  # beyond all that an order waits for
AN_HOUR = timedelta(hours=1)  # an order looks sooner whether its card has arrived
BODY: dict[str, Any] = {
    "units": {
        "kudos": {
            "kind": "allowance",
            "title": "Kudos",
            "debt": False,
            "expiry": {"policy": "end_of_period", "per": "month"},
            "refill": {"amount": KUDOS, "per": "month"},
        }
    },
    "recognition": {"thanks": {"unit": "kudos", "amount": 5, "emoji": {"laurel": 5}}},
    "nominations": {
        "teamwork": {
            "title": "Teamwork",
            "default_amount": 500,
            "max_amount": 500,
            "levels": [{"approver": "manager", "remind_hours": 24, "escalate_hours": 72, "expire_hours": 240}],
        }
    },
    "rules": {
        "thanked": {"event_type": "recognition.received", "award": {"expression": "event.amount"}},
        "nominated": {"event_type": "nomination.approved", "award": {"expression": "event.amount"}},
    },
    "milestones": {"first-500": {"reward": "card", "at": 500}},
    "rewards": {"card": {"title": "A card", "items": ["coffee"], "value_minor": 2500, "currency": "USD"}},
    "catalog": {
        "coffee": {
            "name": "Example Coffee",
            "vendor": "gifts",
            "product": "SMPLCOFFEEUS",
            "countries": ["US"],
            "currency": "USD",
            "denominations": [1000, 2500],
            "points_per_unit": 10,
        }
    },
    # At whatever hour the tests run.
    "notifications": {"always": {"quiet_from": "00:00", "quiet_until": "00:00", "quiet_days": []}},
}
MANAGERS = {"ruth": "helen", "maya": "ruth", "owen": "ruth"}


class Clock:
    """Everybody's here: time passes as it does, and further when it is told to."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, by: timedelta) -> None:
        self._ahead += by


class Door:
    """An application at an address of its own, which can be shut for a while: then nobody answers there."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._serving = ExitStack()
        self.url = self._serving.enter_context(running(app))

    @contextmanager
    def shut(self) -> Iterator[None]:
        self.close()
        yield
        self._serving.enter_context(running(self._app, urlsplit(self.url).port or 0))

    def close(self) -> None:
        self._serving.close()


@dataclass
class Workplace:
    """One program with its workspace and its vendor; nobody is at work until the test says so."""

    slack: Driver
    door: "Door"
    way: Way
    vendor: Knobs
    settings: Settings
    time: TimeSkipper
    workers: Client
    clock: Clock
    database: Database
    program_id: str = ""
    members: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """API, relay and workers run, new ones each time; what they have in hand at the end they finish."""
        keyring = Keyring.from_setting(self.settings.laurel_secret_keys)
        database = Database(self.settings.database_url, ring=lambda lanes: relay.wake(lanes))
        outside = Systems(Vendors(), HubSpots(), BambooHRs(), Slacks(self.settings.slack_api_url))
        app = create_app(self.settings, clock=self.clock)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.dispose)
            redis = await stack.enter_async_context(aclosing(Redis.from_url(self.settings.redis_url)))
            await stack.enter_async_context(aclosing(outside))
            await stack.enter_async_context(app.router.lifespan_context(app))
            served = activities_by_queue(self.settings, database, redis, keyring, outside, self.clock)
            for one in make_workers(served, timedelta(seconds=1), self.workers):
                await stack.enter_async_context(one)
            in_slack = SlackLane(database, keyring, outside.slacks, redis, clock=self.clock)
            meet = Meeting(database, keyring, outside.slacks, clock=self.clock)
            lanes = handlers(self.time.client, database, redis, clock=self.clock, slack=in_slack, meet=meet)
            relay = Relay(database, lanes, clock=self.clock, wakeups=Wakeups(self.settings.listen_url))
            self.way.app = app
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(relay.run())
                yield
                relay.stop()

    async def until_quiet(self) -> None:
        """Nothing waits: everything is acted upon, and everything is said."""
        await eventually(self._look_for_work)

    async def _look_for_work(self) -> None:
        waiting = [
            select(outbox.c.lane, outbox.c.kind).where(outbox.c.state == "open"),
            select(slack_envelopes.c.key).where(slack_envelopes.c.state == "open"),
            select(slack_messages.c.key).where(slack_messages.c.state.in_(("open", "sending"))),
        ]
        async with self.database.begin() as session:
            found = [row for one in waiting for row in await session.execute(one)]
        assert found == [], found

    async def pass_time(self, by: timedelta) -> None:
        """So much time passes, also for the nominations that wait."""
        self.clock.advance(by)
        async with self.database.begin() as session:
            waiting = await nominations.list_page(session, self.program_id)
        for one in waiting:
            await self.time.fast_forward(self.time.client.get_workflow_handle(f"nomination/{one.id}"), by)

    async def deliver(self, placed: Sequence[Order]) -> None:
        """The vendor's e-mails have gone out, and these orders, which are the only ones, have come to their end."""
        await self.vendor.delivered(len(placed))
        handles = [self.time.client.get_workflow_handle(f"order/{one.id}") for one in placed]
        await asyncio.gather(*[self.time.fast_forward(handle, A_YEAR) for handle in handles])
        self.clock.advance(AN_HOUR)

    # -- What people see -------------------------------------------------------------------------------------------

    def messages(self, user: str) -> list[Json]:
        """What the app says to this user directly, as it reads now."""
        return list(self.slack.workspace.direct(self.slack.workspace.user(user).id).messages.values())

    def told(self, user: str) -> list[str]:
        return [str(one["text"]) for one in self.messages(user)]

    async def until_told(self, user: str, count: int = 1) -> Json:
        """The last that the app has said to this user, once it has said so much."""

        async def look() -> Json:
            said = self.messages(user)
            assert len(said) == count, self.told(user)
            return said[-1]

        return await eventually(look)

    async def until_button(self, user: str, action_id: str) -> Json:
        """The last message to this user that has such a button, once there is one."""

        async def look() -> Json:
            return [one for one in self.messages(user) if action_id in str(one["blocks"])][-1]

        return await eventually(look)

    async def until_shown(self, user: str, callback: str) -> None:
        """The window before this user is this one."""

        async def look() -> None:
            assert self.slack.view(user)["callback_id"] == callback

        await eventually(look)

    # -- What is so ------------------------------------------------------------------------------------------------

    async def has(self, name: str, unit: str = "points") -> int:
        """What the member may spend."""
        async with self.database.begin() as session:
            found = await members.balance(session, self.program_id, self.members[name], as_of=self.clock(), unit=unit)
        return found.available

    async def orders(self) -> list[Order]:
        """All orders, oldest first."""
        async with self.database.begin() as session:
            return (await orders.list_page(session, self.program_id))[::-1]

    async def send_away(self, name: str, days: int) -> None:
        """The member is absent from today on."""
        today = self.clock().date()
        away = Away(Identity(MEMBER_ID, self.members[name]), AbsenceKind.PTO, today, today + timedelta(days=days))
        async with self.database.begin() as session:
            await absences.write(session, self.program_id, [AbsenceChange("hr", name, away)], as_of=self.clock())

    async def earn(self, names: Sequence[str], amount: int, unit: str = "points") -> None:
        """So much for each of them."""
        granted = [
            Earn(reference=f"{unit}:{name}", actor="tests", member_id=self.members[name], unit=unit, amount=amount)
            for name in names
        ]
        async with self.database.begin() as session:
            await commands.execute(session, self.program_id, granted, as_of=self.clock())

    async def found(self, vendor_url: str) -> None:
        """Everybody of the workspace is a member, known by their e-mail address; the vendor is connected."""
        keyring = Keyring.from_setting(self.settings.laurel_secret_keys)
        people = [user for user in self.slack.workspace.records.users.values() if user.email and not user.is_bot]
        channels = [one.id for one in self.slack.workspace.records.conversations.values() if one.name == "general"]
        recognition = {"thanks": {**BODY["recognition"]["thanks"], "channels": channels}}
        async with self.database.begin() as session:
            self.program_id = await make_program(session, {**BODY, "recognition": recognition})
            for user in people:
                manager_id = self.members.get(MANAGERS.get(user.name, ""))
                self.members[user.name] = await make_member(
                    session, self.program_id, user.name, country="US", manager_id=manager_id
                )
            await connections.insert(
                session,
                keyring,
                await programs.get(session, self.program_id),
                kind="tremendous",
                name="gifts",
                config={"base_url": f"{vendor_url}/api/v2/"},
                secrets={"api_key": "TEST_key"},
                now=self.clock(),
            )
            await install(session, keyring, self.program_id, self.slack, now=self.clock())
        await self.earn(list(self.members), KUDOS, "kudos")


@asynccontextmanager
async def open_workplace(settings: Settings, client: Client) -> AsyncIterator[Workplace]:
    """A workplace with servers as these settings say, and sandboxes of its own."""
    await eventually(lambda: namespaces.prepare(client))
    clock, way = Clock(), Way()
    slack = create_slack(request_url="http://api.test/slack/events", transport=way, clock=clock)
    driver: Driver = slack.state.slack
    with closing(Door(slack)) as door, running(tremendous.create_app(delivery_seconds=0.1)) as vendor_url:
        driver.base_url = door.url
        of_slack = {"slack_api_url": driver.api_url, "slack_signing_secret": SIGNING_SECRET}
        given = Settings(**(settings.model_dump(exclude_unset=True) | of_slack))
        time = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
        database = Database(settings.database_url, pool_size=2)
        with _knobs(vendor_url) as vendor:
            workplace = Workplace(driver, door, way, vendor, given, time, client, clock, database)
            await workplace.found(vendor_url)
            yield workplace
        await database.dispose()


@contextmanager
def _knobs(url: str) -> Iterator[Knobs]:
    knobs = Knobs(url)
    yield knobs
    knobs.close()
