"""The step of a campaign: its next challenge is launched when it is time."""

from dataclasses import dataclass
from datetime import datetime

from temporalio import activity

from domain.challenges import Campaign
from storage import campaigns
from storage.database import Database


@dataclass(frozen=True, slots=True)
class CampaignAt:
    """Which campaign, and the run's time."""

    campaign: Campaign
    as_of: datetime


class CampaignActivities:
    """Holds what the step needs; business time comes from the workflow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def make_next_challenge(self, at: CampaignAt) -> str | None:
        """The key of the challenge that was launched, if it was time."""
        async with self._database.begin() as session:
            return await campaigns.make_next(session, at.campaign, now=at.as_of)
