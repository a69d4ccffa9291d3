"""The relay: acts on what the outbox holds, lane by lane, until it is done.

Each lane claims a batch, acts on all of its rows at once outside any transaction, and settles them in the transaction
that claims the next batch. While a system is away its lane pauses and counts no attempt; the other lanes go on. A relay
that dies leaves leases that end, and what it had already done is done again: every effect is harmless the second time.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncSession

import runtime
from domain.outbox import ClaimedRow, Lane
from domain.time import Clock
from relay.outages import is_outage
from storage import idempotency, outbox, slack_envelopes, slack_messages
from storage.database import Database
from storage.wakeups import Wakeups

Handler = Callable[[ClaimedRow], Awaitable[None]]

POLL_SECONDS = 1.0
# A row that is not settled within its lease is acted upon again, so every act ends well before it.
ACT_SECONDS = 20.0
LEASE = timedelta(seconds=60)
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
DEFERRED = timedelta(seconds=5)
# Rows of one batch are acted upon together; lanes that use the database leave connections for others.
BATCH_ROWS = {Lane.TEMPORAL: 50, Lane.REDIS: 200, Lane.NOTIFY: 5, Lane.INTAKE: 3, Lane.CHECKPOINTS: 1, Lane.SLACK: 5}

# Its rows wait for whichever workspace they came from.
OF_MANY_SYSTEMS = frozenset({Lane.SLACK, Lane.NOTIFY})

PURGE_SECONDS = 60.0
PURGE_ROWS = 5_000
DONE_KEPT = timedelta(days=1)
MEASURE_SECONDS = 15.0

_ROWS = Counter("laurel_outbox_rows_total", "Outbox rows by what came of acting on them", ["lane", "outcome"])
_OPEN = Gauge("laurel_outbox_open", "Outbox rows that wait", ["lane"])
_DEAD = Gauge("laurel_outbox_dead", "Outbox rows that were refused too often", ["lane"])
_OLDEST = Gauge("laurel_outbox_oldest_seconds", "How long the oldest waiting outbox row has waited", ["lane"])
_PAUSED = Gauge("laurel_relay_paused", "1 while a lane waits for its system to come back", ["lane"])

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of acting on one row; no error: it has taken effect."""

    row: ClaimedRow
    error: Exception | None = None

    @property
    def is_outage(self) -> bool:
        return self.error is not None and is_outage(self.error)


