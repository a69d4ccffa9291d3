"""The story of a streak clock: what time does to the streaks of one policy."""

from datetime import datetime, timedelta

from temporalio import workflow

from activities.streaks import ClockAt, PageSettled, StreakActivities
from workflows import runs
from workflows.bells import Bell
from workflows.retries import SQL, described
from workflows.starts import Subject

# Streaks that began meanwhile may have an earlier deadline than those that were known: nobody tells the clock.
LONGEST_WAIT = timedelta(hours=1)
# What cannot be settled now is not tried without a pause.
SHORTEST_WAIT = timedelta(minutes=1)

RETIRED = "retired"


@workflow.defn
class StreakClockWorkflow:
    """Sleeps until the next deadline of any streak, settles all that are due page by page, and sleeps again.

    It ends with its policy. Events do not concern it: what they do to a streak is done where they are taken in.
    """

    @workflow.init
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._bell = Bell()

    @workflow.signal
    async def wake(self, outbox_id: int) -> None:
        """The policy has changed, or deadlines have come all at once."""
        self._bell.ring()

    @workflow.run
    async def run(self, subject: Subject) -> str:
        while True:
            page = await self._settle()
            if page.is_retired:
                return RETIRED
            if not page.more:
                await self._wait(page.next_deadline_at)
            if runs.is_long():
                workflow.continue_as_new(subject)

    async def _settle(self) -> PageSettled:
        at = ClockAt(self._subject.program_id, self._subject.id, workflow.now())
        summary = f"Settle the streaks of {self._subject.id} that are due"
        return await workflow.execute_activity_method(StreakActivities.settle_streaks, at, **described(SQL, summary))

    async def _wait(self, next_at: datetime | None) -> None:
        left = LONGEST_WAIT if next_at is None else min(next_at - workflow.now(), LONGEST_WAIT)
        workflow.set_current_details(
            f"The next deadline is {f'{next_at:%Y-%m-%d %H:%M} UTC' if next_at else 'unknown'}"
        )
        await self._bell.wait(max(left, SHORTEST_WAIT), "for the next deadline")
