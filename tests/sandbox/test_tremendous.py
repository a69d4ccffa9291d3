"""The vendor's sandbox itself: faults strike where they are aimed, notices misbehave as told, nothing is lost."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.embedded.ports import free_port
from sandbox.tremendous.control import Control
from sandbox.tremendous.courier import Courier
from sandbox.tremendous.faults import KINDS
from sandbox.tremendous.store import Store
from sandbox.tremendous.wire import Wire
from tests.notices import Receiver, eventually, receiver
from tests.tremendous_controls import Controls, tremendous


@pytest.fixture
def sandbox() -> Iterator[Controls]:
    with tremendous() as controls:
        yield controls


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def place(sandbox: Controls, external_id: str, email: str = "ada@example.com") -> httpx.Response:
    reward = {
        "products": ["SMPLCOFFEEUS"],
        "value": {"denomination": 10, "currency_code": "USD"},
        "recipient": {"name": "Ada <b>", "email": email},
        "delivery": {"method": "EMAIL", "meta": {"message": "<script>thanks</script>"}},
    }
    order = {"external_id": external_id, "payment": {"funding_source_id": "BALANCE"}, "reward": reward}
    return sandbox.api("POST", "/orders", order)


def events(receiver: Receiver, count: int) -> list[str]:
    return [json.loads(one.body)["event"] for one in receiver.wait_for(count)]


# -- Faults ----------------------------------------------------------------------------------------------------------


def test_a_fault_strikes_the_nth_call_as_often_as_told(sandbox: Controls) -> None:
    sandbox.fault("error", route="POST /orders", nth=2, times=2, status=503)

    assert [place(sandbox, f"ord_{n}").status_code for n in range(5)] == [200, 503, 503, 200, 200]


def test_a_fault_can_be_aimed_at_one_order_by_every_way_that_it_is_named(sandbox: Controls) -> None:
    ids = {name: place(sandbox, name).json()["order"] for name in ("ord_1", "ord_2")}
    sandbox.fault("error", external_id="ord_1", times=5)
    paths = ["/orders?external_id={external_id}", "/orders/{id}", "/rewards/{reward}"]

    for name, status in (("ord_1", 500), ("ord_2", 200)):
        named = {"external_id": name, "id": ids[name]["id"], "reward": ids[name]["rewards"][0]["id"]}
        assert [sandbox.api("GET", path.format(**named)).status_code for path in paths] == [status] * 3


def test_a_fault_after_success_issues_the_card(sandbox: Controls) -> None:
    sandbox.fault("error_after_success")

    assert place(sandbox, "ord_1").status_code == 500
    assert place(sandbox, "ord_1").status_code == 201
    assert sandbox.cards()["by_external_id"] == {"ord_1": 1}


def test_a_dropped_connection_is_a_broken_answer(sandbox: Controls) -> None:
    sandbox.fault("drop_after_success")

    with pytest.raises(httpx.RemoteProtocolError):
        place(sandbox, "ord_1")
    assert sandbox.cards()["issued"] == 1


def test_a_slow_call_is_answered_in_the_end(sandbox: Controls) -> None:
    sandbox.fault("slow", seconds=0.1)

    assert place(sandbox, "ord_1").status_code == 200


@pytest.mark.parametrize("fault", [{"kind": "nonsense"}, {"kind": "slow", "nth": 0}, {"kind": "slow", "aim": 1}, {}])
def test_a_fault_that_makes_no_sense_is_refused(sandbox: Controls, fault: dict[str, Any]) -> None:
    assert httpx.post(f"{sandbox.url}/_control/faults", json=fault).status_code == 400


def test_reset_forgets_everything(sandbox: Controls, inbox: Receiver) -> None:
    sandbox.webhook(inbox.url)
    place(sandbox, "ord_1")
    sandbox.fault("error", times=100)

    sandbox.reset()

    assert sandbox.cards()["issued"] == 0
    assert sandbox.see("/_control/calls")["total"] == 0
    assert sandbox.api("GET", "/webhooks").json() == {"webhooks": []}


# -- The API ---------------------------------------------------------------------------------------------------------


def test_calls_are_counted_by_route(sandbox: Controls) -> None:
    place(sandbox, "ord_1")
    place(sandbox, "ord_1")
    sandbox.api("GET", "/orders/ord_1")

    assert sandbox.see("/_control/calls")["calls"] == {"POST /orders": 2, "GET /orders/{id}": 1}


def test_the_rate_limit_is_kept_when_it_is_on() -> None:
    with tremendous(requests_per_second=3) as sandbox:
        answers = [sandbox.api("GET", "/rewards").status_code for _ in range(10)]

    assert answers[:3] == [200, 200, 200]
    assert 429 in answers


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_a_bad_request(sandbox: Controls, body: bytes) -> None:
    headers = {"authorization": "Bearer TEST_a"}

    assert httpx.post(f"{sandbox.api_url}/orders", content=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "reward",
    [
        None,
        [],
        {"products": "SMPLCOFFEEUS"},
        {"products": ["SMPLCOFFEEUS"], "recipient": {"email": 5}},
        {"products": ["SMPLCOFFEEUS"], "recipient": {"email": "a@example.com"}, "value": {"denomination": "NaN"}},
        {"products": ["SMPLCOFFEEUS"], "recipient": {"email": "a@example.com"}, "value": {"denomination": True}},
        {"products": ["SMPLCOFFEEUS"], "recipient": {"email": "a@example.com"}, "value": {"currency_code": ["USD"]}},
        {"products": [["SMPLCOFFEEUS"]], "recipient": {"email": "a@example.com"}},
    ],
)
def test_an_order_of_a_wrong_shape_is_refused_and_costs_nothing(sandbox: Controls, reward: Any) -> None:
    order = {"payment": {"funding_source_id": "BALANCE"}, "reward": reward}

    assert sandbox.api("POST", "/orders", order).status_code in (400, 422)
    assert sandbox.cards()["issued"] == 0


def test_a_redeemed_card_cannot_be_cancelled(sandbox: Controls) -> None:
    reward = place(sandbox, "ord_1", "nobody@bounce.example").json()["order"]["rewards"][0]
    eventually(lambda: sandbox.cards()["cards"][0]["delivery"] == "FAILED")
    sandbox.redeem(reward["id"])

    assert sandbox.api("POST", f"/rewards/{reward['id']}/cancel").status_code == 422


def test_the_inbox_shows_what_was_delivered_and_what_bounced_and_runs_nothing(sandbox: Controls) -> None:
    place(sandbox, "ord_1")
    place(sandbox, "ord_2", "full@bounce.example")
    eventually(lambda: len(sandbox.emails()) == 2)

    page = sandbox.page("/inbox")

    assert "Example Coffee, 10 USD" in page
    assert "bounced (mailbox_unavailable)" in page
    assert "<script>" not in page
    assert "ord_2" not in sandbox.page("/inbox?email=ada@example.com")
    assert "<svg" in sandbox.page("/images/SMPLCOFFEEUS.svg")


# -- Notices ---------------------------------------------------------------------------------------------------------


def test_notices_come_in_order_and_once(sandbox: Controls, inbox: Receiver) -> None:
    sandbox.webhook(inbox.url)
    place(sandbox, "ord_1")

    assert events(inbox, 3) == ["ORDERS.CREATED", "REWARDS.CREATED", "REWARDS.DELIVERY.SUCCEEDED"]
    eventually(lambda: not any(notice["open"] for notice in sandbox.see("/_control/notices")["notices"]))
    assert len(inbox.received) == 3


def test_notices_are_repeated_and_reordered_as_told(sandbox: Controls, inbox: Receiver) -> None:
    sandbox.webhook(inbox.url)
    sandbox.notices(paused=True)
    place(sandbox, "ord_1")
    eventually(lambda: len(sandbox.see("/_control/notices")["notices"]) == 3)
    assert inbox.received == []

    sandbox.notices(copies=2, reversed=True)

    assert events(inbox, 6) == [
        *["REWARDS.DELIVERY.SUCCEEDED"] * 2,
        *["REWARDS.CREATED"] * 2,
        *["ORDERS.CREATED"] * 2,
    ]
    assert len({json.loads(one.body)["uuid"] for one in inbox.received}) == 3


def test_a_notice_is_sent_again_until_it_is_taken(sandbox: Controls, inbox: Receiver) -> None:
    inbox.refuse_next = 2
    sandbox.webhook(inbox.url)
    webhook_id = sandbox.api("GET", "/webhooks").json()["webhooks"][0]["id"]

    sandbox.api("POST", f"/webhooks/{webhook_id}/simulate", {"event": "INVOICES.PAID"})

    assert len({one.body for one in inbox.wait_for(3)}) == 1


def test_the_webhook_given_at_the_start_is_signed_with_the_given_key(inbox: Receiver) -> None:
    with tremendous(webhook_url=inbox.url, webhook_key="known") as sandbox:
        place(sandbox, "ord_1")
        inbox.wait_for(1)

        assert sandbox.api("GET", "/webhooks").json()["webhooks"][0]["private_key"] == "known"


# -- Restart ---------------------------------------------------------------------------------------------------------


def test_with_a_file_everything_survives_a_restart(tmp_path: Path, inbox: Receiver) -> None:
    data = tmp_path / "tremendous.sqlite"
    with tremendous(data=data) as sandbox:
        sandbox.webhook(inbox.url)
        sandbox.notices(paused=True)
        first = place(sandbox, "ord_1").json()["order"]["id"]

    with tremendous(data=data) as sandbox:
        again = place(sandbox, "ord_1")
        assert (again.status_code, again.json()["order"]["id"]) == (201, first)
        assert sandbox.cards()["by_external_id"] == {"ord_1": 1}
        assert events(inbox, 2) == ["ORDERS.CREATED", "REWARDS.CREATED"]


def test_it_runs_as_a_command_and_ends_when_told(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "sandbox.tremendous", "--port", str(port), "--data", str(tmp_path / "data.sqlite")]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/_control/cards"))
    finally:
        process.terminate()

    assert process.wait(timeout=30) in (0, -15)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


# -- Documentation ---------------------------------------------------------------------------------------------------


def test_every_fault_and_every_control_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandboxes.md").read_text()
    with closing(Store(None)) as store:
        courier = Courier(store, delivery_seconds=0)
        routes = Control(store, courier, Wire(store, courier, requests_per_second=None)).routes()
    controls = {f"{method} {route.path}" for route in routes for method in (route.methods or set()) - {"HEAD"}}

    assert {name for name in {*KINDS, *controls} if f"`{name}`" not in page} == set()
