"""The step of a streak clock: a page of streaks whose deadline has come is settled."""

from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Counter
from temporalio import activity

from domain.time import Clock
from storage import configurations, streaks
from storage.database import Database
from storage.failures import retry

PAGE_STREAKS = 200

_SETTLED = Counter("laurel_streaks_settled_total", "Streaks that were folded because their deadline had come")


@dataclass(frozen=True, slots=True)
class ClockAt:
    """Whose streaks of which policy, and the workflow's time."""

    program_id: str
    policy: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class PageSettled:
    """How many streaks were settled, whether more are due, and when the next is; or that the policy is retired."""

    settled: int
    more: bool
    next_deadline_at: datetime | None
    is_retired: bool = False


class StreakActivities:
    """Holds what the step needs; the clock is the process's, business time comes from the workflow."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @activity.defn
    async def settle_streaks(self, at: ClockAt) -> PageSettled:
        """A page of what is due is folded, the most overdue first."""
        page = await retry(lambda: self._settle(at))
        _SETTLED.inc(page.settled)
        return page

    async def _settle(self, at: ClockAt) -> PageSettled:
        async with self._database.begin() as session:
            configuration = await configurations.get_active(session, at.program_id)
            if at.policy not in configuration.streaks:
                return PageSettled(0, False, None, is_retired=True)
            as_of = max(at.as_of, self._clock())
            folded = await streaks.settle_page(session, at.program_id, at.policy, as_of=as_of, limit=PAGE_STREAKS)
            next_at = await streaks.find_next_deadline(session, at.program_id, at.policy)
            return PageSettled(len(folded), len(folded) == PAGE_STREAKS, next_at)
