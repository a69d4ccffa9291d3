"""A workflow whose module imports something that nobody let through the sandbox."""

import rich
from temporalio import workflow


@workflow.defn
class UnlistedImportWorkflow:
    @workflow.run
    async def run(self) -> str:
        return rich.__name__
