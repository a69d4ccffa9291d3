"""A workflow that tells what its log lines, and its activity's, would be bound to."""

from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity, workflow

from domain.orders import OrderState
from storage.tables import orders

STARTED = (OrderState.PLACED, orders.name)


@activity.defn
async def tell_context() -> dict[str, Any]:
    """What log lines of an activity are bound to."""
    return structlog.contextvars.get_contextvars()


@workflow.defn
class LogContextWorkflow:
    """Waits for a signal, then tells its own context, the signal handler's and the activity's."""

    def __init__(self) -> None:
        self._in_handler: dict[str, Any] = {}

    @workflow.signal
    async def go(self) -> None:
        self._in_handler = structlog.contextvars.get_contextvars()

    @workflow.run
    async def run(self) -> list[dict[str, Any]]:
        await workflow.wait_condition(lambda: bool(self._in_handler))
        in_activity = await workflow.execute_activity(tell_context, start_to_close_timeout=timedelta(seconds=30))
        return [structlog.contextvars.get_contextvars(), self._in_handler, in_activity]
