"""The worker process: Temporal's workers, and beside them the relay, Reconcile, the sweep of parked events, and boards.

`python -m worker`. It starts and does what it can while Temporal or Redis is away. SIGTERM and Ctrl-C let it end what
it has begun, for at most SHUTDOWN_SECONDS.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from redis.asyncio import Redis
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import runtime
import telemetry
from activities import failpoints
from activities.bamboohr import BambooHRActivities
from activities.campaigns import CampaignActivities
from activities.challenges import ChallengeActivities
from activities.employment import EmploymentActivities
from activities.expiry import ExpiryActivities
from activities.grace import GraceActivities
from activities.hubspot import HubSpotActivities
from activities.listing import activities_of
from activities.nominations import NominationActivities
from activities.orders import OrderActivities
from activities.rewards import RewardActivities
from activities.settling import SettlingActivities
from activities.slack import SlackActivities
from activities.streaks import StreakActivities
from activities.syncs import SyncActivities
from activities.vendor_notices import VendorNoticeActivities
from connectors.bamboohr import BambooHRs
from connectors.checkpoints import keepers
from connectors.hubspot import HubSpots
from connectors.slack.web import Slacks
from connectors.vendors import Vendors
from domain.checkpoints import SigningKeys
from domain.time import Clock
from relay.catalogs import Catalogs
from relay.clearing import ClearingMeter
from relay.intake import IntakeLane
from relay.lanes import handlers
from relay.leaderboards import Boards
from relay.notifying import NotifyLane
from relay.reconcile import Reconcile
from relay.relay import Relay
from relay.sealing import Sealer
from relay.slack.lane import SlackLane
from relay.slack.meeting import Meeting
from relay.weeks import Weeks
from relay.workers import Workers
from settings import Settings
from storage.balance_changes import BalanceChanges
from storage.database import Database
from storage.keyring import Keyring
from storage.wakeups import Wakeups
from workflows import queues
from workflows.campaigns import CampaignWorkflow
from workflows.challenges import ChallengeWorkflow
from workflows.clients import connect, log_like_everybody
from workflows.connector_sync import ConnectorSyncWorkflow
from workflows.employment import EmploymentWorkflow
from workflows.expiry import PointsExpiryWorkflow
from workflows.grace import GraceWindowWorkflow
from workflows.nominations import NominationWorkflow
from workflows.orders import OrderWorkflow
from workflows.queues import Queue
from workflows.rewards import RewardWorkflow
from workflows.settling import LeaderboardSettleWorkflow
from workflows.streaks import StreakClockWorkflow

WORKFLOWS = [
    OrderWorkflow,
    RewardWorkflow,
    ChallengeWorkflow,
    CampaignWorkflow,
    StreakClockWorkflow,
    GraceWindowWorkflow,
    NominationWorkflow,
    PointsExpiryWorkflow,
    EmploymentWorkflow,
    LeaderboardSettleWorkflow,
    ConnectorSyncWorkflow,
]
# Activities of one queue in this process; they share the database's pool with the relay.
ACTIVITIES_AT_ONCE = 20


class Systems(NamedTuple):
    """The systems outside that activities call."""

    vendors: Vendors
    hubspots: HubSpots
    bamboohrs: BambooHRs
    slacks: Slacks

    async def aclose(self) -> None:
        """No connection is left open."""
        await self.vendors.aclose()
        await self.hubspots.aclose()
        await self.bamboohrs.aclose()
        await self.slacks.aclose()


async def run(settings: Settings, *, clock: Clock) -> None:
    """Work until SIGTERM or Ctrl-C."""
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    changes = BalanceChanges(settings.redis_url)
    database = Database(
        settings.database_url,
        pool_size=settings.database_pool_size,
        ring=lambda lanes: relay.wake(lanes),
        tell=changes.tell,
    )
    redis = Redis.from_url(settings.redis_url)
    outside = Systems(Vendors(), HubSpots(), BambooHRs(), Slacks(settings.slack_api_url))
    checkpoints = keepers(settings.ledger_checkpoint_file, settings.ledger_checkpoint_url)
    to_temporal = partial(connect, settings.temporal_address, settings.temporal_namespace, keyring)
    client = await to_temporal(lazy=True)

    served = activities_by_queue(settings, database, redis, keyring, outside, clock)
    workers = Workers(to_temporal, partial(make_workers, served, timedelta(seconds=settings.shutdown_seconds)))
    lanes = handlers(
        client,
        database,
        redis,
        clock=clock,
        keepers=checkpoints,
        nearest=lambda: workers.client,
        slack=SlackLane(database, keyring, outside.slacks, redis, clock=clock),
        meet=Meeting(database, keyring, outside.slacks, clock=clock),
    )
    relay = Relay(database, lanes, clock=clock, wakeups=Wakeups(settings.listen_url))
    loops = (*make_loops(settings, client, database, redis, clock), changes.send())
    try:
        await serve(workers, relay, beside=loops, grace_seconds=settings.shutdown_seconds)
    finally:
        for keeper in checkpoints:
            await keeper.aclose()
        await outside.aclose()
        await redis.aclose()
        await changes.aclose()
        await database.dispose()


def activities_by_queue(
    settings: Settings, database: Database, redis: Redis, keyring: Keyring, outside: Systems, clock: Clock
) -> Mapping[Queue, Sequence[Callable[..., Any]]]:
    """Which activities each queue serves: those that call a system outside are on that system's."""
    vendors, hubspots, bamboohrs, slacks = outside
    orders = OrderActivities(database, keyring, vendors, clock)
    tremendous = replace(queues.TREMENDOUS, activities_per_second=settings.tremendous_requests_per_second)
    return {
        queues.LAUREL: activities_of(
            orders,
            RewardActivities(database, clock),
            ChallengeActivities(database, clock),
            CampaignActivities(database),
            StreakActivities(database, clock),
            GraceActivities(database, clock),
            NominationActivities(database, clock),
            ExpiryActivities(database, clock, lots_per_second=settings.expiry_lots_per_second),
            EmploymentActivities(database),
            SettlingActivities(database),
            SyncActivities(database),
        ),
        tremendous: activities_of(orders, VendorNoticeActivities(database, keyring, vendors, orders, clock)),
        queues.HUBSPOT: activities_of(HubSpotActivities(database, keyring, hubspots, clock)),
        queues.SLACK: activities_of(SlackActivities(database, keyring, slacks, redis, clock)),
        queues.BAMBOOHR: activities_of(BambooHRActivities(database, keyring, bamboohrs, clock)),
    }