class Relay:
    """Serves the lanes that it is given handlers for; any number of relays may run at one database."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[Lane, Handler],
        *,
        clock: Clock,
        wakeups: Wakeups,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._clock = clock
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds
        self._woken = {lane: asyncio.Event() for lane in handlers}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`; raises what is neither an outage nor about a row."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(loop()) for loop in (self._hear, self._purge, self._measure)]
            async with asyncio.TaskGroup() as lanes:
                for lane in self._handlers:
                    lanes.create_task(self._serve(lane), name=f"lane {lane}")
            await runtime.end(beside)

    def stop(self) -> None:
        """Let `run` return once the batches in hand are settled."""
        self._stopping.set()
        self.wake()

    def wake(self, lanes: Collection[str] | None = None) -> None:
        """Let these lanes (None: all) look for work at once: this process has left them some."""
        for lane, woken in self._woken.items():
            if lanes is None or lane in lanes:
                woken.set()

    async def work(self, lane: Lane) -> Sequence[Answer]:
        """Claim one batch of the lane, act on it and settle it."""
        answers = await self._act(lane, await self._turn(lane, (), BATCH_ROWS[lane]))
        await self._turn(lane, answers, 0)
        return answers

    # -- A lane ----------------------------------------------------------------------------------------------------

    async def _serve(self, lane: Lane) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        answers: Sequence[Answer] = ()
        while answers or not self._stopping.is_set():
            self._woken[lane].clear()
            try:
                rows = await self._turn(lane, answers, 0 if self._stopping.is_set() else BATCH_ROWS[lane])
                answers = await self._act(lane, rows)
                outage = _outage(answers)
            except Exception as error:
                if not is_outage(error):
                    raise
                answers, outage = (), error
            if outage:
                await self._pause(lane, outage, pause_seconds)
                pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
                continue
            pause_seconds = FIRST_PAUSE_SECONDS
            if not answers:
                await self._wait(self._woken[lane], self._poll_seconds)

    async def _pause(self, lane: Lane, outage: Exception, seconds: float) -> None:
        log.warning("lane paused", lane=lane, error=_describe(outage), seconds=seconds)
        _PAUSED.labels(lane).set(1)
        # Relays that met the same outage should not come back in step.
        await self._wait(self._stopping, seconds * random.uniform(0.5, 1.0))
        _PAUSED.labels(lane).set(0)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        """Until the event is set, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def _turn(self, lane: Lane, answers: Sequence[Answer], limit: int) -> Sequence[ClaimedRow]:
        """Settle what was acted upon and claim up to `limit` more, in one transaction."""
        if not answers and not limit:
            return ()
        async with self._database.begin() as session:
            dead = await self._settle(session, answers)
            rows = await outbox.claim(session, lane, self._clock(), LEASE, limit) if limit else ()
        _report(lane, answers, dead)
        return rows

    async def _act(self, lane: Lane, rows: Sequence[ClaimedRow]) -> Sequence[Answer]:
        return await asyncio.gather(*(self._act_on(lane, row) for row in rows))

    async def _act_on(self, lane: Lane, row: ClaimedRow) -> Answer:
        with structlog.contextvars.bound_contextvars(lane=lane, **row.ids):
            try:
                async with asyncio.timeout(ACT_SECONDS):
                    await self._handlers[lane](row)
            except Exception as error:
                return Answer(row, error)
            return Answer(row)

    async def _settle(self, session: AsyncSession, answers: Sequence[Answer]) -> Sequence[Answer]:
        """Those of the answers whose rows are dead now."""
        now = self._clock()
        done = [answer.row.id for answer in answers if answer.error is None]
        away = [answer.row.id for answer in answers if answer.is_outage]
        # When others were answered, the system is there: these must not be tried first for ever.
        again_at = now if _outage(answers) else now + DEFERRED
        await outbox.done(session, done, now=now)
        await outbox.release(session, away, available_at=again_at)
        refused = [answer for answer in answers if answer.error and not answer.is_outage]
        return [
            answer for answer in refused if await outbox.fail(session, answer.row, _describe(answer.error), now=now)
        ]

    # -- Beside the lanes ------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        async for lanes in self._wakeups.listen():
            self.wake(lanes)

    async def _purge(self) -> None:
        await self._each(PURGE_SECONDS, self.purge)

    async def _measure(self) -> None:
        await self._each(MEASURE_SECONDS, self.measure)

    async def _each(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except Exception as error:
                if not is_outage(error):
                    raise
            await asyncio.sleep(seconds)

    async def purge(self) -> None:
        """Forget what was done long enough ago: rows, Idempotency-Keys, what came from Slack and was said there."""
        await self._purge_table(outbox.purge, DONE_KEPT)
        await self._purge_table(idempotency.purge, idempotency.KEPT)
        await self._purge_table(slack_envelopes.purge, slack_envelopes.KEPT)
        await self._purge_table(slack_envelopes.purge_unhandled, slack_envelopes.UNHANDLED_KEPT)
        await self._purge_table(slack_messages.forget, slack_messages.KEPT)

    async def _purge_table(
        self, purge: Callable[[AsyncSession, datetime, int], Awaitable[int]], age: timedelta
    ) -> None:
        purged = PURGE_ROWS
        while purged == PURGE_ROWS:
            async with self._database.begin() as session:
                purged = await purge(session, self._clock() - age, PURGE_ROWS)

    async def measure(self) -> None:
        """Set the gauges of every lane to what the table says."""
        async with self._database.begin() as session:
            backlogs = {backlog.lane: backlog for backlog in await outbox.list_backlog(session, now=self._clock())}
        for lane in Lane:
            backlog = backlogs.get(lane)
            _OPEN.labels(lane).set(backlog.open if backlog else 0)
            _DEAD.labels(lane).set(backlog.dead if backlog else 0)
            _OLDEST.labels(lane).set(backlog.oldest_seconds if backlog else 0)


def _report(lane: Lane, answers: Sequence[Answer], dead: Sequence[Answer]) -> None:
    _ROWS.labels(lane, "done").inc(sum(answer.error is None for answer in answers))
    _ROWS.labels(lane, "refused").inc(sum(answer.error is not None and not answer.is_outage for answer in answers))
    _ROWS.labels(lane, "dead").inc(len(dead))
    for answer in dead:
        log.error("outbox row dead", lane=lane, kind=answer.row.kind, error=_describe(answer.error), **answer.row.ids)


def _outage(answers: Sequence[Answer]) -> Exception | None:
    """The lane's system is away if no row at all was answered; in a lane of many systems each row waits by itself."""
    if not answers or answers[0].row.lane in OF_MANY_SYSTEMS:
        return None
    return answers[0].error if all(answer.is_outage for answer in answers) else None


def _describe(error: Exception | None) -> str:
    return f"{type(error).__name__}: {error}"
