"""Slack, and what goes wrong around it: what it was answered is there, what is said is said once, nobody else waits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy import select
from temporalio.client import Client

from connectors.vendors import REQUEST_BODIES
from domain.orders import OrderRequest, OrderState
from domain.sentences import alone
from relay.relay import LEASE
from sandbox.slack.faults import Fault
from settings import Settings
from storage import notifications, orders
from storage.recognition_tables import recognitions
from tests.eventually import eventually
from tests.faults.conftest import OwnPostgres
from tests.workplace import Workplace, open_workplace

BUYERS = ("helen", "ruth", "owen")
GIVERS = ("helen", "ruth", "owen", "grace", "martin", "priya", "simon", "karin")
ROUNDS = 6  # of thanks that each of them gives, each of one
REFUSED_PAUSE_SECONDS = 0.1
FOR_EVER = 1_000_000


@pytest.fixture
async def workplace(settings: Settings, temporal_client: Client, redis: Redis) -> AsyncIterator[Workplace]:
    """Nobody has done anything yet."""
    async with open_workplace(settings, temporal_client) as workplace:
        yield workplace


# -- PostgreSQL crashes --------------------------------------------------------------------------------------------


@dataclass
class Talk:
    """Colleagues who thank Maya by command, and react to what she says, one after the other."""

    workplace: Workplace
    tried: int = 0
    taken: set[str] = field(default_factory=set)  # the reasons of commands that were acknowledged

    async def thank(self, giver: str) -> None:
        slack = self.workplace.slack
        for n in range(ROUNDS):
            reason = f"{giver} {n}"
            answer = await slack.command(giver, "general", "/laurel", f"thanks @maya +1 for {reason}")
            if answer.is_taken and not answer.json:
                self.taken.add(reason)
            else:
                await asyncio.sleep(REFUSED_PAUSE_SECONDS)
            self.tried += 1

    async def react(self, giver: str) -> None:
        ts = await self.workplace.slack.say("maya", "general", f"This is for {giver}.")
        await self.workplace.slack.react(giver, "general", ts, "laurel")

    async def until_tried(self, count: int) -> None:
        async def look() -> None:
            assert self.tried >= count

        await eventually(look)


async def test_whatever_slack_was_answered_is_there_although_postgres_crashed(
    own_postgres: OwnPostgres, settings: Settings, temporal_client: Client, redis: Redis
) -> None:
    own = settings.model_copy(update={"database_url": own_postgres.url, "database_owner_url": own_postgres.owner_url})
    async with open_workplace(own, temporal_client) as workplace, workplace.at_work():
        talk = Talk(workplace)
        async with asyncio.TaskGroup() as people:
            for giver in GIVERS:
                people.create_task(talk.thank(giver))
            await talk.until_tried(20)
            await asyncio.to_thread(own_postgres.crash)
            for giver in GIVERS:
                people.create_task(talk.react(giver))
            await talk.until_tried(28)
            await asyncio.to_thread(own_postgres.start)
        # What was not acknowledged, Slack sends again, but for commands; what lanes had in hand, comes back to them.
        await workplace.slack.webhook.deliver()
        workplace.clock.advance(LEASE)
        await workplace.until_quiet()

        given = await reasons(workplace)
        assert talk.taken <= given.keys()
        assert max(given.values()) == 1
        assert await workplace.has("maya") == sum(given.values()) + 5 * len(GIVERS)


async def reasons(workplace: Workplace) -> Counter[str]:
    """How often each reason was given by a command."""
    async with workplace.database.begin() as session:
        found = await session.execute(select(recognitions.c.reason).where(recognitions.c.reason.is_not(None)))
        return Counter(found.scalars())


# -- Slack slows us down, or is away -------------------------------------------------------------------------------


async def test_orders_are_finished_while_slack_takes_nothing_and_all_is_said_once_afterwards(
    workplace: Workplace,
) -> None:
    slack = workplace.slack
    await workplace.earn(BUYERS, 250)
    async with workplace.at_work():
        for name in BUYERS:
            await slack.open_home(name)
        await workplace.until_quiet()
        slack.faults.append(Fault(kind="rate_limited", times=FOR_EVER, retry_after_seconds=1))
        for name in BUYERS:
            await order_coffee(workplace, name)
        await workplace.deliver(await workplace.orders())
        states = {order.state for order in await workplace.orders()}
        said_meanwhile = [workplace.told(name) for name in BUYERS if workplace.told(name)]
        slack.faults.clear()
        await workplace.until_quiet()

    assert states == {OrderState.DELIVERED}
    assert said_meanwhile == []
    assert [len(workplace.told(name)) for name in BUYERS] == [1] * len(BUYERS)


async def order_coffee(workplace: Workplace, name: str) -> None:
    request = OrderRequest(workplace.members[name], "coffee", 2500)
    async with workplace.database.begin() as session:
        await orders.place(
            session,
            workplace.program_id,
            request,
            request_bodies=REQUEST_BODIES,
            actor="tests",
            now=workplace.clock(),
        )


async def test_what_is_to_be_said_while_slack_is_away_is_said_once_when_it_is_back(workplace: Workplace) -> None:
    slack = workplace.slack
    async with workplace.at_work():
        for name in ("maya", "owen"):
            await tell(workplace, name, "before")
        await workplace.until_quiet()
        before = unanswered()
        with workplace.door.shut():
            for name in ("maya", "owen"):
                await tell(workplace, name, "meanwhile")
            await eventually(partial(refused, before + 2))
            # Of what it takes when it is back, one answer is lost, and one request is done by nobody.
            slack.faults += [Fault(kind=kind, method="chat.postMessage") for kind in ("lost", "server_error")]
        await workplace.until_quiet()

    assert slack.faults == []
    assert [workplace.told(name) for name in ("maya", "owen")] == [["before", "meanwhile"]] * 2


async def tell(workplace: Workplace, name: str, subject: str) -> None:
    async with workplace.database.begin() as session:
        await notifications.tell(
            session,
            workplace.program_id,
            member_id=workplace.members[name],
            kind="tests_told",
            subject=alone(subject),
            body=alone("As it is."),
            reference=f"{name}/{subject}",
            now=workplace.clock(),
        )


def unanswered() -> float:
    """How many requests to Slack nobody has answered."""
    labels = {"system": "slack", "outcome": "no_answer"}
    return REGISTRY.get_sample_value("laurel_outside_requests_total", labels) or 0.0


async def refused(at_least: float) -> None:
    assert unanswered() >= at_least
