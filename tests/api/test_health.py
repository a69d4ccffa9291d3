"""What machines ask: alive, ready, which version, how much."""

from pathlib import Path

import httpx
import psycopg
from redis.asyncio import Redis

from api.app import create_app
from settings import Settings
from tests.api.conftest import Client
from tests.api.line import line_to
from tests.api.test_idempotency import started


async def test_the_process_is_alive_whatever_is_away(settings: Settings) -> None:
    alone = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})

    async with started(create_app(alone)) as http:
        answer = await http.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_without_temporal_it_is_ready_but_says_so(anyone: httpx.AsyncClient) -> None:
    answer = await anyone.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "degraded",
        "checks": {"database": "ok", "redis": "ok", "temporal": "away"},
    }


async def test_with_everything_there_it_is_ready(settings: Settings, temporal_address: str) -> None:
    async with started(create_app(settings.model_copy(update={"temporal_address": temporal_address}))) as http:
        answer = await http.get("/readyz")

    assert answer.json() == {"status": "ready", "checks": {"database": "ok", "redis": "ok", "temporal": "ok"}}


async def test_without_redis_it_is_ready_but_says_so(settings: Settings) -> None:
    async with started(create_app(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))) as http:
        answer = await http.get("/readyz")

    assert (answer.status_code, answer.json()["checks"]["redis"]) == (200, "away")


async def test_without_the_database_it_is_not_ready_and_with_it_again_it_is(
    settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    async with (
        line_to(settings.database_url, tmp_path) as line,
        started(create_app(settings.model_copy(update={"database_url": line.url}))) as http,
    ):
        line.cut()
        away = await http.get("/readyz")
        await line.restore()
        back = await http.get("/readyz")

    assert (away.status_code, away.json()["checks"]["database"]) == (503, "away")
    assert (back.status_code, back.json()["checks"]["database"]) == (200, "ok")


async def test_a_database_whose_migrations_are_behind_is_not_ready(settings: Settings, owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")

    async with started(create_app(settings)) as http:
        answer = await http.get("/readyz")

    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "migrations behind")


async def test_requests_are_counted_by_route_and_status(anyone: httpx.AsyncClient, client: Client) -> None:
    await client.get("/v1/members/mem_01a1fd1cfa630081c74091f5d2")

    page = (await anyone.get("/metrics")).text

    assert 'laurel_http_requests_total{method="GET",route="/v1/members/{member_id}",status="404"}' in page


async def test_the_version_is_the_installed_one(anyone: httpx.AsyncClient) -> None:
    assert (await anyone.get("/version")).json()["version"].count(".") == 2
