"""A line to PostgreSQL that a test can cut: a socket of its own, behind which everything goes to the real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import make_url

CHUNK_BYTES = 65_536


class Line:
    """Carries connections until it is cut; while it is cut nobody can connect."""

    def __init__(self, url: str, directory: Path) -> None:
        self._real = make_url(url)
        self._directory = directory
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The database behind the line."""
        query = {**self._real.query, "host": str(self._directory)}
        return self._real.set(host=None, port=None, query=query).render_as_string(hide_password=False)

    async def restore(self) -> None:
        """Carry connections from now on."""
        self._server = await asyncio.start_unix_server(self._carry, self._directory / ".s.PGSQL.5432")

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        assert self._server
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await self._connect()
        self._ends |= {writer, there_writer}
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if directory := self._real.query.get("host"):
            return await asyncio.open_unix_connection(Path(str(directory)) / ".s.PGSQL.5432")
        return await asyncio.open_connection(self._real.host, self._real.port or 5432)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def line_to(url: str, directory: Path) -> AsyncIterator[Line]:
    """A line that carries, and is gone afterwards."""
    line = Line(url, directory)
    await line.restore()
    yield line
    line.cut()
