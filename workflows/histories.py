"""Workflow histories as moments: what a workflow did, waited for and was told, read from Temporal while it has it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from domain.stories import Moment, Teller

# A run begins anew long before this many events.
MAX_EVENTS = 2_000

_ENDS = {
    "workflow_execution_completed_event_attributes": "ended",
    "workflow_execution_failed_event_attributes": "failed",
    "workflow_execution_timed_out_event_attributes": "timed out",
    "workflow_execution_canceled_event_attributes": "cancelled",
    "workflow_execution_terminated_event_attributes": "terminated",
    "workflow_execution_continued_as_new_event_attributes": "went on in a new run",
}


@dataclass(frozen=True, slots=True)
class History:
    """The latest run of one workflow."""

    workflow_id: str
    run_id: str
    status: str
    moments: Sequence[Moment]


async def find(client: Client, workflow_id: str) -> History | None:
    """The workflow's latest run; None if Temporal has it no more, or never had. Raises RPCError, RuntimeError."""
    handle = client.get_workflow_handle(workflow_id)
    reader = _Reader(client, workflow_id)
    try:
        found = await handle.describe()
        async for event in handle.fetch_history_events(page_size=MAX_EVENTS):
            await reader.read(event)
            if event.event_id >= MAX_EVENTS:
                break
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    for pending in found.raw_description.pending_activities:
        await reader.amend_pending(pending.activity_id, pending.attempt, pending.last_failure)
    status = found.status or WorkflowExecutionStatus.RUNNING
    return History(workflow_id, found.run_id, status.name.lower(), reader.moments)


class _Reader:
    """Turns events into moments; what belongs together (an activity and its result, a timer and its end) is one."""

    def __init__(self, client: Client, workflow_id: str) -> None:
        self.moments: list[Moment] = []
        self._converter = client.data_converter
        self._workflow_id = workflow_id
        self._at: dict[int, int] = {}  # the moment of a scheduling event
        self._pending: dict[str, int] = {}  # the moment of an activity, by its id
        self._attempts: dict[int, int] = {}

    async def read(self, event: HistoryEvent) -> None:
        kind = event.WhichOneof("attributes") or ""
        values: Any = getattr(event, kind, None)
        match kind.removesuffix("_event_attributes"):
            case "workflow_execution_started":
                self._add(event, f"started: {await self._summary(event)}")
            case "activity_task_scheduled":
                self._pending[values.activity_id] = len(self.moments)
                name = values.activity_type.name
                self._add(event, await self._summary(event) or name, activity=name, queue=values.task_queue.name)
            case "activity_task_started":
                self._attempts[values.scheduled_event_id] = values.attempt
            case "activity_task_completed" | "activity_task_canceled":
                self._close(event, values.scheduled_event_id)
            case "activity_task_failed" | "activity_task_timed_out":
                self._close(event, values.scheduled_event_id, failure=await self._message(values.failure))
            case "timer_started":
                limit = values.start_to_fire_timeout.ToTimedelta()
                self._add(event, await self._summary(event) or "Wait", at_most_seconds=limit.total_seconds())
            case "timer_fired" | "timer_canceled":
                self._close(event, values.started_event_id, woken=kind.startswith("timer_canceled"))
            case "workflow_execution_signaled":
                self._add(event, f"told to {values.signal_name}", arguments=await self._values(values.input.payloads))
            case _ if kind in _ENDS:
                self._add(event, _ENDS[kind])

    async def amend_pending(self, activity_id: str, attempt: int, last_failure: Failure) -> None:
        """Say of an activity that is not over which attempt it is in, and why the last one failed."""
        if activity_id not in self._pending:
            return
        more: dict[str, Any] = {"attempt": attempt, "over": False}
        if last_failure.ByteSize():
            more["failure"] = await self._message(last_failure)
        self._amend(self._pending[activity_id], more)

    def _add(self, event: HistoryEvent, text: str, **detail: object) -> None:
        self._at[event.event_id] = len(self.moments)
        self.moments.append(Moment(_instant(event), Teller.WORKFLOW, self._workflow_id, text, detail))

    def _close(self, event: HistoryEvent, begun: int, **detail: object) -> None:
        """What began with that event is over."""
        moment = self._at[begun]
        seconds = (_instant(event) - self.moments[moment].at).total_seconds()
        attempts = {"attempt": self._attempts[begun]} if begun in self._attempts else {}
        self._amend(moment, {"seconds": round(seconds, 3)} | attempts | detail)

    def _amend(self, moment: int, more: dict[str, Any]) -> None:
        told = self.moments[moment]
        self.moments[moment] = replace(told, detail={**told.detail, **more})

    async def _summary(self, event: HistoryEvent) -> str:
        if not event.user_metadata.HasField("summary"):
            return ""
        [summary] = await self._values([event.user_metadata.summary])
        return str(summary)

    async def _values(self, payloads: Iterable[Payload]) -> list[Any]:
        return await self._converter.decode(list(payloads))

    async def _message(self, failure: Failure) -> str:
        return str(await self._converter.decode_failure(failure))


def _instant(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)
