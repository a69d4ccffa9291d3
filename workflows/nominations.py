"""The story of a nomination: its approvers decide level by level, or nobody does in time."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from operator import itemgetter

from temporalio import workflow

from activities.nominations import NominationActivities, NominationAt, NominationStatus
from domain.nominations import NOMINATION_ENDED, NominationState
from workflows import runs
from workflows.bells import Bell
from workflows.retries import SQL, described
from workflows.starts import STATUS, Subject

# People go on leave and come back: so often it is looked who can decide.
LOOK_AGAIN = timedelta(days=1)
ASK = "Ask whoever is to decide"

Step = Callable[[NominationActivities, NominationAt], Awaitable[NominationStatus]]


@workflow.defn
class NominationWorkflow:
    """Whoever is to decide is asked; who is away, somebody stands in for. They are reminded once; then their managers
    are asked as well; then the nomination expires.

    Decisions, and a withdrawal, are commands that commit rows: signals only wake. The last approval has recorded the
    event in its transaction already; once that is decided, nominee and nominator are told.
    """

    @workflow.init
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._bell = Bell()
        self._shown = workflow.info().typed_search_attributes.get(STATUS)

    @workflow.signal
    async def wake(self, outbox_id: int) -> None:
        """Something about the nomination was committed."""
        self._bell.ring()

    @workflow.run
    async def run(self, subject: Subject) -> str:
        nomination = await self._ask()
        while nomination.state not in NOMINATION_ENDED:
            self._show(nomination)
            nomination = await self._continue(nomination)
            if runs.is_long():
                workflow.continue_as_new(subject)
        self._show(nomination)
        return nomination.state

    async def _continue(self, nomination: NominationStatus) -> NominationStatus:
        if nomination.state is NominationState.PENDING:
            return await self._until_decided(nomination)
        given = await self._step(NominationActivities.give_nomination, "Tell nominee and nominator")
        if given.state is NominationState.APPROVED:
            await self._bell.wait_until(workflow.now() + LOOK_AGAIN, "until its event is decided")
        return given

    async def _until_decided(self, nomination: NominationStatus) -> NominationStatus:
        due_at, step, summary = self._next(nomination)
        if await self._bell.wait_until(due_at, f"for decisions on level {nomination.level}, then: {summary}"):
            return await self._ask()
        return await self._step(step, summary)

    def _next(self, nomination: NominationStatus) -> tuple[datetime, Step, str]:
        """What time does next: when, by which step, and in words."""
        coming: list[tuple[datetime | None, Step, str]] = [
            (nomination.remind_at, NominationActivities.remind_approvers, "Remind whoever has not decided"),
            (nomination.escalate_at, NominationActivities.escalate_nomination, "Ask their managers as well"),
            (nomination.expire_at, NominationActivities.expire_nomination, "Let it expire"),
            (workflow.now() + LOOK_AGAIN, NominationActivities.ask_approvers, ASK),
        ]
        return min(((at, step, words) for at, step, words in coming if at is not None), key=itemgetter(0))

    async def _ask(self) -> NominationStatus:
        return await self._step(NominationActivities.ask_approvers, ASK)

    async def _step(self, step: Step, summary: str) -> NominationStatus:
        at = NominationAt(self._subject.program_id, self._subject.id, workflow.now())
        return await workflow.execute_activity_method(step, at, **described(SQL, summary))

    def _show(self, nomination: NominationStatus) -> None:
        if nomination.state != self._shown:
            workflow.upsert_search_attributes([STATUS.value_set(nomination.state)])
            self._shown = nomination.state
        workflow.set_current_details(f"{nomination.about}: {nomination.state}, level {nomination.level}")
