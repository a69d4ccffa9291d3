"""The step of a streak clock: a page of streaks whose deadline has come is settled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from prometheus_client import Counter
from temporalio import activity

from domain.time import Clock
from storage import configurations, streaks
from storage.database import Database
from storage.failures import retry
from storage.streaks import Parked

PAGE_STREAKS = 1_000

_SETTLED = Counter("laurel_streaks_settled_total", "Streaks that were folded because their deadline had come")
_PARKED = Counter("laurel_streaks_parked_total", "Streaks that could not be folded and are tried again an hour later")

log = structlog.get_logger()


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
        """A page of what is due is folded, the most overdue first; what cannot be folded holds up no other."""
        page, parked = await retry(lambda: self._settle(at))
        _SETTLED.inc(page.settled)
        _PARKED.inc(len(parked))
        for one in parked:
            log.error("streak cannot be folded", member_id=one.key[0], policy=at.policy, error=one.why)
        return page

    async def _settle(self, at: ClockAt) -> tuple[PageSettled, Sequence[Parked]]:
        async with self._database.begin() as session:
            configuration = await configurations.get_active(session, at.program_id)
            if at.policy not in configuration.streaks:
                return PageSettled(0, False, None, is_retired=True), ()
            as_of = max(at.as_of, self._clock())
            page = await streaks.settle_page(session, at.program_id, at.policy, as_of=as_of, limit=PAGE_STREAKS)
            next_at = await streaks.find_next_deadline(session, at.program_id, at.policy)
            parked = [one for one in page if isinstance(one, Parked)]
            return PageSettled(len(page) - len(parked), len(page) == PAGE_STREAKS, next_at), parked
