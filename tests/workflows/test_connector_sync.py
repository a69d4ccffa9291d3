"""The story of a sync on the real servers, against the local BambooHR."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from temporalio.client import Client, WorkflowFailureError
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from activities.bamboohr import BambooHRActivities
from activities.listing import activities_of
from activities.syncs import SyncActivities
from connectors import bamboohr, clients
from connectors.bamboohr import BambooHRs
from connectors.breakers import Breaker
from domain.connections import Connection
from domain.syncs import Sync, SyncCursor
from sandbox.bamboohr import create_app
from sandbox.bamboohr.app import API_KEY
from sandbox.bamboohr.faults import Fault
from storage import connections, programs, syncs, tables
from storage.database import Database
from storage.keyring import Keyring
from tests.histories import recording
from tests.programs import make_program
from tests.sandboxes import running
from workflows import retries, runs
from workflows.connector_sync import ConnectorSyncWorkflow, SyncRun
from workflows.queues import BAMBOOHR, LAUREL

KEYRING = Keyring({"a": bytes(32)}, "a")


def now() -> datetime:
    return datetime.now(UTC)


class World:
    """A company at BambooHR, a program that reads it, and workers that do."""

    def __init__(self, client: Client, app: FastAPI, database: Database, connection: Connection) -> None:
        self.app = app
        self.company = app.state.company
        self._client = client
        self._database = database
        self.sync = Sync(connection.program_id, connection.id, "bamboohr")

    def hire(self, name: str) -> Any:
        employee = self.company.hire({"firstName": name, "workEmail": f"{name}@example.com", "hireDate": "2024-01-01"})
        employee.last_changed = now() - timedelta(hours=1)
        return employee

    async def run(self, name: str = "", full: bool = False) -> int:
        """How many records a run read; its waits before it tries again are skipped."""
        id = f"sync/{uuid.uuid4().hex}"
        handle = await TimeSkipper(self._client).client.start_workflow(
            ConnectorSyncWorkflow.run, SyncRun(self.sync, full), id=id, task_queue=LAUREL.name
        )
        done = await handle.result()
        if name:
            await recording.record(self._client, id, name)
        return done

    async def names(self) -> list[str]:
        async with self._database.begin() as session:
            return list((await session.execute(select(tables.members.c.name).order_by("name"))).scalars())

    async def cursor(self) -> SyncCursor | None:
        async with self._database.begin() as session:
            return await syncs.find_cursor(session, self.sync)


@pytest.fixture
async def world(namespace_client: Client, database_url: str) -> AsyncIterator[World]:
    database, bamboohrs, app = Database(database_url), BambooHRs(), create_app()
    with running(app) as base_url:
        async with database.begin() as session:
            program = await programs.get(session, await make_program(session))
            connection = await connections.insert(
                session,
                KEYRING,
                program,
                kind="bamboohr",
                name="people",
                config={"company": "acme", "base_url": base_url},
                secrets={"api_key": API_KEY},
                now=now(),
            )
        reading = activities_of(BambooHRActivities(database, KEYRING, bamboohrs, now))
        async with (
            Worker(
                namespace_client,
                task_queue=LAUREL.name,
                workflows=[ConnectorSyncWorkflow],
                activities=activities_of(SyncActivities(database)),
            ),
            Worker(namespace_client, task_queue=BAMBOOHR.name, activities=reading),
        ):
            yield World(namespace_client, app, database, connection)
        await bamboohrs.aclose()
    await database.dispose()


async def test_a_first_run_reads_everybody_and_keeps_how_far_it_got(
    world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bamboohr, "PAGE", 2)
    for name in ("ada", "bob", "cem"):
        world.hire(name)

    await world.run(request.node.name)

    cursor = await world.cursor()
    assert await world.names() == ["ada", "bob", "cem"]
    assert cursor is not None
    assert cursor.changed_at < cursor.full_at == cursor.synced_at


async def test_a_later_run_reads_what_changed(world: World, request: pytest.FixtureRequest) -> None:
    ada, _ = world.hire("ada"), world.hire("bob")
    await world.run()
    first = await world.cursor()

    world.company.edit(ada, {"lastName": "Example"})
    await world.run(request.node.name)

    after = await world.cursor()
    assert first is not None
    assert after is not None
    assert await world.names() == ["ada Example", "bob"]
    assert (after.full_at, after.changed_at) == (first.full_at, ada.last_changed.replace(microsecond=0))


async def test_bamboohr_is_away_for_a_while_and_the_run_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "Breaker", partial(Breaker, open_seconds=0.5))
    world.hire("ada")
    world.app.state.faults.append(Fault(kind="server_error", times=5))

    await world.run()

    assert await world.names() == ["ada"]


async def test_a_run_that_fails_leaves_the_cursor_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.hire("ada")
    monkeypatch.setitem(retries.SYNC, "schedule_to_close_timeout", timedelta(seconds=1))
    world.app.state.faults.append(Fault(kind="unauthorized", times=1000))

    with pytest.raises(WorkflowFailureError):
        await world.run()
    failed = await world.cursor()
    world.app.state.faults.clear()
    await world.run()

    assert failed is None
    assert await world.names() == ["ada"]


async def test_a_long_sync_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bamboohr, "PAGE", 1)
    monkeypatch.setattr(runs, "MAX_HISTORY_EVENTS", 20)
    for n in range(5):
        world.hire(f"e{n}")

    await world.run(full=True)

    assert len(await world.names()) == 5
