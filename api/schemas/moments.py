"""Moments and periods in queries: as of when, as known when, from when until when."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from api.problems import Problem
from api.schemas.base import Instant
from domain.events import EARLIEST


class Moment(BaseModel):
    """As of when, and as known when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Instant | None = Field(None, description="What had taken effect by then. Default: now.")
    known_at: Instant | None = Field(
        None, description="What the book knew then; nothing recorded later counts. Default: now."
    )

    def past(self, now: datetime) -> datetime:
        """As of when, for answers that walk from day to day: a moment to come is now."""
        return min(max(self.at or now, EARLIEST), now)


class Between(BaseModel):
    """A period, which its end is not in."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_at: Instant | None = Field(None, alias="from", description="Default: a while before `until`.")
    until: Instant | None = Field(None, description="Default: now, and what happens now is in it.")

    def between(self, now: datetime, default: timedelta) -> tuple[datetime, datetime]:
        """The period with its defaults; raises Problem invalid_period if it ends before it begins."""
        until = self.until or just_after(now)
        from_at = self.from_at or _earlier(until, default)
        if from_at > until:
            raise Problem("invalid_period", "`until` lies before `from`")
        return from_at, until


def just_after(at: datetime) -> datetime:
    """What takes effect at an instant belongs to what had taken effect by it, and periods end before their end."""
    step = timedelta.resolution
    return min(at, datetime.max.replace(tzinfo=at.tzinfo) - step) + step


def _earlier(at: datetime, by: timedelta) -> datetime:
    return max(at, datetime.min.replace(tzinfo=at.tzinfo) + by) - by
