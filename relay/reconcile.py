"""Reconcile: whatever the rows say is unfinished, Temporal is working on.

A loop beside the relay and not a schedule, because it must outlive a lost Temporal database: it makes namespace,
search attributes and schedules, then looks for the workflow behind each unfinished row and starts it where it is
closed or missing. The rows guard against repeats, so starting once too often is harmless.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog
from prometheus_client import Counter
from temporalio.client import ActivityExecutionDescription, Client, WorkflowExecutionDescription
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from domain.challenges import Campaign
from domain.notices import ObjectToFetch
from domain.slack import Delivery
from domain.syncs import Sync
from domain.time import Clock
from relay import namespaces, schedules, temporal
from relay.outages import is_outage, namespace_is_missing
from storage import campaigns, syncs, unfinished
from storage.database import Database
from storage.unfinished import UnfetchedObject
from workflows import starts
from workflows.starts import Start

PASS_SECONDS = 15.0
RETRY_SECONDS = 2.0
PAGE_ROWS = 50
# One page each: what a deployment with many waiting offers costs Temporal is 50 requests in this time.
PAGE_SECONDS = 0.5
# Younger rows are the relay's.
YOUNG = timedelta(seconds=15)
# A workflow that ends with its row unfinished is not started again and again without a pause.
LATELY = timedelta(seconds=60)

_STARTED = Counter("laurel_reconcile_started_total", "Work that Temporal had lost and was given again", ["kind"])

log = structlog.get_logger()
Row = TypeVar("Row")


class Reconcile:
    """Any number may run; the client may be lazy."""

    def __init__(self, client: Client, database: Database, *, clock: Clock) -> None:
        self._client = client
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Reconcile until cancelled; while anything is away, try again soon."""
        while True:
            try:
                await namespaces.prepare(self._client)
                await schedules.prepare(self._client, await self._list_syncs(), await self._list_campaigns())
                await self.heal()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("reconcile interrupted", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await asyncio.sleep(PASS_SECONDS)

    async def heal(self) -> int:
        """Give Temporal everything unfinished that it is not working on; how much that was."""
        before = self._clock() - YOUNG
        orders = partial(unfinished.list_orders, before=before, limit=PAGE_ROWS)
        rewards = partial(unfinished.list_rewards, before=before, limit=PAGE_ROWS)
        challenges = partial(unfinished.list_challenges, before=before, limit=PAGE_ROWS)
        windows = partial(unfinished.list_grace_windows, before=before, limit=PAGE_ROWS)
        nominated = partial(unfinished.list_nominations, before=before, limit=PAGE_ROWS)
        clocks = partial(unfinished.list_clocks, before=before, limit=PAGE_ROWS)
        objects = partial(unfinished.list_objects, before=before, limit=PAGE_ROWS)
        deliveries = partial(unfinished.list_deliveries, before=before, limit=PAGE_ROWS)
        healed = 0
        async for page in self._pages(orders):
            healed += await _sum(self._restart(starts.order(row.program_id, row.id, row.about)) for row in page)
        async for page in self._pages(rewards):
            healed += await _sum(self._restart(starts.reward(row.program_id, row.id, row.about)) for row in page)
        async for page in self._pages(challenges):
            healed += await _sum(self._restart(starts.challenge(row.program_id, row.id, row.about)) for row in page)
        async for page in self._pages(windows):
            healed += await _sum(self._restart(starts.grace(row.program_id, row.id, row.about)) for row in page)
        async for page in self._pages(nominated):
            healed += await _sum(self._restart(starts.nomination(row.program_id, row.id, row.about)) for row in page)
        async for page in self._pages(clocks):
            healed += await _sum(self._restart(starts.clock(row.program_id, row.id)) for row in page)
        async for page_of_objects in self._pages(objects):
            healed += await _sum(self._fetch(row) for row in page_of_objects)
        async for page_of_deliveries in self._pages(deliveries):
            healed += await _sum(self._say(row) for row in page_of_deliveries)
        return healed

    async def _list_syncs(self) -> list[Sync]:
        async with self._database.begin() as session:
            return await syncs.list_connections(session, schedules.SYNCED)

    async def _list_campaigns(self) -> Sequence[Campaign]:
        async with self._database.begin() as session:
            return await campaigns.list_running(session)

    async def _pages(self, read: Callable[..., Awaitable[Sequence[Row]]]) -> AsyncIterator[Sequence[Row]]:
        after = None
        while True:
            async with self._database.begin() as session:
                page = await read(session, after=after)
            yield page
            if len(page) < PAGE_ROWS:
                return
            after = page[-1]
            await asyncio.sleep(PAGE_SECONDS)

    async def _restart(self, start: Start) -> bool:
        describe = self._client.get_workflow_handle(start.workflow_id).describe(rpc_timeout=temporal.RPC_TIMEOUT)
        if await self._in_hand(describe):
            return False
        await temporal.start(self._client, start, WorkflowIDReusePolicy.ALLOW_DUPLICATE)
        self._report(start.workflow, start.workflow_id)
        return True

    async def _fetch(self, row: UnfetchedObject) -> bool:
        target = ObjectToFetch(row.program_id, row.connection_id, row.object_id, row.kind)
        describe = self._client.get_activity_handle(target.activity_id).describe(rpc_timeout=temporal.RPC_TIMEOUT)
        if await self._in_hand(describe):
            return False
        await temporal.fetch(self._client, target)
        self._report(starts.FETCH_OBJECT, target.activity_id)
        return True

    async def _say(self, delivery: Delivery) -> bool:
        describe = self._client.get_activity_handle(delivery.activity_id).describe(rpc_timeout=temporal.RPC_TIMEOUT)
        if await self._in_hand(describe):
            return False
        await temporal.say(self._client, delivery)
        self._report(starts.SAY, delivery.activity_id)
        return True

    async def _in_hand(self, describe: Awaitable[WorkflowExecutionDescription | ActivityExecutionDescription]) -> bool:
        """Whether it runs, or has ended so lately that its rows deserve another look first."""
        try:
            found = await describe
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or namespace_is_missing(error):
                raise
            return False
        return found.close_time is None or found.close_time > self._clock() - LATELY

    def _report(self, kind: str, id: str) -> None:
        _STARTED.labels(kind).inc()
        log.warning("started again", kind=kind, workflow_id=id)


async def _sum(steps: Iterable[Awaitable[bool]]) -> int:
    return sum(await asyncio.gather(*steps))
