"""What a sandbox remembers over a restart: its records, and the notices that wait; no faults, nothing delivered."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Records = TypeVar("Records")


class Memory(ABC, Generic[Records]):
    """Records of this shape in a file."""

    def __init__(self, file: Path, shape: type[Records]) -> None:
        self._file = file
        self._shape = TypeAdapter(shape)

    @abstractmethod
    def gather(self) -> Records:
        """Everything that is to be remembered, as it is now."""

    @abstractmethod
    def put_back(self, records: Records) -> None:
        """Make everything what it was."""

    def recall(self) -> None:
        """Put everything back as the file says; without a file it begins empty."""
        if self._file.exists():
            self.put_back(self._shape.validate_json(self._file.read_bytes()))

    def keep(self) -> None:
        """Write the file as a whole or not at all."""
        written = self._file.with_suffix(".new")
        written.write_bytes(self._shape.dump_json(self.gather()))
        written.replace(self._file)


class Remembering:
    """Answers what may have changed something only once it is kept."""

    def __init__(self, app: ASGIApp, memory: Memory[Records]) -> None:
        self.app = app
        self.memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def keep_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.memory.keep()
            await send(message)

        changes = scope["type"] == "http" and scope["method"] != "GET"
        await self.app(scope, receive, keep_and_send if changes else send)
