"""Changes to members: how a row is read and checked, and what it does to a member.

A change names only what it sets: a field that is absent stays as it is, and null clears one that may be empty. Names of
a member in other systems (identities) are added by a change and never taken away.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from babel import Locale

from domain.events import MEMBER_EXTERNAL_ID, Identity
from domain.members import (
    EMAIL,
    MBOX_SHA1SUM,
    CustomValue,
    Member,
    MemberStatus,
    attributes,
    identities_of_email,
)
from domain.programs import check_time_zone

MAX_TEXT_LENGTH = 200  # characters
MAX_EMAIL_LENGTH = 254
MAX_IDENTITIES = 20  # of one change
MAX_CUSTOM = 50  # attributes of one member
MAX_CUSTOM_TEXT_LENGTH = 500
MAX_CUSTOM_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly

RESERVED_SOURCE = "laurel."


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of a row; says nothing of other members but their existence."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidRow(ValueError):
    """A row cannot be read; `faults` are all of its faults."""

    def __init__(self, faults: Sequence[Fault]):
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


class InvalidMember(InvalidRow):
    """A row of a member cannot be read."""


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What a row says of the member with this external id: the fields that it sets, read and checked.

    `manager` is the manager's external id, None for none; it counts only if "manager" is among `names`.
    """

    external_id: str
    values: Mapping[str, Any]
    names: frozenset[str]
    manager: str | None = None
    custom: Mapping[str, CustomValue | None] = field(default_factory=dict)
    identities: tuple[Identity, ...] = ()


