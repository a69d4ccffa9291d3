"""Temporal's workers in this process: there whenever Temporal is; while it is not, the process has other work."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

CONNECT_SECONDS = 10.0
RETRY_SECONDS = 2.0

log = structlog.get_logger()


class Workers:
    """`connect` gives a client that is not lazy, or raises; `make` gives the workers of one client."""

    def __init__(self, connect: Callable[[], Awaitable[Client]], make: Callable[[Client], Sequence[Worker]]) -> None:
        self._connect = connect
        self._make = make
        self._stopping = asyncio.Event()
        self._client: Client | None = None

    @property
    def client(self) -> Client | None:
        """The client of the workers that are there: what is started through it may begin in this process at once."""
        return self._client

    async def run(self) -> None:
        """Work until `stop`; raises what is wrong with a workflow or an activity before it can be worked on."""
        while not self._stopping.is_set():
            workers = await self._connected()
            try:
                await self._serve(workers)
            except* Exception as group:
                # Temporal lost its namespace, or refused us: the relay beside has other work, and this may heal.
                log.error("workers ended", errors=[f"{type(error).__name__}: {error}" for error in group.exceptions])
            finally:
                self._client = None
            await self._wait_before_retry()

    def stop(self) -> None:
        """Let `run` return once the activities under way have ended, or their time is up."""
        self._stopping.set()

    async def _connected(self) -> Sequence[Worker]:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    client = await self._connect()
            except Exception as error:
                log.warning("waiting for Temporal", error=f"{type(error).__name__}: {error}")
                await self._wait_before_retry()
            else:
                self._client = client
                return self._make(client)
        return []

    async def _serve(self, workers: Sequence[Worker]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for worker in workers:
                tasks.create_task(worker.run())
            if workers:
                log.info("working", queues=[worker.task_queue for worker in workers])
            await self._stopping.wait()
            for worker in workers:
                tasks.create_task(worker.shutdown())

    async def _wait_before_retry(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await self._stopping.wait()
