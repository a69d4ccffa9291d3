"""`laurel members`: people from a file into a program, and two who are one."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.commands import Refused
from domain.member_changes import ChangeStatus, Fault, InvalidMember, MemberChange, check_columns, read_texts
from domain.merges import Merge
from settings import Settings
from storage import member_changes, merges
from storage.member_changes import MAX_IMPORT

app = typer.Typer(name="members", help="Members: the employees of a program.", no_args_is_help=True)

ACTOR = "operator"
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_SHOWN_FAULTS = 200
MAX_SHOWN_MERGES = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: where it begins, and what it says or why it cannot be read."""

    number: int
    change: MemberChange | None
    faults: tuple[Fault, ...] = ()


@app.callback()
def group() -> None:
    """Hold the commands below this name, even while there is only one."""


@app.command("import")
def import_members(
    file: Annotated[Path, typer.Argument(help="A CSV file in UTF-8 whose first line names the columns.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and keep nothing.")] = False,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Create and change members from a file, by external_id. Lines with faults are named; the others go in.

    Columns: external_id (needed), name, email, time_zone, country, location, department, role, hired_on, manager (an
    external_id), performance_tier, status (active, on_leave, left), identity:SOURCE for the member's name in another
    system, and custom:NAME or custom:NAME:TYPE (string, integer, boolean, date) for attributes of your own. A column
    that is not there leaves what is known; an empty cell clears it, except in name, time_zone, status and identities.

    The status is 1 if any line has a fault.
    """
    lines = list(read(file))
    counts, faults = asyncio.run(_import(Settings(), program, lines, dry_run))
    if json:
        answer_json({"dry_run": dry_run, **counts, "faults": faults})
    else:
        _show(counts, faults, dry_run)
    if faults:
        raise typer.Exit(1)


Why = Annotated[str, typer.Option("--reason", help="Why; kept for ever.")]


@app.command()
def merge(
    member: Annotated[str, typer.Argument(help="The member who becomes an alias, by id.")],
    into: Annotated[str, typer.Argument(help="The member whom that one is, by id.")],
    reason: Why,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Merge a member into another: names, value, counters and crossings move over. Undone by `unmerge`."""

    async def run(session: AsyncSession, program_id: str) -> Merge | Refused:
        named = {"source": member, "destination": into, "actor": ACTOR, "reason": reason}
        return await merges.merge(session, program_id, as_of=now(), **named)

    _tell(asyncio.run(_change(Settings(), program, run)), json)


@app.command()
def unmerge(
    merge_id: Annotated[str, typer.Argument(metavar="MERGE", help="The merge's id.")],
    reason: Why,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Undo a merge: the alias is a member again, with what was moved and is still there."""

    async def run(session: AsyncSession, program_id: str) -> Merge | Refused:
        return await merges.undo(session, program_id, merge_id, actor=ACTOR, reason=reason, as_of=now())

    _tell(asyncio.run(_change(Settings(), program, run)), json)


@app.command("merges")
def list_merges(program: InProgram = None, json: Json = False) -> None:
    """List the newest 100 merges, and what undid them."""
    found = asyncio.run(_list_merges(Settings(), program))
    if json:
        answer_json([asdict(one) for one in found])
        return
    table = Table("merge", "member", "into", "undoes", "by", "reason", "at")
    for one in found:
        at = one.recorded_at.isoformat(timespec="minutes")
        table.add_row(one.id, one.from_member_id, one.to_member_id, one.undoes or "", one.actor, one.reason, at)
    Console().print(table)


async def _list_merges(settings: Settings, wanted: str | None) -> Sequence[Merge]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return await merges.list_page(session, program.id, member_id=None, before=None, limit=MAX_SHOWN_MERGES)


async def _change(
    settings: Settings, wanted: str | None, run: Callable[[AsyncSession, str], Awaitable[Merge | Refused]]
) -> Merge:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        try:
            found = await run(session, program.id)
        except LookupError as error:
            raise CommandFailed(str(error)) from None
    if isinstance(found, Refused):
        raise CommandFailed(found.detail)
    return found


def _tell(merge: Merge, json: bool) -> None:
    if json:
        answer_json(asdict(merge))
    elif merge.undoes:
        typer.echo(f"{merge.id}: {merge.to_member_id} is a member again.")
    else:
        typer.echo(f"{merge.id}: {merge.from_member_id} is {merge.to_member_id}.")


def read(file: Path) -> Iterator[Line]:
    """The lines of a file, each read or with its faults; raises CommandFailed if it is no list of people at all."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise CommandFailed(f"{file} has more than {MAX_FILE_BYTES} bytes")
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file} is not UTF-8: byte {error.start}") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [name.strip() for name in next(rows, [])]
        check_columns(columns)
        yield from _lines(rows, columns)
    except InvalidMember as error:
        raise CommandFailed(f"{file}, line 1: {error}") from None
    except csv.Error as error:
        raise CommandFailed(f"{file}, line {rows.line_num}: {error}") from None


def _lines(rows: Any, columns: Sequence[str]) -> Iterator[Line]:
    begins = rows.line_num + 1
    for count, cells in enumerate(rows):
        if count >= MAX_IMPORT:
            raise CommandFailed(f"more than {MAX_IMPORT} members; import them in several files")
        if cells:
            yield _line(begins, columns, cells)
        begins = rows.line_num + 1


def _line(number: int, columns: Sequence[str], cells: Sequence[str]) -> Line:
    if len(cells) != len(columns):
        return Line(number, None, (Fault("line", f"has {len(cells)} cells, the first line has {len(columns)}"),))
    try:
        return Line(number, read_texts(dict(zip(columns, cells, strict=True))))
    except InvalidMember as error:
        return Line(number, None, error.faults)


async def _import(
    settings: Settings, wanted: str | None, lines: Sequence[Line], dry_run: bool
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    at = now()
    readable = [(line, line.change) for line in lines if line.change is not None]
    async with opened(settings) as database:
        async with database.begin() as session:
            program = await choose(session, wanted)
        changes = [change for _, change in readable]
        results = await member_changes.import_all(
            database, program.id, changes, effective_at=at, now=at, dry_run=dry_run
        )
    came = Counter(str(result.status) for result in results) + Counter(failed=len(lines) - len(readable))
    found = [(line.number, line.faults) for line in lines]
    found += [(line.number, result.faults) for (line, _), result in zip(readable, results, strict=True)]
    faults = [
        {"line": number, "field": fault.field, "message": fault.message}
        for number, of_line in sorted(found, key=lambda one: one[0])
        for fault in of_line
    ]
    return {status.value: came[status.value] for status in ChangeStatus}, faults


def _show(counts: dict[str, int], faults: Sequence[dict[str, Any]], dry_run: bool) -> None:
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
