"""`laurel absences`: days away, from a file into a program."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import lines, tabular
from cli.errors import CommandFailed
from cli.lines import Kind, Line
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.absences import Absence, AbsenceChange, AbsenceStatus, check_columns, read_texts
from domain.events import MEMBER_EXTERNAL_ID, Identity
from settings import Settings
from storage import absences, members
from storage.absences import MAX_IMPORT, MAX_PAGE

app = typer.Typer(name="absences", help="Absences: days on which members do not work.", no_args_is_help=True)

SOURCE = "file"
COLUMNS = ("absence", "member", "kind", "starts_on", "ends_on", "source", "external_id", "state", "recorded_at")


@app.command("import")
def import_absences(
    file: Annotated[Path, typer.Argument(help="A CSV file in UTF-8 whose first line names the columns.")],
    source: Annotated[str, typer.Option(help="Who says so; absences of other sources stay as they are.")] = SOURCE,
    members_of: Annotated[
        str, typer.Option(help="The system whose names of members the file has.")
    ] = MEMBER_EXTERNAL_ID,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Take absences from a file. Lines with faults are named; the others go in, and streaks are folded again.

    Columns: member (an external_id), kind (pto, sick, parental, holiday, other), starts_on and ends_on (both days
    away), and if you like external_id (the absence's own name; member, kind and first day make one if it is not there)
    and withdrawn (yes: it is no absence after all). A line whose absence is known changes it.

    The status is 1 if any line has a fault.
    """
    read = partial(read_texts, source=source, member_source=members_of)
    found = list(lines.read(file, Kind("absences", MAX_IMPORT, check_columns, read)))
    counts, faults = asyncio.run(_import(Settings(), program, found))
    if json:
        answer_json({**counts, "faults": faults})
    else:
        lines.show(counts, faults)
    if faults:
        raise typer.Exit(1)


@app.command("list")
def list_absences(
    member: Annotated[str | None, typer.Option(help="Of one member only, by external_id.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also what was replaced or withdrawn.")] = False,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """List the newest 100 absences, told last first."""
    found = asyncio.run(_list(Settings(), program, member, ended))
    if json:
        answer_json([asdict(one) for one in found])
        return
    names = ("id", "member_id", *COLUMNS[2:])
    tabular.show("Absences", COLUMNS, [[getattr(one, name) for name in names] for one in found])


async def _import(
    settings: Settings, wanted: str | None, found: Sequence[Line[AbsenceChange]]
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    readable = [(line, line.change) for line in found if line.change is not None]
    async with opened(settings) as database:
        async with database.begin() as session:
            program = await choose(session, wanted)
        changes = [change for _, change in readable]
        results = await absences.import_all(database, program.id, changes, as_of=now())
    came = Counter(result.status for result in results) + Counter({AbsenceStatus.FAILED: len(found) - len(readable)})
    faults = [(line.number, line.faults) for line in found]
    faults += [(line.number, result.faults) for (line, _), result in zip(readable, results, strict=True)]
    return {status.value: came[status] for status in AbsenceStatus}, lines.as_json(faults)


async def _list(settings: Settings, wanted: str | None, member: str | None, ended: bool) -> Sequence[Absence]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        member_id = None
        if member is not None:
            found = await members.find_by_identity(session, program.id, Identity(MEMBER_EXTERNAL_ID, member))
            if found is None:
                raise CommandFailed(f"no member has the external_id {member!r}")
            member_id = found.id
        return await absences.list_page(session, program.id, member_id=member_id, ended=ended, limit=MAX_PAGE - 1)
