"""The outbox lane that decides parked events once their members are known, and the sweep that finds what it missed."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.events import Event, Identity
from domain.outbox import ClaimedRow, Kind
from domain.outcomes import REJECTED
from domain.time import Clock
from relay.outages import is_outage
from storage import intake, settlements, streaks
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
        async def attempt() -> None:
            async with self._database.begin() as session:
                await act(session, row, as_of=self._clock())

        await retry(attempt)

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

    async def _decide(self, program_id: str, event_ids: Sequence[str]) -> None:
        async def attempt() -> None:
            async with self._database.begin() as session:
                await intake.decide_parked(session, program_id, event_ids, as_of=self._clock())

        await retry(attempt)


async def act(session: AsyncSession, row: ClaimedRow, *, as_of: datetime) -> None:
    """What a row of the lane asks for."""
    match row.kind:
        case Kind.DECIDE:
            await _decide(session, row.program_id, row.payload["event_ids"], as_of)
        case Kind.IDENTITY_ARRIVED:
            names = [Identity(*name) for name in row.payload["identities"]]
            await _decide(session, row.program_id, await intake.find_parked(session, row.program_id, names), as_of)
        case Kind.STREAKS_DUE:
            member_id, policy = row.payload["after"]
            await streaks.make_all_due(session, row.program_id, as_of=as_of, after=(member_id, policy))
        case Kind.DERIVED:
            await _record(session, row.program_id, derived.from_payload(row.payload), as_of)
        case _:
            raise ValueError(f"no effect of kind {row.kind} at intake")


async def _decide(session: AsyncSession, program_id: str, event_ids: Sequence[str], as_of: datetime) -> None:
    if event_ids:
        await intake.decide_parked(session, program_id, event_ids, as_of=as_of)


async def _record(session: AsyncSession, program_id: str, found: Event, as_of: datetime) -> None:
    """Tell a derived fact; one that is known already stays as it was told first."""
    [outcome] = await intake.record(session, program_id, [found], derived.POLICY, as_of=as_of)
    if outcome.status == REJECTED:
        raise ValueError(f"{found.external_id} was rejected: {outcome.detail}")
    if found.type == derived.CHALLENGE_PRIZE and found.retracts is None:
        await settlements.retell(session, program_id, found, now=as_of)
