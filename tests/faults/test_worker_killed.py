"""A worker dies at any step of an order: another one finishes it, and nothing happens twice."""

import asyncio
from typing import get_args

from activities.failpoints import Point
from cli.embedded.processes import Child
from tests.deployment import DeployedCompany
from tests.eventually import eventually
from tests.faults.conftest import NewCompany

MEMBER = "maya@example.com"


async def test_an_order_whose_worker_is_killed_at_any_step_is_one_card_paid_for_once(new_company: NewCompany) -> None:
    points = get_args(Point)
    companies = await asyncio.gather(*map(new_company, points))

    # Side by side: Temporal takes a minute to see that a worker is gone.
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


async def _death_of(child: Child) -> None:
    async def look() -> None:
        assert not child.alive

    await eventually(look)
