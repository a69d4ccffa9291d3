"""Absences: days on which a member does not work, as the sources that know of them say.

An absence is known by its source and external id. What was said is kept: a source that says something else ends the
version that stood and begins another, and withdrawing an absence ends it without one. So of each absence one version
stands at most, and what was known at any time can be told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from domain.events import Identity
from domain.member_changes import Fault, InvalidRow

MAX_DAYS = 1_100  # three years of parental leave
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 12, 31)
MAX_NAME_LENGTH = 200  # characters of an external id


class AbsenceKind(StrEnum):
    """Why a member is away; it is data about a person's life, and nothing is decided by it."""

    PTO = "pto"
    SICK = "sick"
    PARENTAL = "parental"
    HOLIDAY = "holiday"
    OTHER = "other"


class AbsenceState(StrEnum):
    """What became of a version: it stands, another took its place, or the absence was withdrawn."""

    STANDING = "standing"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


class AbsenceStatus(StrEnum):
    """What a change did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"


class InvalidAbsence(InvalidRow):
    """What was said of an absence cannot be."""


AbsenceKey = tuple[str, str]  # source, external id


@dataclass(frozen=True, slots=True)
class AbsenceChange:
    """What a source says of one of its absences: who is away and when, or (`away` is None) that nobody is."""

    source: str
    external_id: str
    away: "Away | None"

    @property
    def key(self) -> AbsenceKey:
        return self.source, self.external_id


@dataclass(frozen=True, slots=True)
class Away:
    """Who is away, why, and from which day to which; raises InvalidAbsence if that cannot be."""

    member: Identity
    kind: AbsenceKind
    starts_on: date
    ends_on: date

    def __post_init__(self) -> None:
        if faults := _faults(self.starts_on, self.ends_on):
            raise InvalidAbsence(faults)


@dataclass(frozen=True, slots=True)
class Absence:
    """One version of an absence; it was known from `recorded_at` until `ended_at`."""

    id: str
    member_id: str
    source: str
    external_id: str
    kind: AbsenceKind
    starts_on: date
    ends_on: date
    state: AbsenceState
    recorded_at: datetime
    ended_at: datetime | None = None

    @property
    def key(self) -> AbsenceKey:
        return self.source, self.external_id


class Revision(NamedTuple):
    """What a change does: the version that it ends, and the one that stands afterwards."""

    status: AbsenceStatus
    ended: Absence | None
    standing: Absence | None


@dataclass(frozen=True, slots=True)
class AbsenceResult:
    """What came of one change: the absence as it stands or was withdrawn, or why it was not taken."""

    status: AbsenceStatus
    absence: Absence | None = None
    faults: tuple[Fault, ...] = ()


def revise(
    standing: Absence | None, change: AbsenceChange, *, id: str, member_id: str | None, recorded_at: datetime
) -> Revision:
    """What the change does to the version that stands, if there is one; a new one gets this id and member."""
    if change.away is None:
        status = AbsenceStatus.WITHDRAWN if standing else AbsenceStatus.UNCHANGED
        return Revision(status, standing and _ended(standing, AbsenceState.WITHDRAWN, recorded_at), None)
    assert member_id is not None, "who is away is known"
    away = change.away
    begun = Absence(
        id, member_id, *change.key, away.kind, away.starts_on, away.ends_on, AbsenceState.STANDING, recorded_at
    )
    if standing and begun == replace(standing, id=id, recorded_at=recorded_at):
        return Revision(AbsenceStatus.UNCHANGED, None, standing)
    if standing is None:
        return Revision(AbsenceStatus.CREATED, None, begun)
    return Revision(AbsenceStatus.UPDATED, _ended(standing, AbsenceState.REPLACED, recorded_at), begun)


def _ended(standing: Absence, state: AbsenceState, at: datetime) -> Absence:
    return replace(standing, state=state, ended_at=at)


def _faults(starts_on: date, ends_on: date) -> list[Fault]:
    faults = [
        Fault(name, f"must lie between {EARLIEST} and {LATEST}")
        for name, day in (("starts_on", starts_on), ("ends_on", ends_on))
        if not EARLIEST <= day <= LATEST
    ]
    if ends_on < starts_on:
        faults.append(Fault("ends_on", f"is {ends_on}, before the absence begins on {starts_on}"))
    elif (ends_on - starts_on).days >= MAX_DAYS:
        faults.append(Fault("ends_on", f"makes the absence longer than {MAX_DAYS} days"))
    return faults


def read_away(member: Identity, kind: str, starts_on: str, ends_on: str) -> Away:
    """The same of texts; raises InvalidAbsence with every fault."""
    found = _read({"kind": kind, "starts_on": starts_on, "ends_on": ends_on})
    return Away(member, **found)


def _read(texts: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    faults = []
    for name, text in texts.items():
        try:
            found[name] = _READERS[name](text)
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    if faults:
        raise InvalidAbsence(faults)
    return found


# -- Reading a line of text ----------------------------------------------------------------------------------------

COLUMNS = ("member", "kind", "starts_on", "ends_on", "external_id", "withdrawn")
_NEEDED = COLUMNS[:4]
_YES = {"true": True, "yes": True, "1": True, "": False, "false": False, "no": False, "0": False}


def check_columns(columns: Sequence[str]) -> None:
    """Raises InvalidAbsence unless the columns are of COLUMNS, each once, with those that every line needs."""
    faults = [Fault(name[:60], "is not a column of absences") for name in columns if name not in COLUMNS]
    faults += [Fault(name[:60], "is there twice") for name in dict.fromkeys(columns) if columns.count(name) > 1]
    faults += [Fault(name, "this column is missing") for name in _NEEDED if name not in columns]
    if faults:
        raise InvalidAbsence(faults)


def read_texts(texts: Mapping[str, str], *, source: str, member_source: str) -> AbsenceChange:
    """The change that a line describes, by column; raises InvalidAbsence with every fault of the line.

    `member` is a name in `member_source`. A line without an external_id is named after its member, kind and first day,
    so that the same file does nothing twice.
    """
    line = {name: texts.get(name, "").strip() for name in COLUMNS}
    found = _read(line)
    external_id = found["external_id"] or f"{line['member']}/{line['kind']}/{found['starts_on']}"
    member = Identity(member_source, found["member"])
    away = Away(member, found["kind"], found["starts_on"], found["ends_on"])
    return AbsenceChange(source, external_id, None if found["withdrawn"] else away)


def _needed(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return _name(text)


def _name(text: str) -> str:
    if len(text) > MAX_NAME_LENGTH:
        raise ValueError(f"has {len(text)} characters, at most {MAX_NAME_LENGTH} are taken")
    if not text.isprintable():
        raise ValueError("must not contain control characters")
    return text


def _kind(text: str) -> AbsenceKind:
    if text not in list(AbsenceKind):
        raise ValueError(f"must be one of {', '.join(AbsenceKind)}")
    return AbsenceKind(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a day, such as 2027-01-31") from None


def _yes(text: str) -> bool:
    if text.lower() not in _YES:
        raise ValueError(f"must be one of {', '.join(filter(None, _YES))}, or empty")
    return _YES[text.lower()]


_READERS = {
    "member": _needed,
    "kind": _kind,
    "starts_on": _day,
    "ends_on": _day,
    "external_id": _name,
    "withdrawn": _yes,
}
