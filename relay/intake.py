"""The outbox lane that decides parked events once their members are known, and the sweep that finds what it missed."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

import structlog

from domain import derived
from domain.events import Event, Identity, SourcePolicy
from domain.outbox import ClaimedRow, Kind
from domain.outcomes import REJECTED, Outcome
from domain.time import Clock
from relay.outages import is_outage
from storage import intake
from storage.database import Database
from storage.failures import retry

SWEEP_SECONDS = 60.0
# Of up to 500 events each; what is left waits for the next sweep.
SWEEP_ROUNDS = 20

log = structlog.get_logger()


class IntakeLane:
    """Acts on the rows of the lane "intake", each in a transaction of its own; an event that is not parked is left."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def __call__(self, row: ClaimedRow) -> None:
        match row.kind:
            case Kind.DECIDE:
                await self._decide(row.program_id, row.payload["event_ids"])
            case Kind.IDENTITY_ARRIVED:
                names = [Identity(*name) for name in row.payload["identities"]]
                async with self._database.begin() as session:
                    event_ids = await intake.find_parked(session, row.program_id, names)
                await self._decide(row.program_id, event_ids)
            case Kind.DERIVED:
                await self._record(row.program_id, derived.from_payload(row.payload))
            case _:
                raise ValueError(f"no effect of kind {row.kind} at intake")

    async def run_sweep(self) -> None:
        """Sweep each minute until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("sweep interrupted", error=f"{type(error).__name__}: {error}")

    async def sweep(self) -> None:
        """Decide what is parked although its member is known, whatever became of the row that should have said so."""
        for _ in range(SWEEP_ROUNDS):
            async with self._database.begin() as session:
                found = await intake.find_decidable(session)
            for program_id, events in groupby(sorted(found), key=lambda one: one[0]):
                await self._decide(program_id, [event_id for _, event_id in events])
            if len(found) < intake.MAX_BATCH:
                return

    async def _record(self, program_id: str, found: Event) -> None:
        """Tell a derived fact; one that is known already stays as it was told first."""
        policy = SourcePolicy(amendments="ignore")
        [outcome] = await intake.record_batch(self._database, program_id, [found], policy, as_of=self._clock())
        if outcome.status == REJECTED:
            raise ValueError(f"{found.external_id} was rejected: {outcome.detail}")

    async def _decide(self, program_id: str, event_ids: Sequence[str]) -> None:
        if not event_ids:
            return

        async def attempt() -> list[Outcome]:
            async with self._database.begin() as session:
                return await intake.decide_parked(session, program_id, event_ids, as_of=self._clock())

        await retry(attempt)
