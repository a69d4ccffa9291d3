"""Temporal is away, dies, or loses all it knew: what was accepted is done all the same, and once."""

from tests.deployment import LOOK_SECONDS, DeployedCompany
from tests.eventually import eventually
from tests.faults.conftest import NewCompany, OwnTemporal

MEMBER = "maya@example.com"


async def test_while_temporal_is_away_events_and_orders_are_accepted_and_catch_up(
    new_company: NewCompany, own_temporal: OwnTemporal
) -> None:
    company = await new_company(temporal=own_temporal.address)
    await company.deployment.start_worker()

    outcome = await company.earn(MEMBER, "deal-1")
    order = await company.redeem(MEMBER)

    assert outcome["points"] == 300
    assert await company.balance(MEMBER) == (200, 100)
    own_temporal.start()
    await company.order_in(order["id"], "delivered")
    assert await company.cards() == {order["id"]: 1}
    assert await company.balance(MEMBER) == (200, 0)


async def test_an_order_goes_on_when_temporal_was_killed_in_its_middle(
    new_company: NewCompany, own_temporal: OwnTemporal
) -> None:
    own_temporal.start()
    company = await new_company(temporal=own_temporal.address)
    await company.deployment.start_worker()
    await company.earn(MEMBER, "deal-1")
    await company.vendor.call("POST", "/faults", {"kind": "slow", "route": "POST /orders", "seconds": 3})
    order = await company.redeem(MEMBER)
    await asked_for(company)

    own_temporal.kill()
    await company.order_in(order["id"], "accepted")
    own_temporal.start()
    await company.order_in(order["id"], "delivered")

    assert await company.cards() == {order["id"]: 1}
    assert await company.balance(MEMBER) == (200, 0)
    assert await company.violations() == 0


async def test_an_order_is_finished_although_temporals_database_was_deleted_in_its_middle(
    new_company: NewCompany, own_temporal: OwnTemporal
) -> None:
    own_temporal.start()
    company = await new_company(temporal=own_temporal.address)
    await company.deployment.start_worker()
    await company.earn(MEMBER, "deal-1")
    await company.vendor.call("POST", "/balance", {"available_cents": 0})
    order = await company.redeem(MEMBER)
    await company.order_in(order["id"], "awaiting_funds")

    own_temporal.kill()
    own_temporal.forget()
    own_temporal.start()
    await company.vendor.call("POST", "/balance", {"available_cents": 100_000})
    await company.order_in(order["id"], "delivered")

    assert await company.cards() == {order["id"]: 1}
    assert await company.balance(MEMBER) == (200, 0)
    assert "started again" in company.deployment.log("worker")


async def asked_for(company: DeployedCompany) -> None:
    """The vendor has the order, and is slow to answer."""

    async def look() -> None:
        assert [fault["struck"] for fault in (await company.vendor.call("GET", "/faults"))["faults"]] == [1]

    await eventually(look, LOOK_SECONDS)
