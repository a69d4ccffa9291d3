"""What tiers, badges and boards must keep beyond their shape."""

from collections.abc import Iterator

from domain.calendars import WEEKDAYS
from domain.checks import MAX_DAYS, MAX_KEY, MAX_POINTS, MAX_TITLE, Told, bounded, counts_in, listed, refers
from domain.checks import within as is_within
from domain.configuration import Period
from domain.definitions import Definitions
from domain.game import Badge, Board, StreakPolicy, TierLadder, Window
from domain.leaderboards import COHORTS
from domain.shapes import Fault, Path

MAX_LEVELS = 50
MAX_PARTS = 50  # badges of a composite
MAX_LEAST_MEMBERS = 1_000

_ACHIEVEMENTS = ("aggregate", "streak", "challenge", "badges")


def tier(path: Path, ladder: TierLadder, definitions: Definitions) -> Told:
    """Levels rise, and none is lost at more than it is reached at."""
    yield from counts_in(path, "unit", ladder.unit, definitions)
    if ladder.days is not None:
        yield from is_within((*path, "days"), ladder.days, 1, MAX_DAYS)
    if not ladder.levels:
        yield Fault((*path, "levels"), "a ladder has at least one level")
    yield from bounded((*path, "levels"), ladder.levels, MAX_LEVELS)
    yield from _levels((*path, "levels"), ladder)


def _levels(path: Path, ladder: TierLadder) -> Told:
    keys = [level.key for level in ladder.levels]
    for n, level in enumerate(ladder.levels):
        yield from is_within((*path, n, "at"), level.at, 1, MAX_POINTS)
        if not 1 <= len(level.key) <= MAX_KEY:
            yield Fault((*path, n, "key"), f"a level's key has 1 to {MAX_KEY} characters")
        if len(level.title) > MAX_TITLE:
            yield Fault((*path, n, "title"), f"longer than {MAX_TITLE} characters")
        if level.key in keys[:n]:
            yield Fault((*path, n, "key"), f"{level.key} is listed twice")
        if n and level.at <= ladder.levels[n - 1].at:
            yield Fault((*path, n, "at"), "each level is reached at more than the one before")
        if level.keep is not None and not 0 <= level.keep <= level.at:
            yield Fault((*path, n, "keep"), f"must be 0 to {level.at}, at which the level is reached")
        if n and level.kept_at < ladder.levels[n - 1].kept_at:
            yield Fault((*path, n, "keep"), "no level is kept with less than the one before")


def badge(path: Path, found: Badge, definitions: Definitions) -> Told:
    """It says one achievement, and one that can be achieved."""
    said = [name for name in _ACHIEVEMENTS if getattr(found, name)]
    if len(said) != 1:
        yield Fault(path, f"a badge says one of {', '.join(_ACHIEVEMENTS)}")
    yield from is_within((*path, "at_least"), found.at_least, 1, MAX_POINTS)
    if found.at_least != 1 and not (found.aggregate or found.streak):
        yield Fault((*path, "at_least"), "only an aggregate or a streak is counted")
    yield from _counted(path, found, definitions)
    if found.challenge is not None:
        yield from refers(path, "challenge", found.challenge, "challenges", definitions)
    yield from _parts(path, found, definitions)


def _counted(path: Path, found: Badge, definitions: Definitions) -> Told:
    if found.aggregate is not None:
        yield from refers(path, "aggregate", found.aggregate, "aggregates", definitions)
        aggregate = definitions.aggregates.get(found.aggregate)
        if aggregate is not None and aggregate.per is not Period.LIFETIME:
            yield Fault((*path, "aggregate"), f"{found.aggregate} begins anew: a badge takes one per lifetime")
    if found.streak is not None:
        yield from refers(path, "streak", found.streak, "streaks", definitions)
        policy = definitions.streaks.get(found.streak)
        if policy is not None and not _is_told(policy, found.at_least):
            yield Fault(
                (*path, "at_least"), f"{found.streak} does not tell when it is {found.at_least} long: see reached"
            )


def _is_told(policy: StreakPolicy, length: int) -> bool:
    return length in policy.reached or bool(policy.reached_every and length % policy.reached_every == 0)


def _parts(path: Path, found: Badge, definitions: Definitions) -> Told:
    yield from bounded((*path, "badges"), found.badges, MAX_PARTS)
    yield from listed(path, "badges", found.badges)
    for n, part in enumerate(found.badges):
        yield from refers((*path, "badges"), str(n), part, "badges", definitions)
    if found.key in _within(found, definitions):
        yield Fault((*path, "badges"), f"{found.key} is a part of itself")


def _within(found: Badge, definitions: Definitions) -> set[str]:
    """Every badge that it is made of, and what those are made of."""
    seen: set[str] = set()
    waiting = list(found.badges)
    while waiting:
        key = waiting.pop()
        part = definitions.badges.get(key)
        if key not in seen and part is not None:
            waiting += part.badges
        seen.add(key)
    return seen


def board(path: Path, found: Board, definitions: Definitions) -> Told:
    """It goes by what members have, and counts days only where there is a period."""
    yield from counts_in(path, "unit", found.unit, definitions)
    yield from _each(path, "by", found.by, COHORTS)
    yield from _each(path, "working_days", found.working_days, WEEKDAYS)
    yield from is_within((*path, "least_members"), found.least_members, 1, MAX_LEAST_MEMBERS)
    if found.per_working_day and found.window is Window.LIFETIME:
        yield Fault((*path, "per_working_day"), "only a week or a month has working days that are known")
    if found.per_working_day and not found.working_days:
        yield Fault((*path, "working_days"), "names at least one day")


def _each(path: Path, name: str, values: tuple[str, ...], known: tuple[str, ...]) -> Iterator[Fault]:
    yield from listed(path, name, values)
    for n, value in enumerate(values):
        if value not in known:
            yield Fault((*path, name, n), f"{value} is none of {', '.join(known)}")
