"""What the workspaces remember over a restart: their records, and the events that wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.shared import kept
from sandbox.slack.driver import Driver
from sandbox.slack.notices import Webhook
from sandbox.slack.workspace import Json, Records


@dataclass(slots=True)
class Kept:
    teams: dict[str, Records]
    pending: list[Json]


class Memory(kept.Memory[Kept]):
    def __init__(self, file: Path, drivers: Mapping[str, Driver], webhook: Webhook) -> None:
        super().__init__(file, Kept)
        self._drivers = drivers
        self._webhook = webhook

    def gather(self) -> Kept:
        return Kept({team: one.workspace.records for team, one in self._drivers.items()}, self._webhook.pending)

    def put_back(self, records: Kept) -> None:
        for team, driver in self._drivers.items():
            driver.workspace.records = records.teams[team]
        self._webhook.pending = records.pending
