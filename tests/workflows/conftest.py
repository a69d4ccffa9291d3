"""What a workflow stands on in a test: a database, a sandbox of a vendor, workers, and a clock for each workflow."""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import TimeSkipper, TimeSkippingConfig
from temporalio.worker import Worker

from activities.challenges import ChallengeActivities
from activities.listing import activities_of
from activities.orders import OrderActivities
from activities.rewards import RewardActivities
from relay import namespaces, temporal
from sandbox.tremendous import create_app
from storage.database import Database
from storage.keyring import Keyring
from tests.eventually import eventually
from tests.histories import recording
from tests.sandboxes import running
from tests.shop import Knobs, Shop, now, open_shop
from workflows.challenges import ChallengeWorkflow
from workflows.orders import OrderWorkflow
from workflows.plugin import LaurelPlugin
from workflows.queues import LAUREL, TREMENDOUS
from workflows.rewards import RewardWorkflow
from workflows.starts import Start

# Beyond all that a workflow waits for. To skip without a bound is to read along in its history, which the server has
# once refused to go on with ("branch tokens do not match").
A_YEAR = timedelta(days=365)

Handle = WorkflowHandle[object, str]
Begin = Callable[..., Awaitable[Handle]]


@pytest.fixture
def sandbox() -> Iterator[str]:
    """The root of a vendor's sandbox of this test's own."""
    with running(create_app()) as root:
        yield root


@pytest.fixture
def knobs(sandbox: str) -> Iterator[Knobs]:
    """What goes wrong at the vendor."""
    knobs = Knobs(sandbox)
    yield knobs
    knobs.close()


@pytest.fixture
async def shop(database_url: str, sandbox: str) -> AsyncIterator[Shop]:
    """A program whose vendor is the sandbox."""
    database = Database(database_url)
    shop = await open_shop(database, f"{sandbox}/api/v2/")
    yield shop
    await shop.vendors.aclose()
    await database.dispose()


@pytest.fixture(scope="session")
async def namespace_client(temporal_address: str) -> Client:
    """A client in a namespace of this process's own: task queues have the same names everywhere."""
    plugin = LaurelPlugin(Keyring({"test": os.urandom(32)}, "test"))
    client = await Client.connect(temporal_address, namespace=f"test-{uuid.uuid4().hex}", plugins=[plugin])
    await eventually(partial(namespaces.prepare, client))
    return client


@pytest.fixture
async def time(namespace_client: Client) -> TimeSkipper:
    """For what its client starts time passes as it does, unless told to `fast_forward`."""
    return TimeSkipper(namespace_client, config=TimeSkippingConfig(enabled=False))


@pytest.fixture
async def workers(namespace_client: Client, shop: Shop) -> AsyncIterator[None]:
    """Workers for all that an order needs, and for challenges."""
    of_orders = OrderActivities(shop.database, shop.keyring, shop.vendors, now)
    of_challenges = ChallengeActivities(shop.database, now)
    activities = activities_of(of_orders, RewardActivities(shop.database, now), of_challenges)
    async with AsyncExitStack() as stack:
        for queue in (LAUREL, TREMENDOUS):
            workflows = [OrderWorkflow, RewardWorkflow, ChallengeWorkflow] if queue is LAUREL else []
            worker = Worker(namespace_client, task_queue=queue.name, workflows=workflows, activities=activities)
            await stack.enter_async_context(worker)
        yield


@pytest.fixture
async def begin(
    namespace_client: Client, time: TimeSkipper, workers: None, request: pytest.FixtureRequest
) -> AsyncIterator[Begin]:
    """Starts a workflow as the relay does, all its waits skipped; one that `waits` for somebody has them in full.

    What is not over after the test is ended.
    """
    begun: list[Handle] = []
    hurried = TimeSkipper(namespace_client)

    async def start(wanted: Start, *, waits: bool = False) -> Handle:
        client = time.client if waits else hurried.client
        await temporal.start(client, wanted)
        handle: Handle = client.get_workflow_handle(wanted.workflow_id, result_type=str)
        begun.append(handle)
        return handle

    yield start
    for handle in begun:
        await recording.record(time.client, handle.id, request.node.name)
        if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await handle.terminate()
