"""Workers beside the relay: what it starts they begin at once."""

import asyncio
import uuid
from collections.abc import Sequence
from functools import partial

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain.outbox import ClaimedRow, Kind
from relay import namespaces
from relay.temporal import TemporalLane
from relay.workers import Workers
from settings import DEVELOPMENT_KEYS, SecretKeys
from storage.ids import new_id
from storage.keyring import Keyring
from tests.eventually import eventually
from workflows import queues
from workflows.clients import connect
from workflows.starts import Subject


@workflow.defn(name="OrderWorkflow")
class Begun:
    @workflow.run
    async def run(self, subject: Subject) -> str:
        return subject.id


def make(client: Client) -> Sequence[Worker]:
    runner = UnsandboxedWorkflowRunner()
    return [Worker(client, task_queue=queues.LAUREL.name, workflows=[Begun], workflow_runner=runner)]


async def test_a_workflow_begins_with_its_start_where_workers_are_beside_the_relay(temporal_address: str) -> None:
    keyring = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
    to_temporal = partial(connect, temporal_address, f"test-{uuid.uuid4().hex}", keyring)
    client = await to_temporal(lazy=True)
    await eventually(partial(namespaces.prepare, client))
    workers = Workers(to_temporal, make)
    lane = TemporalLane(client, nearest=lambda: workers.client)
    order, before = new_id("ord"), new_id("ord")
    await lane(ClaimedRow(1, "prg_a", "temporal", Kind.START_ORDER, {"order_id": before}, 0))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workers.run())
        await client.get_workflow_handle(f"order/{before}").result()
        await lane(ClaimedRow(2, "prg_a", "temporal", Kind.START_ORDER, {"order_id": order}, 0))
        assert await client.get_workflow_handle(f"order/{order}").result() == order
        workers.stop()

    assert [await began_with_its_start(client, one) for one in (before, order)] == [False, True]
    assert workers.client is None


async def began_with_its_start(client: Client, order: str) -> bool:
    history = await client.get_workflow_handle(f"order/{order}").fetch_history()
    return history.events[0].workflow_execution_started_event_attributes.eager_execution_accepted
