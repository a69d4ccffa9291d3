"""A relay in a process of its own that is killed when it has acted on every row and marked none."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from redis.asyncio import Redis

from connectors.checkpoints import CheckpointFile
from connectors.slack.web import Slacks
from domain.outbox import ClaimedRow, Lane
from relay.lanes import handlers
from relay.relay import Handler, Relay
from relay.slack.lane import SlackLane
from settings import DEVELOPMENT_KEYS, SecretKeys
from storage.database import Database
from storage.keyring import Keyring
from storage.wakeups import Wakeups
from tests.relay.conftest import now
from workflows.clients import connect


def killed_after(handlers: Mapping[Lane, Handler], rows: int) -> Mapping[Lane, Handler]:
    """The handlers, none of which returns: the last of `rows` acts is followed by SIGKILL."""
    acted = 0

    def never_returning(handler: Handler) -> Handler:
        async def handle(row: ClaimedRow) -> None:
            nonlocal acted
            await handler(row)
            acted += 1
            if acted == rows:
                os.kill(os.getpid(), signal.SIGKILL)
            await asyncio.Event().wait()

        return handle

    return {lane: never_returning(handler) for lane, handler in handlers.items()}


def slack_lane(database: Database, redis: Redis) -> SlackLane:
    """The lane "slack", whose Slack is away."""
    keyring = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
    return SlackLane(database, keyring, Slacks("http://127.0.0.1:1/api/"), redis, clock=now)


async def main(database_url: str, redis_url: str, address: str, namespace: str, kept: str, rows: str) -> None:
    database = Database(database_url)
    keyring = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
    client = await connect(address, namespace, keyring)
    keepers = [CheckpointFile(Path(kept))]
    redis = Redis.from_url(redis_url)
    served_lanes = handlers(client, database, redis, clock=now, keepers=keepers, slack=slack_lane(database, redis))
    lanes = killed_after(served_lanes, int(rows))
    # The lane "intake" has more kinds than one batch takes: a second relay takes the others.
    served = lanes, {Lane.INTAKE: lanes[Lane.INTAKE]}
    relays = [Relay(database, some, clock=now, wakeups=Wakeups(database_url)) for some in served]
    await asyncio.gather(*(relay.run() for relay in relays))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
