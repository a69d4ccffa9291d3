"""Sentences: what people are told, before it is said in anybody's language.

A sentence is its English text with {names} for its values. A value is what it is, a day or an amount, and every
language writes it in its own way; names, titles and what people typed stand as they are. A sentence knows all that it
says, so it can be kept and said later, to anybody: `english` says it plainly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeAlias

from domain.configuration import Unit, UnitKind
from domain.time import zone
from domain.units import shown


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, as clocks in the zone show it."""

    at: datetime
    time_zone: str


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of a unit, counted in its smallest part."""

    n: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Listed:
    """Several things in one sentence: one, another and a third."""

    values: Sequence["Value"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text with values for its {names}; with a `plural`, the one of both that `n` asks for, which is {n} in them."""

    text: str
    values: Mapping[str, "Value"] = field(default_factory=dict)
    plural: str | None = None
    n: int = 1


Value: TypeAlias = str | int | date | Moment | Amount | Listed | Sentence


def sentence(text: str, **values: Value) -> Sentence:
    """The text is written out where this is called, so that it is found and translated."""
    return Sentence(text, values)


def counted(singular: str, plural: str, n: int, **values: Value) -> Sentence:
    """One of two texts, written out likewise."""
    return Sentence(singular, values, plural, n)


def points(n: int) -> Sentence:
    """1 point, 1,234 points."""
    return counted("{n} point", "{n} points", n)


def alone(value: Value) -> Sentence:
    """Nothing but a value: what somebody has written, or a day."""
    return Sentence("{value}", {"value": value})


def lines(*parts: Value) -> Sentence:
    """One below the other."""
    named = {f"line_{number}": part for number, part in enumerate(parts)}
    return Sentence("\n".join(f"{{{name}}}" for name in named), named)


# -- In English ----------------------------------------------------------------------------------------------------


def english(value: Value) -> str:
    """As it reads where no language is known."""
    match value:
        case str():
            return value
        case int():
            return f"{value:,}"
        case Moment(at, time_zone):
            return f"{at.astimezone(zone(time_zone)):%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case Amount(n, unit):
            return shown(unit, n)
        case Listed(values):
            return ", ".join(map(english, values))
        case Sentence(text, values, plural, n):
            chosen = text if plural is None or n == 1 else plural
            return chosen.format(**{"n": english(n), **{name: english(one) for name, one in values.items()}})


# -- As JSON -------------------------------------------------------------------------------------------------------


def write(value: Value) -> Any:
    """The value as JSON has it; the inverse of `read`."""
    match value:
        case str() | int():
            return value
        case Moment(at, time_zone):
            return {"at": at.isoformat(), "time_zone": time_zone}
        case datetime():
            raise TypeError("an instant is told as a Moment: its day is another in other zones")
        case date():
            return {"day": value.isoformat()}
        case Amount(n, unit):
            kept = {"key": unit.key, "title": unit.title, "currency": unit.currency, "exponent": unit.exponent}
            return {"amount": n, "unit": {name: part for name, part in kept.items() if part}}
        case Listed(values):
            return {"listed": [write(one) for one in values]}
        case Sentence(text, values, plural, n):
            counted = {} if plural is None else {"plural": plural, "n": n}
            return {"text": text, **counted, "values": {name: write(one) for name, one in values.items()}}


def read(kept: Any) -> Value:
    """The value that was written."""
    match kept:
        case str() | int():
            return kept
        case {"at": at, "time_zone": time_zone}:
            return Moment(datetime.fromisoformat(at), time_zone)
        case {"day": day}:
            return date.fromisoformat(day)
        case {"amount": n, "unit": unit}:
            return Amount(n, Unit(version=0, kind=UnitKind.MONEY if "currency" in unit else UnitKind.POINTS, **unit))
        case {"listed": values}:
            return Listed([read(one) for one in values])
    return read_sentence(kept)


def read_sentence(kept: Mapping[str, Any]) -> Sentence:
    """The sentence that was written."""
    values = {name: read(one) for name, one in kept["values"].items()}
    return Sentence(kept["text"], values, kept.get("plural"), kept.get("n", 1))
