"""The story of a campaign on the real servers."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from activities.campaigns import CampaignActivities
from activities.listing import activities_of
from relay import schedules
from storage import campaigns, challenges
from storage.database import Database
from tests.challenges import sprint, with_challenges
from tests.histories import recording
from tests.programs import make_program
from workflows import starts
from workflows.campaigns import CampaignWorkflow
from workflows.queues import LAUREL


async def test_a_run_launches_what_follows(
    namespace_client: Client, database_url: str, request: pytest.FixtureRequest
) -> None:
    database, began = Database(database_url), datetime.now(UTC) - timedelta(days=1)
    window = {"starts_at": began.isoformat(), "ends_at": (began + timedelta(days=2)).isoformat()}
    async with database.begin() as session:
        await make_program(session, with_challenges(sprint=sprint(**window, repeats="week")))
        [campaign] = await campaigns.list_running(session)

    activities = activities_of(CampaignActivities(database))
    async with Worker(namespace_client, task_queue=LAUREL.name, workflows=[CampaignWorkflow], activities=activities):
        workflow_id = f"{starts.campaign(campaign.challenge_id)}/{uuid.uuid4().hex}"
        handle = await namespace_client.start_workflow(
            CampaignWorkflow.run, campaign, id=workflow_id, task_queue=LAUREL.name
        )
        made = await handle.result()
        await recording.record(namespace_client, workflow_id, request.node.name)

    assert made == f"sprint.{began + timedelta(days=7):%Y-%m-%d}"
    async with database.begin() as session:
        assert await challenges.find(session, campaign.program_id, made) is not None
    await database.dispose()


async def test_each_campaign_has_a_schedule(namespace_client: Client, database_url: str) -> None:
    database = Database(database_url)
    async with database.begin() as session:
        await make_program(session, with_challenges(sprint=sprint(repeats="month")))
        running = await campaigns.list_running(session)

    await schedules.prepare(namespace_client, campaigns=running)

    [campaign] = running
    described = await namespace_client.get_schedule_handle(starts.campaign(campaign.challenge_id)).describe()
    assert described.schedule.spec.intervals[0].every == starts.CAMPAIGN_EVERY
    await database.dispose()
