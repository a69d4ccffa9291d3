"""Preferences: what members want to be told, and when a notification goes into their conversation.

What answers something that the member has just done comes at once; everything else waits for quiet hours to end. Up to
so many are told a day: what is beyond that is gathered into the next morning's digest, but for what is urgent. What is
owed, because somebody waits for it, is told also to those who do without its topic.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from domain.calendars import WEEKDAYS
from domain.time import zone

MAX_DAILY_LIMIT = 100  # messages
# What comes so soon after a member has done something is the answer to it.
ANSWERS_WITHIN = timedelta(minutes=15)

_DAY = timedelta(days=1)


class Topic(StrEnum):
    """What a member can do without."""

    RECOGNITION = "recognition"
    NOMINATIONS = "nominations"
    STREAKS = "streaks"
    CHALLENGES = "challenges"
    REWARDS = "rewards"
    POINTS = "points"
    BIRTHDAYS = "birthdays"  # one's own, as the next
    ANNIVERSARIES = "anniversaries"
    DIGEST = "digest"


# A kind of notification, or its first word, says what it is about; of others, nobody can do without.
_TOPICS = {
    "recognition": Topic.RECOGNITION,
    "nomination": Topic.NOMINATIONS,
    "streak": Topic.STREAKS,
    "challenge": Topic.CHALLENGES,
    "reward": Topic.REWARDS,
    "order": Topic.REWARDS,
    "delivery": Topic.REWARDS,
    "expiry": Topic.POINTS,
    "tier": Topic.POINTS,
    "badge": Topic.POINTS,
    "celebration_birthday": Topic.BIRTHDAYS,
    "celebration_anniversary": Topic.ANNIVERSARIES,
    "weekly": Topic.DIGEST,
}
# What somebody waits for: decisions of nominations, and what became of an order.
OWED = frozenset(
    {
        "nomination_to_approve",
        "nomination_reminder",
        "nomination_escalated",
        "order_delivered",
        "order_failed",
        "order_refunded",
        "delivery_bounced",
    }
)
# What is lost unless it is seen in time.
URGENT = OWED | {"reward_reminder", "streak_at_risk"}
# Told by the morning, whatever else was told on that day.
_UNCOUNTED = frozenset({Topic.BIRTHDAYS, Topic.ANNIVERSARIES, Topic.DIGEST})


def topic_of(kind: str) -> Topic | None:
    """What a notification of this kind is about."""
    return _TOPICS.get(kind) or _TOPICS.get(kind.partition("_")[0])


@dataclass(frozen=True, slots=True)
class Quiet:
    """When nobody is to be disturbed: whole days, and hours that may go over midnight. Equal hours are none."""

    since: time = time(20)
    until: time = time(8)
    days: frozenset[str] = frozenset({"sat", "sun"})

    def __post_init__(self) -> None:
        if self.days.issuperset(WEEKDAYS):
            raise ValueError("one day of the week is not quiet")
        if unknown := sorted(self.days.difference(WEEKDAYS)):
            raise ValueError(f"{unknown[0]} is no day of the week: those are {', '.join(WEEKDAYS)}")

    def over_at(self, now: datetime, time_zone: str) -> datetime:
        """The first instant from now on that is not quiet in the zone."""
        at = now
        while (after := self._after(at, time_zone)) is not None:
            at = after
        return at

    def _after(self, at: datetime, time_zone: str) -> datetime | None:
        """When what makes the instant quiet ends; None if nothing does."""
        local = at.astimezone(zone(time_zone))
        clock = local.time()
        if WEEKDAYS[local.weekday()] in self.days:
            return _next(at, time(), time_zone)
        if self.since <= self.until:
            is_quiet = self.since <= clock < self.until
        else:
            is_quiet = clock >= self.since or clock < self.until
        return _next(at, self.until, time_zone) if is_quiet else None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What holds for a member: their own preferences, and the program's where they have none."""

    opted_out: frozenset[Topic] = frozenset()
    quiet: Quiet = field(default_factory=Quiet)
    daily_limit: int = 10
    digest_at: time = time(9)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a member has said themselves; None: as the program declares it."""

    opted_out: frozenset[Topic] = frozenset()
    quiet_from: time | None = None
    quiet_until: time | None = None
    quiet_days: frozenset[str] | None = None
    daily_limit: int | None = None

    def over(self, declared: Wishes) -> Wishes:
        """What holds for the member where the program declares this; raises ValueError for a week without a day."""
        quiet = Quiet(
            declared.quiet.since if self.quiet_from is None else self.quiet_from,
            declared.quiet.until if self.quiet_until is None else self.quiet_until,
            declared.quiet.days if self.quiet_days is None else self.quiet_days,
        )
        limit = declared.daily_limit if self.daily_limit is None else self.daily_limit
        return Wishes(self.opted_out, quiet, limit, declared.digest_at)

    @classmethod
    def of(cls, wanted: Wishes, declared: Wishes) -> "Preferences":
        """What somebody says who wants this: what is as the program declares it, stays the program's to change."""
        own_hours = (wanted.quiet.since, wanted.quiet.until) != (declared.quiet.since, declared.quiet.until)
        return cls(
            wanted.opted_out,
            wanted.quiet.since if own_hours else None,
            wanted.quiet.until if own_hours else None,
            wanted.quiet.days if wanted.quiet.days != declared.quiet.days else None,
            wanted.daily_limit if wanted.daily_limit != declared.daily_limit else None,
        )


