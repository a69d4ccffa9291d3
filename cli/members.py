"""`laurel members`: people from a file into a program, and two who are one."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli import lines
from cli.errors import CommandFailed
from cli.lines import Kind, Line
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.commands import Refused
from domain.member_changes import ChangeStatus, MemberChange, check_columns, read_texts
from domain.merges import Merge
from settings import Settings
from storage import member_changes, merges
from storage.member_changes import MAX_IMPORT

app = typer.Typer(name="members", help="Members: the employees of a program.", no_args_is_help=True)

ACTOR = "operator"
MAX_SHOWN_MERGES = 100


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

    Columns: external_id (needed), name, email, time_zone, country, location, department, role, hired_on,
    probation_ends_on (the last day of probation), birthday (month and day, such as 05-23), manager (an external_id),
    performance_tier, status (active, on_leave, left), identity:SOURCE for the member's name in another system, and
    custom:NAME or custom:NAME:TYPE (string, integer, boolean, date) for attributes of your own. A column that is not
    there leaves what is known; an empty cell clears it, except in name, time_zone, status and identities.

    The status is 1 if any line has a fault.
    """
    counts, faults = asyncio.run(_import(Settings(), program, list(read(file)), dry_run))
    if json:
        answer_json({"dry_run": dry_run, **counts, "faults": faults})
    else:
        lines.show(counts, faults, dry_run=dry_run)
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


def read(file: Path) -> Iterator[Line[MemberChange]]:
    """The lines of a file, each read or with its faults; raises CommandFailed if it is no list of people at all."""
    return lines.read(file, Kind("members", MAX_IMPORT, check_columns, read_texts))


async def _import(
    settings: Settings, wanted: str | None, people: Sequence[Line[MemberChange]], dry_run: bool
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    at = now()
    readable = [(line, line.change) for line in people if line.change is not None]
    async with opened(settings) as database:
        async with database.begin() as session:
            program = await choose(session, wanted)
        changes = [change for _, change in readable]
        results = await member_changes.import_all(
            database, program.id, changes, effective_at=at, now=at, dry_run=dry_run
        )
    came = Counter(str(result.status) for result in results) + Counter(failed=len(people) - len(readable))
    found = [(line.number, line.faults) for line in people]
    found += [(line.number, result.faults) for (line, _), result in zip(readable, results, strict=True)]
    return {status.value: came[status.value] for status in ChangeStatus}, lines.as_json(found)
