"""The steps of a nomination: its approvers asked, reminded, asked as well; expired; and given, once it is approved."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from temporalio import activity

from domain.nominations import Due, Nomination, NominationCategory, NominationState, about, due
from domain.time import Clock
from storage import nomination_levels, nominations
from storage.database import Database

Step = Callable[..., Awaitable[Nomination]]


@dataclass(frozen=True, slots=True)
class NominationAt:
    """Which nomination, and the workflow's time."""

    program_id: str
    nomination_id: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class NominationStatus:
    """How the nomination stands: all that its workflow decides from; what has been done is not due any more."""

    state: NominationState
    about: str
    level: int
    remind_at: datetime | None
    escalate_at: datetime | None
    expire_at: datetime


def status(nomination: Nomination, category: NominationCategory) -> NominationStatus:
    """The nomination as its workflow sees it."""
    line = about(nomination.id, nomination.category, nomination.nominee_id)
    coming: Due = due(nomination, category.levels[nomination.level - 1])
    return NominationStatus(nomination.state, line, nomination.level, *coming)


class NominationActivities:
    """Holds what the steps need; the clock is the process's, business time comes from the workflow."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @activity.defn
    async def ask_approvers(self, at: NominationAt) -> NominationStatus:
        """Whoever is to decide now has been asked, or who stands in; what can give nothing any more is withdrawn."""
        return await self._do(nomination_levels.ask, at)

    @activity.defn
    async def remind_approvers(self, at: NominationAt) -> NominationStatus:
        """Whoever was asked and has not decided was reminded once."""
        return await self._do(nomination_levels.remind, at)

    @activity.defn
    async def escalate_nomination(self, at: NominationAt) -> NominationStatus:
        """The managers of those who have not decided were asked as well."""
        return await self._do(nomination_levels.escalate, at)

    @activity.defn
    async def expire_nomination(self, at: NominationAt) -> NominationStatus:
        """A nomination that nobody has decided in time expired."""
        return await self._do(nomination_levels.expire, at)

    @activity.defn
    async def give_nomination(self, at: NominationAt) -> NominationStatus:
        """Nominator and nominee know of what was approved, if its event is decided."""
        return await self._do(nomination_levels.give, at)

    async def _do(self, step: Step, at: NominationAt) -> NominationStatus:
        # The book's time: never before the workflow's, never before the process's.
        now = max(at.as_of, self._clock())
        async with self._database.begin() as session:
            nomination = await step(session, at.program_id, at.nomination_id, now=now)
            return status(nomination, await nominations.get_category(session, nomination))
