"""A server that is asked by raw HTTP over keep-alive connections: one process, and a client that costs little."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from cli.embedded.ports import free_port
from cli.embedded.processes import Child, Program
from cli.embedded.stack import responds

TIMEOUT_SECONDS = 120

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(module: str, environment: dict[str, str], logs: Path) -> AsyncIterator[int]:
    """The port at which `python -m module` answers until the block ends."""
    port = free_port()
    argv = [sys.executable, "-m", module]
    ready = partial(responds, f"http://127.0.0.1:{port}/openapi.json")
    program = Program("server", argv, logs / "server.log", ready, environment=environment | {"LAUREL_PORT": str(port)})
    child = await asyncio.to_thread(Child.start, program)
    try:
        yield port
    finally:
        await asyncio.to_thread(child.stop)


async def rate(port: int, requests: Sequence[bytes], *, connections: int, warm_up: int, status: int) -> float:
    """Requests a second over all connections, after `warm_up` on each; raises RuntimeError for another status."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    await _over(opened, requests[: connections * warm_up], status)
    began = time.perf_counter()
    await _over(opened, requests[connections * warm_up :], status)
    seconds = time.perf_counter() - began
    for _, writer in opened:
        writer.close()
    return (len(requests) - connections * warm_up) / seconds


def written(head: str, body: bytes) -> bytes:
    """A request of these lines, with its body."""
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _over(connections: Sequence[Connection], requests: Sequence[bytes], status: int) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        each = len(requests) // len(connections)
        shares = [requests[n * each : (n + 1) * each] for n in range(len(connections))]
        await asyncio.gather(
            *(_exchange(*both, share, status) for both, share in zip(connections, shares, strict=True))
        )


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes], status: int
) -> None:
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(int(length.split(b":")[1]))
        if not head.startswith(f"HTTP/1.1 {status}".encode()):
            raise RuntimeError(f"{head.splitlines()[0]!r}: {body[:300]!r}")
