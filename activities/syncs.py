"""The beginning and the end of a sync: what it reads, and how far it has got."""

from dataclasses import dataclass
from datetime import datetime

from temporalio import activity

from domain import syncs as sync_rules
from domain.syncs import Sync, SyncPlan
from storage import syncs
from storage.database import Database


@dataclass(frozen=True, slots=True)
class SyncAt:
    """Which connection, whether all of it, and the run's time."""

    sync: Sync
    full: bool
    as_of: datetime


class SyncActivities:
    """Holds what the steps need; business time comes from the workflow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def begin_sync(self, at: SyncAt) -> SyncPlan:
        """What the run reads, from the cursor on."""
        async with self._database.begin() as session:
            cursor = await syncs.find_cursor(session, at.sync)
        return sync_rules.begin(at.sync, cursor, full=at.full, as_of=at.as_of)

    @activity.defn
    async def end_sync(self, plan: SyncPlan) -> None:
        """The cursor is where the run has got to."""
        async with self._database.begin() as session:
            cursor = await syncs.find_cursor(session, plan.sync)
            await syncs.keep_cursor(session, plan.sync, sync_rules.end(plan, cursor))
