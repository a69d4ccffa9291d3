"""What Temporal begins by itself: a schedule for each kind of run over all programs, each HRIS and each campaign."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

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

from domain.challenges import Campaign
from domain.syncs import Sync
from relay.outages import namespace_is_missing
from relay.temporal import RPC_TIMEOUT
from workflows import queues, starts
from workflows.campaigns import CampaignWorkflow
from workflows.connector_sync import ConnectorSyncWorkflow, SyncRun
from workflows.employment import EmploymentRun, EmploymentWorkflow
from workflows.expiry import ExpiryRun, PointsExpiryWorkflow
from workflows.settling import LeaderboardSettleWorkflow, SettleRun

# Kinds of connections that are read.
SYNCED = ("bamboohr",)


async def prepare(client: Client, syncs: Sequence[Sync] = (), campaigns: Sequence[Campaign] = ()) -> None:
    """The schedules are there, also one for each connection to sync and each campaign; what is paused stays paused."""
    for schedule_id, make in _OF_THE_DEPLOYMENT.items():
        await _ensure(client, schedule_id, make)
    for sync in syncs:
        await _ensure(client, starts.sync_schedule(sync.connection_id), partial(_sync, sync))
    for campaign in campaigns:
        await _ensure(client, starts.campaign(campaign.challenge_id), partial(_campaign, campaign))


async def _ensure(client: Client, schedule_id: str, make: Callable[[], Schedule]) -> None:
    if await _is_missing(client, schedule_id):
        with suppress(ScheduleAlreadyRunningError):  # another worker was first
            await client.create_schedule(schedule_id, make(), rpc_timeout=RPC_TIMEOUT)


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
        id=starts.POINTS_EXPIRY,
        task_queue=queues.LAUREL.name,
        static_summary="What time does to value",
    )
    return _every(starts.EXPIRY_EVERY, action)


def _leaderboard_settle() -> Schedule:
    action = ScheduleActionStartWorkflow(
        LeaderboardSettleWorkflow.run,
        SettleRun(),
        id=starts.LEADERBOARD_SETTLE,
        task_queue=queues.LAUREL.name,
        static_summary="Weeks and months of boards, and tiers that time takes away",
    )
    return _every(starts.SETTLE_EVERY, action)


def _employment() -> Schedule:
    action = ScheduleActionStartWorkflow(
        EmploymentWorkflow.run,
        EmploymentRun(),
        id=starts.EMPLOYMENT,
        task_queue=queues.LAUREL.name,
        static_summary="Anniversaries and ends of probation",
    )
    return _every(starts.EMPLOYMENT_EVERY, action)


def _sync(sync: Sync) -> Schedule:
    action = ScheduleActionStartWorkflow(
        ConnectorSyncWorkflow.run,
        SyncRun(sync),
        id=starts.sync_run(sync.connection_id),
        task_queue=queues.LAUREL.name,
        static_summary=f"Read what connection {sync.connection_id} has",
    )
    return _every(starts.SYNC_EVERY, action)


def _campaign(campaign: Campaign) -> Schedule:
    action = ScheduleActionStartWorkflow(
        CampaignWorkflow.run,
        campaign,
        id=starts.campaign(campaign.challenge_id),
        task_queue=queues.LAUREL.name,
        static_summary=f"The challenges that follow {campaign.challenge_id}",
    )
    return _every(starts.CAMPAIGN_EVERY, action)


def _every(interval: timedelta, action: ScheduleActionStartWorkflow) -> Schedule:
    """One at a time: whoever comes late finds all that is due, so of the runs that were missed, one is made up for."""
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=interval)
    return Schedule(action, ScheduleSpec(intervals=[ScheduleIntervalSpec(every=interval)]), policy)


_OF_THE_DEPLOYMENT: Mapping[str, Callable[[], Schedule]] = {
    starts.POINTS_EXPIRY: _points_expiry,
    starts.EMPLOYMENT: _employment,
    starts.LEADERBOARD_SETTLE: _leaderboard_settle,
}
