"""What `laurel chaos` breaks: a PostgreSQL that keeps what it acknowledged, a Redis, and an API that reaches the one
through a proxy. Each can be killed and started again; all are gone at the end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Self

import psutil

from activities.failpoints import Point
from cli.chaos.proxy import Proxy
from cli.embedded.ports import free_port
from cli.embedded.postgres import APPLICATION, DURABLE, OWNER, PORT, Cluster
from cli.embedded.processes import Child, Program, ProgramFailed
from cli.embedded.redis import Redis
from cli.embedded.stack import responds
from storage import schema

ROOT = Path(__file__).parents[2]
GONE_SECONDS = 30.0
# Nobody answers there: neither events nor commands need Temporal.
NO_TEMPORAL = "127.0.0.1:1"


class Servers:
    """Servers in one directory; use as an async context manager."""

    def __init__(self, directory: Path) -> None:
        self.cluster = Cluster(directory / "postgres")
        self.redis = Redis(free_port())
        self.proxy = Proxy(self.cluster.sockets / f".s.PGSQL.{PORT}")
        self.url = f"http://127.0.0.1:{free_port()}"
        self._directory = directory
        self._children: dict[str, Child] = {}
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._opened.push_async_callback(self._stop)
        try:
            await self._opened.enter_async_context(self.proxy)
            await asyncio.to_thread(self.cluster.initialise)
            await self.start_postgres()
            await asyncio.to_thread(self.cluster.create_database)
            await schema.migrate(self.cluster.url(OWNER))
            await self.start_redis()
            await self.start_api()
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def _stop(self) -> None:
        for name in ("API", "Redis", "PostgreSQL"):
            if name in self._children:
                await asyncio.to_thread(self._children.pop(name).stop)

    # -- PostgreSQL ------------------------------------------------------------------------------------------------

    async def start_postgres(self) -> None:
        await self._start(self.cluster.program(self._log("postgres"), DURABLE))

    async def kill_postgres(self) -> None:
        """End the postmaster; its other processes see that and go, each when it comes to it."""
        orphans = self.postgres_processes()[1:]
        await self._kill("PostgreSQL")
        await asyncio.to_thread(psutil.wait_procs, orphans, GONE_SECONDS)

    def postgres_processes(self) -> list[psutil.Process]:
        """The postmaster, then all that it has started."""
        postmaster = psutil.Process(self._children["PostgreSQL"].pid)
        return [postmaster, *postmaster.children(recursive=True)]

    # -- Redis -----------------------------------------------------------------------------------------------------

    async def start_redis(self) -> None:
        await self._start(self.redis.program(self._log("redis")))

    async def kill_redis(self) -> None:
        await self._kill("Redis")

    # -- The API ---------------------------------------------------------------------------------------------------

    async def start_api(self) -> None:
        await self._start(self._api("", partial(responds, f"{self.url}/healthz")))

    async def let_api_die_at(self, point: Point) -> None:
        """Run an API that kills itself there; returns when it has, raises ProgramFailed if it ended otherwise."""
        await self._start(self._api(f"{point}:kill", ready=lambda: True))
        child = self._children["API"]
        await asyncio.to_thread(child.wait, GONE_SECONDS)
        if child.status != -signal.SIGKILL:
            raise ProgramFailed(child.obituary())

    async def kill_api(self) -> None:
        await self._kill("API")

    def _api(self, failpoint: str, ready: Callable[[], bool]) -> Program:
        environment = {
            "LAUREL_ENV": "development",
            "LAUREL_FAILPOINT": failpoint,
            "LAUREL_LOG_LEVEL": "warning",
            "LAUREL_PORT": self.url.rsplit(":", 1)[1],
            "LAUREL_PUBLIC_URL": self.url,
            "LAUREL_STATE_DIR": str(self._directory),
            "DATABASE_URL": f"postgresql://{APPLICATION}@127.0.0.1:{self.proxy.port}/laurel",
            "REDIS_URL": self.redis.url,
            "TEMPORAL_ADDRESS": NO_TEMPORAL,
            "REQUESTS_PER_MINUTE": "10000000",
        }
        argv = [sys.executable, "-m", "api"]
        return Program("API", argv, self._log("api"), ready, environment, directory=ROOT)

    # -- All of them -----------------------------------------------------------------------------------------------

    async def _start(self, program: Program) -> None:
        self._children[program.name] = await asyncio.to_thread(Child.start, program)

    async def _kill(self, name: str) -> None:
        """End it as a power cut does; returns when it is gone."""
        child = self._children.pop(name)
        if child.alive:
            os.kill(child.pid, signal.SIGKILL)
        await asyncio.to_thread(child.stop)

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"
