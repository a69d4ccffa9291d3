"""The story of a grace window: a streak that is worth protecting has missed a period, and is not lost yet."""

from collections.abc import Awaitable, Callable

from temporalio import workflow

from activities.grace import GraceActivities, GraceAt, GraceStatus
from domain.grace import GraceState
from workflows import runs
from workflows.bells import Bell
from workflows.retries import SQL, described
from workflows.starts import STATUS, Subject

Step = Callable[[GraceActivities, GraceAt], Awaitable[GraceStatus]]


@workflow.defn
class GraceWindowWorkflow:
    """The member is reminded by day, in time; an event, an absence or a freeze that saves the streak ends the wait.

    When nothing has come by the end, the streak is folded once more, and is kept or broken by what is known then. The
    rows decide: signals only wake.
    """

    @workflow.init
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._bell = Bell()

    @workflow.signal
    async def wake(self, outbox_id: int) -> None:
        """Something about the window was committed."""
        self._bell.ring()

    @workflow.run
    async def run(self, subject: Subject) -> str:
        window = await self._step(GraceActivities.read_grace, "Read how the window stands")
        while window.state is GraceState.OPEN:
            workflow.set_current_details(f"{window.about}: open until {window.ends_at:%Y-%m-%d %H:%M} UTC")
            window = await self._continue(window)
            if runs.is_long():
                workflow.continue_as_new(subject)
        workflow.upsert_search_attributes([STATUS.value_set(window.state)])
        workflow.set_current_details(f"{window.about}: {window.state}")
        return window.state

    async def _continue(self, window: GraceStatus) -> GraceStatus:
        if window.remind_at is not None and workflow.now() < window.ends_at:
            if await self._bell.wait_until(window.remind_at, "for what saves the streak, until the reminder"):
                return await self._step(GraceActivities.read_grace, "Read what has come")
            return await self._step(GraceActivities.remind_of_grace, "Remind the member")
        if await self._bell.wait_until(window.ends_at, "for what saves the streak, until the window ends"):
            return await self._step(GraceActivities.read_grace, "Read what has come")
        return await self._step(GraceActivities.end_grace, "Look whether the streak is kept")

    async def _step(self, step: Step, summary: str) -> GraceStatus:
        at = GraceAt(self._subject.program_id, self._subject.id, workflow.now())
        return await workflow.execute_activity_method(step, at, **described(SQL, summary))
