"""What members want to be told, as callers write and read it."""

from datetime import time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from api.schemas.base import Document, Strict, whole
from domain.preferences import MAX_DAILY_LIMIT, Preferences, Topic, Wishes

Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Without = Literal[
    "recognition",
    "nominations",
    "streaks",
    "challenges",
    "rewards",
    "points",
    "birthdays",
    "anniversaries",
    "digest",
]
Days = Annotated[list[Day], Field(max_length=6)]
Limit = Annotated[int, Field(ge=0, le=MAX_DAILY_LIMIT), BeforeValidator(whole)]


class QuietHours(Strict):
    """Hours of the member's day in which nobody disturbs them; they may go over midnight, and equal ones are none."""

    since: Clock
    until: Clock


class PreferencesBody(Strict):
    """All that a member says; what is null or absent is as the program declares it."""

    opted_out: list[Without] = Field(
        default_factory=list, max_length=len(Topic), description="Topics that the member does without."
    )
    quiet_hours: QuietHours | None = None
    quiet_days: Days | None = None
    daily_limit: Limit | None = None

    def preferences(self) -> Preferences:
        """The same as the domain has it."""
        quiet = self.quiet_hours
        return Preferences(
            frozenset(map(Topic, self.opted_out)),
            time.fromisoformat(quiet.since) if quiet else None,
            time.fromisoformat(quiet.until) if quiet else None,
            None if self.quiet_days is None else frozenset(self.quiet_days),
            self.daily_limit,
        )


class QuietHoursDocument(Document):
    """Hours of the member's day."""

    since: str
    until: str


class WishesDocument(Document):
    """What holds for a member, declared by the program where they have said nothing."""

    quiet_hours: QuietHoursDocument
    quiet_days: list[str]
    daily_limit: int


class PreferencesDocument(Document):
    """What a member has said, null where the program's word holds, and what holds."""

    member_id: str
    opted_out: list[Topic]
    quiet_hours: QuietHoursDocument | None
    quiet_days: list[str] | None
    daily_limit: int | None
    effective: WishesDocument


def preferences_document(member_id: str, said: Preferences, declared: Wishes) -> dict[str, Any]:
    """Preferences as PreferencesDocument."""
    holds = said.over(declared)
    return {
        "member_id": member_id,
        "opted_out": sorted(said.opted_out),
        "quiet_hours": _hours(said.quiet_from, said.quiet_until) if said.quiet_from and said.quiet_until else None,
        "quiet_days": None if said.quiet_days is None else sorted(said.quiet_days),
        "daily_limit": said.daily_limit,
        "effective": {
            "quiet_hours": _hours(holds.quiet.since, holds.quiet.until),
            "quiet_days": sorted(holds.quiet.days),
            "daily_limit": holds.daily_limit,
        },
    }


def _hours(since: time, until: time) -> dict[str, str]:
    return {"since": f"{since:%H:%M}", "until": f"{until:%H:%M}"}
