"""Wake-ups between processes: a NOTIFY that names the lanes of the outbox with work, on connections of their own.

Never inside a transaction that matters (it would make commits wait for each other), and never a promise: whoever
listens also polls.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

CHANNEL = "laurel_outbox"
CONNECT_SECONDS = 10
RECONNECT_SECONDS = 1.0
# The first commit makes a NOTIFY at once, all that come within this time after it make the next.
GATHER_SECONDS = 0.05


class Wakeups:
    """Rings and hears wake-ups at one database; `url` must reach the server itself, not a transaction pooler."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rung = asyncio.Event()
        self._lanes: set[str] = set()

    def ring(self, lanes: Collection[str]) -> None:
        """Have a NOTIFY sent soon, by whoever runs `send`; never blocks and never fails. Call it after the commit."""
        self._lanes.update(lanes)
        self._rung.set()

    async def send(self) -> None:
        """Send what was rung, until cancelled; while the database is away, wake-ups are lost."""
        while True:
            try:
                async with self._connection() as connection:
                    await self._send_over(connection)
            except psycopg.OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _send_over(self, connection: AsyncConnection) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            lanes, self._lanes = self._lanes, set()
            await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, ",".join(sorted(lanes))])
            await asyncio.sleep(GATHER_SECONDS)

    async def listen(self) -> AsyncIterator[Collection[str] | None]:
        """Yields the lanes of each wake-up, and None whenever a connection was made: some may have been missed."""
        while True:
            try:
                async with self._connection() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    yield None
                    async for notify in connection.notifies():
                        yield notify.payload.split(",")
            except psycopg.OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        connection = await AsyncConnection.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
        async with connection:
            yield connection
