"""Calendars: the days on which somebody is to work, by a weekly pattern and the public holidays of a country.

Holidays come from the package `holidays`; ENGINE names its version, for it is an input of whatever they decide.
"""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import holidays

ENGINE = f"holidays {version('holidays')}"

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The custom attribute of a member that works on other days than a policy says, for example "mon,tue,wed".
WORKING_DAYS = "working_days"


@lru_cache(maxsize=1_000)
def pattern(days: tuple[str, ...]) -> frozenset[int]:
    """The weekdays as numbers, Monday 0; what is no weekday is left out."""
    return frozenset(WEEKDAYS.index(day) for day in days if day in WEEKDAYS)


def pattern_of(attributes: Mapping[str, Any], days: tuple[str, ...]) -> frozenset[int]:
    """The member's own weekdays if the attributes say some that can be read, else these."""
    own = (attributes.get("custom") or {}).get(WORKING_DAYS)
    return (_read(own) if isinstance(own, str) else frozenset()) or pattern(days)


@lru_cache(maxsize=1_000)
def _read(text: str) -> frozenset[int]:
    return pattern(tuple(part.strip().lower()[:3] for part in text.split(",")))


def is_holiday(country: str | None, day: date) -> bool:
    """Whether it is a public holiday in the whole country (ISO 3166-1 alpha-2); never in one that is not known."""
    return country is not None and day in _holidays(country, day.year)


@lru_cache(maxsize=2_000)
def _holidays(country: str, year: int) -> frozenset[date]:
    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError:
        return frozenset()
