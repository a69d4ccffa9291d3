"""What commands that report share: moments on the command line, and rows as a table, CSV or JSON."""

import csv
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from cli.errors import CommandFailed
from domain.time import zone

Csv = Annotated[bool, typer.Option("--csv", help="Answer with CSV, line by line, for spreadsheets.")]
# A spreadsheet would work these texts out as formulas, whoever wrote them.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def instant(text: str | None, time_zone: str) -> datetime | None:
    """The instant that is meant by a day, which begins in the zone, or by a date and time with an offset."""
    if text is None:
        return None
    try:
        return _read(text, time_zone)
    except (ValueError, OverflowError):
        message = f"{text!r} is neither a day, as 2026-03-01, nor a moment, as 2026-03-01T09:30:00Z"
        raise CommandFailed(message) from None


def _read(text: str, time_zone: str) -> datetime:
    if _DAY.fullmatch(text):
        return datetime.combine(date.fromisoformat(text), time(), zone(time_zone)).astimezone(UTC)
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no offset")
    return found.astimezone(UTC)


def moment(at: datetime) -> str:
    """An instant as people read it, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"


def amount(value: int, exponent: int) -> str:
    """An amount of a unit's smallest parts as people write it."""
    return f"{Decimal(value).scaleb(-exponent):,.{exponent}f}"


def csv_writer(columns: Sequence[str]) -> Callable[[Iterable[Any]], Any]:
    """Writes the columns' names to standard output; what it returns writes a row."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    return lambda row: writer.writerow([_plain(value) for value in row])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return value


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """A table for people; the columns of `right` are numbers."""
    heads = [Column(name.replace("_", " "), justify="right" if name in right else "left") for name in columns]
    table = Table(*heads, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_told(value) for value in row))
    Console().print(table)


def _told(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
