"""The steps of a grace window: how it stands, the reminder, and what has become of the streak when it ends."""

from dataclasses import dataclass
from datetime import datetime

from temporalio import activity

from domain.grace import GraceState, GraceWindow
from domain.grace import about as about_grace
from domain.time import Clock
from storage import configurations, grace, members, streaks
from storage.database import Database


@dataclass(frozen=True, slots=True)
class GraceAt:
    """Which window, and the workflow's time."""

    program_id: str
    grace_id: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class GraceStatus:
    """How the window stands: all that its workflow decides from. `remind_at` is None once nobody is to be reminded."""

    state: GraceState
    about: str
    remind_at: datetime | None
    ends_at: datetime


def status(window: GraceWindow) -> GraceStatus:
    """The window as its workflow sees it."""
    remind_at = None if window.reminded_at else window.remind_at
    return GraceStatus(window.state, about_grace(window), remind_at, window.ends_at)


class GraceActivities:
    """Holds what the steps need; the clock is the process's, business time comes from the workflow."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @activity.defn
    async def read_grace(self, at: GraceAt) -> GraceStatus:
        """How the window stands."""
        async with self._database.begin() as session:
            return status(await grace.get(session, at.program_id, at.grace_id))

    @activity.defn
    async def remind_of_grace(self, at: GraceAt) -> GraceStatus:
        """The member is told once how long there is time, if the window is still open."""
        async with self._database.begin() as session:
            configuration = await configurations.get_active(session, at.program_id)
            window = await grace.lock(session, at.program_id, at.grace_id)
            policy = configuration.streaks.get(window.policy)
            if window.state is GraceState.OPEN and window.reminded_at is None and policy is not None:
                member = await members.get(session, at.program_id, window.member_id)
                await grace.remind(session, window, policy, member.time_zone, as_of=self._now(at))
            elif window.state is GraceState.OPEN and policy is None:
                await grace.let_go(session, window, as_of=self._now(at))
            return status(await grace.get(session, at.program_id, at.grace_id))

    @activity.defn
    async def end_grace(self, at: GraceAt) -> GraceStatus:
        """The streak is folded, and with it the window moves or closes; one that nothing follows any more is let go."""
        now = self._now(at)
        async with self._database.begin() as session:
            window = await grace.get(session, at.program_id, at.grace_id)
            if window.state is GraceState.OPEN:
                await streaks.refold(session, at.program_id, [window.member_id], as_of=now)
                window = await grace.lock(session, at.program_id, at.grace_id)
                if window.state is GraceState.OPEN and window.ends_at <= now:
                    await grace.let_go(session, window, as_of=now)
            return status(await grace.get(session, at.program_id, at.grace_id))

    def _now(self, at: GraceAt) -> datetime:
        """The book's time: never before the workflow's, never before the process's."""
        return max(at.as_of, self._clock())
