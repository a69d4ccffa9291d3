"""Everything that API, worker, tests and replayer must share to read each other's histories, as one plugin.

Payloads are Pydantic's JSON, encrypted; failures too. Tests and replays run workflow modules in the sandbox; what they
import either passes through by name here or is refused when the worker is made.
"""

from typing import Any

import structlog
from temporalio import activity, workflow
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    UnsandboxedWorkflowRunner,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowRunner,
)
from temporalio.worker import Interceptor as WorkerInterceptor
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.heartbeats import beating
from storage.keyring import Keyring
from workflows.codec import EncryptingCodec
from workflows.failures import ShortFailureConverter

# Imported once and shared with every workflow: reloading them costs 400 ms for each. The modules that tell a workflow's
# story are not here, so that each run has its own state and the sandbox sees what they call.
PASSED_THROUGH = (
    "activities",
    "connectors",
    "domain",
    "settings",
    "storage",
    "workflows.bells",
    "workflows.queues",
    "workflows.retries",
    "workflows.runs",
    "workflows.starts",
    "psycopg",
    "sqlalchemy",
    "structlog",
)


def data_converter(keyring: Keyring) -> DataConverter:
    """Pydantic's JSON, then the codec; messages and stack traces of failures included."""
    return DataConverter(
        payload_converter_class=PydanticPayloadConverter,
        payload_codec=EncryptingCodec(keyring),
        failure_converter_class=ShortFailureConverter,
    )


def sandbox_runner(given: WorkflowRunner | None = None) -> WorkflowRunner:
    """The sandbox, which refuses an import that nobody decided upon; a worker that was given none keeps none."""
    if isinstance(given, UnsandboxedWorkflowRunner):
        return given
    refuse = workflow.SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions.with_import_notification_policy(refuse))


class LaurelPlugin(SimplePlugin):
    """Give it to the client; workers made from that client have it too. A replayer is given it directly."""

    def __init__(self, keyring: Keyring) -> None:
        super().__init__(
            "laurel",
            data_converter=data_converter(keyring),
            interceptors=[StepContext()],
            workflow_runner=sandbox_runner,
        )


class StepContext(ClientInterceptor, WorkerInterceptor):
    """Binds the ids of the workflow and the activity to every log line written inside them, and has activities beat."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ActivityContext(next)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return _WorkflowContext


class _ActivityContext(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        with structlog.contextvars.bound_contextvars(
            workflow_id=info.workflow_id,
            activity_id=info.activity_id,
            activity=info.activity_type,
            attempt=info.attempt,
        ):
            async with beating():
                return await super().execute_activity(input)


class _WorkflowContext(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        _bind_workflow()
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        _bind_workflow()
        await super().handle_signal(input)


def _bind_workflow() -> None:
    info = workflow.info()
    structlog.contextvars.bind_contextvars(workflow_id=info.workflow_id, run_id=info.run_id)
