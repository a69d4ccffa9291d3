"""Slack, and what goes wrong around it: what it was answered is there, what is said is said once, nobody else waits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from statistics import median
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy import select
from temporalio.api.workflowservice.v1 import ResetActivityExecutionRequest
from temporalio.client import ActivityHandle, Client, WorkflowHistory

from connectors.vendors import REQUEST_BODIES
from domain.orders import OrderRequest
from domain.sentences import alone
from domain.slack import Outgoing
from relay.relay import LEASE
from sandbox.slack.faults import Fault
from settings import Settings
from storage import notifications, orders, slack_messages, slack_workspaces, unfinished
from storage.recognition_tables import recognitions
from tests.eventually import eventually
from tests.faults.conftest import OwnPostgres
from tests.workplace import AN_HOUR, Workplace, open_workplace
from workflows import queues

GIVERS = ("helen", "ruth", "owen", "grace", "martin", "priya", "simon", "karin")
ROUNDS = 6  # of thanks that each of them gives, each of one
REFUSED_PAUSE_SECONDS = 0.1
FOR_EVER = 1_000_000
WAITING = [f"news {n}" for n in range(30)]  # for each of them


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


async def test_orders_wait_no_longer_while_slack_is_to_be_left_alone_for_an_hour_after_which_all_is_said_once(
    workplace: Workplace,
) -> None:
    await workplace.earn(GIVERS, 250)
    async with workplace.at_work():
        usual = await buy(workplace)
        await workplace.until_quiet()
        an_hour = int(AN_HOUR.total_seconds())
        workplace.slack.faults.append(Fault(kind="rate_limited", times=FOR_EVER, retry_after_seconds=an_hour))
        for name in GIVERS:
            await say(workplace, name, WAITING)
        deliveries = await eventually(partial(put_off, workplace))
        meanwhile = await buy(workplace)
        heard_meanwhile = [workplace.told(name)[1:] for name in GIVERS]
        workplace.slack.faults.clear()
        await an_hour_later(workplace, deliveries)
        await workplace.until_quiet()

    assert heard_meanwhile == [[]] * len(GIVERS)
    assert queues.SLACK.name not in meanwhile.queues
    # A second more is no fault of Slack's where the machine has something else to do.
    assert median(meanwhile.waits) <= 3 * median(usual.waits) + 1
    for name in GIVERS:
        arrived, *heard, arrived_too = workplace.told(name)
        assert heard == WAITING
        assert arrived == arrived_too


@dataclass(frozen=True)
class Bought:
    """Of some orders, how many seconds the steps of each have waited for a worker, and in which queues."""

    waits: list[float]
    queues: set[str]


async def buy(workplace: Workplace) -> Bought:
    """One thing for each of them, delivered."""
    before = {one.id for one in await workplace.orders()}
    for name in GIVERS:
        await order_coffee(workplace, name)
    bought = [one.id for one in await workplace.orders() if one.id not in before]
    await workplace.vendor.delivered(len(before) + len(bought))
    handles = [workplace.time.client.get_workflow_handle(f"order/{one}") for one in bought]
    await asyncio.gather(*[workplace.time.fast_forward(one) for one in handles])
    workplace.clock.advance(AN_HOUR)
    told = await asyncio.gather(*[one.fetch_history() for one in handles])
    return Bought([waited(one) for one in told], set().union(*[asked(one) for one in told]))


def waited(history: WorkflowHistory) -> float:
    """Seconds from when a step was to be done until somebody did it, all steps together."""
    due = {one.event_id: one.event_time.ToDatetime() for one in history.events}
    begun = [one for one in history.events if one.HasField("activity_task_started_event_attributes")]
    waits = [due[one.event_id] - due[one.activity_task_started_event_attributes.scheduled_event_id] for one in begun]
    return sum(waits, timedelta()).total_seconds()


def asked(history: WorkflowHistory) -> set[str]:
    """The task queues of its steps."""
    steps = [one for one in history.events if one.HasField("activity_task_scheduled_event_attributes")]
    return {one.activity_task_scheduled_event_attributes.task_queue.name for one in steps}


async def order_coffee(workplace: Workplace, name: str) -> None:
    request = OrderRequest(workplace.members[name], "coffee", 1000)
    async with workplace.database.begin() as session:
        await orders.place(
            session,
            workplace.program_id,
            request,
            request_bodies=REQUEST_BODIES,
            actor="tests",
            now=workplace.clock(),
        )


async def say(workplace: Workplace, name: str, texts: Sequence[str]) -> None:
    """These directly to this person."""
    user_id = workplace.slack.workspace.user(name).id
    async with workplace.database.begin() as session:
        [workspace] = await slack_workspaces.list_of(session, workplace.program_id)
        said = [Outgoing(f"{name}/{one}", workspace.connection_id, user_id, {"text": one}) for one in texts]
        await slack_messages.send(session, workplace.program_id, said, now=workplace.clock())


async def put_off(workplace: Workplace) -> list[ActivityHandle[Any]]:
    """The deliveries, once each of them waits for the hour that Slack has asked for."""
    async with workplace.database.begin() as session:
        begun = workplace.clock() + AN_HOUR
        due = await unfinished.list_deliveries(session, before=begun, after=None, limit=len(GIVERS) + 1)
    handles = [workplace.workers.get_activity_handle(one.activity_id) for one in due]
    waits = [(await one.describe()).current_retry_interval for one in handles]
    assert waits == [AN_HOUR] * len(GIVERS)
    return handles


async def an_hour_later(workplace: Workplace, deliveries: Sequence[ActivityHandle[Any]]) -> None:
    """What waits for an hour is tried again at once."""
    workplace.clock.advance(AN_HOUR)
    service = workplace.workers.workflow_service
    for one in deliveries:
        await service.reset_activity_execution(
            ResetActivityExecutionRequest(namespace=workplace.workers.namespace, activity_id=one.id)
        )


async def test_what_is_to_be_said_while_slack_is_away_for_an_hour_is_said_once_when_it_is_back(
    workplace: Workplace,
) -> None:
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
            workplace.clock.advance(AN_HOUR)
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
