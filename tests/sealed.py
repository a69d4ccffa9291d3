"""Programs with a ledger to seal, and a sealer that works in steps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import select, text

from domain.checkpoints import SigningKeys
from domain.events import SourcePolicy
from relay.sealing import Sealer
from settings import DEVELOPMENT_SIGNING_KEYS, SecretKeys
from storage import intake
from storage.database import Database
from storage.tables import seals
from tests.eventually import eventually
from tests.programs import NOW, deal, make_member, make_program, retraction

KEYS = SigningKeys(SecretKeys.parse(DEVELOPMENT_SIGNING_KEYS))


class SteppedClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **by: float) -> None:
        self.now += timedelta(**by)


class SealedProgram:
    """A program of its own with one member, Ada, who wins deals."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = SteppedClock()
        self.sealer = Sealer(database, KEYS, clock=self.clock)
        self.deals = 0

    async def make(self) -> None:
        async with self.database.begin() as session:
            self.id = await make_program(session)
            self.ada = await make_member(session, self.id, "ada")

    async def win(self, count: int = 1) -> None:
        """Ada wins so many deals, each of 50 points, in one database transaction."""
        won = [deal(n) for n in range(self.deals, self.deals + count)]
        async with self.database.begin() as session:
            await intake.record(session, self.id, won, SourcePolicy(), as_of=NOW)
        self.deals += count

    async def lose(self, number: int) -> None:
        """Ada's deal of this number is taken back."""
        async with self.database.begin() as session:
            await intake.record(session, self.id, [retraction(deal(number))], SourcePolicy(), as_of=NOW)

    async def seal(self) -> int:
        """Seal once every transaction that is open now has ended: other tests have some, at the same server."""
        async with self.database.begin() as session:
            mine = (await session.execute(text("SELECT CAST(pg_current_xact_id() AS text)"))).scalar_one()

        async def passed() -> None:
            async with self.database.begin() as session:
                asked = text("SELECT CAST(:mine AS xid8) < pg_snapshot_xmin(pg_current_snapshot())")
                assert (await session.execute(asked, {"mine": mine})).scalar_one()

        await eventually(passed)
        return await self.sealer.seal()

    async def sealed(self) -> list[str]:
        """The ids of what is sealed, in the order of the chain."""
        async with self.database.begin() as session:
            mine = select(seals.c.subject_id).where(seals.c.program_id == self.id).order_by(seals.c.position)
            return list((await session.execute(mine)).scalars())

    async def checkpoint(self) -> None:
        """Seal everything, and sign it."""
        self.clock.go_on(minutes=10)
        await self.seal()
        assert await self.sealer.sign() == 1


@asynccontextmanager
async def sealed_program(url: str) -> AsyncIterator[SealedProgram]:
    database = Database(url)
    program = SealedProgram(database)
    await program.make()
    yield program
    await database.dispose()
