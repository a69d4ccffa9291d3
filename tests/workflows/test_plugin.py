"""The one plugin: what passes through the sandbox, what is refused, and what log lines are bound to."""

import uuid
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from tests.workflows.modules.clock import ClockWorkflow
from tests.workflows.modules.logging_context import LogContextWorkflow, tell_context
from tests.workflows.modules.unlisted_import import UnlistedImportWorkflow


def worker_of(client: Client, queue: str, workflow: type, **options: Any) -> Worker:
    return Worker(client, task_queue=queue, workflows=[workflow], activities=[tell_context], **options)


async def test_log_lines_are_bound_to_the_workflow_and_the_activity(temporal_client: Client) -> None:
    queue = workflow_id = f"test/{uuid.uuid4().hex}"
    async with worker_of(temporal_client, queue, LogContextWorkflow):
        handle = await temporal_client.start_workflow(LogContextWorkflow.run, id=workflow_id, task_queue=queue)
        await handle.signal(LogContextWorkflow.go)

        in_workflow, in_handler, in_activity = await handle.result()

    assert in_workflow == in_handler == {"workflow_id": workflow_id, "run_id": handle.result_run_id}
    assert in_activity == {
        "workflow_id": workflow_id, "activity_id": "1", "activity": "tell_context", "attempt": 1
    }  # fmt: skip


async def test_an_import_that_nobody_decided_upon_is_refused_when_the_worker_starts(temporal_client: Client) -> None:
    with pytest.raises(RuntimeError) as refused:
        worker_of(temporal_client, "unused", UnlistedImportWorkflow)

    assert "Module rich was not intentionally passed through" in str(refused.value.__cause__)


async def test_a_workflow_that_asks_the_process_for_the_time_is_stopped(temporal_client: Client) -> None:
    queue = f"test/{uuid.uuid4().hex}"
    async with worker_of(temporal_client, queue, ClockWorkflow, workflow_failure_exception_types=[Exception]):
        with pytest.raises(WorkflowFailureError) as stopped:
            await temporal_client.execute_workflow(ClockWorkflow.run, id=queue, task_queue=queue)

    assert "Cannot access datetime.datetime.now" in str(stopped.value.cause)
