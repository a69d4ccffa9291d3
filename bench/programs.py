"""What the benchmarks take: a database of their own, a program with ten rules of which three match, and its events."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

import runtime
from cli.embedded.postgres import APPLICATION, DURABLE, OWNER, SUPERUSER, Cluster
from cli.embedded.processes import Child
from domain.definitions import read_definitions
from domain.events import Event, Identity, SourcePolicy
from storage import configurations, intake, schema, sets
from storage.database import Database
from storage.ids import new_id
from storage.sets import Rows
from storage.tables import identities, members, programs

MEMBERS = 20_000
HISTORY = 1_000  # events that are there before, so that the server knows its tables
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TEMPLATE = "bench_template"

MATCHING, RULES = 3, 10

# So many, by their numbers from the first one on.
Events = Callable[[int, int], list[Event]]


def _rule(number: int) -> dict[str, Any]:
    """Rules with two conditions each; the first three match every deal."""
    limit = 0 if number < MATCHING else 10**12
    return {
        "event_type": "deal.won",
        "when": [
            {"name": "in a region", "expression": "event.region in ['EMEA', 'AMER', 'APAC']"},
            {"name": "large enough", "expression": f"event.amount_minor >= {limit}"},
        ],
        "award": {"expression": "double(event.amount_minor) * 0.0001", "rounding": "half_up"},
        "caps": [{"per": "month", "points": 1_000_000_000}] if number == 0 else [],
    }


CONFIGURATION: dict[str, Any] = {
    "event_types": {
        "deal.won": {
            "fields": {
                "amount_minor": {"type": "integer", "required": True},
                "currency": {"type": "string", "required": True},
                "region": {"type": "string", "required": True},
            }
        }
    },
    "aggregates": {"deals_this_month": {"event_type": "deal.won", "per": "month"}},
    "rules": {f"rule-{number}": _rule(number) for number in range(RULES)},
}


class Databases:
    """A PostgreSQL with a migrated template that holds one program and its members; each run gets a fresh copy."""

    def __init__(self, cluster: Cluster, program_id: str) -> None:
        self._cluster = cluster
        self.program_id = program_id
        self._made = 0

    def fresh(self) -> str:
        """The URL of a new copy of the template."""
        self._made += 1
        name = f"bench_{self._made}"
        with psycopg.connect(self._cluster.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            names = sql.Identifier(name), sql.Identifier(TEMPLATE), sql.Identifier(OWNER)
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy OWNER {}").format(*names))
            connection.execute("CHECKPOINT")
        return self._cluster.url(APPLICATION, name)

    def as_owner(self, url: str) -> str:
        """The URL of the same database for the role that owns it."""
        return url.replace(f"//{APPLICATION}@", f"//{OWNER}@")

    @property
    def template(self) -> str:
        """The URL of the template itself, for who adds to it; nobody may be connected while it is copied."""
        return self._cluster.url(APPLICATION, TEMPLATE)

    def analyze(self) -> None:
        """Let the server know the template's tables as they are now."""
        with psycopg.connect(self._cluster.url(OWNER, TEMPLATE), autocommit=True) as owner:
            owner.execute("VACUUM ANALYZE")

    def empty(self) -> str:
        """The URL of a new database with nothing in it, as its owner."""
        self._made += 1
        name = f"bench_{self._made}"
        self._cluster.create_database(name)
        return self._cluster.url(OWNER, name)


@asynccontextmanager
async def databases(
    configuration: Mapping[str, Any] = CONFIGURATION, events: Events | None = None
) -> AsyncIterator[Databases]:
    """An embedded PostgreSQL as `laurel up` runs it, durable, in a directory that is deleted afterwards."""
    runtime.spare_the_collector()  # as the API does
    with tempfile.TemporaryDirectory(prefix="laurel-bench-") as directory:
        await asyncio.to_thread(Path(directory).chmod, 0o711)
        cluster = Cluster(Path(directory) / "postgres")
        await asyncio.to_thread(cluster.initialise)
        child = await asyncio.to_thread(Child.start, cluster.program(Path(directory) / "postgres.log", DURABLE))
        try:
            cluster.create_database(TEMPLATE)
            await schema.migrate(cluster.url(OWNER, TEMPLATE))
            program_id = await _make_program(cluster.url(APPLICATION, TEMPLATE), configuration, events or deals)
            made = Databases(cluster, program_id)
            made.analyze()
            yield made
        finally:
            await asyncio.to_thread(child.stop)


async def _make_program(url: str, configuration: Mapping[str, Any], events: Events) -> str:
    database = Database(url)
    async with database.begin() as session:
        program_id = new_id("prg")
        values = {"program_id": program_id, "name": "Bench", "kind": "sandbox", "created_at": NOW}
        await session.execute(insert(programs).values(values))
        definitions = read_definitions(configuration, [])
        await configurations.apply(session, program_id, definitions, applied_by="bench", applied_at=NOW)
        await _make_members(session, program_id)
    for first in range(0, HISTORY, intake.MAX_BATCH):
        earlier = events(-1 - first - intake.MAX_BATCH, intake.MAX_BATCH)
        await intake.record_batch(database, program_id, earlier, SourcePolicy(), as_of=NOW)
    await database.dispose()
    return program_id


async def _make_members(session: AsyncSession, program_id: str) -> None:
    names = [f"member-{number}" for number in range(MEMBERS)]
    ids = [new_id("mem") for _ in names]
    fixed = {"program_id": program_id, "created_at": NOW}
    values = [(member_id, name, name) for member_id, name in zip(ids, names, strict=True)]
    await sets.insert(session, Rows(members, ("id", "external_id", "name"), values, fixed=fixed | {"updated_at": NOW}))
    known_as = [(name, member_id) for member_id, name in zip(ids, names, strict=True)]
    await sets.insert(
        session, Rows(identities, ("external_id", "member_id"), known_as, fixed=fixed | {"source": "crm"})
    )


def deals(first: int, count: int) -> list[Event]:
    """Deals that all differ, spread over the members and a month."""
    return [
        Event(
            source="crm",
            external_id=f"deal-{number}",
            type="deal.won",
            member=Identity("crm", f"member-{number * 7_919 % MEMBERS}"),
            occurred_at=NOW - timedelta(minutes=number % 40_000),
            data={"amount_minor": 100_000 + number % 900_000, "currency": "EUR", "region": "EMEA"},
        )
        for number in range(first, first + count)
    ]
