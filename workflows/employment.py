"""The story of an employment run: whose anniversary it is, and whose probation has ended."""

from dataclasses import dataclass
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.employment import EmploymentActivities, EmploymentPage
from domain.employment import PageSettled
from workflows import runs
from workflows.retries import SQL_BOUNDED, described


@dataclass(frozen=True, slots=True)
class EmploymentRun:
    """What dates say at an instant (None: when the run begins), and how far it has got.

    `left` are the programs that are left, the first one from the member `after` on; None: it has not looked.
    """

    as_of: datetime | None = None
    left: list[str] | None = None
    after: str = ""
    done: int = 0


@workflow.defn
class EmploymentWorkflow:
    """Program after program, page after page: what the members' dates say is told, what they do not say is taken back.

    Nothing is decided here, and looking again does nothing again. A program whose page fails again and again is left to
    the next run.
    """

    @workflow.run
    async def run(self, run: EmploymentRun) -> int:
        as_of = run.as_of or workflow.now()
        left = await self._list() if run.left is None else list(run.left)
        after, done = run.after, run.done
        while left:
            page = await self._settle(EmploymentPage(left[0], after, as_of))
            done, after = done + page.done, page.after or ""
            if page.after is None:
                left.pop(0)
            workflow.set_current_details(f"{done:,} members told, {len(left):,} programs left")
            if runs.is_long():
                workflow.continue_as_new(EmploymentRun(as_of, left, after, done))
        return done

    async def _list(self) -> list[str]:
        summary = "List the programs"
        return await workflow.execute_activity_method(
            EmploymentActivities.list_employers, **described(SQL_BOUNDED, summary)
        )

    async def _settle(self, page: EmploymentPage) -> PageSettled:
        try:
            return await workflow.execute_activity_method(
                EmploymentActivities.settle_employment,
                page,
                **described(SQL_BOUNDED, f"Employment of {page.program_id}"),
            )
        except ActivityError:
            return PageSettled(0, None)
