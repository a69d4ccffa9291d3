"""A company in a Slack workspace: the API takes what Slack sends, and the lanes and activities do what follows."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import update
from temporalio.testing import ActivityEnvironment

from activities.slack import SlackActivities
from api.app import create_app
from connectors.slack.web import Slacks
from domain.commands import Earn
from domain.outbox import ClaimedRow, Kind, Lane
from domain.slack import Delivery
from domain.slack_workspaces import Workspace
from relay.lanes import handlers
from relay.relay import Relay
from relay.slack.lane import SlackLane
from sandbox.slack.app import SIGNING_SECRET
from sandbox.slack.app import create_app as create_sandbox
from sandbox.slack.driver import Driver
from settings import Settings
from storage import commands
from storage.database import Database
from storage.keyring import Keyring
from storage.tables import outbox
from storage.wakeups import Wakeups
from tests.programs import NOW, SAMPLE, make_member, make_program
from tests.sandboxes import running
from tests.slack import Way, install

ROUNDS = 500  # of work, after which something is wrong

COMPANY: dict[str, Any] = {
    **SAMPLE,
    "units": {
        "kudos": {
            "kind": "allowance",
            "title": "Kudos",
            "debt": False,
            "expiry": {"policy": "end_of_period", "per": "month"},
            "refill": {"amount": 100, "per": "month"},
        }
    },
    "recognition": {
        "thanks": {"unit": "kudos", "amount": 10, "emoji": {"laurel": 5}, "values": ["craft"], "channels": ["general"]}
    },
    "rules": {
        **SAMPLE["rules"],
        "thanked": {"event_type": "recognition.received", "award": {"expression": "event.amount"}},
    },
    "nominations": {
        "teamwork": {"title": "Teamwork", "default_amount": 50, "max_amount": 100, "levels": [{"approver": "manager"}]}
    },
}


class Clock:
    """Says what time the test has made it."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Company:
    """One program with its workspace; `work` does all that waits. By `clock` it is said in Slack."""

    slack: Driver
    database: Database
    program_id: str
    workspace: Workspace
    relay: Relay
    members: dict[str, str]
    clock: Clock

    async def work_again(self) -> None:
        """What was refused is tried again, as Temporal and the relay do after a while."""
        async with self.database.begin() as session:
            await session.execute(update(outbox).where(outbox.c.state == "open").values(available_at=NOW))
        await self.work()

    async def work(self) -> None:
        """Until nothing waits."""
        for _ in range(ROUNDS):
            worked = [answer for lane in WORKED for answer in await self.relay.work(lane)]
            errors = [answer.error for answer in worked if answer.error]
            if errors:
                raise errors[0]
            if not worked:
                return
        raise AssertionError("there is always more to do")


WORKED = (Lane.SLACK, Lane.INTAKE, Lane.REDIS, Lane.NOTIFY, Lane.TEMPORAL)


@pytest.fixture
def way() -> Way:
    return Way()


@pytest.fixture
def slack(way: Way) -> Iterator[Driver]:
    """Slack, with a workspace of a made-up company."""
    app = create_sandbox(request_url="http://api.test/slack/events", transport=way, clock=lambda: NOW)
    driver: Driver = app.state.slack
    with running(app) as root:
        driver.base_url = root
        yield driver


@pytest.fixture
def settings(database_url: str, owner_url: str, redis_url: str, redis: Redis, slack: Driver) -> Settings:
    return Settings(
        database_url=database_url,
        database_owner_url=owner_url,
        redis_url=redis_url,
        temporal_address="127.0.0.1:1",
        slack_api_url=slack.api_url,
        slack_signing_secret=SIGNING_SECRET,
    )


@pytest.fixture
async def company(settings: Settings, slack: Driver, way: Way, redis: Redis) -> AsyncIterator[Company]:
    """Everybody of the sandbox's company is a member, known by their e-mail address."""
    keyring, database = Keyring.from_setting(settings.laurel_secret_keys), Database(settings.database_url)
    slacks, app, clock = Slacks(settings.slack_api_url), create_app(settings, clock=lambda: NOW), Clock()
    async with app.router.lifespan_context(app):
        way.app = app
        program_id, members = await _found(database, slack)
        async with database.begin() as session:
            workspace = await install(session, keyring, program_id, slack, now=NOW)
        say = SlackActivities(database, keyring, slacks, redis, clock)
        in_slack = SlackLane(database, keyring, slacks, redis, clock=lambda: NOW)
        lanes = handlers(None, database, redis, clock=lambda: NOW, slack=in_slack)  # type: ignore[arg-type]
        relay = Relay(
            database,
            {**lanes, Lane.TEMPORAL: _Temporal(say)},
            clock=lambda: NOW,
            wakeups=Wakeups(settings.database_url),
        )
        yield Company(slack, database, program_id, workspace, relay, members, clock)
    await slacks.aclose()
    await database.dispose()


class _Temporal:
    """Runs what the lane "temporal" would have Temporal run of Slack; workflows are no part of these tests."""

    def __init__(self, activities: SlackActivities) -> None:
        self._activities = activities

    async def __call__(self, row: ClaimedRow) -> None:
        if row.kind == Kind.SAY:
            await ActivityEnvironment().run(self._activities.say, Delivery(row.program_id, **row.payload))


async def _found(database: Database, slack: Driver) -> tuple[str, dict[str, str]]:
    people = [user for user in slack.workspace.records.users.values() if user.email and not user.is_bot]
    channels = [one.id for one in slack.workspace.records.conversations.values() if one.name == "general"]
    recognition = {"thanks": {**COMPANY["recognition"]["thanks"], "channels": channels}}
    async with database.begin() as session:
        program_id = await make_program(session, {**COMPANY, "recognition": recognition})
        members = {user.name: await make_member(session, program_id, user.name) for user in people}
        granted = [
            Earn(reference=f"kudos:{one}", actor="tests", member_id=one, unit="kudos", amount=100)
            for one in members.values()
        ]
        await commands.execute(session, program_id, granted, as_of=NOW)
    return program_id, members
