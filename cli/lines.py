"""Files of lines that an operator brings: CSV in UTF-8 whose first line names the columns, each line read by itself."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.table import Table

from cli.errors import CommandFailed
from domain.member_changes import Fault, InvalidRow

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_SHOWN_FAULTS = 200

Change = TypeVar("Change")


@dataclass(frozen=True, slots=True)
class Line(Generic[Change]):
    """A line of the file: where it begins, and what it says or why it cannot be read."""

    number: int
    change: Change | None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind(Generic[Change]):
    """What a file holds: its name, at most how many, and what checks its columns and reads a line, by column.

    Both raise InvalidRow.
    """

    nouns: str
    most: int
    check_columns: Callable[[Sequence[str]], None]
    read: Callable[[Mapping[str, str]], Change]


def read(file: Path, kind: Kind[Change]) -> Iterator[Line[Change]]:
    """The lines of a file, each read or with its faults; raises CommandFailed if it holds nothing of the kind."""
    rows = csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    try:
        columns = [name.strip() for name in next(rows, [])]
        kind.check_columns(columns)
        yield from _lines(rows, columns, kind)
    except InvalidRow as error:
        raise CommandFailed(f"{file}, line 1: {error}") from None
    except csv.Error as error:
        raise CommandFailed(f"{file}, line {rows.line_num}: {error}") from None


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise CommandFailed(f"{file} has more than {MAX_FILE_BYTES} bytes")
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file} is not UTF-8: byte {error.start}") from None


def _lines(rows: Any, columns: Sequence[str], kind: Kind[Change]) -> Iterator[Line[Change]]:
    begins = rows.line_num + 1
    for count, cells in enumerate(rows):
        if count >= kind.most:
            raise CommandFailed(f"more than {kind.most} {kind.nouns}; import them in several files")
        if cells:
            yield _line(begins, columns, cells, kind)
        begins = rows.line_num + 1


def _line(number: int, columns: Sequence[str], cells: Sequence[str], kind: Kind[Change]) -> Line[Change]:
    if len(cells) != len(columns):
        return Line(number, None, (Fault("line", f"has {len(cells)} cells, the first line has {len(columns)}"),))
    try:
        return Line(number, kind.read(dict(zip(columns, cells, strict=True))))
    except InvalidRow as error:
        return Line(number, None, error.faults)


def as_json(found: Sequence[tuple[int, Sequence[Fault]]]) -> list[dict[str, Any]]:
    """Each fault with its line, in the order of the lines."""
    return [
        {"line": number, "field": fault.field, "message": fault.message}
        for number, of_line in sorted(found, key=lambda one: one[0])
        for fault in of_line
    ]


def show(counts: Mapping[str, int], faults: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> None:
    """What came of a file, for people."""
    console = Console()
    if faults:
        table = Table("line", "field", "fault")
        for fault in faults[:MAX_SHOWN_FAULTS]:
            table.add_row(str(fault["line"]), fault["field"], fault["message"])
        console.print(table)
        if len(faults) > MAX_SHOWN_FAULTS:
            console.print(f"and {len(faults) - MAX_SHOWN_FAULTS} more; --json lists all")
    counted = ", ".join(f"{count} {status}" for status, count in counts.items())
    console.print(f"{'It would be: ' if dry_run else ''}{counted}.")
