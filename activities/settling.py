"""The steps of a settling run: what is due of boards and tiers, and one of it after the other."""

from dataclasses import dataclass
from datetime import datetime

from temporalio import activity

from domain.settling import Settled, SettleDue
from storage import settling
from storage.database import Database
from storage.failures import retry


@dataclass(frozen=True, slots=True)
class SettleAt:
    """What to settle, and the run's time."""

    due: SettleDue
    as_of: datetime


class SettlingActivities:
    """Holds what the steps need; business time comes from the workflow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def list_to_settle(self, as_of: datetime) -> list[SettleDue]:
        """What is due of every program."""
        async with self._database.begin() as session:
            return await settling.list_due(session, as_of=as_of)

    @activity.defn
    async def settle_due(self, at: SettleAt) -> Settled:
        """A board's period is written, or a page of a ladder's members stands where they belong."""

        async def attempt() -> Settled:
            async with self._database.begin() as session:
                return await settling.settle(session, at.due, as_of=at.as_of)

        return await retry(attempt)