def make_loops(
    settings: Settings, client: Client, database: Database, redis: Redis, clock: Clock
) -> Iterable[Coroutine[Any, Any, None]]:
    """What runs beside workers and relay, without end."""
    return (
        Reconcile(client, database, clock=clock).run(),
        Catalogs(client, database, clock=clock).run(),
        IntakeLane(database, clock=clock).run_sweep(),
        Boards(database, redis, clock=clock).run(),
        NotifyLane(database, redis, clock=clock).run(),
        Weeks(database, clock=clock).run(),
        Sealer(database, SigningKeys(settings.ledger_signing_keys), clock=clock).run(),
        ClearingMeter(database).run(),
    )


def make_workers(
    served: Mapping[Queue, Sequence[Callable[..., Any]]], grace: timedelta, client: Client
) -> Sequence[Worker]:
    """One worker per queue with that queue's activities; `laurel` runs the workflows.

    Without the sandbox, in which every test and every replay runs them: it would import their modules anew for each.
    """
    return [
        Worker(
            client,
            task_queue=queue.name,
            workflows=WORKFLOWS if queue is queues.LAUREL else [],
            activities=activities,
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=ACTIVITIES_AT_ONCE,
            max_task_queue_activities_per_second=queue.activities_per_second,
            graceful_shutdown_timeout=grace,
        )
        for queue, activities in served.items()
    ]


async def serve(
    workers: Workers, relay: Relay, beside: Iterable[Coroutine[Any, Any, None]], grace_seconds: float
) -> None:
    """Run everything until a signal, then let what is under way end within the grace."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with asyncio.TaskGroup() as tasks:
        endless = [tasks.create_task(loop) for loop in beside]
        async with asyncio.TaskGroup() as ending:
            ending.create_task(workers.run())
            ending.create_task(relay.run())
            await stopping.wait()
            runtime.leave_after(grace_seconds)
            workers.stop()
            relay.stop()
        await runtime.end(endless)


def main() -> None:
    """Read the settings and work."""
    settings = Settings()
    telemetry.configure(settings.laurel_log_level)
    telemetry.serve_metrics(settings.worker_metrics_port)
    failpoints.arm(settings.laurel_failpoint)
    runtime.spare_the_collector()
    log_like_everybody()
    runtime.run(run(settings, clock=lambda: datetime.now(UTC)))


if __name__ == "__main__":
    main()
