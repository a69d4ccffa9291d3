"""The yardstick of `orders`: a worker with a bare workflow, which does nothing but what it is told to count.

No database, no encryption, no search attributes, no log: the SDK's defaults, JSON, and one HTTP client for all calls.
"""

import argparse
import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    import httpx

QUEUE = "bare"
ANSWER_SECONDS = 30.0
PLACE = "POST /orders"
CARD = {
    "payment": {"funding_source_id": "BALANCE"},
    "reward": {
        "products": ["SMPLCOFFEEUS"],
        "value": {"denomination": 5, "currency_code": "USD"},
        "recipient": {"name": "Ada", "email": "ada@example.com"},
        "delivery": {"method": "EMAIL"},
    },
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What to do for one order: activities with the calls of each, timers of so many seconds after the first half."""

    order: str
    calls: tuple[tuple[str, ...], ...]
    timers: int
    timer_seconds: float


@dataclass(frozen=True, slots=True)
class Calls:
    """What one activity calls; the ids are the vendor's, once it has told them."""

    routes: tuple[str, ...]
    order: str
    order_id: str = ""
    reward_id: str = ""


@workflow.defn
class BareWorkflow:
    """Calls, waits, calls."""

    @workflow.run
    async def run(self, shape: Shape) -> None:
        ids = Calls((), shape.order)
        half = (len(shape.calls) + 1) // 2
        for routes in shape.calls[:half]:
            ids = await self._call(replace(ids, routes=routes))
        for _ in range(shape.timers):
            await workflow.sleep(shape.timer_seconds)
        for routes in shape.calls[half:]:
            ids = await self._call(replace(ids, routes=routes))

    async def _call(self, calls: Calls) -> Calls:
        return await workflow.execute_activity_method(
            Caller.call, calls, start_to_close_timeout=timedelta(seconds=ANSWER_SECONDS)
        )


class Caller:
    """Asks the sandbox."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @activity.defn
    async def call(self, calls: Calls) -> Calls:
        """Make each call in turn; an order that is placed tells its ids."""
        for route in calls.routes:
            method, path = route.split()
            name = calls.reward_id if path.startswith("/rewards") else calls.order_id
            body = CARD | {"external_id": calls.order} if route == PLACE else None
            answer = await self._http.request(method, path.replace("{id}", name), json=body)
            answer.raise_for_status()
            if route == PLACE:
                placed = answer.json()["order"]
                calls = replace(calls, order_id=placed["id"], reward_id=placed["rewards"][0]["id"])
        return calls


async def _work(temporal: str, vendor: str, key: str) -> None:
    client = await Client.connect(temporal)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=vendor, headers=headers, timeout=ANSWER_SECONDS) as http:
        await Worker(client, task_queue=QUEUE, workflows=[BareWorkflow], activities=[Caller(http).call]).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.bare", description=__doc__)
    parser.add_argument("--temporal", required=True, help="host:port")
    parser.add_argument("--vendor", required=True, help="URL of the sandbox's API")
    parser.add_argument("--key", required=True, help="its API key")
    given = parser.parse_args()
    asyncio.run(_work(given.temporal, given.vendor, given.key))
