"""Outages: times in which a source could not be heard, so that what it knows may still come.

An outage protects the streaks of policies whose events may come from its source, until the source has caught up. It is
known from the connection's own fetches, or told by an operator.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

# While something has waited for longer, the source has not caught up; what is asked again sooner is no outage.
BACKLOG = timedelta(minutes=5)


class InvalidOutage(ValueError):
    """The time cannot be."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which what a source says did not come, open while `ended_at` is None."""

    id: str
    connection_id: str
    source: str
    began_at: datetime
    ended_at: datetime | None
    recorded_at: datetime


def check(began_at: datetime | None, ended_at: datetime | None, now: datetime) -> None:
    """Raises InvalidOutage unless the time has begun, and ends after that."""
    if began_at is None and ended_at is None:
        raise InvalidOutage("an outage has a beginning or an end")
    for at in (began_at, ended_at):
        if at is not None and at > now:
            raise InvalidOutage(f"{at.isoformat()} lies in the future")
    if began_at is not None and ended_at is not None and ended_at <= began_at:
        raise InvalidOutage("it ends before it begins")
