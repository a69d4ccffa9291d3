"""Rate limits: per key or connection, over all processes, told in headers, and without Redis by each process alone."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from settings import Settings
from tests.api.conftest import Client, MakeClient
from tests.api.test_idempotency import started
from tests.api.test_intake import make_connection, signed_by_hubspot
from tests.programs import NOW

LIMIT = 5


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"requests_per_minute": LIMIT})


async def spend(client: Client) -> httpx.Response:
    """Use up the minute; the last answer."""
    for _ in range(LIMIT):
        answer = await client.get("/v1/members")
        assert answer.status_code == 200
    return answer


async def test_the_request_after_the_last_is_refused_with_the_seconds_to_wait(client: Client) -> None:
    last = await spend(client)

    refused = await client.get("/v1/members")

    assert last.headers["ratelimit"] == '"key";r=0;t=60'
    assert last.headers["ratelimit-policy"] == f'"key";q={LIMIT};w=60'
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["ratelimit"] == '"key";r=0;t=60'


async def test_a_refused_request_is_not_read(client: Client) -> None:
    await spend(client)

    answer = await client.http.post("/v1/events", content=b"{")

    assert answer.status_code == 429


async def test_each_key_has_a_limit_of_its_own(client: Client, make_client: MakeClient) -> None:
    await spend(client)
    colleague = await make_client(program_id=client.program_id)

    assert (await colleague.get("/v1/members")).status_code == 200


async def test_all_processes_count_together(client: Client, settings: Settings) -> None:
    await spend(client)
    headers = {"Authorization": f"Bearer {client.key}"}

    async with started(create_app(settings, clock=lambda: NOW)) as other:
        answer = await other.get("/v1/members", headers=headers)

    assert answer.status_code == 429


async def test_the_next_minute_is_a_new_one(client: Client, settings: Settings) -> None:
    await spend(client)
    now: list[datetime] = [NOW]
    headers = {"Authorization": f"Bearer {client.key}"}

    async with started(create_app(settings, clock=lambda: now[0])) as http:
        before = await http.get("/v1/members", headers=headers)
        now[0] += timedelta(minutes=1)
        after = await http.get("/v1/members", headers=headers)

    assert (before.status_code, after.status_code) == (429, 200)


async def test_a_process_takes_many_requests_at_once_and_gives_away_no_more_than_the_limit(
    client: Client, settings: Settings
) -> None:
    """Two processes that take lots of ten of a thousand: what one holds the other has not."""
    generous = settings.model_copy(update={"requests_per_minute": 1000})
    headers = {"Authorization": f"Bearer {client.key}"}
    async with (
        started(create_app(generous, clock=lambda: NOW)) as one,
        started(create_app(generous, clock=lambda: NOW)) as other,
    ):
        first = await one.get("/v1/members", headers=headers)
        second = await other.get("/v1/members", headers=headers)

    assert first.headers["ratelimit"] == '"key";r=999;t=60'
    assert second.headers["ratelimit"] == '"key";r=989;t=60'


@pytest.fixture
async def app_without_redis(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    lonely = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    async with started(create_app(lonely, clock=lambda: NOW)) as http:
        yield http


async def test_without_redis_each_process_counts_alone(client: Client, app_without_redis: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {client.key}"}

    statuses = [(await app_without_redis.get("/v1/members", headers=headers)).status_code for _ in range(LIMIT + 1)]

    assert statuses == [200] * LIMIT + [429]


async def test_an_emptied_redis_is_no_trouble(client: Client, redis: Redis, app: FastAPI) -> None:
    await client.get("/v1/members")
    await redis.flushdb()

    assert (await client.get("/v1/members")).status_code == 200


async def test_a_connections_webhooks_are_limited_before_they_are_read(
    anyone: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    connection, colleague = [await make_connection(engine, "hubspot") for _ in range(2)]
    for _ in range(LIMIT):
        answer = await anyone.post(**signed_by_hubspot(connection, b"[]"))
        assert answer.status_code == 204

    refused = await anyone.post(f"/intake/{connection.id}", content=b"{")
    other = await anyone.post(**signed_by_hubspot(colleague, b"[]"))

    assert answer.headers["ratelimit"] == '"connection";r=0;t=60'
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["retry-after"] == "60"
    assert other.status_code == 204


async def test_a_connections_statements_are_limited_before_they_are_read(
    anyone: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    connection = await make_connection(engine, "xapi")
    headers = {"Authorization": f"Bearer {connection.id}.t", "X-Experience-API-Version": "1.0.3"}
    for _ in range(LIMIT):
        answer = await anyone.get("/xapi/statements", headers=headers)
        assert answer.status_code == 400

    refused = await anyone.post("/xapi/statements", headers=headers, content=b"{")

    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["x-experience-api-version"] == "1.0.3"
