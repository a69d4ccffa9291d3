"""A program with a daily streak in a database, and Ada, for whom it is about ten in the morning."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from domain.events import Event, Identity, SourcePolicy
from domain.streaks import Streak
from domain.time import zone
from storage import intake, streaks
from storage.database import Database
from storage.game_tables import grace_windows
from storage.tables import notifications
from tests.programs import apply, make_member, make_program

EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
LEARNING: Mapping[str, Any] = {
    "cadence": "daily",
    "qualifying": [{"event_type": "course.completed"}],
    "working_days": EVERY_DAY,
    "holidays": False,
    "grace": {"missed": 1, "window": 5},
}
BODY: Mapping[str, Any] = {
    "event_types": {"course.completed": {"fields": {}}},
    "streaks": {"learning": LEARNING},
}


def now() -> datetime:
    return datetime.now(UTC)


def _where_it_is_ten() -> str:
    """A zone without clock changes; what POSIX calls GMT-5 is five hours ahead."""
    ahead = 10 - now().hour
    ahead = ahead if ahead >= -12 else ahead + 24
    return f"Etc/GMT{-ahead:+d}"


@dataclass(frozen=True, slots=True)
class Keeping:
    """The program, and what happens in it."""

    database: Database
    program_id: str
    ada: str
    time_zone: str

    @property
    def today(self) -> date:
        return now().astimezone(zone(self.time_zone)).date()

    async def learn(self, *days_ago: int) -> None:
        """At six in the morning of each of these days, told now."""
        for days in days_ago:
            local = datetime.combine(self.today - timedelta(days=days), datetime.min.time(), zone(self.time_zone))
            at = (local + timedelta(hours=6)).astimezone(UTC)
            event = Event("lms", f"course-{at}", "course.completed", Identity("crm", "ada"), at, {})
            async with self.database.begin() as session:
                await intake.record(session, self.program_id, [event], SourcePolicy(), as_of=now())

    async def retire(self) -> None:
        """The policy is in force no more."""
        async with self.database.begin() as session:
            await apply(session, self.program_id, {**BODY, "streaks": {}})

    async def streak(self) -> Streak:
        async with self.database.begin() as session:
            return dict(await streaks.list_of(session, self.program_id, self.ada))["learning"]

    async def window(self) -> str:
        """The id of the newest grace window."""
        async with self.database.begin() as session:
            newest = select(grace_windows.c.id).order_by(grace_windows.c.id.desc()).limit(1)
            return str((await session.execute(newest)).scalar_one())

    async def told(self) -> list[str]:
        async with self.database.begin() as session:
            rows = select(notifications.c.kind).order_by(notifications.c.id)
            return list((await session.execute(rows)).scalars())


async def open_keeping(database: Database) -> Keeping:
    """A new program in which Ada has not done anything yet."""
    time_zone = _where_it_is_ten()
    async with database.begin() as session:
        program_id = await make_program(session, BODY)
        ada = await make_member(session, program_id, "ada", time_zone=time_zone)
    return Keeping(database, program_id, ada, time_zone)