class ChangeStatus(StrEnum):
    """What became of one row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MemberResult:
    """What became of one row; a row that was taken may still have a fault: a manager who is not known."""

    external_id: str
    status: ChangeStatus
    member_id: str | None = None
    faults: tuple[Fault, ...] = ()


def identities_named(change: MemberChange) -> tuple[Identity, ...]:
    """Every name that the change gives its member, each once."""
    email = change.values.get("email")
    own = (Identity(MEMBER_EXTERNAL_ID, change.external_id), *(identities_of_email(email) if email else ()))
    return tuple(dict.fromkeys((*own, *change.identities)))


# -- Applying a change ---------------------------------------------------------------------------------------------


def create(change: MemberChange, member_id: str, program_id: str, now: datetime) -> Member:
    """The new member that the change describes, as yet without a manager; raises InvalidMember without a name."""
    if "name" not in change.values:
        raise InvalidMember([Fault("name", "a new member needs one")])
    return apply(Member(member_id, program_id, change.external_id, "", now, now), change)


def apply(member: Member, change: MemberChange) -> Member:
    """The member with the values that the change sets, the manager apart; raises InvalidMember."""
    custom = {name: value for name, value in {**member.custom, **change.custom}.items() if value is not None}
    if len(custom) > MAX_CUSTOM:
        raise InvalidMember([Fault("custom", f"{len(custom)} attributes, a member has at most {MAX_CUSTOM}")])
    return replace(member, **change.values, custom=custom)


def dated(before: Member, after: Member, now: datetime) -> Member:
    """`after` with a version of its own if its attributes are others; `before` itself if nothing is."""
    if after == before:
        return before
    raised = attributes(after) != attributes(before)
    return replace(after, version=before.version + raised, updated_at=now)


def circular(changes: Sequence[MemberChange]) -> set[str]:
    """The external ids of members who, by these changes alone, are managers of their own managers."""
    manager_of = {change.external_id: change.manager for change in changes if change.manager is not None}
    settled: set[str] = set()
    circles: set[str] = set()
    for start in manager_of:
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at not in path and at not in settled:
            path[at] = None
            at = manager_of.get(at)
        if at in path:
            above = list(path)
            circles.update(above[above.index(at) :])
        settled.update(path)
    return circles


def managers_first(changes: Sequence[MemberChange]) -> list[MemberChange]:
    """The changes in an order in which a manager comes before those who report to them; else as they were."""
    by_id = {change.external_id: change for change in changes}
    ordered: dict[int, MemberChange] = {}
    for change in changes:
        chain: dict[int, MemberChange] = {}
        above: MemberChange | None = change
        while above is not None and id(above) not in ordered and id(above) not in chain:
            chain[id(above)] = above
            above = by_id.get(above.manager) if above.manager is not None else None
        ordered |= reversed(chain.items())
    return list(ordered.values())


# -- Reading a row -------------------------------------------------------------------------------------------------

# CLDR's territories with two letters that ISO 3166-1 does not assign.
_NOT_ISO = frozenset(("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"))
_LEAP_YEAR = 2000
_EMAIL = re.compile(r"[^@\s,;<>\"()]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)*[^\W_](?:[\w-]{0,61}[^\W_])?")
_CUSTOM_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """The assigned country codes of ISO 3166-1 alpha-2."""
    return frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2) - _NOT_ISO


def read(row: Mapping[str, Any]) -> MemberChange:
    """The change that a row of JSON values describes; raises InvalidMember with every fault that it has."""
    faults = [Fault(_shown(name), "is not a field of a member") for name in row.keys() - FIELDS.keys()]
    found: dict[str, Any] = {}
    for name, reader in FIELDS.items():
        if name in row:
            try:
                found[name] = reader(row[name])
            except InvalidMember as error:
                faults += error.faults
            except ValueError as error:
                faults.append(Fault(name, str(error)))
    if "external_id" not in row:
        faults.append(Fault("external_id", "is missing"))
    elif found.get("manager") == found.get("external_id", ...):
        faults.append(Fault("manager", "nobody is their own manager"))
    if faults:
        raise InvalidMember(faults)
    return _change(found)


def _change(found: Mapping[str, Any]) -> MemberChange:
    apart = ("external_id", "manager", "custom", "identities")
    return MemberChange(
        external_id=found["external_id"],
        values={name: value for name, value in found.items() if name not in apart},
        names=frozenset(found),
        manager=found.get("manager"),
        custom=found.get("custom", {}),
        identities=found.get("identities", ()),
    )


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(name))[:60]


def _text(value: Any, longest: int = MAX_TEXT_LENGTH) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    text: str = value.strip()
    if not text:
        raise ValueError("must not be empty")
    if len(text) > longest:
        raise ValueError(f"has {len(text)} characters, at most {longest} are taken")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ValueError("must not contain control characters")
    return text


def _optional_text(value: Any) -> str | None:
    return None if value is None or value == "" else _text(value)


def _email(value: Any) -> str | None:
    if value is None or value == "":
        return None
    email = _text(value, MAX_EMAIL_LENGTH)
    if not _EMAIL.fullmatch(email):
        raise ValueError("is not an e-mail address")
    return email


def _time_zone(value: Any) -> str:
    return check_time_zone(_text(value))


def _country(value: Any) -> str | None:
    if value is None or value == "":
        return None
    code = _text(value).upper()
    if code not in countries():
        raise ValueError(f"{_shown(code)!r} is not a country code of ISO 3166-1, such as DE")
    return code


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(_text(value, len("2027-01-31")))
    except ValueError:
        raise ValueError("is not a day, such as 2027-01-31") from None


def _optional_day(value: Any) -> date | None:
    return None if value is None or value == "" else _day(value)


def _birthday(value: Any) -> str | None:
    """Month and day; every year has a birthday on 29 February, on its last day in most."""
    if value is None or value == "":
        return None
    text = _text(value, len("02-29"))
    if not re.fullmatch(r"\d\d-\d\d", text, re.ASCII):
        raise ValueError("is not month and day, such as 05-23: years are not taken")
    try:
        date.fromisoformat(f"{_LEAP_YEAR}-{text}")
    except ValueError:
        raise ValueError("is not a day of any year") from None
    return text


def _status(value: Any) -> MemberStatus:
    if value not in list(MemberStatus):
        raise ValueError(f"must be one of {', '.join(MemberStatus)}")
    return MemberStatus(value)


def _identities(value: Any) -> tuple[Identity, ...]:
    if not isinstance(value, list) or len(value) > MAX_IDENTITIES:
        raise ValueError(f"must be a list of at most {MAX_IDENTITIES} identities")
    return tuple(one for given in value for one in _identity(given))


def _identity(given: Any) -> tuple[Identity, ...]:
    if not isinstance(given, dict) or given.keys() != {"source", "external_id"}:
        raise ValueError("each identity has a source and an external_id")
    source, external_id = _text(given["source"]), _text(given["external_id"])
    if source.startswith(RESERVED_SOURCE):
        raise ValueError(f"sources that begin with {RESERVED_SOURCE} are Laurel's own")
    if source == EMAIL:
        email = _email(external_id)
        return identities_of_email(email) if email else ()
    return (Identity(source, external_id.lower() if source == MBOX_SHA1SUM else external_id),)


def _custom(value: Any) -> dict[str, CustomValue | None]:
    if not isinstance(value, dict) or len(value) > MAX_CUSTOM:
        raise ValueError(f"must be an object of at most {MAX_CUSTOM} attributes")
    taken, faults = {}, []
    for name, given in value.items():
        try:
            taken[_custom_name(name)] = _custom_value(given)
        except ValueError as error:
            faults.append(Fault(f"custom.{_shown(name)}", str(error)))
    if faults:
        raise InvalidMember(faults)
    return taken


def _custom_name(name: Any) -> str:
    if not isinstance(name, str) or not _CUSTOM_NAME.fullmatch(name):
        raise ValueError("a name has 1 to 63 lower-case letters, digits and underscores, a letter first")
    return name


def _custom_value(value: Any) -> CustomValue | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_CUSTOM_INTEGER:
            raise ValueError(f"must be between -{MAX_CUSTOM_INTEGER} and {MAX_CUSTOM_INTEGER}")
        return value
    if isinstance(value, dict) and value.keys() == {"date"}:
        return _day(value["date"])
    if isinstance(value, str):
        return _text(value, MAX_CUSTOM_TEXT_LENGTH)
    raise ValueError('must be a text, an integer, a boolean or {"date": "2027-01-31"}')


FIELDS = {
    "external_id": _text,
    "name": _text,
    "email": _email,
    "time_zone": _time_zone,
    "country": _country,
    "location": _optional_text,
    "department": _optional_text,
    "role": _optional_text,
    "hired_on": _optional_day,
    "probation_ends_on": _optional_day,
    "birthday": _birthday,
    "manager": _optional_text,
    "performance_tier": _optional_text,
    "status": _status,
    "custom": _custom,
    "identities": _identities,
}

# -- Reading a line of text ----------------------------------------------------------------------------------------

IDENTITY_COLUMN = "identity:"
CUSTOM_COLUMN = "custom:"
CUSTOM_TYPES = ("string", "integer", "boolean", "date")
_KEPT_WHEN_EMPTY = frozenset({"name", "time_zone", "status"})
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def check_columns(columns: Iterable[str]) -> None:
    """Raises InvalidMember unless each column is a field, `identity:SOURCE`, or `custom:NAME` or `custom:NAME:TYPE`."""
    names = list(columns)
    faults = [Fault(_shown(name), "is not a column of members") for name in names if not _is_column(name)]
    faults += [Fault(_shown(name), "is there twice") for name in dict.fromkeys(names) if names.count(name) > 1]
    if "external_id" not in names:
        faults.append(Fault("external_id", "this column is missing"))
    if faults:
        raise InvalidMember(faults)


def _is_column(name: str) -> bool:
    if name.startswith(IDENTITY_COLUMN):
        return len(name) > len(IDENTITY_COLUMN)
    if name.startswith(CUSTOM_COLUMN):
        _, _, type_ = name.removeprefix(CUSTOM_COLUMN).partition(":")
        return type_ in ("", *CUSTOM_TYPES)
    return name in FIELDS and name not in ("custom", "identities")


def read_texts(texts: Mapping[str, str]) -> MemberChange:
    """The change that a line of a file describes, by column; an empty cell clears what may be empty.

    Raises InvalidMember with every fault of the line.
    """
    row: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    identities = []
    faults = []
    for column, text in texts.items():
        text = text.strip()
        if column.startswith(IDENTITY_COLUMN):
            identities += [{"source": column.removeprefix(IDENTITY_COLUMN), "external_id": text}] if text else []
        elif column.startswith(CUSTOM_COLUMN):
            name, _, type_ = column.removeprefix(CUSTOM_COLUMN).partition(":")
            try:
                custom[name] = _typed(type_, text) if text else None
            except ValueError as error:
                faults.append(Fault(f"custom.{_shown(name)}", str(error)))
        elif text or column not in _KEPT_WHEN_EMPTY:
            row[column] = text
    try:
        change = read(row | {"custom": custom, "identities": identities})
    except InvalidMember as error:
        raise InvalidMember([*faults, *error.faults]) from None
    if faults:
        raise InvalidMember(faults)
    return change


def _typed(type_: str, text: str) -> Any:
    if type_ == "integer":
        if not re.fullmatch(r"[+-]?\d{1,16}", text, re.ASCII):
            raise ValueError("is not an integer")
        return int(text)
    if type_ == "boolean":
        if text.lower() not in _BOOLEANS:
            raise ValueError(f"must be one of {', '.join(_BOOLEANS)}")
        return _BOOLEANS[text.lower()]
    return {"date": text} if type_ == "date" else text
