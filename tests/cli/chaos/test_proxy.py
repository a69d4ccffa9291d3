"""The proxy loses the answer to a COMMIT and nothing else."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from cli.chaos.proxy import Proxy
from tests.servers import Servers


@pytest.fixture
def socket(servers: Servers) -> Path:
    """Of the run's PostgreSQL."""
    with psycopg.connect(servers.postgres()) as connection:
        if not connection.info.host.startswith("/"):
            pytest.skip("the PostgreSQL of this run has no Unix socket")
        return Path(connection.info.host) / f".s.PGSQL.{connection.info.port}"


async def test_a_commit_whose_answer_is_lost_was_done_all_the_same(socket: Path, owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as direct:
        direct.execute("CREATE TABLE done (n integer)")
        async with Proxy(socket) as proxy:
            through = await psycopg.AsyncConnection.connect(owner_url, host="127.0.0.1", port=proxy.port)
            await through.execute("INSERT INTO done VALUES (1)")
            await through.commit()
            losing = asyncio.create_task(proxy.lose_answers(1))
            await asyncio.sleep(0)
            await through.execute("INSERT INTO done VALUES (2)")
            with pytest.raises(psycopg.OperationalError):
                await through.commit()
            await losing

        assert direct.execute("SELECT n FROM done ORDER BY n").fetchall() == [(1,), (2,)]
        assert proxy.answers_lost == 1


async def test_other_connections_go_on(socket: Path, owner_url: str) -> None:
    async with Proxy(socket) as proxy:
        one, other = [
            await psycopg.AsyncConnection.connect(owner_url, host="127.0.0.1", port=proxy.port) for _ in range(2)
        ]
        await other.execute("SELECT 1")
        losing = asyncio.create_task(proxy.lose_answers(1))
        await asyncio.sleep(0)
        await one.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            await one.commit()
        await losing

        await other.commit()
        await other.close()
