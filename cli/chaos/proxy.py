"""A TCP proxy before PostgreSQL that can lose the answer to a COMMIT: the server has committed, the client never hears.

It reads only as much of the protocol as it needs to see a COMMIT sent and confirmed.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 64 * 1024
# Of a query and of the server's confirmation alike.
COMMIT = b"COMMIT\0"


@dataclass(slots=True, eq=False)
class Link:
    """One client's connection, joined to the server's."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    # Nothing that the server says reaches the client any more.
    muted: bool = False

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Proxy:
    """Joins who connects to `port` to the server's Unix socket; use as an async context manager."""

    def __init__(self, socket: Path) -> None:
        self.port = 0
        self.answers_lost = 0
        self._socket = socket
        self._to_lose = 0
        self._lost = asyncio.Semaphore(0)
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        for link in self._links:
            link.close()

    async def lose_answers(self, count: int) -> None:
        """Lose the answers to so many of the next COMMITs, with their connections; returns when all are lost."""
        self._to_lose += count
        for _ in range(count):
            await self._lost.acquire()

    async def _join(self, client_says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            server_says, server = await asyncio.open_unix_connection(self._socket)
        except OSError:
            client.close()
            return
        link = Link(client, server)
        self._links.add(link)
        with suppress(ConnectionError):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(link, client_says))
                both.create_task(self._answers(link, server_says))
        self._links.discard(link)

    async def _requests(self, link: Link, client_says: asyncio.StreamReader) -> None:
        while said := await _read(client_says):
            if self._to_lose and COMMIT in said:
                self._to_lose -= 1
                link.muted = True
            await _write(link.server, said)
        link.close()

    async def _answers(self, link: Link, server_says: asyncio.StreamReader) -> None:
        unheard = b""
        while said := await _read(server_says):
            if not link.muted:
                await _write(link.client, said)
                continue
            unheard += said
            if COMMIT in unheard:
                self.answers_lost += 1
                self._lost.release()
                break
        link.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Empty when the other side has gone, however it went."""
    try:
        return await reader.read(READ_BYTES)
    except ConnectionError:
        return b""


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    """What the other side, once gone, cannot take is dropped: reading tells that it has gone."""
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
