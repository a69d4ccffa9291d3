"""http: single events over keep-alive connections, against a FastAPI that echoes the same body.

Both run as one process of the same server with the same options and are asked by the same client from this process.
Ours checks the key, limits the rate, decides and commits each event before it answers.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from bench.pairs import Compared, compare
from bench.programs import NOW, Databases, databases, deals
from cli.embedded.ports import free_port
from cli.embedded.processes import Child, Program
from cli.embedded.redis import Redis
from cli.embedded.stack import responds
from domain.scopes import Scope
from storage import api_keys, programs
from storage.database import Database

CONNECTIONS, EACH, WARM_UP = 128, 120, 20
TIMEOUT_SECONDS = 120


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
                    async with _serving("api", environment, logs) as port:
                        return await _ask(port, key)

                async def yardstick() -> float:
                    async with _serving("bench.echo", {}, logs) as port:
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


@asynccontextmanager
async def _serving(module: str, environment: dict[str, str], logs: Path) -> AsyncIterator[int]:
    port = free_port()
    argv = [sys.executable, "-m", module]
    ready = partial(responds, f"http://127.0.0.1:{port}/openapi.json")
    program = Program("server", argv, logs / "server.log", ready, environment=environment | {"LAUREL_PORT": str(port)})
    child = await asyncio.to_thread(Child.start, program)
    try:
        yield port
    finally:
        await asyncio.to_thread(child.stop)


async def _ask(port: int, key: str) -> float:
    """Requests a second over all connections, after a warm-up."""
    requests = [_request(key, body) for body in _bodies()]
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    await _over(connections, requests[: CONNECTIONS * WARM_UP], WARM_UP)
    began = time.perf_counter()
    await _over(connections, requests[CONNECTIONS * WARM_UP :], EACH)
    seconds = time.perf_counter() - began
    for _, writer in connections:
        writer.close()
    return CONNECTIONS * EACH / seconds


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _over(connections: list[Connection], requests: list[bytes], each: int) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        shares = [requests[n * each : (n + 1) * each] for n in range(len(connections))]
        await asyncio.gather(*(_exchange(*both, share) for both, share in zip(connections, shares, strict=True)))


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[bytes]) -> None:
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(int(length.split(b":")[1]))
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(f"{head.splitlines()[0]!r}: {body[:300]!r}")


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


def _request(key: str, body: bytes) -> bytes:
    head = f"POST /v1/events HTTP/1.1\r\nHost: laurel\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
