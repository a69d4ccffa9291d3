"""The game as data: streak policies, challenges, tiers, badges and boards, as reviewed files declare them.

They are definitions like rules, in an immutable snapshot: whatever was decided by them can be derived again.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.configuration import Calendar, Condition, Rounding, Stacking

# Of a field that commands fill: `laurel apply` neither reads nor changes it.
OURS = {"ours": True}


class Cadence(StrEnum):
    """How often a streak wants something done."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class OnMiss(StrEnum):
    """What a missed period does to a streak that nothing saves."""

    RESET = "reset"
    DECAY = "decay"


class Absorbed(StrEnum):
    """What happens to awards of a run that a late fact made part of a longer one."""

    OFFSET = "offset"
    KEEP = "keep"


class Fairness(StrEnum):
    """What decides who was among the first: arrival, at once and for good, or the event's time, at the close."""

    ARRIVAL = "arrival"
    EVENT_TIME = "event_time"


@dataclass(frozen=True, slots=True)
class Qualifying:
    """Events that count for a streak: one each, or the sum of an integer `field`."""

    event_type: str
    when: tuple[Condition, ...] = ()
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Grace:
    """How much may be missed: `missed` periods in any `window` periods, or until `hours` after a period's end."""

    missed: int = 1
    window: int = 10
    hours: int = 0

    def ends_at(self, at: datetime) -> datetime:
        """When the hours are over of a period that ends at the instant."""
        return at + timedelta(hours=self.hours) if self.hours else at


@dataclass(frozen=True, slots=True)
class Freezes:
    """Periods that may be skipped: `granted` at the start, one more for every `every` kept, never above `at_most`."""

    granted: int = 0
    every: int | None = None
    at_most: int = 2


@dataclass(frozen=True, slots=True)
class StreakPolicy:
    """What keeps a streak: so much (`at_least`, CEL on the member) of what qualifies in each period.

    A period in which no working day is left is skipped: of the week's `working_days`, those on which the member is
    absent, has a public holiday, or one of the `sources` was down (those that bring such events, if none is named),
    are none. A period is changed by facts that arrive up to `restore_days` after its end. A member who reaches one of
    the lengths `reached`, or a multiple of `reached_every`, leaves the event streak.reached, which rules reward.

    A streak of so many periods is `worth_protecting`: whoever is about to lose it is reminded `remind_hours` before, by
    day.
    """

    key: str
    version: int
    cadence: Cadence
    qualifying: tuple[Qualifying, ...]
    title: str = ""
    at_least: str = "1"
    working_days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri")
    holidays: bool = True
    sources: tuple[str, ...] = ()
    grace: Grace = Grace()
    freezes: Freezes = Freezes()
    on_miss: OnMiss = OnMiss.RESET
    decay: int = 1
    restore_days: int = 30
    reached: tuple[int, ...] = ()
    reached_every: int | None = None
    absorbed: Absorbed = Absorbed.OFFSET
    remind_hours: int = 4
    worth_protecting: int = 3

    def names(self, length: int) -> bool:
        """Whether reaching the length is told."""
        return length in self.reached or bool(self.reached_every and length % self.reached_every == 0)


@dataclass(frozen=True, slots=True)
class Goal:
    """So many completions (or so much of an integer `field`) by each member, or by each team together.

    A `team` is an attribute, for example department. A goal by `streak` is a length of that streak, reached between
    start and end. At the settlement `points` go to each member who has reached it, or took part in a team that has.
    """

    target: int
    field: str | None = None
    team: str | None = None
    streak: str | None = None
    points: int = 0


@dataclass(frozen=True, slots=True)
class Prize:
    """Points for the final ranks from `first` to `last`, of members, or of teams where the goal is a team's."""

    first: int
    last: int
    points: int


@dataclass(frozen=True, slots=True)
class Challenge:
    """An overlay on the rules for what happens in [starts_at, until) and is known `late_hours` after the end.

    A completion is an event of these types for which every condition holds, by a member of the audience. It multiplies
    what rules give for the event, or adds a bonus (both CEL), within its limits. One that `repeats` is followed by
    another each period. The last four fields are what was done to it: no file says them. One that its file does not
    name any more is `dropped`, and stays for what it has paid.
    """

    key: str
    version: int
    starts_at: datetime
    ends_at: datetime
    event_types: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    when: tuple[Condition, ...] = ()
    audience: str | None = None
    multiplier: str | None = None
    bonus: str | None = None
    rounding: Rounding = Rounding.FLOOR
    late_hours: int = 24
    first: int | None = None
    fairness: Fairness = Fairness.ARRIVAL
    once: bool = False
    member_points: int | None = None
    budget_points: int | None = None
    exceptions_points: int | None = None
    stacking: Stacking = Stacking.SUM
    priority: int = 0
    goal: Goal | None = None
    prizes: tuple[Prize, ...] = ()
    repeats: Calendar | None = None
    origin: str = field(default="file", metadata=OURS)
    extended_to: datetime | None = field(default=None, metadata=OURS)
    cancelled_at: datetime | None = field(default=None, metadata=OURS)
    dropped: bool = field(default=False, metadata=OURS)

    @property
    def is_called_off(self) -> bool:
        """Whether nothing completes it any more, whenever it occurs."""
        return self.dropped or self.cancelled_at is not None

    @property
    def until(self) -> datetime:
        """The first instant that is too late."""
        return max(self.ends_at, self.extended_to or self.ends_at)

    @property
    def known_until(self) -> datetime:
        """What is recorded from here on comes too late."""
        return self.until + timedelta(hours=self.late_hours)


@dataclass(frozen=True, slots=True)
class Level:
    """One step of a tier ladder: reached at so much, kept while there is at least `keep` (or `at`)."""

    key: str
    at: int
    keep: int | None = None
    title: str = ""

    @property
    def kept_at(self) -> int:
        return self.at if self.keep is None else self.keep


@dataclass(frozen=True, slots=True)
class TierLadder:
    """Levels by what a member has earned of a unit in all, or within the last `days`, today included."""

    key: str
    version: int
    levels: tuple[Level, ...]
    title: str = ""
    unit: str = "points"
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Badge:
    """An achievement: so much of a lifetime aggregate, a streak's length, a challenge won, or all of some badges."""

    key: str
    version: int
    title: str = ""
    description: str = ""
    aggregate: str | None = None
    at_least: int = 1
    streak: str | None = None
    challenge: str | None = None
    badges: tuple[str, ...] = ()


class Window(StrEnum):
    """The time over which a board counts: for ever, or a calendar period in the program's time zone."""

    LIFETIME = "lifetime"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard for each cohort that the attributes `by` make, over a window of time.

    `per_working_day` divides by those of the `working_days` on which the member was not absent. Cohorts of which fewer
    than `least_members` have a place are not shown.
    """

    key: str
    version: int
    title: str = ""
    unit: str = "points"
    by: tuple[str, ...] = ()
    window: Window = Window.LIFETIME
    per_working_day: bool = False
    working_days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri")
    least_members: int = 5


def says_the_same(
    one: StreakPolicy | Challenge | TierLadder | Badge, then: StreakPolicy | Challenge | TierLadder | Badge | None
) -> bool:
    """Whether a definition is what it was then (None: not there), whatever the versions."""
    return then is not None and replace(then, version=one.version) == one
