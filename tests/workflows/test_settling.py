"""The story of a settling run on the real servers."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from activities.listing import activities_of
from activities.settling import SettlingActivities
from domain.events import SourcePolicy
from domain.game import Window
from domain.settling import SettleDue, SettleKind
from storage import board_snapshots, configurations, intake, leaderboards, standings, tiers
from storage.database import Database
from tests.histories import recording
from tests.programs import NOW, SAMPLE, deal, make_member, make_program
from workflows import runs
from workflows.queues import LAUREL
from workflows.settling import LeaderboardSettleWorkflow, SettleRun

GAME = SAMPLE | {
    "boards": {
        "week": {"window": "week", "least_members": 1},
        "month": {"window": "month", "by": ["department"], "least_members": 2},
    },
    "tiers": {"lately": {"days": 7, "levels": [{"key": "bronze", "at": 50}]}},
}
AT = NOW + timedelta(days=10)


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def worker(namespace_client: Client, opened: Database) -> AsyncIterator[None]:
    async with Worker(
        namespace_client,
        task_queue=LAUREL.name,
        workflows=[LeaderboardSettleWorkflow],
        activities=activities_of(SettlingActivities(opened)),
    ):
        yield


@pytest.fixture
async def program_id(opened: Database) -> str:
    async with opened.begin() as session:
        program_id = await make_program(session, GAME)
        for name in ("ada", "bob"):
            await make_member(session, program_id, name, department="Sales")
        await intake.record(session, program_id, [deal(1), deal(2), deal(3, "bob")], SourcePolicy(), as_of=NOW)
        return program_id


async def run(client: Client, run: SettleRun, name: str) -> int:
    """How much a run did; its waits before it tries again are skipped."""
    id = f"leaderboard-settle/{uuid.uuid4().hex}"
    hurried = TimeSkipper(client).client
    handle = await hurried.start_workflow(LeaderboardSettleWorkflow.run, run, id=id, task_queue=LAUREL.name)
    done = await handle.result()
    await recording.record(client, id, name)
    return done


@pytest.mark.usefixtures("worker")
async def test_what_has_ended_everywhere_is_settled_once(
    namespace_client: Client, opened: Database, program_id: str, request: pytest.FixtureRequest
) -> None:
    first = await run(namespace_client, SettleRun(AT), request.node.name)
    again = await run(namespace_client, SettleRun(AT), request.node.name)

    async with opened.begin() as session:
        on = await leaderboards.scheme(session, program_id, as_of=NOW)
        weeks = await board_snapshots.list_page(session, program_id, on.board("week"), before=None, limit=9)
        months = await board_snapshots.list_page(session, program_id, on.board("month"), before=None, limit=9)
        configuration = await configurations.get_active(session, program_id)
        members = [one.member_id async for page in standings.pages(session, on) for one in page]
        levels = [(await tiers.list_of(session, configuration, one, as_of=AT))[0].tier for one in members]
    assert (first, again) == (4, 0)
    assert [(week.window, week.first_day.isoformat(), week.places) for week in weeks] == [
        (Window.WEEK, "2026-03-02", 2)
    ]
    assert [(month.first_day.isoformat(), month.places) for month in months] == [("2026-02-01", 0)]
    assert levels == [None, None]


@pytest.mark.usefixtures("worker")
async def test_a_long_run_goes_on_page_by_page(
    namespace_client: Client, program_id: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_HISTORY_EVENTS", 8)
    monkeypatch.setattr(tiers, "SETTLE_PAGE", 1)

    assert await run(namespace_client, SettleRun(AT), request.node.name) == 4


@pytest.mark.usefixtures("worker")
async def test_what_cannot_be_settled_holds_up_nobody(
    namespace_client: Client, program_id: str, request: pytest.FixtureRequest
) -> None:
    due = [
        SettleDue("prg_nobody", SettleKind.BOARD, "week", "2026-03-02"),
        SettleDue(program_id, SettleKind.BOARD, "week", "2026-03-02"),
    ]

    assert await run(namespace_client, SettleRun(AT, due), request.node.name) == 2
