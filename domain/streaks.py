"""Streaks: how many periods in a row a member has done what a policy asks for; the facts, and what is said of them.

A streak follows from its facts alone, by `domain.streak_fold.fold`. A row keeps one, with the tally from which the
next fold goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple

from domain.deciding import Person
from domain.game import StreakPolicy

# So many final periods stay ahead of the tally: facts that come a little late do not take a fold from the start.
AHEAD = 1

# When the next day begins, by UTC, where it begins first: 14 hours ahead.
_FIRST_MIDNIGHT = time(hour=10)


class StreakState(StrEnum):
    """How a streak stands; see docs/states.md."""

    ACTIVE = "active"
    AT_RISK = "at_risk"
    PROTECTED = "protected"
    BROKEN = "broken"


class Judgement(StrEnum):
    """What became of one period."""

    MET = "met"
    DAY_OFF = "day_off"
    ABSENT = "absent"
    HOLIDAY = "holiday"
    OUTAGE = "outage"
    LATE = "late"
    FORGIVEN = "forgiven"
    FROZEN = "frozen"
    MISSED = "missed"
    LEFT = "left"
    OPEN = "open"  # it goes on
    WAITING = "waiting"  # it is over, its hours of grace are not


# Reasons that protect a streak now; a day off is the ordinary week.
PROTECTING = (Judgement.ABSENT, Judgement.HOLIDAY, Judgement.OUTAGE)


# -- Facts ---------------------------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """An event that counts for so much; `arrived_at` is when it was first told."""

    occurred_at: datetime
    event_id: str
    amount: int
    arrived_at: datetime


class Away(NamedTuple):
    """Days, the last included, on which the member is absent."""

    starts_on: date
    ends_on: date
    recorded_at: datetime


class Down(NamedTuple):
    """When a source could not be heard, which brings events of these types; None while it has not caught up."""

    source: str
    began_at: datetime
    ended_at: datetime | None
    event_types: tuple[str, ...]


class Given(NamedTuple):
    """Freezes that somebody gave."""

    granted_on: date
    amount: int
    recorded_at: datetime


class Facts(NamedTuple):
    """All that a streak follows from. Versions have the instant since which they are in effect, oldest first.

    The first version stands for all that was before it. A policy keeps its cadence for ever.
    """

    policies: Sequence[tuple[datetime, StreakPolicy]]
    people: Sequence[tuple[datetime, Person]]
    marks: Sequence[Mark] = ()
    absences: Sequence[Away] = ()
    outages: Sequence[Down] = ()
    freezes: Sequence[Given] = ()

    def until(self, as_of: datetime) -> "Facts":
        """What had happened by the instant: an outage that ended later went on, absences that were known stay."""
        return self._replace(
            marks=[mark for mark in self.marks if mark.occurred_at <= as_of],
            outages=[_as_it_was(down, as_of) for down in self.outages if down.began_at <= as_of],
        )


def _as_it_was(down: Down, as_of: datetime) -> Down:
    return down._replace(ended_at=None) if down.ended_at and down.ended_at > as_of else down


class Span(NamedTuple):
    """A period with all that judging it needs; [starts_at, ends_at) is the member's."""

    first_on: date
    last_on: date
    starts_at: datetime
    ends_at: datetime
    policy: StreakPolicy
    person: Person
    needed: int

    @property
    def final_at(self) -> datetime:
        """When its hours of grace are over."""
        return self.policy.grace.ends_at(self.ends_at)

    def may_be_restored_at(self, known_at: datetime) -> bool:
        """Whether a fact that is known then still changes what became of it."""
        return known_at - timedelta(days=self.policy.restore_days) <= self.ends_at


# -- What follows --------------------------------------------------------------------------------------------------


class Period(NamedTuple):
    """One period as it was judged: what was done and needed, and by which events it was met."""

    first_on: date
    last_on: date
    judgement: Judgement
    amount: int
    needed: int
    length: int
    event_ids: tuple[str, ...] = ()
    detail: str = ""


class Run(NamedTuple):
    """A streak from its first period to the last that was met; `length` is the most that it came to."""

    started_on: date
    last_on: date
    length: int


class Reached(NamedTuple):
    """A length that the policy names, by the event that brought it."""

    length: int
    started_on: date
    reached_on: date
    reached_at: datetime


@dataclass(slots=True)
class Tally:
    """A streak after the last period that nothing but a late fact changes.

    `graces` are the places of forgiven periods among those asked for in the run, `spent` events that counted for the
    period before their own. What happened until `settled_at` is in it.
    """

    through_on: date
    settled_at: datetime
    member_version: int
    current: int = 0
    longest: int = 0
    peak: int = 0
    started_on: date | None = None
    last_on: date | None = None
    asked: int = 0
    kept: int = 0
    freezes: int = 0
    graces: tuple[int, ...] = ()
    # What has kept the streak since it was last met.
    lapse: Judgement | None = None
    spent: tuple[str, ...] = ()
    last_at: datetime | None = None
    last_event_id: str | None = None

    def values(self) -> tuple[Any, ...]:
        """The fields in their order: `Tally(*values)` is a copy, at a tenth of what copying in general costs."""
        values: tuple[Any, ...] = _VALUES(self)
        return values


_VALUES = attrgetter(*(field.name for field in fields(Tally)))


class Streak(NamedTuple):
    """A member's streak: how it stands, and what the fold has seen: runs, lengths reached and periods.

    `next_deadline_at` is when the passing of time changes it next, `grace_until` when it breaks unless something is
    done. Of what a fold from a tally has seen, only runs and lengths after the tally are there, and no periods.
    """

    state: StreakState = StreakState.BROKEN
    current: int = 0
    longest: int = 0
    started_on: date | None = None
    last_qualifying_at: datetime | None = None
    last_event_id: str | None = None
    grace_until: datetime | None = None
    next_deadline_at: datetime | None = None
    freezes: int = 0
    tally: Tally | None = None
    runs: tuple[Run, ...] = ()
    reached: tuple[Reached, ...] = ()
    periods: tuple[Period, ...] = ()


def knows(tally: Tally, happened_at: datetime) -> bool:
    """Whether the tally has judged the time in which this happened, so that another fact of it is too late."""
    return happened_at <= tally.settled_at


def needed_since(tally: Tally) -> datetime:
    """Marks of what happened before this are in the tally, wherever the member was."""
    return datetime.combine(tally.through_on, _FIRST_MIDNIGHT, UTC)
