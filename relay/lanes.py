"""What each lane of the outbox does with a row."""

from collections.abc import Callable, Mapping, Sequence

from redis.asyncio import Redis
from temporalio.client import Client

from connectors import console
from connectors.checkpoints import Keeper
from domain.leaderboards import Standing
from domain.outbox import ClaimedRow, Lane
from domain.time import Clock
from relay.checkpoints import CheckpointLane
from relay.intake import IntakeLane
from relay.relay import Handler
from relay.temporal import TemporalLane
from storage import leaderboards, notifications
from storage.database import Database


def handlers(
    client: Client,
    database: Database,
    redis: Redis,
    *,
    clock: Clock,
    keepers: Sequence[Keeper] = (),
    nearest: Callable[[], Client | None] = lambda: None,
) -> Mapping[Lane, Handler]:
    """Every lane's handler; the client may be lazy, and `nearest` is that of workers in this process, if there are."""
    return {
        Lane.TEMPORAL: TemporalLane(client, nearest=nearest),
        Lane.REDIS: RedisLane(redis),
        Lane.NOTIFY: ConsoleLane(database),
        Lane.INTAKE: IntakeLane(database, clock=clock),
        Lane.CHECKPOINTS: CheckpointLane(database, keepers),
    }


class RedisLane:
    """Acts on the rows of the lane "redis": standings, which are absolute and refused if older."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def __call__(self, row: ClaimedRow) -> None:
        await leaderboards.write(self._redis, row.program_id, [Standing.from_payload(row.payload)])


class ConsoleLane:
    """Acts on the rows of the lane "notify": tells the console, the channel that is always there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, row: ClaimedRow) -> None:
        async with self._database.begin() as session:
            told = await notifications.get(session, row.program_id, row.payload["notification_id"])
        console.tell(told)
