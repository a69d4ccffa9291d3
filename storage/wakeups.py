"""Wake-ups between processes: a NOTIFY that says "there is work in the outbox", on connections of their own.

Never inside a transaction that matters (it would make commits wait for each other), and never a promise: whoever
listens also polls.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

CHANNEL = "laurel_outbox"
CONNECT_SECONDS = 10
RECONNECT_SECONDS = 1.0
# Many commits within this time make one NOTIFY.
GATHER_SECONDS = 0.005


class Wakeups:
    """Rings and hears wake-ups at one database; `url` must reach the server itself, not a transaction pooler."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Have a NOTIFY sent soon, by whoever runs `send`; never blocks and never fails. Call it after the commit."""
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
            await asyncio.sleep(GATHER_SECONDS)
            self._rung.clear()
            await connection.execute(f"NOTIFY {CHANNEL}")

    async def listen(self) -> AsyncIterator[None]:
        """Yields at each wake-up, and once whenever a connection was made, because some may have been missed."""
        while True:
            try:
                async with self._connection() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    yield
                    async for _ in connection.notifies():
                        yield
            except psycopg.OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        connection = await AsyncConnection.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
        async with connection:
            yield connection
