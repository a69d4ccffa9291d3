"""What the company remembers over a restart: its records, and the notices that wait."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.bamboohr.company import Company, Employee, Json, TimeOff
from sandbox.bamboohr.notices import Webhook
from sandbox.shared import kept


@dataclass(slots=True)
class Records:
    last_id: int
    employees: dict[str, Employee]
    time_off: dict[int, TimeOff]
    holidays: list[Json]
    pending: list[Json]


class Memory(kept.Memory[Records]):
    def __init__(self, file: Path, company: Company, webhook: Webhook) -> None:
        super().__init__(file, Records)
        self._company = company
        self._webhook = webhook

    def gather(self) -> Records:
        of = self._company
        return Records(of.last_id, of.employees, of.time_off, of.holidays, self._webhook.pending)

    def put_back(self, records: Records) -> None:
        of = self._company
        of.last_id, of.employees = records.last_id, records.employees
        of.time_off, of.holidays = records.time_off, records.holidays
        self._webhook.pending = records.pending
