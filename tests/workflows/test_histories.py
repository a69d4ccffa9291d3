"""A workflow's history reads as what it did, waited for and was told."""

import uuid
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from relay import temporal
from tests.eventually import eventually
from tests.shop import Knobs, Shop
from tests.workflows.conftest import Begin, Handle
from workflows import histories, starts
from workflows.histories import History
from workflows.starts import Start


@pytest.fixture
async def begin_now(namespace_client: Client, workers: None) -> AsyncIterator[Begin]:
    """Starts a workflow in real time, so that it stays where it waits."""
    begun: list[Handle] = []

    async def start(wanted: Start) -> Handle:
        await temporal.start(namespace_client, wanted)
        begun.append(namespace_client.get_workflow_handle(wanted.workflow_id, result_type=str))
        return begun[-1]

    yield start
    for handle in begun:
        await handle.terminate()


async def history_of(client: Client, workflow_id: str) -> History:
    found = await histories.find(client, workflow_id)
    assert found is not None
    return found


async def test_a_delivered_order_reads_as_its_steps(
    begin: Begin, shop: Shop, knobs: Knobs, namespace_client: Client
) -> None:
    order = await shop.place(await shop.member(points=300))
    handle = await begin(starts.order(shop.id, order.id))
    await handle.result()

    found = await history_of(namespace_client, handle.id)

    assert found.status == "completed"
    assert [moment.text for moment in found.moments] == [
        f"started: Order {order.id}",
        "Read how the order stands",
        "Check that the vendor can be paid",
        "Order the card",
        "Settle the hold",
        "Wait until the card arrives or bounces",
        "Ask the vendor where the card is",
        "ended",
    ]
    placed = found.moments[3].detail
    assert (placed["activity"], placed["queue"], placed["attempt"]) == ("place_order", "laurel-tremendous", 1)


async def test_a_wait_says_how_long_it_lasts_at_most_and_whether_it_was_woken(
    begin_now: Begin, shop: Shop, namespace_client: Client
) -> None:
    order = await shop.place(await shop.member(points=300), "lunch")
    handle = await begin_now(starts.order(shop.id, order.id))

    async def it_waits() -> None:
        assert "until a person resolves" in (await history_of(namespace_client, handle.id)).moments[-1].text

    await eventually(it_waits)
    await handle.signal(starts.WAKE, 7)

    async def it_was_woken() -> None:
        moments = (await history_of(namespace_client, handle.id)).moments
        assert [moment.detail for moment in moments if moment.text == "told to wake"] == [{"arguments": [7]}]
        assert any(moment.detail.get("woken") for moment in moments)

    await eventually(it_was_woken)


async def test_a_step_that_does_not_succeed_says_its_attempt_and_why(
    begin_now: Begin, shop: Shop, knobs: Knobs, namespace_client: Client
) -> None:
    knobs.fault("error", route="GET /funding_sources", times=1_000)
    order = await shop.place(await shop.member(points=300))
    handle = await begin_now(starts.order(shop.id, order.id))

    async def it_is_retried() -> None:
        [step] = [m for m in (await history_of(namespace_client, handle.id)).moments if "paid" in m.text]
        assert step.detail["attempt"] > 1
        assert not step.detail["over"]
        assert "tremendous: " in step.detail["failure"]

    await eventually(it_is_retried)


async def test_a_workflow_that_temporal_does_not_have_has_no_history(namespace_client: Client) -> None:
    assert await histories.find(namespace_client, f"order/{uuid.uuid4().hex}") is None
