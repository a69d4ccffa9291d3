"""Programs: a program is one tenant, and either a sandbox, where nothing costs money, or live."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

MAX_NAME_LENGTH = 200  # characters
MAX_ORIGINS = 50
MAX_ORIGIN_LENGTH = 300  # characters
# As browsers write them (RFC 6454, section 6.2): in lower case, without a path, and without the scheme's own port.
ORIGIN = r"^(https://(?!.*:443$)|http://(?!.*:80$))[a-z0-9.-]+(:[1-9][0-9]{0,4})?$"
_ORIGIN = re.compile(ORIGIN, re.ASCII)


class ProgramKind(StrEnum):
    """Sandbox programs never reach live vendors, nor live programs sandbox ones."""

    SANDBOX = "sandbox"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Program:
    """A tenant; `configuration` is the number of its active snapshot, 0 before the first.

    Orders are limited to a value in minor units of `limit_currency` per day and per month; None is no limit.
    Web pages of `origins` may call with member tokens. Where a `second_person_publishes`, who proposes a configuration
    or writes a challenge does not make it active.
    """

    id: str
    name: str
    kind: ProgramKind
    time_zone: str
    created_at: datetime
    configuration: int = 0
    orders_paused: bool = False
    daily_limit_minor: int | None = None
    monthly_limit_minor: int | None = None
    limit_currency: str = "USD"
    origins: tuple[str, ...] = ()
    second_person_publishes: bool = False


def check_name(name: str) -> str:
    """The name without outer spaces; raises ValueError if it is empty or too long."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise ValueError(f"a name has 1 to {MAX_NAME_LENGTH} characters")
    return name


def check_origins(origins: Collection[str]) -> tuple[str, ...]:
    """The origins without repeats, in order; raises ValueError that names one that no browser would send."""
    for origin in origins:
        if len(origin) > MAX_ORIGIN_LENGTH or not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is not an origin, such as https://app.example.com or http://localhost:3000")
    if len(set(origins)) > MAX_ORIGINS:
        raise ValueError(f"a program has at most {MAX_ORIGINS} origins")
    return tuple(sorted(set(origins)))


def check_time_zone(name: str) -> str:
    """The name of an IANA time zone; raises ValueError for any other."""
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Berlin") from None
