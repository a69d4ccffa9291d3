"""Employment as a member's dates tell it: anniversaries, birthdays, the end of probation, promotions.

Each is a fact that holds or does not, named by what it is and not by its day, so that it is told once; when its day
turns out to have been another, what was told is withdrawn and the right one told in its place.
"""

from calendar import isleap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from domain import derived
from domain.events import Event

# A fact that nobody knew of is told so much later at most; what takes the place of a wrong one, at any time.
LATE = timedelta(days=92)
# A birthday is told so late at most: whoever gives one to everybody at once celebrates nobody's that is over.
MISSED = timedelta(days=3)

Key = tuple[str, str]  # type of event, name


@dataclass(frozen=True, slots=True)
class Promotion:
    """A member comes to another role on a day."""

    on: date
    role: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something of a member's employment that holds from a day on; `name` says which of its type."""

    type: str
    name: str
    on: date
    data: Mapping[str, Any]

    @property
    def key(self) -> Key:
        return self.type, self.name


class TellingState(StrEnum):
    """What became of a telling; the comment is when it ended."""

    STANDING = "standing"
    WITHDRAWN = "withdrawn"  # it turned out not to hold
    CLOSED = "closed"  # the member has left: whoever is hired again begins anew


@dataclass(frozen=True, slots=True)
class Telling:
    """One telling of a fact, the n-th of its key: of whom it was said, what, and what became of it."""

    member_id: str
    type: str
    name: str
    n: int
    data: Mapping[str, Any]
    state: TellingState = TellingState.STANDING

    @property
    def key(self) -> Key:
        return self.type, self.name


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to say so that what is told is what holds."""

    told: tuple[Telling, ...] = ()
    withdrawn: tuple[Telling, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.told or self.withdrawn)


@dataclass(frozen=True, slots=True)
class PageSettled:
    """Of how many members of a page something was said, and the id after which the next one begins (None: nowhere)."""

    done: int
    after: str | None


def anniversary(hired_on: date, years: int) -> date:
    """The day `years` after the day of hire; hired on 29 February, it is 28 February in years without that day."""
    year = hired_on.year + years
    try:
        return hired_on.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def facts_of_dates(hired_on: date | None, probation_ends_on: date | None, today: date) -> list[Fact]:
    """Every anniversary, and the end of probation, that the dates have brought up to today."""
    found = [*_anniversaries(hired_on, today)] if hired_on else []
    if probation_ends_on and probation_ends_on <= today:
        data = {"on": probation_ends_on.isoformat()}
        found.append(Fact(derived.PROBATION_ENDED, "probation", probation_ends_on, data))
    return found


def _anniversaries(hired_on: date, today: date) -> Iterable[Fact]:
    for years in range(1, min(today.year - hired_on.year, derived.MAX_YEARS) + 1):
        on = anniversary(hired_on, years)
        if on <= today:
            yield Fact(derived.WORK_ANNIVERSARY, str(years), on, {"years": years, "on": on.isoformat()})


def facts_of_birthday(birthday: str, today: date, known: Sequence[Telling]) -> list[Fact]:
    """The last birthdays: those that were told, and what has not been is only so far back that a run was missed."""
    told = {one.key for one in known}
    month, day = map(int, birthday.split("-"))
    facts = []
    for year in (today.year - 1, today.year):
        on = date(year, month, 28 if birthday == "02-29" and not isleap(year) else day)
        fact = Fact(derived.MEMBER_BIRTHDAY, str(year), on, {"on": on.isoformat()})
        if on <= today and (on >= today - MISSED or fact.key in told):
            facts.append(fact)
    return facts


def facts_of_promotions(promotions: Sequence[Promotion], today: date) -> list[Fact]:
    """A fact for each promotion up to today, named by its day."""
    return [
        Fact(derived.MEMBER_PROMOTED, one.on.isoformat(), one.on, _data(one)) for one in promotions if one.on <= today
    ]


def _data(promotion: Promotion) -> dict[str, Any]:
    data = {"on": promotion.on.isoformat(), "role": promotion.role}
    return data | ({"before": promotion.before} if promotion.before else {})


def settle(member_id: str, holds: Sequence[Fact], known: Sequence[Telling], *, since: date) -> Settlement:
    """What to tell the member and to withdraw. A fact from before `since` is told only in place of a wrong one.

    `known` is what was told of the person, also as somebody else who turned out to be this member: of what was told
    twice the first one stays. What was told in an employment that is over is not told again.
    """
    by_key = {fact.key: fact for fact in holds}
    kept = [(one.key, one.data) for one in known if one.state is TellingState.CLOSED]
    wrong = []
    for one in known:
        if one.state is not TellingState.STANDING:
            continue
        fact = by_key.get(one.key)
        if fact and fact.data == one.data and (one.key, one.data) not in kept:
            kept.append((one.key, one.data))
        else:
            wrong.append(one)
    mistaken = {one.key for one in known if one.state is TellingState.WITHDRAWN} | {one.key for one in wrong}
    due = [
        fact for key, fact in by_key.items() if (key, fact.data) not in kept and (fact.on >= since or key in mistaken)
    ]
    told = (Telling(member_id, fact.type, fact.name, _times(known, fact.key) + 1, fact.data) for fact in due)
    return Settlement(tuple(told), tuple(wrong))


def comparable(known: Sequence[Telling], birthday: str | None, today: date) -> list[Telling]:
    """What was told and can turn out wrong: birthdays of long ago cannot, nor those of who tells theirs no more."""
    last = str(today.year - 1)
    return [one for one in known if one.type != derived.MEMBER_BIRTHDAY or (birthday is not None and one.name >= last)]


def _times(known: Sequence[Telling], key: Key) -> int:
    return max((one.n for one in known if one.key == key), default=0)


def since(begins_on: date, today: date) -> date:
    """The first day whose facts are told: not before Laurel knew the member, and not too late."""
    return max(begins_on, today - LATE)


def event(telling: Telling, time_zone: str) -> Event:
    """The derived event of a telling, at the beginning of its day where the member is."""
    return derived.event(telling.type, _name(telling), telling.member_id, _begins(telling, time_zone), telling.data)


def retraction(telling: Telling, at: datetime) -> Event:
    """What takes the telling back."""
    return derived.retraction(telling.type, _name(telling), telling.member_id, at)


def _name(telling: Telling) -> str:
    return f"{telling.member_id}:{telling.name}" + (f":{telling.n}" if telling.n > 1 else "")


def _begins(telling: Telling, time_zone: str) -> datetime:
    on = date.fromisoformat(telling.data["on"])
    return datetime.combine(on, time(), ZoneInfo(time_zone)).astimezone(UTC)
