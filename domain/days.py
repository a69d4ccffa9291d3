"""Days as a member has them: of the time zone in effect at each instant, gathered into periods.

A day ends when its date is over for good, so whoever travels west has more of it, and whoever travels east less.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from domain.deciding import Person
from domain.game import Cadence
from domain.time import ALWAYS, NEVER, zone

_DAY = timedelta(days=1)


def first_of(cadence: Cadence, day: date) -> date:
    """The first day of the period that holds the day; weeks are ISO weeks."""
    if cadence is Cadence.WEEKLY:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if cadence is Cadence.MONTHLY else day


def last_of(cadence: Cadence, first: date) -> date:
    """The last day of the period that begins on this one."""
    if cadence is Cadence.WEEKLY:
        return first + timedelta(days=6)
    return (first + timedelta(days=31)).replace(day=1) - _DAY if cadence is Cadence.MONTHLY else first


@lru_cache(maxsize=100_000)
def _midnight(day: date, time_zone: str) -> datetime:
    """When the day begins in the zone; where clocks go forward at midnight, the instant at which they do."""
    return datetime.combine(day, time.min, zone(time_zone)).astimezone(UTC)


class Stretch(NamedTuple):
    """A period as instants, [starts_at, ends_at), of whoever stays in one zone."""

    first_on: date
    last_on: date
    starts_at: datetime
    ends_at: datetime


@lru_cache(maxsize=10_000)
def stretches(cadence: Cadence, time_zone: str, after: date, as_of: datetime, limit: int) -> tuple[Stretch, ...]:
    """The periods after the day up to the one that goes on at the instant; none if they are more than the limit."""
    found: list[Stretch] = []
    starts_at = _midnight(after + _DAY, time_zone)
    while starts_at <= as_of and len(found) <= limit:
        first = after + _DAY
        after = last_of(cadence, first)
        ends_at = _midnight(after + _DAY, time_zone)
        found.append(Stretch(first, after, starts_at, ends_at))
        starts_at = ends_at
    return tuple(found) if len(found) <= limit else ()


class Days:
    """A member's days, by the versions of the member, oldest first; the first stands for all that was before it.

    Who asks for days `after` one only says so: mostly nothing but the last version matters then.
    """

    def __init__(self, versions: Sequence[tuple[datetime, Person]], after: date | None = None) -> None:
        since, person = versions[-1]
        # Most members have not changed for long, and folds ask for many days.
        is_only = len(versions) == 1 or (after is not None and since < _midnight(after + _DAY, person.time_zone))
        # Who the member is on all of these days, if it is one version.
        self.only = person if is_only else None
        if not is_only:
            self._since, self._people = _segments(versions)

    def person_at(self, at: datetime) -> Person:
        return self.only or self._people[bisect_right(self._since, at) - 1]

    def day_at(self, at: datetime) -> date:
        """The date that the member's calendar shows at the instant."""
        return at.astimezone(zone(self.person_at(at).time_zone)).date()

    def end_of(self, day: date) -> datetime:
        """The instant from which the member's date is later than the day for good."""
        if self.only:
            return _midnight(day + _DAY, self.only.time_zone)
        until = NEVER
        for since, person in zip(reversed(self._since), reversed(self._people), strict=True):
            midnight = _midnight(day + _DAY, person.time_zone)
            if midnight > since:
                return min(midnight, until)
            until = since
        return until

    def has(self, day: date) -> bool:
        """Whether the member has any of the day: whoever crosses the date line may have none."""
        return self.end_of(day - _DAY) < self.end_of(day)

    def person_on(self, day: date) -> Person:
        """The member as of the day's start."""
        return self.only or self.person_at(self.end_of(day - _DAY))


def _segments(versions: Sequence[tuple[datetime, Person]]) -> tuple[list[datetime], list[Person]]:
    """Since when the member was what; a version that was recorded later for an earlier time stands for what follows."""
    segments: list[tuple[datetime, Person]] = []
    for since, person in reversed(versions):
        if not segments or since < segments[-1][0]:
            segments.append((since, person))
    if segments[-1][0] > ALWAYS:
        segments.append((ALWAYS, versions[0][1]))
    return [since for since, _ in reversed(segments)], [person for _, person in reversed(segments)]
