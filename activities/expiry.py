"""The steps of an expiry run: what is due, and a page of it at a time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter
from temporalio import activity

from domain.expiry import Due
from domain.time import Clock
from storage import expiry
from storage.database import Database

_DONE = Counter("laurel_expiry_total", "What expiry runs did, by duty", ["duty"])


@dataclass(frozen=True, slots=True)
class DueAt:
    """What to look for: all that is due at the instant, or only what is found without looking at every member."""

    as_of: datetime
    thorough: bool


@dataclass(frozen=True, slots=True)
class PageAt:
    """Which page to do, and the run's time."""

    due: Due
    as_of: datetime


@dataclass(frozen=True, slots=True)
class PageDone:
    """How much was done, where the next page begins (None: nowhere), and how long to leave the database to others."""

    done: int
    after: str | None
    pause: timedelta


class ExpiryActivities:
    """Holds what the steps need; the clock is the process's, business time comes from the workflow."""

    def __init__(self, database: Database, clock: Clock, *, lots_per_second: float) -> None:
        self._database = database
        self._clock = clock
        self._lots_per_second = lots_per_second

    @activity.defn
    async def list_due(self, at: DueAt) -> list[Due]:
        """The duties of programs that may have something to do."""
        async with self._database.begin() as session:
            return await expiry.list_due(session, at.as_of, thorough=at.thorough)

    @activity.defn
    async def expire_page(self, at: PageAt) -> PageDone:
        """One page of a duty is done."""
        page = await expiry.take_page_alone(self._database, at.due, as_of=at.as_of, clock=self._clock)
        _DONE.labels(at.due.duty).inc(page.done)
        return PageDone(page.done, page.after, timedelta(seconds=page.done / self._lots_per_second))
