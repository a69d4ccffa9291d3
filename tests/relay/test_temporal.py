"""The Temporal lane: whatever is told twice happens once."""

from collections.abc import Mapping

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from domain.outbox import ClaimedRow, Kind
from relay.outages import is_outage, namespace_is_missing
from relay.temporal import TemporalLane
from storage.ids import new_id
from workflows.starts import PROGRAM, REFERENCE

AN_ORDER, A_REWARD = (Kind.START_ORDER, "order"), (Kind.START_REWARD, "reward")
A_CHALLENGE = (Kind.START_CHALLENGE, "challenge")


def row(kind: Kind, payload: Mapping[str, str], number: int = 1) -> ClaimedRow:
    return ClaimedRow(number, "prg_a", "temporal", kind, payload, 0)


def subject(noun: str) -> dict[str, str]:
    return {f"{noun}_id": new_id("ord")}


def workflow_of(client: Client, payload: dict[str, str]) -> WorkflowHandle[object, object]:
    [(name, id)] = payload.items()
    return client.get_workflow_handle(f"{name.removesuffix('_id')}/{id}")


async def signals(client: Client, payload: dict[str, str]) -> list[object]:
    """The arguments of the wake-ups in the workflow's history."""
    history = await workflow_of(client, payload).fetch_history()
    received = [event.workflow_execution_signaled_event_attributes for event in history.events]
    payloads = [payload for signal in received if signal.signal_name == "wake" for payload in signal.input.payloads]
    return await client.data_converter.decode(payloads)


@pytest.mark.parametrize(("kind", "noun"), [AN_ORDER, A_REWARD, A_CHALLENGE])
async def test_a_start_runs_the_rows_workflow(client: Client, kind: Kind, noun: str) -> None:
    payload = subject(noun)

    await TemporalLane(client)(row(kind, payload))

    found = await workflow_of(client, payload).describe()
    [id] = payload.values()
    assert found.workflow_type == f"{noun.capitalize()}Workflow"
    assert found.task_queue == "laurel"
    assert found.typed_search_attributes[PROGRAM] == "prg_a"
    assert found.typed_search_attributes[REFERENCE] == id
    assert await found.static_summary() == f"{noun.capitalize()} {id}"


@pytest.mark.parametrize(("kind", "noun"), [AN_ORDER, A_REWARD])
async def test_a_start_says_what_it_is_about(client: Client, kind: Kind, noun: str) -> None:
    payload = subject(noun)

    await TemporalLane(client)(row(kind, payload | {"about": "25.00 USD Coffee for mem_1, order ord_1"}))

    found = await workflow_of(client, payload).describe()
    assert await found.static_summary() == "25.00 USD Coffee for mem_1, order ord_1"


async def test_a_start_told_twice_starts_once(client: Client) -> None:
    lane, payload = TemporalLane(client), subject("order")
    await lane(row(Kind.START_ORDER, payload))
    first = await workflow_of(client, payload).describe()

    await lane(row(Kind.START_ORDER, payload))

    assert (await workflow_of(client, payload).describe()).run_id == first.run_id


async def test_a_start_told_again_after_the_end_starts_nothing(client: Client) -> None:
    lane, payload = TemporalLane(client), subject("order")
    await lane(row(Kind.START_ORDER, payload))
    await workflow_of(client, payload).terminate()

    await lane(row(Kind.START_ORDER, payload))

    assert (await workflow_of(client, payload).describe()).status is WorkflowExecutionStatus.TERMINATED


@pytest.mark.parametrize(
    ("start", "wake", "noun"),
    [
        (Kind.START_ORDER, Kind.WAKE_ORDER, "order"),
        (Kind.START_REWARD, Kind.WAKE_REWARD, "reward"),
        (Kind.START_CHALLENGE, Kind.WAKE_CHALLENGE, "challenge"),
    ],
)
async def test_a_wake_up_carries_the_rows_number(client: Client, start: Kind, wake: Kind, noun: str) -> None:
    lane, payload = TemporalLane(client), subject(noun)
    await lane(row(start, payload))

    await lane(row(wake, payload, 7))

    assert await signals(client, payload) == [7]


