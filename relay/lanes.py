"""What each lane of the outbox does with a row."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from redis.asyncio import Redis
from temporalio.client import Client

from connectors.checkpoints import Keeper
from domain.outbox import ClaimedRow, Lane
from domain.time import Clock
from relay.checkpoints import CheckpointLane
from relay.intake import IntakeLane
from relay.notifying import NotifyLane
from relay.relay import Handler
from relay.temporal import TemporalLane
from storage import leaderboards, slack_homes, slack_messages, standings
from storage.database import Database


def handlers(
    client: Client,
    database: Database,
    redis: Redis,
    *,
    clock: Clock,
    keepers: Sequence[Keeper] = (),
    nearest: Callable[[], Client | None] = lambda: None,
    slack: Handler | None = None,
    meet: Handler | None = None,
) -> Mapping[Lane, Handler]:
    """Every lane's handler; the client may be lazy, and `nearest` is that of workers in this process, if there are.

    Without `slack`, what came from there waits for a process that can ask who its people are. `meet` looks in Slack for
    whoever is to be told something.
    """
    served: dict[Lane, Handler] = {
        Lane.TEMPORAL: TemporalLane(client, nearest=nearest),
        Lane.REDIS: RedisLane(database, redis, clock=clock),
        Lane.NOTIFY: NotifyLane(database, redis, clock=clock),
        Lane.INTAKE: IntakeLane(database, clock=clock),
        Lane.CHECKPOINTS: CheckpointLane(database, keepers),
    }
    if meet:
        served[Lane.NOTIFY] = _in_turn(meet, served[Lane.NOTIFY])
    return served | ({Lane.SLACK: slack} if slack else {})


def _in_turn(first: Handler, then: Handler) -> Handler:
    async def both(row: ClaimedRow) -> None:
        await first(row)
        await then(row)

    return both


class RedisLane:
    """Acts on the rows of the lane "redis": reads where members stand now and writes it, whatever the row is old.

    Rows of one program that were claimed together are read and written together, each member once.
    """

    def __init__(self, database: Database, redis: Redis, *, clock: Clock) -> None:
        self._database = database
        self._redis = redis
        self._clock = clock
        self._waiting: dict[str, set[str]] = {}
        self._turns: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, row: ClaimedRow) -> None:
        member_id = row.payload["member_id"]
        if row.program_id not in self._waiting:
            self._waiting[row.program_id] = set()
            self._turns[row.program_id] = asyncio.create_task(self._write(row.program_id))
        self._waiting[row.program_id].add(member_id)
        # One that waits no longer does not end the turn of the others.
        await asyncio.shield(self._turns[row.program_id])

    async def _write(self, program_id: str) -> None:
        """Begins after all rows that were claimed with the first one have joined."""
        member_ids = self._waiting.pop(program_id)
        async with self._database.begin() as session:
            on = await leaderboards.scheme(session, program_id, as_of=self._clock())
            told = await standings.list_of(session, on, sorted(member_ids))
            homes = await slack_homes.find_all(session, program_id, sorted(member_ids))
        await leaderboards.write(self._redis, on, told)
        if homes:  # they show boards, so they come after them
            async with self._database.begin() as session:
                await slack_messages.send(session, program_id, homes, now=self._clock())
