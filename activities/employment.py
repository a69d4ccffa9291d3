"""The steps of an employment run: the programs, and a page of one's members at a time."""

from dataclasses import dataclass
from datetime import datetime

from temporalio import activity

from domain.employment import PageSettled
from storage import employment
from storage.database import Database
from storage.failures import retry


@dataclass(frozen=True, slots=True)
class EmploymentPage:
    """Which members of which program, and the run's time."""

    program_id: str
    after: str
    as_of: datetime


class EmploymentActivities:
    """Holds what the steps need; business time comes from the workflow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def list_employers(self) -> list[str]:
        """Every program."""
        async with self._database.begin() as session:
            return await employment.list_programs(session)

    @activity.defn
    async def settle_employment(self, page: EmploymentPage) -> PageSettled:
        """What the dates of a page of members say is told."""

        async def attempt() -> PageSettled:
            async with self._database.begin() as session:
                return await employment.settle_page(session, page.program_id, after=page.after, as_of=page.as_of)

        return await retry(attempt)
