"""The story of an employment run on the real servers."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from temporalio.client import Client
from temporalio.worker import Worker

from activities.employment import EmploymentActivities
from activities.listing import activities_of
from storage import employment
from storage.database import Database
from storage.game_tables import employment_facts
from tests.histories import recording
from tests.programs import make_member, make_program
from workflows import runs
from workflows.employment import EmploymentRun, EmploymentWorkflow
from workflows.queues import LAUREL

AS_OF = datetime(2026, 3, 10, 6, tzinfo=UTC)


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def worker(namespace_client: Client, opened: Database) -> AsyncIterator[None]:
    activities = activities_of(EmploymentActivities(opened))
    async with Worker(namespace_client, task_queue=LAUREL.name, workflows=[EmploymentWorkflow], activities=activities):
        yield


async def make_company(database: Database, count: int) -> str:
    """A program of so many members with an anniversary on the day of the run."""
    async with database.begin() as session:
        program_id = await make_program(session)
        for n in range(count):
            await make_member(session, program_id, f"m{n}", hired_on=date(2024, 3, 10))
    return program_id


async def run(client: Client, run: EmploymentRun, name: str) -> int:
    id = f"employment/{uuid.uuid4().hex}"
    handle = await client.start_workflow(EmploymentWorkflow.run, run, id=id, task_queue=LAUREL.name)
    done = await handle.result()
    if name:
        await recording.record(client, id, name)
    return done


async def told(database: Database, program_id: str) -> int:
    async with database.begin() as session:
        own = select(employment_facts.c.member_id).where(employment_facts.c.program_id == program_id)
        return len((await session.execute(own)).all())


@pytest.mark.usefixtures("worker")
async def test_a_run_tells_the_members_of_every_program_once(
    namespace_client: Client, opened: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(employment, "PAGE", 2)
    programs = [await make_company(opened, 3), await make_company(opened, 2)]

    first = await run(namespace_client, EmploymentRun(AS_OF, programs), request.node.name)
    again = await run(namespace_client, EmploymentRun(AS_OF, programs), "")

    assert (first, again) == (5, 0)
    assert [await told(opened, one) for one in programs] == [3, 2]


@pytest.mark.usefixtures("worker")
async def test_a_long_employment_run_goes_on_where_it_was(
    namespace_client: Client, opened: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(employment, "PAGE", 1)
    monkeypatch.setattr(runs, "MAX_HISTORY_EVENTS", 20)
    program_id = await make_company(opened, 6)

    assert await run(namespace_client, EmploymentRun(AS_OF, [program_id]), request.node.name) == 6


@pytest.mark.usefixtures("worker")
async def test_a_run_without_an_instant_looks_at_every_program_there_is(
    namespace_client: Client, opened: Database
) -> None:
    program_id = await make_company(opened, 1)

    await run(namespace_client, EmploymentRun(), "")

    async with opened.begin() as session:
        assert program_id in await employment.list_programs(session)
