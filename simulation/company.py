"""The company that is made up: a pure function from a seed to what happens in it, in the order in which it is told.

Each member lives by a generator of random numbers of their own, so that a larger company holds the smaller one's people
with the same lives. People work on the days that are theirs and not on public holidays, sell at the ends of weeks and
quarters, answer the survey on Fridays, are ill and on leave, move and go. Sources are what sources are: late, corrected
afterwards, taken back, sometimes before they have told at all, and they know new colleagues before the payroll does.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.calendars import WEEKDAYS, WORKING_DAYS, is_holiday
from domain.events import Event, Identity, SourcePolicy

STARTS_ON = date(2025, 1, 6)  # a Monday
DAYS_PER_MONTH = 30

# Sources are asked, or tell, at the full hour: whatever has happened by then is told together.
TICK = timedelta(hours=1)

REDECIDE = SourcePolicy(amendments="redecide")

COUNTRIES = (
    ("US", "America/New_York"),
    ("US", "America/Los_Angeles"),
    ("GB", "Europe/London"),
    ("DE", "Europe/Berlin"),
    ("IN", "Asia/Kolkata"),
    ("AU", "Australia/Sydney"),
)
CURRENCIES = {"US": "USD", "GB": "GBP", "DE": "EUR", "IN": "USD", "AU": "USD"}
DEPARTMENTS = ("sales", "engineering", "support", "finance", "people")
ROLES = ("associate", "senior", "manager")
TIERS = ("solid", "strong", "outstanding")
PATTERNS = ("mon,tue,wed,thu,fri",) * 8 + ("mon,tue,wed,thu", "tue,wed,thu")

# How often a member does something on a working day, by the kind of event; the selling department sells.
DAILY = {
    "deal.won": 0.35,
    "course.completed": 0.12,
    "course.passed": 0.09,
    "form.submitted": 0.05,
    "purchase.completed": 0.08,
    "card.ordered": 0.005,
    "milestone.reached": 0.01,
}
SELLS = "sales"
# How much of it falls on Monday, Tuesday, ...; and in the last week of a quarter.
RHYTHM = (0.8, 0.9, 1.0, 1.2, 1.1, 1.0, 1.0)
QUARTER_END = 1.6
ANSWERS = 0.6  # of those at work on a Friday answer the survey

LATE = 0.08  # of what happens is told up to LATE_DAYS later
LATE_DAYS = 6
AMENDED = 0.06  # of deals are corrected
TAKEN_BACK = 0.05  # of deals are reopened ...
UNTOLD = 0.4  # ... and of those, so many before the deal itself was told
ILL = 0.006  # of working days begin an illness
ON_LEAVE = 0.008  # ... or a leave
ENTERED_LATE_DAYS = 4
MOVES = 0.0015  # to another department, on a working day
TRAVELS = 0.001  # to another zone
LEAVES = 0.0006
SPENDS = 0.02
JOINS_LATER = 0.2  # of the members join after the company has started


class Employed(NamedTuple):
    """What the payroll says of a member, as a row of an import; it holds from `since`."""

    row: Mapping[str, Any]
    since: datetime


class Sent(NamedTuple):
    """An event as its source tells it."""

    event: Event
    policy: SourcePolicy


class Spent(NamedTuple):
    """A member wants to redeem so many points."""

    member: str
    points: int
    reference: str


Happening = Employed | AbsenceChange | Sent | Spent
# What is told at one instant is taken in this order.
ORDER: Mapping[type[Any], int] = {Employed: 0, AbsenceChange: 1, Sent: 2, Spent: 3}


class Told(NamedTuple):
    """Something that is told to Laurel at an instant; `member` and `n` make the order of equal instants."""

    at: datetime
    rank: int
    member: str
    n: int
    what: Happening


@dataclass(frozen=True, slots=True)
class Company:
    """So many members, who live through so many months of DAYS_PER_MONTH days, all of it by the seed.

    `fields` is what the program's event types take: types that are not there do not happen, and data that a type does
    not declare is not told.
    """

    fields: Mapping[str, Iterable[str]]
    members: int = 50
    months: int = 3
    seed: int = 1
    starts_on: date = STARTS_ON

    @property
    def starts_at(self) -> datetime:
        return datetime.combine(self.starts_on, time(), UTC)

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(days=DAYS_PER_MONTH * self.months)


def lives(company: Company) -> Iterator[Told]:
    """All that is told of the company, in the order in which it is told."""
    return heapq.merge(*(_Life(company, number).told() for number in range(company.members)))


@dataclass(slots=True)
class _Life:
    """One member's days; `waiting` is what has happened and is not told yet."""

    company: Company
    number: int
    random: Random = field(init=False)
    row: dict[str, Any] = field(init=False)
    begins_on: date = field(init=False)
    waiting: list[Told] = field(default_factory=list)
    away_until: date = date.min
    count: int = 0
    left: bool = False

    def __post_init__(self) -> None:
        self.random = Random(f"{self.company.seed}/{self.number}")
        starts_on, days = self.company.starts_on, DAYS_PER_MONTH * self.company.months
        later = self.random.random() < JOINS_LATER
        self.begins_on = starts_on + timedelta(days=self.random.randrange(days // 2 + 1)) if later else starts_on
        hired_on = self.begins_on if later else starts_on - timedelta(days=self.random.randrange(30, 3_000))
        country, zone = self.random.choice(COUNTRIES)
        self.row = {
            "external_id": self.name,
            "name": f"Member {self.number}",
            "email": f"{self.name}@example.com",
            "country": country,
            "time_zone": zone,
            "department": self.random.choice(DEPARTMENTS),
            "role": self.random.choice(ROLES),
            "performance_tier": self.random.choice(TIERS),
            "hired_on": hired_on.isoformat(),
            "custom": {WORKING_DAYS: self.random.choice(PATTERNS)},
            "identities": [{"source": "crm", "external_id": self.name}],
        }

    @property
    def name(self) -> str:
        return f"m{self.number:05}"

    def told(self) -> Iterator[Told]:
        """What is told of the member, in order."""
        self._employ()
        day = self.begins_on
        while datetime.combine(day, time(), UTC) < self.company.ends_at:
            # Nothing of a later day is told before this: a zone is at most 14 hours ahead.
            yield from self._due(datetime.combine(day, time(), UTC) - timedelta(hours=14))
            if not self.left:
                self._live(day)
            day += timedelta(days=1)
        yield from self._due(self.company.ends_at)

    def _due(self, until: datetime) -> Iterator[Told]:
        while self.waiting and self.waiting[0].at < until:
            yield heapq.heappop(self.waiting)

    def _tell(self, at: datetime, what: Happening) -> None:
        self.count += 1
        heapq.heappush(self.waiting, Told(_tick(at), ORDER[type(what)], self.name, self.count, what))

    # -- A day -----------------------------------------------------------------------------------------------------

    def _live(self, day: date) -> None:
        if day.weekday() not in self._works_on() or is_holiday(self.row["country"], day) or day <= self.away_until:
            return
        if self._goes_away(day):
            return
        self._change(day)
        for kind, often in DAILY.items():
            share = often if kind != "deal.won" or self.row["department"] == SELLS else often / 10
            rhythm = RHYTHM[day.weekday()] * (QUARTER_END if _ends_quarter(day) else 1.0)
            while self.random.random() < share * rhythm:
                self._do(kind, day)
                share /= 3
        if day.weekday() == 4 and self.random.random() < ANSWERS:
            self._do("survey.submitted", day)
        if self.random.random() < SPENDS:
            spent = Spent(self.name, 50 * self.random.randint(1, 6), f"{self.name}/{day}")
            self._tell(self._moment(day), spent)

    def _works_on(self) -> set[int]:
        return {WEEKDAYS.index(day) for day in self.row["custom"][WORKING_DAYS].split(",")}

    def _moment(self, day: date) -> datetime:
        """Some minute of the member's working hours."""
        local = datetime.combine(day, time(8), ZoneInfo(self.row["time_zone"]))
        return local.astimezone(UTC) + timedelta(minutes=self.random.randrange(10 * 60))

    def _goes_away(self, day: date) -> bool:
        chance = self.random.random()
        if chance >= ILL + ON_LEAVE:
            return False
        kind, days = (AbsenceKind.SICK, 5) if chance < ILL else (AbsenceKind.PTO, 14)
        self.away_until = day + timedelta(days=self.random.randrange(days))
        away = Away(self._by_email(), kind, day, self.away_until)
        entered = self._moment(day) + timedelta(days=self.random.randrange(ENTERED_LATE_DAYS + 1))
        self._tell(entered, AbsenceChange("hris", f"{self.name}/{day}", away))
        return True

    # -- What the payroll says -------------------------------------------------------------------------------------

    def _employ(self) -> None:
        """New colleagues work for some days before the payroll tells of them; nobody who was there before does."""
        since = datetime.combine(self.begins_on, time(), UTC)
        is_new = self.begins_on > self.company.starts_on
        self._tell(since + timedelta(days=self.random.randrange(6) if is_new else 0), Employed(dict(self.row), since))

    def _change(self, day: date) -> None:
        chance = self.random.random()
        if chance < MOVES:
            self._set(day, department=self.random.choice(DEPARTMENTS))
        elif chance < MOVES + TRAVELS:
            self._set(day, time_zone=self.random.choice(COUNTRIES)[1])
        elif chance < MOVES + TRAVELS + LEAVES:
            self._set(day, status="left")
            self.left = True

    def _set(self, day: date, **changed: str) -> None:
        since = self._moment(day)
        self.row |= changed
        told = since + timedelta(days=self.random.randrange(4) + 6)  # a new colleague's own row comes before
        self._tell(told, Employed({"external_id": self.name, **changed}, since))

    # -- What the member does --------------------------------------------------------------------------------------

    def _do(self, kind: str, day: date) -> None:
        occurred_at = self._moment(day)
        told_at = occurred_at
        if self.random.random() < LATE:
            told_at += timedelta(hours=self.random.randrange(1, 24 * LATE_DAYS))
        name, data = f"{kind}/{self.name}/{self.count + 1}", self._data(kind, day)
        if kind not in self.company.fields:
            return
        if kind != "deal.won":
            self._send(told_at, "work", name, kind, self._by_email(), occurred_at, data)
            return
        self._sell(told_at, name, occurred_at, data)

    def _sell(self, told_at: datetime, name: str, occurred_at: datetime, data: Mapping[str, Any]) -> None:
        """A deal, which may turn out to be another one, or none."""
        chance, untold = self.random.random(), self.random.random() < UNTOLD
        later = told_at + timedelta(hours=self.random.randrange(1, 24 * 10))
        deal = "crm", name, "deal.won", self._by_crm(), occurred_at
        if AMENDED <= chance < AMENDED + TAKEN_BACK:
            reopened = "crm", f"{name}/reopened", *deal[2:]
            self._send(told_at if untold else later, *reopened, {}, retracts=name)
            told_at = later if untold else told_at
        self._send(told_at, *deal, data, source_version=1)
        if chance < AMENDED:
            corrected = {**data, "amount_minor": data["amount_minor"] * self.random.randrange(50, 200) // 100}
            self._send(later, *deal, corrected, source_version=2)

    def _send(
        self,
        at: datetime,
        source: str,
        name: str,
        kind: str,
        member: Identity,
        occurred_at: datetime,
        data: Mapping[str, Any],
        **more: Any,
    ) -> None:
        declared = {key: value for key, value in data.items() if key in self.company.fields[kind]}
        self._tell(at, Sent(Event(source, name, kind, member, occurred_at, declared, **more), REDECIDE))

    def _data(self, kind: str, day: date) -> dict[str, Any]:
        """All that any of the event types might declare."""
        score = self.random.randrange(40, 101)
        course = f"https://lms.example.com/courses/{self.random.randrange(40)}"
        return {
            "deal_id": f"{self.name}-{self.count}",
            "amount_minor": int(self.random.lognormvariate(13.5, 1.0)),
            "currency": CURRENCIES[self.row["country"]],
            "course": course,
            "activity_id": course,
            "score_percent": max(score, 80) if kind == "course.passed" else score,
            "success": kind == "course.passed" or score >= 70,
            "survey_id": f"pulse-{day:%G-%V}",
            "form_id": f"{self.name}-{self.count}",
            "kind": self.random.choice(("feedback", "idea", "safety_report")),
            "card": self.random.choice(("travel", "fuel", "office")),
            "name": "tickets",
            "level": 1 + self.count % 100,
        }

    def _by_email(self) -> Identity:
        return Identity("email", f"{self.name}@example.com")

    def _by_crm(self) -> Identity:
        return Identity("crm", self.name)


def _tick(at: datetime) -> datetime:
    """The full hour after the instant."""
    return at.replace(minute=0, second=0, microsecond=0) + TICK


def _ends_quarter(day: date) -> bool:
    return day.month % 3 == 0 and day.day > 23
