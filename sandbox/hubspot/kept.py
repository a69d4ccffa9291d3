"""What the account remembers over a restart: its records, and the notices that wait."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.hubspot.crm import Crm, Deal, Json, Owner
from sandbox.hubspot.notices import Webhook
from sandbox.shared import kept


@dataclass(slots=True)
class Records:
    last_id: int
    last_event_id: int
    deals: dict[str, Deal]
    owners: dict[str, Owner]
    pending: list[Json]


class Memory(kept.Memory[Records]):
    def __init__(self, file: Path, crm: Crm, webhook: Webhook) -> None:
        super().__init__(file, Records)
        self._crm = crm
        self._webhook = webhook

    def gather(self) -> Records:
        crm = self._crm
        return Records(crm.last_id, crm.last_event_id, crm.deals, crm.owners, self._webhook.pending)

    def put_back(self, records: Records) -> None:
        crm = self._crm
        crm.last_id, crm.last_event_id = records.last_id, records.last_event_id
        crm.deals, crm.owners = records.deals, records.owners
        self._webhook.pending = records.pending