async def test_a_wake_up_for_a_workflow_that_is_over_or_lost_is_done(client: Client) -> None:
    lane, over = TemporalLane(client), subject("order")
    await lane(row(Kind.START_ORDER, over))
    await workflow_of(client, over).terminate()

    await lane(row(Kind.WAKE_ORDER, over))
    await lane(row(Kind.WAKE_ORDER, subject("order")))

    assert await signals(client, over) == []


async def test_many_notices_of_one_object_make_one_fetch(client: Client) -> None:
    lane = TemporalLane(client)
    deal = {"connection_id": new_id("con"), "object_id": "101", "kind": "hubspot"}
    await lane(row(Kind.FETCH_OBJECT, deal))
    activity = client.get_activity_handle(f"fetch/{deal['connection_id']}/101")
    first = await activity.describe()

    await lane(row(Kind.FETCH_OBJECT, deal, 2))

    again = await activity.describe()
    assert (first.activity_type, first.task_queue) == ("fetch_object", "laurel-hubspot")
    assert again.activity_run_id == first.activity_run_id


async def test_an_object_is_fetched_again_after_the_last_fetch_has_ended(client: Client) -> None:
    lane = TemporalLane(client)
    deal = {"connection_id": new_id("con"), "object_id": "101", "kind": "hubspot"}
    await lane(row(Kind.FETCH_OBJECT, deal))
    activity = client.get_activity_handle(f"fetch/{deal['connection_id']}/101")
    first = await activity.describe()
    await activity.terminate()

    await lane(row(Kind.FETCH_OBJECT, deal, 2))

    assert (await activity.describe()).activity_run_id != first.activity_run_id


async def test_what_temporal_keeps_does_not_show_what_was_sent(client: Client) -> None:
    payload = subject("order")
    await TemporalLane(client)(row(Kind.START_ORDER, payload))

    history = await workflow_of(client, payload).fetch_history()

    started = history.events[0].workflow_execution_started_event_attributes
    summary = history.events[0].user_metadata.summary
    assert started.input.payloads[0].metadata["encoding"] == b"binary/encrypted"
    assert summary.metadata["encoding"] == b"binary/encrypted"


async def test_temporal_being_away_is_an_outage(client: Client) -> None:
    away = await Client.connect("127.0.0.1:1", lazy=True)

    with pytest.raises(RuntimeError) as caught:
        await TemporalLane(away)(row(Kind.START_ORDER, subject("order")))

    assert is_outage(caught.value)


@pytest.mark.parametrize("kind", [Kind.START_ORDER, Kind.WAKE_ORDER])
async def test_a_lost_namespace_is_an_outage_and_no_missing_workflow(temporal_address: str, kind: Kind) -> None:
    lost = await Client.connect(temporal_address, namespace="nowhere")

    with pytest.raises(RPCError) as caught:
        await TemporalLane(lost)(row(kind, subject("order")))

    assert namespace_is_missing(caught.value)
    assert is_outage(caught.value)


async def test_search_attributes_that_are_not_made_yet_are_an_outage(temporal_client: Client) -> None:
    search_attributes = TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword("Unmade"), "x")])

    with pytest.raises(RPCError) as caught:
        await temporal_client.start_workflow(
            "OrderWorkflow", id=new_id("ord"), task_queue="unused", search_attributes=search_attributes
        )

    assert caught.value.status is RPCStatusCode.INVALID_ARGUMENT
    assert is_outage(caught.value)


async def test_what_temporal_refuses_is_about_the_row(client: Client) -> None:
    with pytest.raises(RPCError) as caught:
        await TemporalLane(client)(row(Kind.START_ORDER, {"order_id": "o" * 2_000}))

    assert not is_outage(caught.value)


async def test_a_kind_of_another_lane_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="score"):
        await TemporalLane(client)(row(Kind.SCORE, {}))
