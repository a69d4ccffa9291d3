"""The line of each request names what it was about, and nobody's address."""

import io
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.tables import counters
from tests import test_telemetry
from tests.api.conftest import Client
from tests.api.facts import deal
from tests.api.test_intake import make_connection, signed_by_hubspot

lines = test_telemetry.lines


def last_request(lines: io.StringIO) -> dict[str, Any]:
    return [line for line in test_telemetry.written(lines) if line["event"] == "request"][-1]


async def test_a_recorded_events_line_names_request_and_event(lines: io.StringIO, client: Client) -> None:
    answer = await client.post("/v1/events", deal())

    line = last_request(lines)

    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["event_id"] == answer.json()["id"]


async def test_a_line_names_the_id_that_was_asked_for(lines: io.StringIO, client: Client) -> None:
    event_id = (await client.post("/v1/events", deal())).json()["id"]
    await client.get(f"/v1/events/{event_id}/explanation")

    assert last_request(lines)["event_id"] == event_id


async def test_a_webhooks_line_names_its_connection(
    lines: io.StringIO, anyone: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    connection = await make_connection(engine, "hubspot")
    await anyone.post(**signed_by_hubspot(connection, b"[]"))

    assert last_request(lines)["connection_id"] == connection.id


@pytest.mark.parametrize("path", ["/v1/members/by-identity/email/ada@example.com", "/v1/members"])
async def test_a_line_names_no_address(lines: io.StringIO, client: Client, path: str) -> None:
    assert (await client.get(path)).status_code == 200

    assert "ada@example.com" not in lines.getvalue()
    assert "event_id" not in last_request(lines)


async def test_the_line_of_a_batch_names_its_events(lines: io.StringIO, client: Client) -> None:
    answer = await client.post("/v1/events/batch", {"events": [deal(1), deal(2)]})

    assert last_request(lines)["event_ids"] == [item["event"]["id"] for item in answer.json()["results"]]


async def test_a_line_about_an_event_of_many_callers_names_the_event_and_no_callers_request(
    lines: io.StringIO, client: Client, engine: AsyncEngine
) -> None:
    await client.post("/v1/events", deal(1))
    async with engine.begin() as connection:
        await connection.execute(update(counters).values(total=2**63 - 1))

    answer = await client.post("/v1/events", deal(2))

    [line] = [line for line in test_telemetry.written(lines) if line["event"] == "event quarantined"]
    assert (line["event_id"], line["program_id"]) == (answer.json()["event_id"], client.program_id)
    assert "request_id" not in line
