"""The story of a settling run: periods of boards that have ended everywhere, and tiers that time takes away."""

from dataclasses import dataclass
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.settling import SettleAt, SettlingActivities
from domain.settling import Settled, SettleDue
from workflows import runs
from workflows.retries import SQL_BOUNDED, described


@dataclass(frozen=True, slots=True)
class SettleRun:
    """What is due at an instant (None: when the run begins), and how far it has got; `left` None: it has not looked."""

    as_of: datetime | None = None
    left: list[SettleDue] | None = None
    done: int = 0


@workflow.defn
class LeaderboardSettleWorkflow:
    """One board, one ladder after the other, of all programs: whoever has more than a page left comes again at the end.

    Nothing is decided here, and settling again does nothing again. What fails again and again is left to the next run.
    """

    @workflow.run
    async def run(self, run: SettleRun) -> int:
        as_of = run.as_of or workflow.now()
        left = await self._list_due(as_of) if run.left is None else list(run.left)
        done = run.done
        while left:
            due = left.pop(0)
            settled = await self._settle(SettleAt(due, as_of))
            done += settled.done
            if settled.more:
                left.append(due)
            workflow.set_current_details(f"{done:,} settled, {len(left):,} boards and ladders left")
            if runs.is_long():
                workflow.continue_as_new(SettleRun(as_of, left, done))
        return done

    async def _list_due(self, as_of: datetime) -> list[SettleDue]:
        summary = "Look what is to be settled"
        return await workflow.execute_activity_method(
            SettlingActivities.list_to_settle, as_of, **described(SQL_BOUNDED, summary)
        )

    async def _settle(self, at: SettleAt) -> Settled:
        about = f"{at.due.kind} {at.due.key} of {at.due.program_id}"
        try:
            return await workflow.execute_activity_method(
                SettlingActivities.settle_due, at, **described(SQL_BOUNDED, about)
            )
        except ActivityError:
            return Settled(0)
