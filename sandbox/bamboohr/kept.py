"""What the company remembers over a restart: its records, and the notices that wait; no faults, nothing delivered."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.bamboohr.company import Company, Employee, Json, TimeOff
from sandbox.bamboohr.notices import Webhook


@dataclass(slots=True)
class Records:
    last_id: int
    employees: dict[str, Employee]
    time_off: dict[int, TimeOff]
    holidays: list[Json]
    pending: list[Json]


_RECORDS = TypeAdapter(Records)


@dataclass(frozen=True, slots=True)
class Memory:
    """The company's records in a file."""

    file: Path
    company: Company
    webhook: Webhook

    def recall(self) -> None:
        """Put the company back as the file says; without a file it begins empty."""
        if self.file.exists():
            kept = _RECORDS.validate_json(self.file.read_bytes())
            self.company.last_id, self.company.employees = kept.last_id, kept.employees
            self.company.time_off, self.company.holidays = kept.time_off, kept.holidays
            self.webhook.pending = kept.pending

    def keep(self) -> None:
        """Write the file as a whole or not at all."""
        of = self.company
        kept = Records(of.last_id, of.employees, of.time_off, of.holidays, self.webhook.pending)
        written = self.file.with_suffix(".new")
        written.write_bytes(_RECORDS.dump_json(kept))
        written.replace(self.file)


class Remembering:
    """Answers what may have changed something only once it is kept."""

    def __init__(self, app: ASGIApp, memory: Memory) -> None:
        self.app = app
        self.memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def keep_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.memory.keep()
            await send(message)

        changes = scope["type"] == "http" and scope["method"] != "GET"
        await self.app(scope, receive, keep_and_send if changes else send)
