"""Leaderboards: members in the order of what they have earned; whoever got there first stands higher among equals.

Boards are kept in Redis and may be lost at any moment, so each standing is absolute: it says all that every board
needs, and which of two standings of one member is newer. Places are therefore the same in whatever order, and however
often, standings arrive; and live boards, rebuilt boards and settled ones come from one function, `placing`.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.calendars import WORKING_DAYS, is_holiday, pattern_of
from domain.configuration import Configuration
from domain.game import Board, Window

# A Redis score is a double: whole numbers are exact to this bound, and who has more is ranked as having this many.
MAX_POINTS = 2**53 - 1
# Points per working day are told in these parts of a point.
PARTS = 1_000

# What every program has, unless it declares a board of the same key.
BUILT_IN: Mapping[str, Board] = {
    one.key: one
    for one in (
        Board("company", 0, "Company", least_members=1),
        Board("department", 0, "Department", by=("department",), least_members=1),
    )
}

# What may make cohorts; tenure is told in bands.
COHORTS = ("department", "role", "tenure", "performance_tier", "location", "country")
# Years since the day of hire, from and below.
TENURE_BANDS = ((0, 1), (1, 3), (3, 5), (5, 10))
LONGEST_TENURE = "10+"

# The last time zone to end a day is UTC-12: its midnight is noon in UTC.
LAST_ZONE = timedelta(hours=12)

# Between the values of a cohort in a board's name: ASCII's unit separator, which no name holds.
_BETWEEN = "\x1f"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEAR = 12


# -- Which boards there are ----------------------------------------------------------------------------------------


def boards_of(configuration: Configuration) -> Mapping[str, Board]:
    """Every board of the program, by key."""
    return {**BUILT_IN, **configuration.boards}


def began_on(window: Window, today: date) -> date | None:
    """The first day of the period that the window shows today; None for a lifetime."""
    if window is Window.WEEK:
        return today - timedelta(days=today.weekday())
    return today.replace(day=1) if window is Window.MONTH else None


def last_day(window: Window, first: date) -> date:
    """The last day of the period that began on this day."""
    after = first + timedelta(days=7) if window is Window.WEEK else (first + timedelta(days=31)).replace(day=1)
    return after - timedelta(days=1)


def period_before(window: Window, first: date) -> date:
    """The first day of the period before the one that began on this day."""
    before = began_on(window, first - timedelta(days=1))
    assert before is not None, "a lifetime has none before it"
    return before


def settles_at(window: Window, first: date) -> datetime:
    """When the period that began on this day has ended in the last time zone of the world."""
    last = last_day(window, first)
    return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1) + LAST_ZONE


def newest_settled(window: Window, as_of: datetime) -> date:
    """The first day of the newest period that has ended everywhere."""
    ended = (as_of - LAST_ZONE).date() - timedelta(days=1)
    first = began_on(window, ended)
    assert first is not None, "a lifetime does not end"
    return first if last_day(window, first) == ended else period_before(window, first)


def tenure(hired_on: date | None, today: date) -> str | None:
    """The band of years since the day of hire, as of the first of this month: bands change with the month."""
    if hired_on is None:
        return None
    first = today.replace(day=1)
    months = (first.year - hired_on.year) * _YEAR + first.month - hired_on.month - (hired_on.day > 1)
    years = max(months, 0) // _YEAR
    return next((f"{low}-{high}" for low, high in TENURE_BANDS if years < high), LONGEST_TENURE)


@dataclass(frozen=True)
class Ranking:
    """One board as it is kept: of a cohort (a value for each attribute that the board goes by) and a period."""

    board: Board
    cohort: tuple[str, ...] = ()
    first_day: date | None = None

    @cached_property
    def name(self) -> str:
        return of_period(self.board, self.first_day) + _BETWEEN.join(self.cohort)


def of_period(board: Board, first_day: date | None) -> str:
    """What the names of all cohorts' boards of the period begin with; a board's key has no colon."""
    return f"{board.key}:{first_day or ''}:"


def cohort_in(name: str) -> tuple[str, ...]:
    """The cohort in the name of a ranking."""
    values = name.split(":", 2)[2]
    return tuple(values.split(_BETWEEN)) if values else ()


def shape(boards: Iterable[Board], today: date) -> str:
    """What boards that were built depend on besides standings: where it differs, every place may be another.

    Definitions; the periods and the month of tenure; and for boards per working day, the day.
    """
    every = sorted(boards, key=lambda board: board.key)
    times = {began_on(board.window, today) for board in every}
    times |= {today.replace(day=1) for board in every if "tenure" in board.by}
    times |= {today for board in every if board.per_working_day}
    said = repr((every, sorted(str(one) for one in times)))
    return hashlib.sha256(said.encode()).hexdigest()


# -- Where a member stands -----------------------------------------------------------------------------------------


class Earned(NamedTuple):
    """Points, and when the last of them came or went."""

    points: int
    reached_at: datetime


class Standing(NamedTuple):
    """What a member has earned of one unit, for ever and in the present week and month, and what makes its cohorts.

    Of two standings of one member the one of the greater `version` is newer: it says how much of the book was seen. Who
    is not listed (has left, was merged, or does not want to be) is on no board, nor is who has earned nothing.
    """

    member_id: str
    unit: str
    version: int
    earned: Mapping[Window, Earned]
    attributes: Mapping[str, str | None] = MappingProxyType({})
    listed: bool = True
    # The member's own weekdays, if others than the board's, and the days of absence in the periods.
    working_days: str | None = None
    absent: frozenset[date] = frozenset()


class Placement(NamedTuple):
    """A member's place on one board: higher scores stand higher, equal ones in the order of their entries."""

    ranking: Ranking
    score: int
    entry: str


