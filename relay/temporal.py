"""The outbox lane that starts workflows, wakes them, and has objects fetched.

Nothing happens twice: a workflow that was ever started is not started again, a wake-up only makes a workflow look at
its rows, and one activity at a time fetches one object. A workflow that is over or lost needs no wake-up.
"""

from collections.abc import Callable
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import (
    ActivityIDConflictPolicy,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.notices import ObjectToFetch
from domain.outbox import ClaimedRow, Kind
from domain.slack import Delivery
from domain.syncs import Sync
from relay.outages import namespace_is_missing
from workflows import queues, retries, starts
from workflows.connector_sync import ConnectorSyncWorkflow, SyncRun
from workflows.starts import Start

RPC_TIMEOUT = timedelta(seconds=10)
FETCH_TIMEOUT = timedelta(seconds=90)
SAY_TIMEOUT = timedelta(minutes=10)


class TemporalLane:
    """Acts on the rows of the lane "temporal"; the client may be lazy.

    `nearest` is the client of workers in this process, while there are some: what it starts, they begin at once.
    """

    def __init__(self, client: Client, *, nearest: Callable[[], Client | None] = lambda: None) -> None:
        self._client = client
        self._nearest = nearest

    async def __call__(self, row: ClaimedRow) -> None:
        """Raises what Temporal answers; "already started" and "already over" are successes."""
        match row.kind:
            case Kind.START_ORDER:
                await start(self._nearest() or self._client, starts.order(row.program_id, **row.payload))
            case Kind.START_REWARD:
                await start(self._nearest() or self._client, starts.reward(row.program_id, **row.payload))
            case Kind.WAKE_ORDER:
                await self._wake(starts.order(row.program_id, row.payload["order_id"]), row.id)
            case Kind.WAKE_REWARD:
                await self._wake(starts.reward(row.program_id, row.payload["reward_id"]), row.id)
            case Kind.START_CHALLENGE:
                await start(self._nearest() or self._client, starts.challenge(row.program_id, **row.payload))
            case Kind.WAKE_CHALLENGE:
                await self._wake(starts.challenge(row.program_id, row.payload["challenge_id"]), row.id)
            case Kind.START_GRACE:
                await start(self._nearest() or self._client, starts.grace(row.program_id, **row.payload))
            case Kind.WAKE_GRACE:
                await self._wake(starts.grace(row.program_id, row.payload["grace_id"]), row.id)
            case Kind.START_NOMINATION:
                await start(self._nearest() or self._client, starts.nomination(row.program_id, **row.payload))
            case Kind.WAKE_NOMINATION:
                await self._wake(starts.nomination(row.program_id, row.payload["nomination_id"]), row.id)
            case Kind.START_CLOCK:
                # A policy may be retired and come back.
                clock = starts.clock(row.program_id, row.payload["policy"])
                await start(self._nearest() or self._client, clock, WorkflowIDReusePolicy.ALLOW_DUPLICATE)
            case Kind.WAKE_CLOCK:
                await self._wake(starts.clock(row.program_id, row.payload["policy"]), row.id)
            case Kind.FETCH_OBJECT:
                await fetch(self._client, ObjectToFetch(row.program_id, **row.payload))
            case Kind.SAY:
                await say(self._client, Delivery(row.program_id, **row.payload))
            case _:
                raise ValueError(f"no effect of kind {row.kind} in Temporal")

    async def _wake(self, start: Start, outbox_id: int) -> None:
        handle = self._client.get_workflow_handle(start.workflow_id)
        try:
            await handle.signal(starts.WAKE, outbox_id, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or namespace_is_missing(error):
                raise


async def start(
    client: Client,
    start: Start,
    reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.REJECT_DUPLICATE,
) -> None:
    """The workflow is running afterwards, or was started before and (unless duplicates are allowed) is over."""
    try:
        await client.start_workflow(
            start.workflow,
            start.subject,
            id=start.workflow_id,
            task_queue=queues.LAUREL.name,
            id_reuse_policy=reuse,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=start.summary,
            search_attributes=_attributes(start.subject.program_id, start.subject.id, start.status),
            request_eager_start=True,
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return


async def fetch(client: Client, target: ObjectToFetch) -> None:
    """An activity that fetches the object is waiting or running afterwards."""
    await client.start_activity(
        starts.FETCH_OBJECT,
        target,
        id=target.activity_id,
        task_queue=queues.BY_KIND[target.kind].name,
        start_to_close_timeout=FETCH_TIMEOUT,
        heartbeat_timeout=retries.HEARTBEAT_TIMEOUT,
        retry_policy=retries.PATIENTLY,
        id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
        search_attributes=_attributes(target.program_id, target.object_id),
        rpc_timeout=RPC_TIMEOUT,
    )


async def say(client: Client, delivery: Delivery) -> None:
    """An activity that takes the messages of the conversation in this turn is waiting or running afterwards."""
    await client.start_activity(
        starts.SAY,
        delivery,
        id=delivery.activity_id,
        task_queue=queues.SLACK.name,
        start_to_close_timeout=SAY_TIMEOUT,
        heartbeat_timeout=retries.HEARTBEAT_TIMEOUT,
        retry_policy=retries.PATIENTLY,
        id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
        search_attributes=_attributes(delivery.program_id, delivery.conversation_id),
        rpc_timeout=RPC_TIMEOUT,
    )


async def sync(client: Client, which: Sync, *, full: bool) -> None:
    """A run that reads the connection is under way afterwards, because somebody asked for it."""
    await client.start_workflow(
        ConnectorSyncWorkflow.run,
        SyncRun(which, full),
        id=starts.sync_run(which.connection_id, asked=True),
        task_queue=queues.LAUREL.name,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"Read what connection {which.connection_id} has",
        search_attributes=_attributes(which.program_id, which.connection_id),
        rpc_timeout=RPC_TIMEOUT,
    )


def _attributes(program_id: str, reference: str, status: str | None = None) -> TypedSearchAttributes:
    known = [SearchAttributePair(starts.PROGRAM, program_id), SearchAttributePair(starts.REFERENCE, reference)]
    return TypedSearchAttributes([*known, SearchAttributePair(starts.STATUS, status)] if status else known)
