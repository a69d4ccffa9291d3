"""The story of an expiry run on the real servers."""

import uuid
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from activities.expiry import ExpiryActivities
from activities.listing import activities_of
from domain.expiry import Due, Duty
from storage import expiry
from storage.database import Database
from tests.histories import recording
from tests.storage import expiring
from workflows import runs
from workflows.expiry import ExpiryRun, PointsExpiryWorkflow
from workflows.queues import LAUREL


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def worker(namespace_client: Client, opened: Database) -> AsyncIterator[None]:
    activities = activities_of(ExpiryActivities(opened, expiring.now, lots_per_second=10_000))
    async with Worker(
        namespace_client, task_queue=LAUREL.name, workflows=[PointsExpiryWorkflow], activities=activities
    ):
        yield


async def run(client: Client, run: ExpiryRun, name: str) -> int:
    """How much a run did; its waits before it tries again are skipped."""
    id = f"points-expiry/{uuid.uuid4().hex}"
    hurried = TimeSkipper(client).client
    handle = await hurried.start_workflow(PointsExpiryWorkflow.run, run, id=id, task_queue=LAUREL.name)
    done = await handle.result()
    await recording.record(client, id, name)
    return done


@pytest.mark.usefixtures("worker")
async def test_a_run_does_all_that_is_due_of_every_program(
    namespace_client: Client, opened: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expiry, "PAGE", 5)
    alone, *shared = [await expiring.make(opened, members=8) for _ in range(3)]
    expected = await expiry.run_all(opened, as_of=expiring.DUE, clock=expiring.now, program_ids=[alone])

    done = await run(namespace_client, ExpiryRun(expiring.DUE), request.node.name)

    assert done == 2 * sum(expected.values())
    for program_id in shared:
        assert await expiring.told(opened, program_id) == await expiring.told(opened, alone)


@pytest.mark.usefixtures("worker")
async def test_a_long_run_goes_on_where_it_was(
    namespace_client: Client, opened: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expiry, "PAGE", 2)
    monkeypatch.setattr(runs, "MAX_HISTORY_EVENTS", 20)
    program_id = await expiring.make(opened, members=6)

    done = await run(namespace_client, ExpiryRun(expiring.DUE), request.node.name)

    again = await expiry.run_all(opened, as_of=expiring.DUE, clock=expiring.now, program_ids=[program_id])
    assert (done > 10, sum(again.values())) == (True, 0)


@pytest.mark.usefixtures("worker")
async def test_a_program_that_cannot_be_expired_holds_up_nobody(
    namespace_client: Client, opened: Database, request: pytest.FixtureRequest
):
    program_id = await expiring.make(opened, members=2)
    due = [Due("prg_nobody", Duty.LOTS), Due("prg_nobody", Duty.WARNINGS), Due(program_id, Duty.REFILLS)]

    assert await run(namespace_client, ExpiryRun(expiring.DUE, due), request.node.name) == 2
