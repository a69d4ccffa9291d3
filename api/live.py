"""Live balances: who watches a member's balance is told the newest one after each change, and misses none that lasts.

PostgreSQL is read for what changed: on a hint (`storage.balance_changes`), when value lapses, and every POLL_SECONDS in
case a hint was lost or Redis is away. A watch holds one balance, the newest, so a slow reader skips what is older.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

import structlog
from prometheus_client import Counter, Gauge, Histogram

from api.problems import Problem
from domain.members import Balance
from domain.time import Clock
from storage import members
from storage.balance_changes import BalanceChanges, Changed
from storage.database import Database
from storage.failures import is_transient

POLL_SECONDS = 5.0
RETRY_SECONDS = 1.0
RETRY_AFTER_SECONDS = 5
# Of one API process.
MAX_STREAMS = 300
MAX_STREAMS_OF_PROGRAM = 200
MAX_STREAMS_OF_MEMBER = 5

log = structlog.get_logger()

_OPEN = Gauge("laurel_live_streams", "Live balances that somebody watches", ["door"])
_BEHIND = Gauge("laurel_live_streams_behind", "Live balances whose reader does not take what is sent")
_PUSHED = Counter("laurel_live_balances_total", "Balances handed to live streams, by what came of them", ["outcome"])
_SECONDS = Histogram(
    "laurel_live_stream_seconds",
    "How long live balances were watched, by how that ended.",
    ["door", "end"],
    buckets=(1, 10, 60, 300, 900, 3600),
)


class Door(StrEnum):
    """How a live balance is told."""

    EVENTS = "events"
    SOCKET = "socket"


class End(StrEnum):
    """Why a live balance is told no longer: the caller left, may not listen any more, or took nothing."""

    LEFT = "left"
    REFUSED = "refused"
    SLOW = "slow"


class Watch:
    """What one stream waits for: the newest balance that it has not seen."""

    def __init__(self, program_id: str, member_id: str, unit: str, known: Balance | None) -> None:
        self.program_id = program_id
        self.member_id = member_id
        self.unit = unit
        self.known = known
        self.end = End.LEFT
        self.is_behind = False
        self._newest: Balance | None = None
        self._there = asyncio.Event()

    def put(self, balance: Balance) -> None:
        """Keep the balance for the stream, instead of one that it has not taken yet."""
        if balance == self.known:
            return
        if self._newest is not None:
            _PUSHED.labels("overtaken").inc()
        self.known = self._newest = balance
        self._there.set()

    async def next(self, seconds: float) -> Balance | None:
        """The newest balance as soon as there is one that was not taken; None if there is none within the time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._there.wait()
        self._there.clear()
        newest, self._newest = self._newest, None
        if newest is not None:
            _PUSHED.labels("sent").inc()
        return newest

    @contextmanager
    def sending(self) -> Iterator[None]:
        """While something is sent: the reader is behind until it has taken it."""
        self.is_behind = True
        try:
            with _BEHIND.track_inprogress():
                yield
        finally:
            self.is_behind = False


class Live:
    """All watches of this process; `hear` and `feed` run beside it."""

    def __init__(self, database: Database, changes: BalanceChanges, clock: Clock) -> None:
        self._database = database
        self._changes = changes
        self._clock = clock
        self._watches: defaultdict[tuple[str, str], set[Watch]] = defaultdict(set)
        self._due: set[tuple[str, str]] = set()
        self._woken = asyncio.Event()

    @contextmanager
    def watch(
        self, door: Door, program_id: str, member_id: str, unit: str, known: Balance | None = None
    ) -> Iterator[Watch]:
        """A watch that is fed, first with the present balance unless it is known; raises Problem rate_limited."""
        self._check_room(program_id, member_id)
        watch, of = Watch(program_id, member_id, unit, known), (program_id, member_id)
        self._watches[of].add(watch)
        self.changed([of])
        started = time.monotonic()
        try:
            with _OPEN.labels(door).track_inprogress():
                yield watch
        finally:
            _SECONDS.labels(door, watch.end).observe(time.monotonic() - started)
            self._watches[of].discard(watch)
            if not self._watches[of]:
                del self._watches[of]

    def _check_room(self, program_id: str, member_id: str) -> None:
        numbers = {of: len(watches) for of, watches in self._watches.items()}
        of_program = sum(number for of, number in numbers.items() if of[0] == program_id)
        if (
            numbers.get((program_id, member_id), 0) >= MAX_STREAMS_OF_MEMBER
            or of_program >= MAX_STREAMS_OF_PROGRAM
            or sum(numbers.values()) >= MAX_STREAMS
        ):
            raise Problem("rate_limited", "too many live balances are open", retry_after_seconds=RETRY_AFTER_SECONDS)

    def changed(self, changed: Changed) -> None:
        """These balances changed, or may have: read those that are watched."""
        if due := self._watches.keys() & set(changed):
            self._due |= due
            self._woken.set()

    async def hear(self) -> None:
        """Learn of changes that others made, until cancelled."""
        async for changed in self._changes.listen():
            self.changed(list(self._watches) if changed is None else changed)

    async def feed(self) -> None:
        """Hand the watches what changed, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                self._due |= self._watches.keys()
            self._woken.clear()
            due, self._due = self._due, set()
            try:
                await self._read(due)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.info("live balances wait for the database", error=type(error).__name__)
                self._due |= due
                await asyncio.sleep(RETRY_SECONDS)
                self._woken.set()

    async def _read(self, due: Changed) -> None:
        if not due:
            return
        async with self._database.begin() as session:
            for program_id, member_id in due:
                by_unit = defaultdict(list)
                for watch in self._watches.get((program_id, member_id), ()):
                    by_unit[watch.unit].append(watch)
                for unit, watches in by_unit.items():
                    now = self._clock()
                    balance = await members.balance(session, program_id, member_id, as_of=now, unit=unit)
                    for watch in watches:
                        watch.put(balance)
