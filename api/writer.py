"""The writer: single events and commands of many callers become one transaction per program (group commit).

A lane gathers what arrives while its last batch commits, so nobody waits when nothing else is going on. What concerns
the same members is in one batch at a time, in the order in which it came: a second batch would only wait for the locks
of the first. What is acknowledged is committed; a caller that went away changes nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import structlog
from prometheus_client import Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncSession

from activities import failpoints
from api.idempotency import New, Refused, Repeat, Twin, admit
from api.problems import Problem
from domain import commands as ordered
from domain.commands import Accepted, Command, Replayed
from domain.events import Event, SourcePolicy
from domain.idempotency import IdempotencyKey
from domain.outcomes import Outcome
from domain.time import Clock
from storage import commands, idempotency, intake
from storage.database import Database
from storage.failures import retry

MAX_BATCH = 500  # events or commands of one transaction
MAX_WAITING = 5_000  # events and commands that one process holds, of all programs
MAX_BATCHES = 4  # transactions at a time
LANE_BATCHES = 3  # of one program: the next ones are read and decided while the last one commits ...
EVENTS_WORTH_A_BATCH = 24  # ... once this many wait, for every batch costs as much as some ten events ...
COMMANDS_WORTH_A_BATCH = 64  # ... or some thirty commands
FULL_RETRY_SECONDS = 1

_WAITING = Gauge("laurel_writer_waiting", "Events and commands that wait for their transaction to commit")
_SECONDS = Histogram(
    "laurel_writer_seconds",
    "From a single event's or command's arrival until it was committed or failed, in seconds.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

Item = TypeVar("Item")
Result = TypeVar("Result")
Given = TypeVar("Given", contravariant=True)


class Work(Protocol[Given, Result]):
    """What is done with a batch. Equal ones share a lane.

    `worth_a_batch` is how many items must wait before another batch of theirs is begun beside the first.
    """

    worth_a_batch: ClassVar[int]

    async def perform(
        self, session: AsyncSession, program_id: str, items: Sequence[Given], as_of: datetime
    ) -> Sequence[Result]:
        """One result for each item, in order; it does not commit."""

    def concerns(self, item: Given) -> Collection[Hashable]:
        """The members whom the item names, under whatever names."""

    def keep(self, result: Result) -> Mapping[str, Any]:
        """The result as data, to be kept under a request's key."""

    def restore(self, kept: Mapping[str, Any]) -> Result:
        """The inverse of `keep`."""


@dataclass(frozen=True, slots=True)
class Taking:
    """Events are taken in, those of one policy together."""

    worth_a_batch: ClassVar[int] = EVENTS_WORTH_A_BATCH

    policy: SourcePolicy

    async def perform(
        self, session: AsyncSession, program_id: str, items: Sequence[Event], as_of: datetime
    ) -> Sequence[Outcome]:
        return await intake.record(session, program_id, items, self.policy, as_of=as_of)

    def concerns(self, item: Event) -> Collection[Hashable]:
        return ((item.member.source, item.member.external_id),)

    def keep(self, result: Outcome) -> Mapping[str, Any]:
        return asdict(result)

    def restore(self, kept: Mapping[str, Any]) -> Outcome:
        return Outcome(**{**kept, "rewards": tuple(kept["rewards"])})


@dataclass(frozen=True, slots=True)
class Executing:
    """Commands to the ledger are carried out."""

    worth_a_batch: ClassVar[int] = COMMANDS_WORTH_A_BATCH

    async def perform(
        self, session: AsyncSession, program_id: str, items: Sequence[Command], as_of: datetime
    ) -> Sequence[ordered.Outcome]:
        return await commands.execute(session, program_id, items, as_of=as_of)

    def concerns(self, item: Command) -> Collection[Hashable]:
        return item.member_ids

    def keep(self, result: ordered.Outcome) -> Mapping[str, Any]:
        if isinstance(result, Replayed):
            return {"replayed": result.first.as_json()}
        return {"refused": asdict(result)} if isinstance(result, ordered.Refused) else {"accepted": result.as_json()}

    def restore(self, kept: Mapping[str, Any]) -> ordered.Outcome:
        [(how, result)] = kept.items()
        if how == "refused":
            return ordered.Refused(**result)
        return Accepted.from_json(result) if how == "accepted" else Replayed(Accepted.from_json(result))


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """What came of one item, and whether that is the answer to an earlier request under the same key."""

    outcome: Result
    replayed: bool = False


