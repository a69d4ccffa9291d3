"""Programs: a program is one tenant, and either a sandbox, where nothing costs money, or live."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

MAX_NAME_LENGTH = 200  # characters


class ProgramKind(StrEnum):
    """Sandbox programs never reach live vendors, nor live programs sandbox ones."""

    SANDBOX = "sandbox"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Program:
    """A tenant; `configuration` is the number of its active snapshot, 0 before the first.

    Orders are limited to a value in minor units of `limit_currency` per day and per month; None is no limit.
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


def check_name(name: str) -> str:
    """The name without outer spaces; raises ValueError if it is empty or too long."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise ValueError(f"a name has 1 to {MAX_NAME_LENGTH} characters")
    return name


def check_time_zone(name: str) -> str:
    """The name of an IANA time zone; raises ValueError for any other."""
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Berlin") from None
