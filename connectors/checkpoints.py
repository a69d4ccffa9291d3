"""Where signed checkpoints are kept outside the database: a file that only grows, and a system that takes them by HTTP.

A checkpoint that arrives twice is harmless, so an answer that was lost is no riddle here: it is sent again.
"""

import asyncio
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from connectors.breakers import Breaker
from connectors.errors import Ambiguous, Unavailable
from connectors.http import Outside

CONTENT_TYPE = "text/plain; charset=utf-8"


class Keeper(Protocol):
    """Takes a checkpoint's signed note. What it has taken, it keeps, and nobody can change it from here.

    Raises what `relay.outages` knows for an outage if the same note is to be sent again later.
    """

    async def keep(self, note: str) -> None: ...

    async def aclose(self) -> None: ...


class CheckpointFile:
    """Appends to a file, with an empty line after each note. Processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keep(self, note: str) -> None:
        """Append the note in one write."""
        await asyncio.to_thread(self._append, f"{note}\n".encode())

    def _append(self, note: bytes) -> None:
        with self._path.open("ab", buffering=0) as file:
            file.write(note)

    async def aclose(self) -> None:
        """Nothing is open between notes."""


class CheckpointHook:
    """Posts to a URL. The note says who signed it, so the request needs no signature of its own."""

    def __init__(self, url: str, breaker: Breaker) -> None:
        parts = urlsplit(url)
        self._path = f"{parts.path or '/'}?{parts.query}".rstrip("?")
        self._outside = Outside(f"{parts.scheme}://{parts.netloc}", headers={}, breaker=breaker)

    async def keep(self, note: str) -> None:
        """Post the note; raises Unavailable or Rejected."""
        try:
            await self._outside.write("POST", self._path, note.encode(), CONTENT_TYPE)
        except Ambiguous as error:
            raise Unavailable(error.system, "no answer to a checkpoint, which may be sent twice") from error

    async def aclose(self) -> None:
        await self._outside.aclose()


def keepers(path: Path | None, url: str | None) -> list[Keeper]:
    """Those that an operator has named."""
    named: list[Keeper] = [CheckpointFile(path)] if path else []
    return [*named, CheckpointHook(url, Breaker("checkpoints"))] if url else named
