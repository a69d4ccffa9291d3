"""The story of an expiry run: what is due of every program, one page after the other."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.expiry import DueAt, ExpiryActivities, PageAt, PageDone
from domain.expiry import Due, Turns
from workflows import runs
from workflows.retries import SQL_BOUNDED, described
from workflows.starts import EXPIRY_EVERY


@dataclass(frozen=True, slots=True)
class ExpiryRun:
    """What is due at an instant (None: when the run begins), and how far it has got; `left` None: it has not looked."""

    as_of: datetime | None = None
    left: list[Due] | None = None
    done: int = 0


@workflow.defn
class PointsExpiryWorkflow:
    """Programs take turns of a page, each doing its duties in their order; pauses leave the database to others.

    What looks at every member is done by the first run of an hour. Nothing is decided here: whatever is due is found by
    the page that does it, and a program whose page fails again and again is left to the next run.
    """

    @workflow.run
    async def run(self, run: ExpiryRun) -> int:
        as_of = run.as_of or workflow.now()
        turns = Turns(await self._list_due(as_of) if run.left is None else run.left)
        done = run.done
        while turns:
            done += await self._take(turns, as_of)
            workflow.set_current_details(f"{done:,} done, {len(turns.left):,} duties left")
            if runs.is_long():
                workflow.continue_as_new(ExpiryRun(as_of, turns.left, done))
        return done

    async def _list_due(self, as_of: datetime) -> list[Due]:
        at = DueAt(as_of, thorough=timedelta(minutes=as_of.minute) < EXPIRY_EVERY)
        summary = "Look what is due"
        return await workflow.execute_activity_method(ExpiryActivities.list_due, at, **described(SQL_BOUNDED, summary))

    async def _take(self, turns: Turns, as_of: datetime) -> int:
        due = turns.current
        try:
            page = await self._page(due, as_of)
        except ActivityError:
            turns.give_up()
            return 0
        turns.take(page.after)
        if page.pause > timedelta():
            await workflow.sleep(page.pause, summary="Leave the database to others")
        return page.done

    async def _page(self, due: Due, as_of: datetime) -> PageDone:
        return await workflow.execute_activity_method(
            ExpiryActivities.expire_page,
            PageAt(due, as_of),
            **described(SQL_BOUNDED, f"{due.duty} of {due.program_id}"),
        )
