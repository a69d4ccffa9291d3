"""What Temporal begins by itself: a schedule for each kind of run, over all programs of the deployment."""

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.service import RPCError, RPCStatusCode

from relay.outages import namespace_is_missing
from relay.temporal import RPC_TIMEOUT
from workflows import queues
from workflows.expiry import ExpiryRun, PointsExpiryWorkflow
from workflows.starts import EXPIRY_EVERY, POINTS_EXPIRY

# Whoever comes late finds all that is due: of the runs that were missed, one is made up for.
_ONE_AT_A_TIME = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=EXPIRY_EVERY)


async def prepare(client: Client) -> None:
    """The schedules are there; one that an operator paused stays paused."""
    if await _is_missing(client, POINTS_EXPIRY):
        try:
            await client.create_schedule(POINTS_EXPIRY, _points_expiry(), rpc_timeout=RPC_TIMEOUT)
        except ScheduleAlreadyRunningError:  # another worker was first
            return


async def _is_missing(client: Client, schedule_id: str) -> bool:
    try:
        await client.get_schedule_handle(schedule_id).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND or namespace_is_missing(error):
            raise
        return True
    return False


def _points_expiry() -> Schedule:
    action = ScheduleActionStartWorkflow(
        PointsExpiryWorkflow.run,
        ExpiryRun(),
        id=POINTS_EXPIRY,
        task_queue=queues.LAUREL.name,
        static_summary="What time does to value",
    )
    return Schedule(action, ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EXPIRY_EVERY)]), _ONE_AT_A_TIME)
