"""The story of a nomination on the real servers: who is away, who is late, who decides, and who is told."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from activities.listing import activities_of
from activities.nominations import NominationActivities
from domain.nominations import NominationState, Verdict
from domain.outbox import ClaimedRow, Lane
from relay.temporal import TemporalLane
from storage import outbox
from storage.database import Database
from tests.eventually import eventually
from tests.nominating import Nominating, now, open_nominating
from tests.workflows.conftest import Begin
from workflows import runs, starts
from workflows.nominations import NominationWorkflow
from workflows.queues import LAUREL


@pytest.fixture
async def company(database_url: str) -> AsyncIterator[Nominating]:
    """People who nominate each other."""
    database = Database(database_url)
    yield await open_nominating(database)
    await database.dispose()


@pytest.fixture
async def workers(namespace_client: Client, company: Nominating) -> AsyncIterator[None]:
    """A worker for what nominations need."""
    activities = activities_of(NominationActivities(company.database, now))
    async with Worker(namespace_client, task_queue=LAUREL.name, workflows=[NominationWorkflow], activities=activities):
        yield


async def relay(company: Nominating, client: Client) -> None:
    """Do for Temporal what the transactions so far have left to do."""
    rows: Sequence[ClaimedRow] = ()
    while True:
        async with company.database.begin() as session:
            await outbox.done(session, [row.id for row in rows], now=now())
            rows = await outbox.claim(session, Lane.TEMPORAL, now(), timedelta(minutes=1), 50)
        if not rows:
            return
        for row in rows:
            await TemporalLane(client)(row)


async def until_told(company: Nominating, *last: str) -> None:
    """The last that was told is this, to this person."""

    async def told() -> None:
        assert (await company.told())[-1:] == [last]

    await eventually(told)


async def test_an_absent_approver_is_stood_in_for_reminded_gone_above_of_and_at_last_it_expires(
    begin: Begin, company: Nominating
) -> None:
    await company.send_away("mia", 30)
    nomination_id = await company.nominate()

    ended = await (await begin(starts.nomination(company.program_id, nomination_id))).result()

    assert ended == NominationState.EXPIRED
    assert await company.told() == [
        ("nomination_to_approve", "dora"),
        ("nomination_reminder", "dora"),
        ("nomination_escalated", "carl"),
        ("nomination_expired", "bob"),
    ]
    nomination = await company.get(nomination_id)
    assert nomination.updated_at - nomination.created_at >= timedelta(hours=96)
    assert (await company.balance("ada")).available == 0


async def test_decisions_wake_a_nomination_level_by_level_until_it_is_given(
    begin: Begin, company: Nominating, time: TimeSkipper
) -> None:
    nomination_id = await company.nominate(category="by-amount", amount=500)
    handle = await begin(starts.nomination(company.program_id, nomination_id), waits=True)
    await until_told(company, "nomination_to_approve", "mia")

    await company.decide(nomination_id, "mia")
    await relay(company, time.client)
    await until_told(company, "nomination_to_approve", "dora")
    await company.decide(nomination_id, "dora")
    await company.decide(nomination_id, "carl", amount=700)
    await relay(company, time.client)

    assert await handle.result() == NominationState.GIVEN
    assert (await company.balance("ada")).available == 500
    assert (await company.told())[-2:] == [("nomination_given", "ada"), ("nomination_approved", "bob")]


async def test_a_declined_nomination_ends_its_workflow(begin: Begin, company: Nominating, time: TimeSkipper) -> None:
    nomination_id = await company.nominate()
    handle = await begin(starts.nomination(company.program_id, nomination_id), waits=True)
    await until_told(company, "nomination_to_approve", "mia")

    await company.decide(nomination_id, "mia", Verdict.DECLINED, comment="This was her job.")
    await relay(company, time.client)

    assert await handle.result() == NominationState.DECLINED
    assert (await company.told())[-1] == ("nomination_declined", "bob")


async def test_the_relay_starts_the_nominations_that_were_made(company: Nominating, time: TimeSkipper) -> None:
    nomination_id = await company.nominate()

    await relay(company, time.client)

    handle = time.client.get_workflow_handle(f"nomination/{nomination_id}")
    described = await handle.describe()
    await handle.terminate()
    assert described.workflow_type == "NominationWorkflow"
    assert (await described.static_summary() or "").endswith(f"nomination {nomination_id}")


async def test_a_nomination_whose_history_grows_long_goes_on_in_a_new_run(
    begin: Begin, company: Nominating, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_HISTORY_EVENTS", 20)
    nomination_id = await company.nominate()

    ended = await (await begin(starts.nomination(company.program_id, nomination_id))).result()

    assert ended == NominationState.EXPIRED
    assert [kind for kind, _ in await company.told()].count("nomination_reminder") == 1
