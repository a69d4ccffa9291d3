"""Clients: one for each connection of a process, with a breaker that survives new credentials."""

from collections.abc import Callable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from connectors.breakers import Breaker
from domain.connections import Connection


class Closable(Protocol):
    """Keeps connections open until it is closed."""

    async def aclose(self) -> None: ...


Client = TypeVar("Client", bound=Closable)


class Clients(Generic[Client]):
    """The outside systems behind this process's connections of one kind; `make` raises what the credentials lack."""

    def __init__(self, kind: str, make: Callable[[Connection, Breaker], Client]) -> None:
        self._kind = kind
        self._make = make
        self._breakers: dict[str, Breaker] = {}
        self._open: dict[str, tuple[datetime | None, Client]] = {}

    async def of(self, connection: Connection) -> Client:
        """The connection's client with the credentials that it has now."""
        known = self._open.get(connection.id)
        if known is not None and known[0] == connection.rotated_at:
            return known[1]
        breaker = self._breakers.setdefault(connection.id, Breaker(self._kind))
        client = self._make(connection, breaker)
        self._open[connection.id] = (connection.rotated_at, client)
        if known is not None:
            await known[1].aclose()
        return client

    async def aclose(self) -> None:
        """No connection is left open."""
        for _, client in self._open.values():
            await client.aclose()
        self._open.clear()
