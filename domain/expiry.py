"""What time does to value, on paper: the duties of an expiry run, and the warnings before value lapses.

A run takes the duties of a program in their order. Each is exhausted before the next begins and none makes work for an
earlier one, so that a run which was cut short and begun again ends like one that was not.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from domain.commands import Command, Confirm, Earn, Release
from domain.configuration import Calendar, Configuration, ExpiryPolicy, Unit
from domain.sentences import Amount, Sentence, sentence
from domain.time import zone
from domain.units import begins_at, period_of

ACTOR = "laurel"  # who orders what time does
# References of commands that nobody else may use.
OWN_REFERENCES = "laurel:"
# A warning that nobody could give for so long is not given any more.
WARN_LATE = timedelta(days=3)
WARNING = "expiry_warning"


class Duty(StrEnum):
    """One thing that time does to value, in the order in which it is done."""

    HOLDS = "holds"  # give back what an integration's hold has kept for too long
    PROMISES = "promises"  # make available what was promised for an instant
    REFILLS = "refills"  # grant allowances anew
    IDLE = "idle"  # expire what nobody has earned or spent any of for too long
    LOTS = "lots"  # expire what has lapsed
    WARNINGS = "warnings"  # tell members of what will lapse


ORDER = tuple(Duty)
# What is looked for among all members and not among what is due: done once an hour.
THOROUGH = frozenset({Duty.REFILLS, Duty.IDLE, Duty.WARNINGS})


@dataclass(frozen=True, slots=True)
class Due:
    """A duty of a program that may have something to do; `after` is how far it has got."""

    program_id: str
    duty: Duty
    after: str = ""


class Turns:
    """Programs take turns, so that nobody waits for a large one; each does its duties in their order."""

    def __init__(self, due: Iterable[Due]) -> None:
        self._programs = deque(deque(duties) for _, duties in groupby(due, key=lambda one: one.program_id))

    @property
    def left(self) -> list[Due]:
        """What is still to do, whose turn it is first."""
        return [due for duties in self._programs for due in duties]

    def __bool__(self) -> bool:
        return bool(self._programs)

    @property
    def current(self) -> Due:
        return self._programs[0][0]

    def take(self, after: str | None) -> None:
        """The current duty has got so far, or (None) to its end: the next program's turn."""
        duties = self._programs.popleft()
        due = duties.popleft()
        if after is not None:
            duties.appendleft(replace(due, after=after))
        if duties:
            self._programs.append(duties)

    def give_up(self) -> None:
        """Leave the current program to the next run."""
        self._programs.popleft()


# -- Commands ------------------------------------------------------------------------------------------------------


def release(hold_id: str) -> Command:
    """Give back what a hold has kept for too long."""
    return Release(reference=f"{OWN_REFERENCES}release:{hold_id}", actor=ACTOR, hold_id=hold_id)


def confirm(pending_id: str) -> Command:
    """Make promised value available."""
    return Confirm(reference=f"{OWN_REFERENCES}confirm:{pending_id}", actor=ACTOR, pending_id=pending_id)


def refill(unit: Unit, member_id: str, role: str | None, first_day: date) -> Command:
    """Grant a member of the role the allowance of the period that begins on the day."""
    assert unit.refill is not None
    reference = refill_reference(unit.key, member_id, first_day)
    return Earn(reference=reference, actor=ACTOR, member_id=member_id, unit=unit.key, amount=unit.refill.of(role))


def refill_reference(unit: str, member_id: str, first_day: date | str) -> str:
    """What a refill is known by: once for each member and period."""
    return f"{OWN_REFERENCES}refill:{unit}:{member_id}:{first_day}"


# -- What units ask for --------------------------------------------------------------------------------------------


def refilled(configuration: Configuration) -> list[Unit]:
    """The units that are refilled, by key."""
    return [unit for _, unit in sorted(configuration.units.items()) if unit.refill]


def idling(configuration: Configuration) -> list[Unit]:
    """The units that lapse by inactivity, by key."""
    units = sorted(configuration.units.items())
    return [unit for _, unit in units if unit.expiry.policy is ExpiryPolicy.INACTIVITY]


def idle_for(unit: Unit) -> timedelta:
    """For how long nothing is earned or spent before a unit lapses by inactivity."""
    assert unit.expiry.days is not None
    return timedelta(days=unit.expiry.days)


def refill_on(unit: Unit, at: datetime, time_zone: str) -> date:
    """The first day of the unit's refill period that holds the instant."""
    assert unit.refill is not None
    return period_of(unit.refill.per, at, time_zone)[0]


# -- Warnings ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the warnings that a unit gives: so many days before value lapses."""

    unit: Unit
    days: int

    def window(self, at: datetime) -> tuple[datetime, datetime]:
        """Value that lapses after the first and until the second instant is to be warned of now."""
        until = at + timedelta(days=self.days)
        return max(at, until - WARN_LATE), until


@dataclass(frozen=True, slots=True)
class Lapsing:
    """What of one account lapses in one week, of Monday to Sunday in its member's time zone."""

    account_id: str
    member_id: str
    time_zone: str
    monday: date

    @classmethod
    def of(cls, account_id: str, member_id: str, time_zone: str, lapses_at: datetime) -> "Lapsing":
        return cls(account_id, member_id, time_zone, period_of(Calendar.WEEK, lapses_at, time_zone)[0])

    @property
    def begins_at(self) -> datetime:
        return begins_at(self.monday, self.time_zone)

    @property
    def ends_at(self) -> datetime:
        return begins_at(self.monday + timedelta(days=7), self.time_zone)

    def reference(self, stage: Stage) -> str:
        """What the warning is known by, so that it is given once."""
        return f"{self.account_id}/{self.monday.isoformat()}/{stage.days}"


def stages(configuration: Configuration) -> Iterator[Stage]:
    """Every warning that the program's units give."""
    for _, unit in sorted(configuration.every_unit.items()):
        for days in unit.expiry.warn_days:
            yield Stage(unit, days)


def warning(stage: Stage, lapsing: Lapsing, amounts: Mapping[datetime, int]) -> tuple[Sentence, Sentence]:
    """Subject and body of a warning; `amounts` says how much lapses at which instants."""
    days = sorted(at.astimezone(zone(lapsing.time_zone)).date() for at in amounts)
    amount, first, last = Amount(sum(amounts.values()), stage.unit), days[0], days[-1]
    subject = sentence("{amount} will expire", amount=amount)
    if first == last:
        return subject, sentence("{amount} expire on {day}. Use them before.", amount=amount, day=first)
    between = {"first": first, "last": last}
    return subject, sentence("{amount} expire between {first} and {last}. Use them before.", amount=amount, **between)
