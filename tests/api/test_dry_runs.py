"""Dry runs: the whole decision, and nothing of it stays."""

import re
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.scopes import Scope
from storage.tables import metadata
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal, retraction

DRY = "/v1/events?dry_run=true"


@pytest.fixture
async def rows(engine: AsyncEngine) -> Any:
    """Counts the rows of every table, by table."""

    async def count() -> dict[str, int]:
        async with engine.connect() as connection:
            return {
                table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                for table in metadata.sorted_tables
            }

    return count


async def told_and_kept_nothing(client: Client, rows: Any, body: Any) -> dict[str, Any]:
    """The answer to a dry run that left every table as it was."""
    before = await rows()
    answer = await client.post(DRY, body)

    assert answer.status_code == 200, answer.text
    assert await rows() == before
    return dict(answer.json())


async def test_a_new_event_is_decided_and_nothing_is_kept(client: Client, rows: Any) -> None:
    dry = await told_and_kept_nothing(client, rows, deal(amount_minor=2_000_000))
    real = (await client.post("/v1/events", deal(amount_minor=2_000_000))).json()

    assert (dry["status"], dry["state"], dry["event_id"]) == ("recorded", "decided", None)
    assert dry["points"] == real["points"] == 200
    assert {rule["rule"]: rule["points"] for rule in dry["decision"]["rules"]} == {
        "big-deal": 150,
        "deal-won": 50,
        "third-deal": 0,
    }
    assert dry["transactions"] == [{"kind": "earn", "unit": "points", "amount": 200}]


async def test_the_decision_is_the_one_that_explains_the_event_afterwards(client: Client, rows: Any) -> None:
    for number in range(4):
        await client.post("/v1/events", deal(number, amount_minor=2_000_000))
    dry = await told_and_kept_nothing(client, rows, deal(4, amount_minor=2_000_000))
    real = (await client.post("/v1/events", deal(4, amount_minor=2_000_000))).json()

    explained = (await client.get(f"/v1/events/{real['id']}/explanation")).json()
    assert dry["decision"] == explained["decisions"][-1] | {"transaction_id": None}
    assert dry["summary"] == explained["summary"]
    assert [crossing["milestone"] for crossing in dry["crossings"]] == ["every-500:500"]
    assert [reward["reward"] for reward in dry["rewards"]] == ["card"]


async def test_no_id_that_was_made_is_told(client: Client) -> None:
    """Whatever the transaction made is gone with it: an id of it would name nothing."""
    answers = [
        await client.post(DRY, deal(amount_minor=2_000_000)),
        await client.post(DRY, deal(member="grace")),
        await client.post(DRY, retraction(deal())),
    ]

    made = {prefix for answer in answers for prefix in re.findall(r"\b([a-z]{3})_[0-9a-z]{26}", answer.text)}
    assert made == {"mem"}


async def test_an_event_of_nobody_known_would_be_parked(client: Client, rows: Any) -> None:
    dry = await told_and_kept_nothing(client, rows, deal(member="grace"))

    assert (dry["state"], dry["decision"]) == ("parked", None)
    assert dry["summary"] == "It waits: no member is known as crm:grace."


async def test_an_amendment_tells_what_it_would_reverse_and_earn(client: Client, rows: Any) -> None:
    first = (await client.post("/v1/events", deal(version=1))).json()

    dry = await told_and_kept_nothing(client, rows, deal(amount_minor=2_000_000, version=2))

    assert (dry["status"], dry["event_id"], dry["points"]) == ("amended", first["id"], 200)
    assert [(one["kind"], one["amount"]) for one in dry["transactions"]] == [("reverse", 50), ("earn", 200)]
    assert (await client.get(f"/v1/events/{first['id']}")).json()["points"] == 50


async def test_a_retraction_tells_what_it_would_take_back(client: Client, rows: Any) -> None:
    first = (await client.post("/v1/events", deal())).json()

    dry = await told_and_kept_nothing(client, rows, retraction(deal()))

    assert (dry["status"], dry["event_id"], dry["points"]) == ("recorded", None, -50)
    assert dry["decision"]["verdict"]["retracts"] == first["id"]
    assert dry["transactions"] == [{"kind": "reverse", "unit": "points", "amount": 50}]


async def test_a_retraction_of_what_has_not_come_names_it_as_its_source_does(client: Client, rows: Any) -> None:
    dry = await told_and_kept_nothing(client, rows, retraction(deal()))

    assert dry["summary"] == "It takes back deal-1, which had earned nothing that stood."
    assert dry["decision"]["verdict"] == {"retracts": None, "was": "awaited"}


async def test_a_repeat_is_told_with_its_decision(client: Client, rows: Any) -> None:
    first = (await client.post("/v1/events", deal())).json()

    dry = await told_and_kept_nothing(client, rows, deal())

    assert (dry["status"], dry["event_id"], dry["transactions"]) == ("replayed", first["id"], [])
    assert dry["decision"]["transaction_id"].startswith("txn_")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (deal(type="deal.lost"), "unknown_event_type"),
        (deal(data={"amount_minor": "many"}), "invalid_event_data"),
        (deal(occurred_at="2026-03-04T12:06:00Z"), "occurred_in_future"),
    ],
)
async def test_what_would_be_refused_is_refused(client: Client, rows: Any, body: dict[str, Any], code: str) -> None:
    before = await rows()

    answer = await client.post(DRY, body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await rows() == before


async def test_its_idempotency_key_is_free_afterwards(client: Client) -> None:
    await client.post(DRY, deal(), Idempotency_Key="the-deal")

    answer = await client.post("/v1/events", deal(), Idempotency_Key="the-deal")

    assert answer.status_code == 201
    assert "idempotent-replayed" not in answer.headers


async def test_dry_run_is_true_or_false(client: Client) -> None:
    wrong: httpx.Response = await client.post("/v1/events?dry_run=yes", deal())
    real = await client.post("/v1/events?dry_run=false", deal())

    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")
    assert real.status_code == 201


async def test_it_needs_the_scope_of_sending_events(make_client: MakeClient) -> None:
    client = await make_client(Scope.EVENTS_READ)

    assert (await client.post(DRY, deal())).status_code == 403
