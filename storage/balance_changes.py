"""Balances that changed, told over Redis to whoever shows them live: hints after the commit, never promises.

A hint names members and no amounts: whoever hears one reads PostgreSQL, and whoever hears none looks there now and
then.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from itertools import islice

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ledger import Book, member_of

CHANNEL = "laurel:balances"
# The first commit makes a message at once, all that come within this time after it make the next.
GATHER_SECONDS = 0.05
MAX_MEMBERS = 1_000  # of one message
RETRY_SECONDS = 1.0
TIMEOUT_SECONDS = 2.0
# In a session's `info`, the members whose balances it changes, with their programs.
CHANGED = "changed balances"

Changed = Collection[tuple[str, str]]


def note(session: AsyncSession, book: Book) -> None:
    """The book's members are told of when the session's transaction commits."""
    running = (account.id for account in book.changed_accounts.values() if account.running)
    session.info.setdefault(CHANGED, set()).update((book.program_id, member_of(account)) for account in running)


class BalanceChanges:
    """Tells and hears of changed balances, as (program id, member id)."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(redis_url, socket_connect_timeout=TIMEOUT_SECONDS)
        self._changed: set[tuple[str, str]] = set()
        self._told = asyncio.Event()

    def tell(self, changed: Changed) -> None:
        """Have a message sent soon, by whoever runs `send`; never blocks and never fails. Call it after the commit."""
        self._changed.update(changed)
        self._told.set()

    async def send(self) -> None:
        """Send what was told, until cancelled; while Redis is away, hints are lost."""
        while True:
            await self._told.wait()
            self._told.clear()
            changed, self._changed = self._changed, set()
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await self._publish(changed)
                await asyncio.sleep(GATHER_SECONDS)
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.clear()

    async def _publish(self, changed: Changed) -> None:
        by_program = defaultdict(list)
        for program_id, member_id in changed:
            by_program[program_id].append(member_id)
        for program_id, members in by_program.items():
            rest = iter(members)
            while some := list(islice(rest, MAX_MEMBERS)):
                await self._redis.publish(CHANNEL, " ".join((program_id, *some)))

    async def listen(self) -> AsyncIterator[Changed | None]:
        """Yields what others told, and None whenever hints may have been missed."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as hearing:
                    await hearing.subscribe(CHANNEL)
                    yield None
                    async for message in hearing.listen():
                        program_id, *members = message["data"].decode().split(" ")
                        yield [(program_id, member_id) for member_id in members]
            except (RedisError, OSError):
                yield None
                await asyncio.sleep(RETRY_SECONDS)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
