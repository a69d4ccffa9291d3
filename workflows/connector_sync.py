"""The story of a sync: what an HRIS has is read page by page, from where the last run has got to."""

from dataclasses import dataclass, replace

from temporalio import workflow

from activities.bamboohr import BambooHRActivities
from activities.syncs import SyncActivities, SyncAt
from domain.syncs import PageSynced, Sync, SyncPlan
from workflows import runs
from workflows.queues import BY_KIND
from workflows.retries import SQL_BOUNDED, SYNC, described


@dataclass(frozen=True, slots=True)
class SyncRun:
    """What is read: everything if `full`, else what the cursor asks for; `plan` is how far it has got."""

    sync: Sync
    full: bool = False
    plan: SyncPlan | None = None


@workflow.defn
class ConnectorSyncWorkflow:
    """Everything, or what changed since the cursor, is read one page after the other; then the cursor moves on.

    A run that fails leaves the cursor where it was, so the next one reads the same again, which does nothing twice.
    """

    @workflow.run
    async def run(self, run: SyncRun) -> int:
        plan = run.plan or await self._begin(run)
        while plan.place is not None:
            plan = plan.after(await self._page(plan))
            workflow.set_current_details(f"{plan.done:,} records read")
            if runs.is_long():
                workflow.continue_as_new(replace(run, plan=plan))
        await self._end(plan)
        return plan.done

    async def _begin(self, run: SyncRun) -> SyncPlan:
        at = SyncAt(run.sync, run.full, workflow.now())
        summary = "Read how far the last run got"
        return await workflow.execute_activity_method(SyncActivities.begin_sync, at, **described(SQL_BOUNDED, summary))

    async def _page(self, plan: SyncPlan) -> PageSynced:
        assert plan.place is not None, "a run that is over has no page"
        options = described(SYNC, f"Read {plan.place.stage} after {plan.place.after or 'nothing'}")
        options["task_queue"] = BY_KIND[plan.sync.kind].name
        return await workflow.execute_activity_method(BambooHRActivities.sync_page, plan, **options)

    async def _end(self, plan: SyncPlan) -> None:
        summary = "Keep how far this run got"
        await workflow.execute_activity_method(SyncActivities.end_sync, plan, **described(SQL_BOUNDED, summary))
