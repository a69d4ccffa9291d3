"""Checks that recur: limits, references between sections, lists; each yields Faults with the path to the value."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from domain.configuration import POINTS
from domain.definitions import Definitions
from domain.shapes import Fault, Path

MAX_LIST = 300  # of anything without a limit of its own
MAX_KEY = 64  # characters
MAX_TITLE = 200
MAX_TEXT = 5_000
MAX_POINTS = 1_000_000_000
MAX_MONEY_MINOR = 10**12
MAX_DAYS = 3_650
MAX_LATE_HOURS = 31 * 24

CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)

Told = Iterator[Fault]


def refers(path: Path, name: str, key: str, section: str, definitions: Definitions) -> Told:
    """The key at this name is one of the section's."""
    known = definitions.section(section)
    if key not in known:
        what = section.removesuffix("s").replace("_", " ")
        yield Fault((*path, name), f"no {what} {key}{close(key, known)}", (section, key))


def counts_in(path: Path, name: str, key: str, definitions: Definitions) -> Told:
    """The key at this name is a unit's."""
    if key != POINTS.key:
        yield from refers(path, name, key, "units", definitions)


def close(name: str, known: Collection[str]) -> str:
    """What may have been meant, as the end of a sentence."""
    close = get_close_matches(name, list(known), n=1)
    return f": did you mean {close[0]}?" if close else ""


def within(path: Path, value: int, least: int, most: int) -> Told:
    """The value is from the least to the most."""
    if not least <= value <= most:
        yield Fault(path, f"must be {least} to {most}")


def days(path: Path, name: str, number: int | None) -> Told:
    """The value at this name, if there is one, is a number of days."""
    if number is not None:
        yield from within((*path, name), number, 1, MAX_DAYS)


def bounded(path: Path, values: Sequence[Any], most: int) -> Told:
    """There are not too many values."""
    if len(values) > most:
        yield Fault(path, f"{len(values)} entries, at most {most} are taken")


def listed(path: Path, name: str, values: Sequence[Any]) -> Told:
    """The values at this name are not too many, and none is there twice."""
    yield from bounded((*path, name), values, MAX_LIST)
    for n, value in enumerate(values):
        if value in values[:n]:
            yield Fault((*path, name, n), f"{value} is listed twice")


def currency(path: Path, currency: str) -> Told:
    """It looks like an ISO 4217 code."""
    if not CURRENCY.fullmatch(currency):
        yield Fault((*path, "currency"), f"{currency!r} is not an ISO 4217 code of three letters, as USD")


def joined(values: Iterable[Any]) -> str:
    """The values as people list them."""
    return ", ".join(map(str, values))