# -- When ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Now:
    """It is told at once."""


@dataclass(frozen=True, slots=True)
class At:
    """It waits, and is asked again at the instant."""

    instant: datetime


@dataclass(frozen=True, slots=True)
class Gathered:
    """It is one line of the digest at the instant."""

    instant: datetime


@dataclass(frozen=True, slots=True)
class Never:
    """The member does without it."""


When = Now | At | Gathered | Never


def when(
    kind: str,
    wishes: Wishes,
    time_zone: str,
    *,
    told_today: int,
    now: datetime,
    asked_at: datetime | None = None,
    not_before: datetime | None = None,
) -> When:
    """When a notification of this kind goes to a member who was told so much on their day.

    `asked_at` is when the member did what it answers, if it answers anything; `not_before`, the hour that it has.
    """
    topic = topic_of(kind)
    if topic in wishes.opted_out and kind not in OWED:
        return Never()
    if asked_at is not None and now - asked_at <= ANSWERS_WITHIN:
        return Now()
    at = wishes.quiet.over_at(max(now, not_before or now), time_zone)
    if at > now:
        return At(at)
    if kind in URGENT or topic in _UNCOUNTED or told_today < wishes.daily_limit:
        return Now()
    if Topic.DIGEST in wishes.opted_out:
        return Never()
    return Gathered(next_digest(wishes, time_zone, now))


def next_digest(wishes: Wishes, time_zone: str, now: datetime) -> datetime:
    """When what is gathered now is told: at the hour of digests, or later, of the next day that is not quiet."""
    begins = wishes.quiet.over_at(_next(now, time(), time_zone), time_zone)
    return wishes.quiet.over_at(next_at(begins, wishes.digest_at, time_zone), time_zone)


def day_began(now: datetime, time_zone: str) -> datetime:
    """When the member's day began."""
    return datetime.combine(now.astimezone(zone(time_zone)).date(), time(), zone(time_zone)).astimezone(UTC)


def next_at(now: datetime, clock: time, time_zone: str) -> datetime:
    """The first instant from now on at which clocks in the zone show this time, or have gone past it by a jump."""
    local = now.astimezone(zone(time_zone))
    return now if local.time() == clock else _next(now, clock, time_zone)


def hour_of(day: date, found_at: datetime, clock: time, time_zone: str) -> datetime:
    """When this time comes on the day, which may be over; for what is found after the day, when it comes next."""
    here = zone(time_zone)
    if found_at.astimezone(here).date() == day:
        return datetime.combine(day, clock, here).astimezone(UTC)
    return next_at(found_at, clock, time_zone)


def _next(after: datetime, clock: time, time_zone: str) -> datetime:
    """The first instant after this one at which clocks in the zone come to this time.

    Where they jump over it, that is as much later as they jump; where they show it twice, the second time counts only
    after the first.
    """
    here = zone(time_zone)
    today = after.astimezone(here).date()
    for day in (today, today + _DAY):
        first, second = (datetime.combine(day, clock, here).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        if first > after:
            return first
        if second > after and second.astimezone(here).time() == clock:
            return second
    return datetime.combine(today + 2 * _DAY, clock, here).astimezone(UTC)
