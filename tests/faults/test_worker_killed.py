"""A worker dies at any step of an order: another one finishes it, and nothing happens twice."""

import asyncio
from typing import get_args

from temporalio.api.enums.v1 import TimeoutType
from temporalio.client import Client

from activities.failpoints import OrderPoint
from cli.embedded.processes import Child
from tests.deployment import DeployedCompany
from tests.eventually import eventually
from tests.faults.conftest import NewCompany

MEMBER = "maya@example.com"


async def test_an_order_whose_worker_is_killed_at_any_step_is_one_card_paid_for_once(new_company: NewCompany) -> None:
    points = get_args(OrderPoint)
    companies = await asyncio.gather(*map(new_company, points))

    # Side by side: Temporal takes some seconds to see that a worker is gone.
    await asyncio.gather(
        *(_order_though_killed_at(point, company) for point, company in zip(points, companies, strict=True))
    )


async def _order_though_killed_at(point: str, company: DeployedCompany) -> None:
    await company.earn(MEMBER, "deal-1")
    victim = await company.deployment.start_worker(LAUREL_FAILPOINT=f"{point}:kill")
    order = await company.redeem(MEMBER)
    await _death_of(victim)
    await company.deployment.start_worker()
    await company.order_in(order["id"], "delivered")

    assert await company.cards() == {order["id"]: 1}, point
    assert await company.balance(MEMBER) == (200, 0), point
    assert await company.violations() == 0, point
    assert TimeoutType.TIMEOUT_TYPE_HEARTBEAT in await _time_outs(company, order["id"]), point


async def _time_outs(company: DeployedCompany, order_id: str) -> set[TimeoutType.ValueType]:
    """Why the steps of the order's workflow that were tried again had to be."""
    settings = company.deployment.settings
    client = await Client.connect(settings.temporal_address, namespace=settings.temporal_namespace)
    history = await client.get_workflow_handle(f"order/{order_id}").fetch_history()
    started = [event.activity_task_started_event_attributes for event in history.events]
    return {tried.last_failure.timeout_failure_info.timeout_type for tried in started if tried.attempt > 1}


async def _death_of(child: Child) -> None:
    async def look() -> None:
        assert not child.alive

    await eventually(look)
