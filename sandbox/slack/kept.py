"""What the workspaces remember over a restart: their names and records, and the events that wait."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.shared import kept
from sandbox.slack.driver import Driver
from sandbox.slack.notices import Webhook
from sandbox.slack.workspace import Json, Records


@dataclass(slots=True)
class Kept:
    names: dict[str, str]
    teams: dict[str, Records]
    pending: list[Json]


class Memory(kept.Memory[Kept]):
    def __init__(self, file: Path, drivers: dict[str, Driver], webhook: Webhook) -> None:
        super().__init__(file, Kept)
        self._drivers = drivers
        self._webhook = webhook

    def gather(self) -> Kept:
        known = {team: one.workspace for team, one in self._drivers.items()}
        names = {team: one.name for team, one in known.items()}
        return Kept(names, {team: one.records for team, one in known.items()}, self._webhook.pending)

    def put_back(self, records: Kept) -> None:
        first = next(iter(self._drivers.values()))
        for team, known in records.teams.items():
            if team not in self._drivers:
                self._drivers[team] = first.beside(team, records.names[team])
            self._drivers[team].workspace.records = known
        self._webhook.pending = records.pending