def placing(boards: Iterable[Board], today: date) -> Callable[[Standing], list[Placement]]:
    """What gives a standing its places on these boards; what all standings have in common is looked at once."""
    by_unit: dict[str, list[Callable[[Standing], Placement | None]]] = {}
    for board in boards:
        by_unit.setdefault(board.unit, []).append(_placing_on(board, today))

    def place_on_all(standing: Standing) -> list[Placement]:
        mine = by_unit.get(standing.unit, ()) if standing.listed else ()
        return [placed for place_on in mine if (placed := place_on(standing))]

    return place_on_all


def _placing_on(board: Board, today: date) -> Callable[[Standing], Placement | None]:
    by, window, first = board.by, board.window, began_on(board.window, today)
    rankings: dict[tuple[str, ...], Ranking] = {}

    def place_on(standing: Standing) -> Placement | None:
        cohort: tuple[str, ...] = ()
        if by:
            cohort = tuple([value for name in by if (value := standing.attributes.get(name))])
            if len(cohort) < len(by):
                return None
        if (earned := standing.earned.get(window)) is None:
            return None
        points = min(earned.points, MAX_POINTS)
        score = _per_day(board, points, first, today, standing) if first and board.per_working_day else points
        if score <= 0:
            return None
        if cohort not in rankings:
            rankings[cohort] = Ranking(board, cohort, first)
        return Placement(rankings[cohort], score, _entry(earned.reached_at, standing.member_id))

    return place_on


def _per_day(board: Board, points: int, first: date, today: date, standing: Standing) -> int:
    days = worked(board, first, today, standing)
    return min(points, MAX_POINTS // PARTS) * PARTS // days if days else 0


def worked(board: Board, first: date, last: date, standing: Standing) -> int:
    """On how many working days from the first to the last the member was there: no holiday, no absence."""
    pattern = pattern_of({"custom": {WORKING_DAYS: standing.working_days}}, board.working_days)
    country = standing.attributes.get("country")
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return sum(day.weekday() in pattern and day not in standing.absent and not is_holiday(country, day) for day in days)


# -- Places --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """One line of a board; ranks begin at 1 and are never shared. None: it is in the part that is not numbered."""

    rank: int | None
    member_id: str
    points: int
    reached_at: datetime

    @property
    def entry(self) -> str:
        """The member as the board holds it."""
        return _entry(self.reached_at, self.member_id)


def place(rank: int, entry: str, points: int) -> Place:
    """The place of a board's entry."""
    instant, _, member_id = entry.partition(":")
    return Place(rank, member_id, points, _EPOCH + int(instant, 16) * _MICROSECOND)


def ranked(placed: Iterable[Placement]) -> dict[Ranking, list[Place]]:
    """The places of each ranking, from the first to the last."""
    by_ranking: dict[Ranking, list[Placement]] = {}
    for one in placed:
        by_ranking.setdefault(one.ranking, []).append(one)
    return {
        ranking: [
            place(rank, one.entry, one.score)
            for rank, one in enumerate(sorted(found, key=lambda one: (-one.score, one.entry)), start=1)
        ]
        for ranking, found in by_ranking.items()
    }


def numbered(count: int) -> int:
    """How many places of a board of so many have a number when a member looks around: two thirds of all but one."""
    return max((count - 1) * 2 // 3, 1)


def seen_from(own: int, count: int, places: Sequence[Place]) -> tuple[Place, ...]:
    """What the member of this rank sees of the places around: nobody is shown as last.

    Who has no number sees nobody below, and numbers as if nobody were there: so what the last one sees is what the same
    rank shows on a longer board. Whoever has a number sees nobody who has none.
    """
    upper = numbered(count)
    last, told = (upper, upper) if own <= upper else (own, numbered(own))
    shown = (one for one in places if one.rank is not None and one.rank <= last)
    return tuple(replace(one, rank=None) if (one.rank or 0) > told else one for one in shown)


def percentile(rank: int, count: int) -> int | None:
    """Above how many percent of a board of so many the rank stands, rounded down; None without a number, or alone."""
    return (count - rank) * 100 // count if rank <= numbered(count) < count else None


def _entry(reached_at: datetime, member_id: str) -> str:
    """Equal points are ordered by this text, so the instant comes first: exact to the microsecond."""
    return f"{(reached_at - _EPOCH) // _MICROSECOND:016x}:{member_id}"


def attributes_of(known: Mapping[str, Any], today: date) -> dict[str, str | None]:
    """What makes cohorts, of a member's fields by name."""
    return {name: known[name] for name in COHORTS if name != "tenure"} | {"tenure": tenure(known["hired_on"], today)}
