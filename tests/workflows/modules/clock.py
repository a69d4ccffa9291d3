"""A workflow that asks the process for the time instead of Temporal."""

from datetime import UTC, datetime

from temporalio import workflow


@workflow.defn
class ClockWorkflow:
    @workflow.run
    async def run(self) -> str:
        return datetime.now(UTC).isoformat()
