"""The embedded Redis is redis-server where there is one, else a stand-in that answers the same."""

from pathlib import Path

import pytest
from redis.asyncio import Redis as Client

from cli.embedded.ports import free_port
from cli.embedded.processes import Child
from cli.embedded.redis import Redis, answers


async def use(redis: Redis) -> object:
    async with Client.from_url(redis.url) as client:
        await client.zadd("board", {"mem_1": 5.0})
        return await client.zscore("board", "mem_1")


async def test_the_stand_in_serves_where_redis_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    redis = Redis(free_port())

    child = Child.start(redis.program(tmp_path / "log"))
    try:
        assert "fakeredis" in redis.kind
        assert await use(redis) == 5.0
    finally:
        child.stop()
    assert not answers("127.0.0.1", redis.port)


async def test_redis_server_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    redis = Redis(free_port(), tmp_path / "data")
    if redis.kind != "redis-server":
        pytest.skip("redis-server is not installed")
    first = Child.start(redis.program(tmp_path / "log"))
    await use(redis)
    first.stop()

    second = Child.start(redis.program(tmp_path / "log"))
    try:
        async with Client.from_url(redis.url) as client:
            kept = await client.zscore("board", "mem_1")
    finally:
        second.stop()

    assert kept == 5.0
