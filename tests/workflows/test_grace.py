"""The story of a grace window on the real servers: reminded of, kept by what comes in time, or broken."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from activities.grace import GraceActivities
from activities.listing import activities_of
from activities.streaks import StreakActivities
from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.events import MEMBER_ID, Identity
from domain.grace import GraceState
from domain.outbox import ClaimedRow, Lane
from domain.streaks import StreakState
from relay.temporal import TemporalLane
from storage import absences, outbox
from storage.database import Database
from tests.eventually import eventually
from tests.keeping import Keeping, now, open_keeping
from tests.workflows.conftest import Begin, Handle
from workflows import runs, starts, streaks
from workflows.grace import GraceWindowWorkflow
from workflows.queues import LAUREL
from workflows.streaks import StreakClockWorkflow


@pytest.fixture
async def keeping(database_url: str) -> AsyncIterator[Keeping]:
    """Ada has learnt on three days; yesterday she has not, which grace allows once."""
    database = Database(database_url)
    keeping = await open_keeping(database)
    await keeping.learn(4, 3, 2)
    yield keeping
    await database.dispose()


@pytest.fixture
async def workers(namespace_client: Client, keeping: Keeping) -> AsyncIterator[None]:
    """A worker for what streaks need."""
    activities = activities_of(StreakActivities(keeping.database, now), GraceActivities(keeping.database, now))
    workflows = [StreakClockWorkflow, GraceWindowWorkflow]
    async with Worker(namespace_client, task_queue=LAUREL.name, workflows=workflows, activities=activities):
        yield


async def relay(keeping: Keeping, client: Client) -> None:
    """Do for Temporal what the transactions so far have left to do."""
    rows: Sequence[ClaimedRow] = ()
    while True:
        async with keeping.database.begin() as session:
            await outbox.done(session, [row.id for row in rows], now=now())
            rows = await outbox.claim(session, Lane.TEMPORAL, now(), timedelta(minutes=1), 50)
        if not rows:
            return
        for row in rows:
            await TemporalLane(client)(row)


async def waiting(handle: Handle) -> None:
    """The workflow has read its rows, and sleeps."""

    async def sleeps() -> None:
        history = await handle.fetch_history()
        assert any(event.HasField("timer_started_event_attributes") for event in history.events)

    await eventually(sleeps)


async def test_a_window_that_nothing_saves_is_reminded_of_by_day_and_broken(begin: Begin, keeping: Keeping) -> None:
    ended = await (await begin(starts.grace(keeping.program_id, await keeping.window()))).result()

    assert ended == GraceState.BROKEN
    assert await keeping.told() == ["streak_at_risk", "streak_broken"]
    assert (await keeping.streak()).state is StreakState.BROKEN


async def test_a_saving_event_ends_the_wait_at_once(begin: Begin, keeping: Keeping, time: TimeSkipper) -> None:
    handle = await begin(starts.grace(keeping.program_id, await keeping.window()), waits=True)
    await waiting(handle)

    await keeping.learn(0)
    await relay(keeping, time.client)

    assert await handle.result() == GraceState.KEPT
    assert await keeping.told() == []
    assert (await keeping.streak()).current == 4


async def test_an_absence_ends_the_wait_at_once(begin: Begin, keeping: Keeping, time: TimeSkipper) -> None:
    handle = await begin(starts.grace(keeping.program_id, await keeping.window()), waits=True)
    await waiting(handle)
    yesterday = keeping.today - timedelta(days=1)
    away = Away(Identity(MEMBER_ID, keeping.ada), AbsenceKind.SICK, yesterday, keeping.today)

    async with keeping.database.begin() as session:
        await absences.write(session, keeping.program_id, [AbsenceChange("hr", "sick", away)], as_of=now())
    await relay(keeping, time.client)

    assert await handle.result() == GraceState.KEPT
    assert (await keeping.streak()).state is StreakState.PROTECTED


async def test_the_relay_starts_the_windows_that_transactions_have_opened(
    begin: Begin, keeping: Keeping, time: TimeSkipper
) -> None:
    await relay(keeping, time.client)

    window, clock = [
        time.client.get_workflow_handle(start.workflow_id)
        for start in (
            starts.grace(keeping.program_id, await keeping.window()),
            starts.clock(keeping.program_id, "learning"),
        )
    ]
    described = [(await handle.describe()).workflow_type for handle in (window, clock)]
    for handle in (window, clock):
        await handle.terminate()
    assert described == ["GraceWindowWorkflow", "StreakClockWorkflow"]


async def test_a_window_of_a_retired_policy_is_let_go(begin: Begin, keeping: Keeping) -> None:
    await keeping.retire()

    ended = await (await begin(starts.grace(keeping.program_id, await keeping.window()))).result()

    assert ended == GraceState.KEPT
    assert await keeping.told() == []


async def test_a_clock_settles_what_is_due_and_opens_and_breaks_windows_on_its_way(
    begin: Begin, keeping: Keeping, time: TimeSkipper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaks, "LONGEST_WAIT", timedelta(days=1))
    await keeping.learn(1, 0)
    clock = await begin(starts.clock(keeping.program_id, "learning"), waits=True)

    await time.fast_forward(clock, timedelta(days=2))
    at_risk = await keeping.streak()
    await time.fast_forward(clock, timedelta(days=2))

    assert (at_risk.state, at_risk.current) == (StreakState.AT_RISK, 5)
    assert (await keeping.streak()).state is StreakState.BROKEN
    assert await keeping.told() == ["streak_broken"]


async def test_a_clock_goes_on_in_new_runs_and_ends_with_its_policy(
    begin: Begin, keeping: Keeping, time: TimeSkipper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_HISTORY_EVENTS", 50)
    clock = await begin(starts.clock(keeping.program_id, "learning"), waits=True)
    first = (await clock.describe()).run_id

    await time.fast_forward(clock, timedelta(hours=12))
    described = await clock.describe()
    await keeping.retire()
    await relay(keeping, time.client)

    assert described.run_id != first
    assert described.history_length < 100
    assert await clock.result() == "retired"
