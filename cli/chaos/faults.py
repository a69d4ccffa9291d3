"""The faults of `laurel chaos`: each is made while callers wait, and over when it returns.

Processes are signalled by id. How often and for how long is drawn from the round's own randomness.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from random import Random

import psutil
from redis.asyncio import Redis

from cli.chaos.servers import Servers

Fault = Callable[[Servers, Random], Awaitable[None]]

# Of one round: how often the API dies or connections are ended, and how many answers are lost.
MAX_TIMES = 2
MAX_ANSWERS_LOST = 12
# How long PostgreSQL stands still, and a dead Redis stays away: longer than a caller waits for an answer, and shorter.
STILL_SECONDS = (1.0, 6.0)
ANSWERS_LOST_WITHIN_SECONDS = 60.0
REDIS_SECONDS = 60.0


async def kill_before_acknowledging(servers: Servers, random: Random) -> None:
    """The API dies between the commit and the first answer, once or again and again."""
    await servers.kill_api()
    for _ in range(random.randint(1, MAX_TIMES)):
        await servers.let_api_die_at("before_acknowledge")
    await servers.start_api()


async def kill_api(servers: Servers, _: Random) -> None:
    """The API dies wherever it is."""
    await servers.kill_api()
    await servers.start_api()


async def kill_postgres(servers: Servers, _: Random) -> None:
    """The postmaster dies; PostgreSQL recovers from its log."""
    await servers.kill_postgres()
    await servers.start_postgres()


async def terminate_connections(servers: Servers, random: Random) -> None:
    """All connections to PostgreSQL are ended by an administrator, several times."""
    for _ in range(random.randint(1, MAX_TIMES)):
        await asyncio.to_thread(servers.cluster.terminate_connections)
        await asyncio.sleep(random.random())


async def lose_answers_to_commits(servers: Servers, random: Random) -> None:
    """COMMIT arrives and is done, and the connection is gone before its answer."""
    async with asyncio.timeout(ANSWERS_LOST_WITHIN_SECONDS):
        await servers.proxy.lose_answers(random.randint(MAX_ANSWERS_LOST // 2, MAX_ANSWERS_LOST))


async def stop_postgres(servers: Servers, random: Random) -> None:
    """PostgreSQL stands still for some seconds: connections stay, and nothing is answered."""
    processes = servers.postgres_processes()
    try:
        _signal(processes, signal.SIGSTOP)
        await asyncio.sleep(random.uniform(*STILL_SECONDS))
    finally:
        _signal(processes, signal.SIGCONT)


async def empty_redis(servers: Servers, _: Random) -> None:
    """Redis forgets everything."""
    redis = Redis.from_url(servers.redis.url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)
    await redis.flushall()
    await redis.aclose()


async def kill_redis(servers: Servers, random: Random) -> None:
    """Redis dies and stays away for some seconds."""
    await servers.kill_redis()
    await asyncio.sleep(random.uniform(*STILL_SECONDS))
    await servers.start_redis()


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_before_acknowledging,
        kill_api,
        kill_postgres,
        terminate_connections,
        lose_answers_to_commits,
        stop_postgres,
        empty_redis,
        kill_redis,
    )
}
