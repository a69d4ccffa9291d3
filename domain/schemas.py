"""Schemas: whether an event's data is what its event type declares, and how expressions see it.

Checking runs for every event, so it is one pass over the data without building anything unless there is a fault.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from domain.configuration import EventType, Field

MAX_FAULTS = 20
# Integers beyond this lose digits in other systems' JSON (RFC 8259, section 6).
MAX_INTEGER = 2**53 - 1

_UNFIT = re.compile(r"[\0\ud800-\udfff]")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class DataFault:
    """What is wrong with one value: a JSON pointer (RFC 6901) into the data and a sentence."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}"


def faults(event_type: EventType, data: Mapping[str, Any]) -> list[DataFault]:
    """Every way in which the data breaks the schema, at most MAX_FAULTS; empty when it fits."""
    found: list[DataFault] = []
    fields = event_type.fields
    for name, value in data.items():
        field = fields.get(name)
        message = f"{event_type.key} has no such field" if field is None else CHECKS[field.type](field, value)
        if message:
            found.append(DataFault(_pointer(name), message))
    found.extend(
        DataFault(_pointer(name), "is required")
        for name, field in fields.items()
        if field.required and name not in data
    )
    return found[:MAX_FAULTS]


def values(event_type: EventType, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Data as CEL sees it: numbers are doubles, timestamps are instants, dates stay ISO text.

    Data of an earlier schema may have fields that are gone, which stay as they are; it raises ValueError or TypeError
    where a value is nothing of the field's type.
    """
    fields = event_type.fields
    converted = [name for name in data if name in fields and fields[name].type in CONVERSIONS]
    if not converted:
        return data
    return {**data, **{name: CONVERSIONS[fields[name].type](data[name]) for name in converted}}


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")[:200]


def _string(field: Field, value: Any) -> str | None:
    if type(value) is not str:
        return _not("a string", value)
    if field.enum and value not in field.enum:
        return f"must be one of {', '.join(field.enum)[:500]}"
    if len(value) > field.max_length:
        return f"has {len(value)} characters, at most {field.max_length} are taken"
    return "must not contain U+0000 or half of a surrogate pair" if _UNFIT.search(value) else None


def _integer(field: Field, value: Any) -> str | None:
    return _out_of_limits(field, value) if type(value) is int else _not("an integer", value)


def _number(field: Field, value: Any) -> str | None:
    if type(value) is not int and not (type(value) is float and math.isfinite(value)):
        return _not("a number", value)
    return _out_of_limits(field, value)


def _out_of_limits(field: Field, value: float) -> str | None:
    least, most = limits(field)
    if value < least:
        return f"is below the minimum of {least}"
    return f"is above the maximum of {most}" if value > most else None


def limits(field: Field) -> tuple[int, int]:
    """The least and the greatest value of an integer or number field."""
    least = -MAX_INTEGER if field.minimum is None else field.minimum
    return least, MAX_INTEGER if field.maximum is None else field.maximum


def _boolean(field: Field, value: Any) -> str | None:
    return None if type(value) is bool else _not("true or false", value)


def _timestamp(field: Field, value: Any) -> str | None:
    return _iso(value, _TIMESTAMP, datetime.fromisoformat, "a timestamp with its offset, as 2027-01-31T09:00:00Z")


def _date(field: Field, value: Any) -> str | None:
    return _iso(value, _DATE, date.fromisoformat, "a date, as 2027-01-31")


def _iso(value: Any, pattern: re.Pattern[str], parse: Callable[[str], Any], wanted: str) -> str | None:
    if type(value) is not str or not pattern.fullmatch(value):
        return _not(wanted, value)
    try:
        parse(value)
    except ValueError:
        return _not(wanted, value)
    return None


def _not(wanted: str, value: Any) -> str:
    kind = {type(None): "null", bool: "a boolean", dict: "an object", list: "an array", str: "this string"}
    return f"must be {wanted}, not {kind.get(type(value), 'this number')}"


CHECKS: Mapping[str, Callable[[Field, Any], str | None]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": _date,
}
CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"number": float, "timestamp": datetime.fromisoformat}
