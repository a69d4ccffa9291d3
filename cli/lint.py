"""`laurel lint`: what a reviewed folder says and hardly means; with a program, also what its members make of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession

from cli.configurations import Complaint, Written, read_written, told
from cli.errors import CommandFailed
from cli.programs import choose
from cli.refusals import refusals
from cli.work import Json, answer_json, now, opened
from domain.definitions import Definitions
from domain.lint import LintWarning, empty_audience
from domain.lint import audiences as audiences_of
from domain.lint import lint as find_warnings
from settings import Settings
from storage import audiences, publishing

app = typer.Typer()

Strict = Annotated[bool, typer.Option("--strict", help="Warnings are reasons to refuse.")]


@app.command()
def lint(
    folder: Annotated[Path, typer.Argument(help="The folder with the configuration's .yaml files.")],
    program: Annotated[
        str | None,
        typer.Option(
            "--program",
            help="Also ask whether this program would take it, and whether its members meet the audiences.",
            metavar="TEXT",
        ),
    ] = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Check a configuration folder and warn of what is hardly meant, each time with an example."""
    written = read_written(folder)
    warnings = asyncio.run(_warnings(written.definitions, program))
    if json:
        answer_json({"warnings": warnings_as_json(written, warnings)})
    else:
        show_warnings(Console(soft_wrap=True), written, warnings)
    refuse_if_strict(warnings, strict=strict)


async def _warnings(definitions: Definitions, program: str | None) -> list[LintWarning]:
    if program is None:
        return find_warnings(definitions, now())
    async with opened(Settings()) as database, database.begin() as session:
        program_id = (await choose(session, program)).id
        with refusals():
            await publishing.preview(session, program_id, definitions, at=now())
        return await warnings_in(session, program_id, definitions)


async def warnings_in(session: AsyncSession, program_id: str, definitions: Definitions) -> list[LintWarning]:
    """Every warning about the definitions, those that only the program's members show included."""
    asked = audiences_of(definitions)
    unmet = await audiences.list_unmet(session, program_id, set(asked.values()))
    empty = [empty_audience(definitions, path) for path, text in asked.items() if text in unmet]
    return [*find_warnings(definitions, now()), *empty]


def refuse_if_strict(warnings: Sequence[LintWarning], *, strict: bool) -> None:
    """Raises CommandFailed where warnings are reasons to refuse, and there are some."""
    if strict and warnings:
        raise CommandFailed(f"{len(warnings)} warnings, and none is allowed")


def show_warnings(console: Console, written: Written, warnings: Sequence[LintWarning]) -> None:
    """Two lines for each: where and what, and the example."""
    for warning in sorted(warnings, key=lambda warning: _complaint(written, warning)):
        complaint = _complaint(written, warning)
        console.print(f"{complaint.place}: warning: {complaint.message}", style="yellow", highlight=False, markup=False)
        console.print(f"    {orjson.dumps(warning.example).decode()}", highlight=False, markup=False)


def warnings_as_json(written: Written, warnings: Sequence[LintWarning]) -> list[dict[str, Any]]:
    """For scripts, in the order of their places."""
    complaints = sorted(((_complaint(written, warning), n) for n, warning in enumerate(warnings)))
    return [
        {
            "code": warnings[n].code.value,
            "file": complaint.place.file,
            "line": complaint.place.line,
            "column": complaint.place.column,
            "message": told(warnings[n].path, warnings[n].message),
            "example": warnings[n].example,
        }
        for complaint, n in complaints
    ]


def _complaint(written: Written, warning: LintWarning) -> Complaint:
    message = f"{told(warning.path, warning.message)} [{warning.code}]"
    return Complaint(written.place(warning.path), message)
