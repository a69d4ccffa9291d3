"""Members: the employees of a program, what is known of them and what they have."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from domain.events import Identity

EMAIL = "email"
MBOX_SHA1SUM = "mbox_sha1sum"

CustomValue = str | int | bool | date


class MemberStatus(StrEnum):
    """Whether a member takes part."""

    ACTIVE = "active"
    ON_LEAVE = "on_leave"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Member:
    """An employee in a program; `version` counts the versions of the attributes that rules see."""

    id: str
    program_id: str
    external_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    email: str | None = None
    time_zone: str = "UTC"
    country: str | None = None
    location: str | None = None
    department: str | None = None
    role: str | None = None
    hired_on: date | None = None
    probation_ends_on: date | None = None
    birthday: str | None = None  # month and day: the year is nobody's business
    manager_id: str | None = None
    performance_tier: str | None = None
    status: MemberStatus = MemberStatus.ACTIVE
    custom: Mapping[str, CustomValue] = field(default_factory=dict)
    version: int = 1
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What a member has of one unit: to spend, set aside, promised, owed, earned in all, and what lapses next.

    Its version grows with each change and makes no balance another: equal amounts are equal. Lifetime and version of a
    past moment are not known (None).
    """

    unit: str
    available: int = 0
    held: int = 0
    pending: int = 0
    debt: int = 0
    lifetime: int | None = 0
    next_expiry_at: datetime | None = None
    next_expiry_amount: int = 0
    version: int | None = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One transaction as the member's account saw it; `position` orders the account's history and is its cursor.

    `kind` is the ledger's: earn and reverse come from an event, hold, release and refund from an order, expire from
    neither. `balance` is what the account had afterwards.
    """

    position: int
    transaction_id: str
    kind: str
    amount: int
    balance: int
    effective_at: datetime
    recorded_at: datetime
    event_id: str | None = None
    event_type: str | None = None
    rules: tuple[str, ...] = ()
    order_id: str | None = None
    item_name: str | None = None


# What rules see of a member, and what is kept in dated versions. Name and e-mail are not among them: no rule may depend
# on who somebody is, and versions are never changed, so they hold nothing that a person may ask to be forgotten. Nor is
# the end of probation, nor a birthday, of which rules are told when they come.
ATTRIBUTES = (
    "time_zone", "country", "location", "department", "role", "hired_on", "manager_id", "performance_tier", "status",
    "custom",
)  # fmt: skip


def attributes(member: Member) -> dict[str, Any]:
    """The member as CEL sees it: texts, integers and booleans, null where nothing is known, days as ISO text."""
    return as_attributes({name: getattr(member, name) for name in ATTRIBUTES})


def as_attributes(known: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a member's fields by name."""
    seen = {name: known[name] for name in ATTRIBUTES}
    seen["hired_on"] = _plain(seen["hired_on"])
    seen["custom"] = {name: _plain(value) for name, value in sorted(seen["custom"].items())}
    return seen


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def custom_as_json(custom: Mapping[str, CustomValue]) -> dict[str, Any]:
    """Custom attributes as they are stored and shown: a day is {"date": "2027-01-31"}, so that its type is kept."""
    return {
        name: {"date": value.isoformat()} if isinstance(value, date) else value
        for name, value in sorted(custom.items())
    }


def custom_from_json(stored: Mapping[str, Any]) -> dict[str, CustomValue]:
    """The inverse of `custom_as_json`."""
    return {
        name: date.fromisoformat(value["date"]) if isinstance(value, dict) else value for name, value in stored.items()
    }


# -- Identities ----------------------------------------------------------------------------------------------------


def identities_of_email(email: str) -> tuple[Identity, ...]:
    """The names that an e-mail address gives: itself in lower case, and xAPI's SHA-1 of its mailto IRI."""
    written = dict.fromkeys((email.lower(), email))
    sums = (hashlib.sha1(f"mailto:{one}".encode(), usedforsecurity=False).hexdigest() for one in written)
    return Identity(EMAIL, email.lower()), *(Identity(MBOX_SHA1SUM, one) for one in sums)
