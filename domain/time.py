"""Time as the domain sees it: aware instants, and calendar periods in a zone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.configuration import Period

Clock = Callable[[], datetime]

# Clocks differ: what is so much later than now is taken as now, what is later still is refused.
CLOCK_TOLERANCE = timedelta(minutes=5)

# The first and the last instant that there are.
ALWAYS = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)

# The one bucket of a lifetime.
LIFETIME_ON = date(1, 1, 1)

zone = lru_cache(maxsize=1_000)(ZoneInfo)


@lru_cache(maxsize=10_000)
def period_on(period: Period, at: datetime, time_zone: str) -> date:
    """The first day of the period that holds the instant in the zone; ISO weeks begin on Monday."""
    if period is Period.LIFETIME:
        return LIFETIME_ON
    day = at.astimezone(zone(time_zone)).date()
    if period is Period.WEEK:
        return day - timedelta(days=day.weekday())
    if period is Period.QUARTER:
        return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    if period is Period.YEAR:
        return day.replace(month=1, day=1)
    return day.replace(day=1) if period is Period.MONTH else day
