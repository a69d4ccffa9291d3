"""http: single events over keep-alive connections, against a FastAPI that echoes the same body.

Both run as one process of the same server with the same options and are asked by the same client from this process.
Ours checks the key, limits the rate, decides and commits each event before it answers.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from bench.pairs import Compared, compare
from bench.programs import NOW, Databases, databases, deals
from bench.serving import rate, serving, written
from cli.embedded.ports import free_port
from cli.embedded.processes import Child
from cli.embedded.redis import Redis
from domain.scopes import Scope
from storage import api_keys, programs
from storage.database import Database

CONNECTIONS, EACH, WARM_UP = 128, 120, 20


async def run() -> Compared:
    """Requests a second, both."""
    async with databases() as servers:
        with TemporaryDirectory(prefix="laurel-bench-") as directory:
            logs = Path(directory)
            redis = Redis(free_port())
            child = await asyncio.to_thread(Child.start, redis.program(logs / "redis.log"))
            try:

                async def ours() -> float:
                    url = servers.fresh()
                    key = await _make_key(servers, url)
                    environment = {
                        "DATABASE_URL": url,
                        "REDIS_URL": redis.url,
                        "TEMPORAL_ADDRESS": "127.0.0.1:1",  # not needed to take events
                        "REQUESTS_PER_MINUTE": "10000000",
                        "LAUREL_LOG_LEVEL": "warning",
                    }
                    async with serving("api", environment, logs) as port:
                        return await _ask(port, key)

                async def yardstick() -> float:
                    async with serving("bench.echo", {}, logs) as port:
                        return await _ask(port, "none")

                detail = {"connections": CONNECTIONS, "requests": CONNECTIONS * EACH}
                return await compare("http", "requests/s", ours, yardstick, detail=detail)
            finally:
                await asyncio.to_thread(child.stop)


async def _make_key(servers: Databases, url: str) -> str:
    database = Database(url)
    async with database.begin() as session:
        [program] = await programs.list_all(session)
        _, key = await api_keys.insert(session, program, name="bench", scopes={Scope.EVENTS_WRITE}, now=NOW)
    await database.dispose()
    return key


async def _ask(port: int, key: str) -> float:
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: laurel\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    )
    requests = [written(head, body) for body in _bodies()]
    return await rate(port, requests, connections=CONNECTIONS, warm_up=WARM_UP, status=201)


def _bodies() -> list[bytes]:
    return [
        orjson.dumps(
            {
                "source": event.source,
                "external_id": event.external_id,
                "type": event.type,
                "member": {"source": event.member.source, "external_id": event.member.external_id},
                "occurred_at": event.occurred_at,
                "data": event.data,
            }
        )
        for event in deals(0, CONNECTIONS * (EACH + WARM_UP))
    ]
