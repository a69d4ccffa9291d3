"""The worker process works on what it can, and ends what it has begun."""

import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text
from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from cli.embedded.ports import free_port
from cli.embedded.processes import Child
from cli.embedded.temporal import DevelopmentServer
from domain.outbox import Kind, Lane, OutboxRow
from settings import Settings
from storage import outbox
from storage.database import Database
from storage.tables import orders
from tests.eventually import eventually
from tests.programs import make_program
from tests.relay.conftest import now
from tests.relay.rows import insert_order, insert_program
from tests.servers import Servers

ROOT = Path(__file__).parents[1]
PROGRAM = "prg_a"
NOBODY = "127.0.0.1:1"


class WorkerProcess:
    """A worker in a process of its own, with the test's settings and these."""

    def __init__(self, settings: Settings, **changes: str) -> None:
        self.metrics_url = f"http://127.0.0.1:{(port := free_port())}/metrics"
        environment = {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "TEMPORAL_ADDRESS": settings.temporal_address,
            "LAUREL_STATE_DIR": str(settings.laurel_state_dir),
            "WORKER_METRICS_PORT": str(port),
            "PATH": "",
        }
        self._log = (settings.laurel_state_dir / "worker.log").open("w+")
        command = [sys.executable, "-m", "worker"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment | changes, stderr=self._log)

    def stop(self) -> tuple[int, str]:
        """Its exit code after SIGTERM, and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """Its exit code, and what it logged."""
        code = self.process.wait()
        self._log.seek(0)
        return code, self._log.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    await database.dispose()


@pytest.fixture
def processes() -> Iterator[list[WorkerProcess]]:
    started: list[WorkerProcess] = []
    yield started
    for worker in started:
        worker.kill()


async def open_rows(db: Database) -> int:
    async with db.begin() as session:
        count: int = (await session.execute(text("SELECT count(*) FROM outbox WHERE state = 'open'"))).scalar_one()
        return count


async def test_without_temporal_it_does_the_rest_and_stops_when_told(
    settings: Settings, db: Database, processes: list[WorkerProcess]
) -> None:
    async with db.begin() as session:
        score = OutboxRow(await make_program(session), Lane.REDIS, Kind.SCORE, {"member_id": "mem_1"})
        start = OutboxRow(PROGRAM, Lane.TEMPORAL, Kind.START_ORDER, {"order_id": "ord_1"})
        await outbox.add(session, [score, start], now=now())
    worker = WorkerProcess(settings, TEMPORAL_ADDRESS=NOBODY)
    processes.append(worker)

    async def only_the_start_is_left() -> None:
        assert await open_rows(db) == 1

    await eventually(only_the_start_is_left)
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(worker.metrics_url)).text
    code, log = worker.stop()

    assert 'laurel_outbox_rows_total{lane="redis",outcome="done"} 1.0' in metrics
    assert code == 0
    assert "waiting for Temporal" in log


async def test_a_new_temporal_is_made_ready_and_worked_for(
    settings: Settings, temporal_client: Client, processes: list[WorkerProcess]
) -> None:
    namespace = f"test-{uuid.uuid4().hex}"
    worker = WorkerProcess(settings, TEMPORAL_NAMESPACE=namespace)
    processes.append(worker)

    async def everybody_polls() -> None:
        for queue, kind in (("laurel", "WORKFLOW"), ("laurel", "ACTIVITY"), ("laurel-tremendous", "ACTIVITY")):
            request = DescribeTaskQueueRequest(
                namespace=namespace,
                task_queue=TaskQueue(name=queue),
                task_queue_type=TaskQueueType.Value(f"TASK_QUEUE_TYPE_{kind}"),
            )
            assert (await temporal_client.workflow_service.describe_task_queue(request)).pollers

    await eventually(everybody_polls)
    code, log = worker.stop()

    assert code == 0
    assert '"working"' in log


class OwnTemporal:
    """A Temporal server that a test may lose with all that it knew."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self._database = directory / "temporal.db"
        self._log = directory / "temporal.log"
        self._server = DevelopmentServer(binary, free_port(), free_port(), self._database)
        self.address = self._server.address

    def start(self) -> None:
        self._child = Child.start(self._server.program(self._log))

    def lose(self) -> None:
        self._child.stop()
        for file in self._database.parent.glob(f"{self._database.name}*"):
            file.unlink()


@pytest.fixture
def own_temporal(servers: Servers, tmp_path: Path) -> Iterator[OwnTemporal]:
    temporal = OwnTemporal(servers.temporal().binary, tmp_path)
    temporal.start()
    yield temporal
    temporal.lose()


async def test_a_lost_temporal_database_heals_by_itself(
    settings: Settings, db: Database, own_temporal: OwnTemporal, processes: list[WorkerProcess]
) -> None:
    order_id = await insert_order(db, await insert_program(db))
    processes.append(WorkerProcess(settings, TEMPORAL_ADDRESS=own_temporal.address, TEMPORAL_NAMESPACE="lost"))

    async def its_workflow_waits_for_a_person() -> None:
        client = await Client.connect(own_temporal.address, namespace="lost")
        history = await client.get_workflow_handle(f"order/{order_id}").fetch_history()
        assert history.events[-1].event_type == EventType.EVENT_TYPE_TIMER_STARTED
        async with db.begin() as session:
            states = await session.execute(select(orders.c.state).where(orders.c.id == order_id))
            assert states.scalar_one() == "in_review"

    await eventually(its_workflow_waits_for_a_person)
    own_temporal.lose()
    own_temporal.start()

    await eventually(its_workflow_waits_for_a_person)


async def test_production_refuses_failpoints(settings: Settings, processes: list[WorkerProcess]) -> None:
    worker = WorkerProcess(settings, LAUREL_ENV="production", LAUREL_FAILPOINT="before_place:kill")
    processes.append(worker)
    code, log = worker.wait()

    assert code != 0
    assert "LAUREL_FAILPOINT must not be set" in log
