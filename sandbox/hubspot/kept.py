"""What the account remembers over a restart: its records, and the notices that wait; no faults, nothing delivered."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.hubspot.crm import Crm, Deal, Json, Owner
from sandbox.hubspot.notices import Webhook


@dataclass(slots=True)
class Records:
    last_id: int
    last_event_id: int
    deals: dict[str, Deal]
    owners: dict[str, Owner]
    pending: list[Json]


_RECORDS = TypeAdapter(Records)


@dataclass(frozen=True, slots=True)
class Memory:
    """The account's records in a file."""

    file: Path
    crm: Crm
    webhook: Webhook

    def recall(self) -> None:
        """Put the account back as the file says; without a file it begins empty."""
        if self.file.exists():
            kept = _RECORDS.validate_json(self.file.read_bytes())
            self.crm.last_id, self.crm.last_event_id = kept.last_id, kept.last_event_id
            self.crm.deals, self.crm.owners = kept.deals, kept.owners
            self.webhook.pending = kept.pending

    def keep(self) -> None:
        """Write the file as a whole or not at all."""
        crm = self.crm
        kept = Records(crm.last_id, crm.last_event_id, crm.deals, crm.owners, self.webhook.pending)
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
