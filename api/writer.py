"""The writer: single events of many callers become one transaction per program (group commit).

A lane gathers what arrives while its last batch commits, so nobody waits when nothing else is going on. An event that
is acknowledged is committed; a caller that went away changes nothing.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from api.idempotency import New, Refused, Repeat, Twin, admit
from api.problems import Problem
from domain.events import Event, SourcePolicy
from domain.idempotency import IdempotencyKey
from domain.outcomes import Outcome
from domain.time import Clock
from storage import idempotency, intake
from storage.database import Database
from storage.failures import retry

MAX_BATCH = 500  # events of one transaction
MAX_WAITING = 5_000  # events that one process holds, of all programs
MAX_BATCHES = 4  # transactions at a time
LANE_BATCHES = 3  # of one program: the next ones are read and decided while the last one commits ...
WORTH_A_BATCH = 24  # ... once this many events wait, for every batch costs as much as some ten events
FULL_RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of one event, and whether that is the answer to an earlier request under the same key."""

    outcome: Outcome
    replayed: bool = False


Answer = Recorded | Problem


@dataclass(slots=True)
class Waiting:
    """One caller's event."""

    event: Event
    key: IdempotencyKey | None
    answer: asyncio.Future[Recorded]


@dataclass(slots=True)
class Lane:
    """The events of one program that wait, in the order in which they came."""

    program_id: str
    policy: SourcePolicy
    queue: deque[Waiting] = field(default_factory=deque)
    servers: int = 0
    in_hand: int = 0

    def take(self) -> list[Waiting]:
        """The next batch: its share of all who wait, so that there is one to decide while another one commits."""
        share = -(-(len(self.queue) + self.in_hand) // LANE_BATCHES)
        size = min(len(self.queue), MAX_BATCH, max(WORTH_A_BATCH, share))
        self.in_hand += size
        return [self.queue.popleft() for _ in range(size)]


class Writer:
    """Records events; `close` first answers everybody who waits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lanes: dict[tuple[str, SourcePolicy], Lane] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._batches = asyncio.Semaphore(MAX_BATCHES)
        self._waiting = 0
        self._closed = False

    async def record(
        self, program_id: str, event: Event, policy: SourcePolicy, key: IdempotencyKey | None = None
    ) -> Recorded:
        """Record one event; raises Problem overloaded, or what its key or the database says."""
        if self._closed or self._waiting >= MAX_WAITING:
            raise Problem("overloaded", retry_after_seconds=FULL_RETRY_SECONDS)
        waiting = Waiting(event, key, asyncio.get_running_loop().create_future())
        self._waiting += 1
        lane = self._lanes.get((program_id, policy))
        if lane is None:
            lane = self._lanes[program_id, policy] = Lane(program_id, policy)
        lane.queue.append(waiting)
        if lane.servers == 0 or (lane.servers < LANE_BATCHES and len(lane.queue) >= WORTH_A_BATCH):
            lane.servers += 1
            task = asyncio.create_task(self._serve(lane))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return await waiting.answer

    async def close(self) -> None:
        """Take nothing more and return when every waiting event is answered."""
        self._closed = True
        while self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, lane: Lane) -> None:
        """Commit batch after batch until nobody waits."""
        # Not the request that happened to begin it: lines about an event name the event.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(program_id=lane.program_id)
        while lane.queue:
            async with self._batches:
                await asyncio.sleep(0)  # what has arrived in this moment goes along
                batch = lane.take()
                answers = await self._answers(lane, batch) if batch else ()
            lane.in_hand -= len(batch)
            self._waiting -= len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                _tell(waiting.answer, answer)
        lane.servers -= 1
        if not lane.servers:
            del self._lanes[lane.program_id, lane.policy]

    async def _answers(self, lane: Lane, batch: Sequence[Waiting]) -> Sequence[Recorded | Exception]:
        try:
            return await retry(lambda: self._commit(lane, batch))
        except Exception as error:
            return [error] * len(batch)

    async def _commit(self, lane: Lane, batch: Sequence[Waiting]) -> Sequence[Answer]:
        async with self._database.begin() as session:
            admissions = await admit(session, lane.program_id, [waiting.key for waiting in batch])
            new = [n for n, admission in enumerate(admissions) if isinstance(admission, New)]
            events = [batch[n].event for n in new]
            outcomes = (
                await intake.record(session, lane.program_id, events, lane.policy, as_of=self._clock()) if new else []
            )
            keyed = [
                (key, _kept(outcome))
                for n, outcome in zip(new, outcomes, strict=True)
                if (key := batch[n].key) is not None
            ]
            await idempotency.insert(session, lane.program_id, keyed, now=self._clock())
        answers: dict[int, Answer] = {n: Recorded(outcome) for n, outcome in zip(new, outcomes, strict=True)}
        for n, admission in enumerate(admissions):
            match admission:
                case Repeat(outcome=kept):
                    answers[n] = Recorded(_outcome(kept), replayed=True)
                case Twin(of=first):
                    answer = answers[first]
                    answers[n] = Recorded(answer.outcome, replayed=True) if isinstance(answer, Recorded) else answer
                case Refused(problem=problem):
                    answers[n] = problem
        return [answers[n] for n in range(len(batch))]


def _tell(caller: asyncio.Future[Recorded], answer: Recorded | Exception) -> None:
    if caller.done():  # it went away
        return
    if isinstance(answer, Exception):
        caller.set_exception(answer)
    else:
        caller.set_result(answer)


def _kept(outcome: Outcome) -> dict[str, Any]:
    return asdict(outcome)


def _outcome(kept: Any) -> Outcome:
    return Outcome(**{**kept, "rewards": tuple(kept["rewards"])})