Recorded = Done[Outcome]
Executed = Done[ordered.Outcome]


@dataclass(slots=True, eq=False)
class Waiting(Generic[Item, Result]):
    """One caller's event or command."""

    item: Item
    key: IdempotencyKey | None
    concerns: Collection[Hashable]
    answer: asyncio.Future[Done[Result]]
    since: float = field(default_factory=time.perf_counter)


@dataclass(slots=True)
class Lane(Generic[Item, Result]):
    """What waits of one program for the same work, in the order in which it came."""

    program_id: str
    work: Work[Item, Result]
    queue: deque[Waiting[Item, Result]] = field(default_factory=deque)
    servers: int = 0
    # What concerns somebody whom a batch in hand concerns, or somebody who waits here already.
    _behind: deque[Waiting[Item, Result]] = field(default_factory=deque)
    _in_hand: list[list[Waiting[Item, Result]]] = field(default_factory=list)
    _busy: set[Hashable] = field(default_factory=set)

    def add(self, waiting: Waiting[Item, Result]) -> None:
        """Let it wait for the next batch, or for the end of the one that is about the same members."""
        if self._busy.isdisjoint(waiting.concerns):
            self.queue.append(waiting)
        else:
            self._behind.append(waiting)
            self._busy.update(waiting.concerns)  # nobody overtakes it

    def take(self) -> list[Waiting[Item, Result]]:
        """The next batch: its share of all who wait, so that there is one to decide while another one commits."""
        in_hand = sum(map(len, self._in_hand))
        share = -(-(len(self.queue) + in_hand) // LANE_BATCHES)
        size = min(len(self.queue), MAX_BATCH, max(self.work.worth_a_batch, share))
        batch = [self.queue.popleft() for _ in range(size)]
        self._in_hand.append(batch)
        self._gather(batch)
        return batch

    def _gather(self, batch: list[Waiting[Item, Result]]) -> None:
        """Have whatever else concerns the batch's members go along, unless it would overtake what stays."""
        whom, staying = _concerned(batch), set[Hashable]()
        self._busy |= whom
        others, self.queue = self.queue, deque()
        for waiting in others:
            named = waiting.concerns
            if len(batch) < MAX_BATCH and not whom.isdisjoint(named) and staying.isdisjoint(named):
                batch.append(waiting)
                whom.update(named)
                self._busy.update(named)
            else:
                self.add(waiting)
                staying.update(named)

    def done(self, batch: list[Waiting[Item, Result]]) -> None:
        """The batch's locks are free: who waits for them may be next."""
        self._in_hand.remove(batch)
        self._busy = _concerned(chain.from_iterable(self._in_hand))
        waited, self._behind = self._behind, deque()
        for waiting in waited:
            self.add(waiting)


def _concerned(batch: Iterable[Waiting[Any, Any]]) -> set[Hashable]:
    return {member for waiting in batch for member in waiting.concerns}


class Writer:
    """Records events and carries out commands; `close` first answers everybody who waits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lanes: dict[tuple[str, Work[Any, Any]], Lane[Any, Any]] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._batches = asyncio.Semaphore(MAX_BATCHES)
        self._waiting = 0
        self._closed = False

    async def record(
        self, program_id: str, event: Event, policy: SourcePolicy, key: IdempotencyKey | None = None
    ) -> Recorded:
        """Record one event; raises Problem overloaded, or what its key or the database says."""
        return await self._submit(program_id, Taking(policy), event, key)

    async def command(self, program_id: str, command: Command, key: IdempotencyKey | None = None) -> Executed:
        """Carry out one command; raises Problem overloaded, or what its key or the database says."""
        return await self._submit(program_id, Executing(), command, key)

    async def close(self) -> None:
        """Take nothing more and return when everybody who waits is answered."""
        self._closed = True
        while self._serving:
            await asyncio.wait(self._serving)

    async def _submit(
        self, program_id: str, work: Work[Item, Result], item: Item, key: IdempotencyKey | None
    ) -> Done[Result]:
        if self._closed or self._waiting >= MAX_WAITING:
            raise Problem("overloaded", retry_after_seconds=FULL_RETRY_SECONDS)
        waiting: Waiting[Item, Result] = Waiting(
            item, key, work.concerns(item), asyncio.get_running_loop().create_future()
        )
        self._waiting += 1
        _WAITING.inc()
        lane = self._lanes.get((program_id, work))
        if lane is None:
            lane = self._lanes[program_id, work] = Lane(program_id, work)
        lane.add(waiting)
        if lane.servers == 0 or (lane.servers < LANE_BATCHES and len(lane.queue) >= work.worth_a_batch):
            lane.servers += 1
            task = asyncio.create_task(self._serve(lane))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return await waiting.answer

    async def _serve(self, lane: Lane[Any, Any]) -> None:
        """Commit batch after batch until nobody waits."""
        # Not the request that happened to begin it: lines about an event name the event.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(program_id=lane.program_id)
        while lane.queue:
            async with self._batches:
                await asyncio.sleep(0)  # what has arrived in this moment goes along
                batch = lane.take()
                answers = await self._answers(lane, batch) if batch else ()
            lane.done(batch)
            self._waiting -= len(batch)
            _WAITING.dec(len(batch))
            for waiting, answer in zip(batch, answers, strict=True):
                _SECONDS.observe(time.perf_counter() - waiting.since)
                _tell(waiting.answer, answer)
        lane.servers -= 1
        if not lane.servers:
            del self._lanes[lane.program_id, lane.work]

    async def _answers(
        self, lane: Lane[Item, Result], batch: Sequence[Waiting[Item, Result]]
    ) -> Sequence[Done[Result] | Exception]:
        try:
            return await retry(lambda: self._commit(lane, batch))
        except Exception as error:
            return [error] * len(batch)

    async def _commit(
        self, lane: Lane[Item, Result], batch: Sequence[Waiting[Item, Result]]
    ) -> Sequence[Done[Result] | Problem]:
        program_id, work = lane.program_id, lane.work
        async with self._database.begin() as session:
            admissions = await admit(session, program_id, [waiting.key for waiting in batch])
            new = [n for n, admission in enumerate(admissions) if isinstance(admission, New)]
            items = [batch[n].item for n in new]
            results = await work.perform(session, program_id, items, self._clock()) if new else []
            keyed = [
                (key, work.keep(result))
                for n, result in zip(new, results, strict=True)
                if (key := batch[n].key) is not None
            ]
            await idempotency.insert(session, program_id, keyed, now=self._clock())
        await failpoints.reached("before_acknowledge")
        answers: dict[int, Done[Result] | Problem] = {n: Done(one) for n, one in zip(new, results, strict=True)}
        for n, admission in enumerate(admissions):
            match admission:
                case Repeat(outcome=kept):
                    answers[n] = Done(work.restore(kept), replayed=True)
                case Twin(of=first):
                    answer = answers[first]
                    answers[n] = Done(answer.outcome, replayed=True) if isinstance(answer, Done) else answer
                case Refused(problem=problem):
                    answers[n] = problem
        return [answers[n] for n in range(len(batch))]


def _tell(caller: asyncio.Future[Done[Result]], answer: Done[Result] | Exception) -> None:
    if caller.done():  # it went away
        return
    if isinstance(answer, Exception):
        caller.set_exception(answer)
    else:
        caller.set_result(answer)
