"""Rounds of faults under load, each followed by an inspection; and what is to be told of them."""

import asyncio
import math
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from cli.chaos.faults import FAULTS
from cli.chaos.inspection import Inspection
from cli.chaos.load import SOURCE, Deployment, Load, Person, Request, counted
from cli.chaos.servers import Servers
from cli.work import now
from domain.checkpoints import SigningKeys
from domain.definitions import read_definitions
from domain.events import Identity
from domain.member_changes import MemberChange
from domain.programs import ProgramKind
from domain.scopes import Scope
from relay.sealing import Sealer
from settings import DEVELOPMENT_SIGNING_KEYS, SecretKeys
from storage import api_keys, configurations, member_changes, programs
from storage.database import Database
from storage.verification import Check

ANSWERS = 80
# Few, so that callers meet at the same accounts.
MEMBERS = 8

CONFIGURATION: dict[str, Any] = {
    "event_types": {"deal.won": {"fields": {"points": {"type": "integer", "required": True}}}},
    "rules": {"deal": {"event_type": "deal.won", "award": {"expression": "event.points"}}},
    "units": {"points": {"title": "Points", "transfer": {}}},
}


@dataclass(frozen=True, slots=True)
class Round:
    """One fault: how long until somebody who asked after it began was answered, and what was checked afterwards."""

    fault: str
    recovery_seconds: float
    checks: tuple[Check, ...]

    @property
    def violated(self) -> list[Check]:
        return [check for check in self.checks if check.violations]


@dataclass(slots=True)
class Report:
    """What a campaign did and found."""

    seed: int
    rounds: list[Round] = field(default_factory=list)
    requests: Sequence[Request] = ()
    answers_lost: int = 0

    @property
    def violations(self) -> int:
        return sum(check.violations for one in self.rounds for check in one.violated)

    def _recoveries_from(self, fault: str) -> list[float]:
        return [one.recovery_seconds for one in self.rounds if one.fault == fault]

    def as_json(self) -> dict[str, Any]:
        answered = [request for request in self.requests if request.answer]
        recoveries = [one.recovery_seconds for one in self.rounds]
        kinds = sorted({one.fault for one in self.rounds})
        return {
            "seed": self.seed,
            "rounds": len(self.rounds),
            "faults": {kind: len(self._recoveries_from(kind)) for kind in kinds},
            "operations": len(self.requests),
            "acknowledged": sum(request.accepted for request in answered),
            "refused": sum(not request.accepted for request in answered),
            "unanswered": len(self.requests) - len(answered),
            "retried": sum(request.attempts > 1 for request in self.requests),
            "answered_from_an_earlier_attempt": sum(request.replayed for request in answered),
            "answers_lost_after_commit": self.answers_lost,
            "by_kind": counted(self.requests),
            "recovery_p50_seconds": percentile(recoveries, 50),
            "recovery_p99_seconds": percentile(recoveries, 99),
            "slowest_recovery_seconds": {kind: percentile(self._recoveries_from(kind), 100) for kind in kinds},
            "invariant_checks": sum(len(one.checks) for one in self.rounds),
            "things_checked": sum(check.checked for one in self.rounds for check in one.checks),
            "violations": self.violations,
            "violated": [
                {"round": n, "fault": one.fault, "invariant": check.name, "examples": check.examples}
                for n, one in enumerate(self.rounds, 1)
                for check in one.violated
            ],
        }


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile, to the millisecond; 0 of nothing."""
    if not values:
        return 0.0
    return round(sorted(values)[math.ceil(len(values) * percent / 100) - 1], 3)


Progress = Callable[[Round], None]


async def run(
    faults: Sequence[str], seed: int, progress: Progress = lambda _: None, *, answers: int = ANSWERS
) -> Report:
    """A round for each of these faults, on servers that are started for it and gone afterwards.

    Before each fault there are so many answers, and after it so many to requests that were sent after it.
    """
    with tempfile.TemporaryDirectory(prefix="laurel-chaos-") as directory:
        await asyncio.to_thread(Path(directory).chmod, 0o711)  # PostgreSQL's own user must be able to walk there
        async with Servers(Path(directory)) as servers, _opened(servers.cluster.url()) as database:
            return await Campaign(servers, database, seed, answers).run(faults, progress)


def drawn(rounds: int, seed: int) -> list[str]:
    """Faults in a random order, each kind as often as any other."""
    random, order = Random(seed), list[str]()
    while len(order) < rounds:
        order += random.sample(list(FAULTS), len(FAULTS))
    return order[:rounds]


class Campaign:
    """A program of its own on running servers, its callers, and what they were told."""

    def __init__(self, servers: Servers, database: Database, seed: int, answers: int) -> None:
        self._answers = answers
        self._servers = servers
        self._database = database
        self._random = Random(seed)
        self._keys = SigningKeys(SecretKeys.parse(DEVELOPMENT_SIGNING_KEYS))
        self._report = Report(seed)

    async def run(self, faults: Sequence[str], progress: Progress) -> Report:
        program_id, deployment = await self._make_program()
        load = Load(deployment, self._report.seed)
        inspection = Inspection(self._database, program_id, deployment, self._keys)
        for fault in faults:
            done = await self._round(fault, load, inspection)
            self._report.rounds.append(done)
            progress(done)
        self._report.requests, self._report.answers_lost = load.requests, self._servers.proxy.answers_lost
        return self._report

    async def _round(self, fault: str, load: Load, inspection: Inspection) -> Round:
        began_at, known = now(), len(load.requests)
        async with self._sealing(), _asking(load):
            await load.answered(self._answers, sent_after=0)
            struck = time.monotonic()
            await FAULTS[fault](self._servers, self._random)
            recovered = await load.answered(self._answers, sent_after=struck)
        checks = await inspection.look(load.requests, began_at, load.requests[known:])
        return Round(fault, recovered - struck, tuple(checks))

    @asynccontextmanager
    async def _sealing(self) -> AsyncIterator[None]:
        """A sealer at work, as in a worker: faults meet it as well."""
        sealing = asyncio.create_task(Sealer(self._database, self._keys, clock=now).run())
        try:
            yield
        finally:
            sealing.cancel()
            await asyncio.wait([sealing])
        if not sealing.cancelled():
            sealing.result()

    async def _make_program(self) -> tuple[str, Deployment]:
        at, names = now(), [f"member-{number}" for number in range(MEMBERS)]
        async with self._database.begin() as session:
            program = await programs.insert(session, name="Chaos", kind=ProgramKind.SANDBOX, now=at)
            scopes = {Scope.EVENTS_WRITE, Scope.LEDGER_WRITE}
            _, key = await api_keys.insert(session, program, name="chaos", scopes=scopes, now=at)
            definitions = read_definitions(CONFIGURATION, [])
            await configurations.apply(session, program.id, definitions, applied_by="chaos", applied_at=at)
        changes = [
            MemberChange(name, {"name": name}, frozenset({"name"}), identities=(Identity(SOURCE, name),))
            for name in names
        ]
        made = await member_changes.import_all(self._database, program.id, changes, effective_at=at, now=at)
        people = [Person(str(one.member_id), one.external_id) for one in made]
        return program.id, Deployment(self._servers.url, key, people)


@asynccontextmanager
async def _asking(load: Load) -> AsyncIterator[None]:
    """Callers at work; at the end each of them is answered."""
    working = asyncio.create_task(load.run())
    try:
        yield
    except BaseException:
        working.cancel()
        raise
    load.stop()
    await working


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool_size=4)
    try:
        yield database
    finally:
        await database.dispose()
