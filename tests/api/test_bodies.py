"""Bodies are awaited for so long and no longer."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api import bodies
from tests.api.conftest import Client
from tests.api.test_intake import make_connection

JSON = {"Content-Type": "application/json"}


async def never_ending() -> AsyncIterator[bytes]:
    yield b"["
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.01)


def assert_hung_up(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (408, "request_timeout")
    assert answer.headers["connection"] == "close"
    assert answer.headers["retry-after"] == "1"


async def test_a_body_that_does_not_end_is_given_up(client: Client) -> None:
    assert_hung_up(await client.http.post("/v1/events/batch", content=never_ending(), headers=JSON))


async def test_a_webhook_that_does_not_end_is_given_up(anyone: httpx.AsyncClient, engine: AsyncEngine) -> None:
    connection = await make_connection(engine, "hubspot")

    assert_hung_up(await anyone.post(f"/intake/{connection.id}", content=never_ending(), headers=JSON))


async def test_a_webhook_of_no_connection_is_not_read(anyone: httpx.AsyncClient) -> None:
    answer = await anyone.post("/intake/con_unknown", content=never_ending(), headers=JSON)

    assert answer.status_code == 404
