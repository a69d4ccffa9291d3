"""The sealer: seals what the ledgers have recorded, and signs checkpoints, in a loop beside the relay.

Programs take turns of a bounded number of rows, so a busy one does not hold up the others. Any number of sealers may
run: one at a time seals for a program. What a sealer knows it may forget at any moment: it then looks again.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge

from domain.checkpoints import SigningKeys
from domain.time import Clock
from relay.outages import is_outage
from storage import checkpoints, programs, seals
from storage.database import Database
from storage.seals import Cursor

PASS_SECONDS = 1.0
# Of TURN_ROWS each, for every program that has so much; what is left waits for the next pass.
ROUNDS = 50
CHECKPOINT_EVERY = timedelta(minutes=10)
# How often everything is looked at again, for rows that came by a restore while this process went on.
SWEEP_EVERY = timedelta(days=1)

_SEALS = Counter("laurel_seals_total", "Records sealed")
_DELAY = Gauge("laurel_seal_delay_seconds", "How long the oldest record that is not sealed has waited")
_CHECKPOINTS = Counter("laurel_checkpoints_total", "Checkpoints signed")

log = structlog.get_logger()


class Sealer:
    """Seals for every program of the deployment."""

    def __init__(self, database: Database, keys: SigningKeys, *, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._cursors: dict[str, Cursor] = {}
        # Programs whose chains may have grown since their last checkpoint, and when to look.
        self._unsigned: dict[str, datetime] = {}
        self._swept_at = clock()

    async def run(self) -> None:
        """Seal until cancelled; while the database is away, try again at the next pass."""
        while True:
            try:
                await self.seal()
                await self.sign()
                await self.measure()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("sealing interrupted", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PASS_SECONDS)

    async def seal(self) -> int:
        """Seal what is ready, in turns, at most ROUNDS of them for each program; how many records that were."""
        if self._clock() - self._swept_at > SWEEP_EVERY:
            self._cursors, self._swept_at = {}, self._clock()
        sealed, due = 0, await self._due()
        for _ in range(ROUNDS):
            turns = {program_id: await self._turn(program_id) for program_id in due}
            sealed += sum(count for count, _ in turns.values())
            due = [program_id for program_id, (_, ended) in turns.items() if not ended]
            if not due:
                break
        return sealed

    async def sign(self) -> int:
        """Sign a checkpoint of each chain that grew since its last one, if that is old enough; how many those were."""
        due = [program_id for program_id, due_at in self._unsigned.items() if due_at <= self._clock()]
        signed = sum([await self._sign_if_due(program_id) for program_id in due])
        _CHECKPOINTS.inc(signed)
        return signed

    async def measure(self) -> None:
        """Set the delay to what the tables say, of all programs but those that are being looked through anew."""
        async with self._database.begin() as session:
            waiting = await seals.list_waiting(session, self._known())
        since = min(waiting.values(), default=self._clock())
        _DELAY.set(max((self._clock() - since).total_seconds(), 0.0))

    async def _due(self) -> Collection[str]:
        """Programs of which not everything is known, and those that have something new."""
        async with self._database.begin() as session:
            everybody = [program.id for program in await programs.list_all(session)]
            known = self._known()
            waiting = await seals.list_waiting(session, known)
        return [program_id for program_id in everybody if program_id not in known or program_id in waiting]

    def _known(self) -> Mapping[str, Cursor]:
        return {program_id: cursor for program_id, cursor in self._cursors.items() if not cursor.sweeping}

    async def _turn(self, program_id: str) -> tuple[int, bool]:
        """One turn of a program: how many records were sealed, and whether that was all."""
        now = self._clock()
        async with self._database.begin() as session:
            if not await seals.take_turn(session, program_id):
                return 0, True
            window = await seals.look(session, program_id, self._cursors.get(program_id, Cursor()))
            counts = await seals.close_counts(session, program_id, now=now) if window.ended else []
            subjects = [*window.unsealed, *counts]
            await seals.seal(session, program_id, subjects, now=now)
        if subjects or program_id not in self._cursors:
            self._unsigned.setdefault(program_id, now)
        self._cursors[program_id] = window.cursor
        _SEALS.inc(len(subjects))
        return len(subjects), window.ended

    async def _sign_if_due(self, program_id: str) -> bool:
        now = self._clock()
        async with self._database.begin() as session:
            last_at = await checkpoints.last_made_at(session, program_id)
            if last_at is not None and now - last_at < CHECKPOINT_EVERY:
                self._unsigned[program_id] = last_at + CHECKPOINT_EVERY
                return False
            if not await seals.take_turn(session, program_id):
                return False
            made = await checkpoints.make(session, program_id, self._keys, now=now)
        del self._unsigned[program_id]
        return made is not None
