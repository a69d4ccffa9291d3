"""The story of a campaign: each day it is looked whether the next challenge is to be made."""

from temporalio import workflow

from activities.campaigns import CampaignActivities, CampaignAt
from domain.challenges import Campaign
from workflows.retries import SQL_BOUNDED, described


@workflow.defn
class CampaignWorkflow:
    """When the last challenge of a campaign has begun, the next one is launched; it waits for its start by itself."""

    @workflow.run
    async def run(self, campaign: Campaign) -> str | None:
        return await workflow.execute_activity_method(
            CampaignActivities.make_next_challenge,
            CampaignAt(campaign, workflow.now()),
            **described(SQL_BOUNDED, "Launch the next challenge, if it is time"),
        )
