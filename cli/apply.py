"""`laurel apply`: makes a reviewed folder the program's active configuration, after showing what would change."""

import asyncio
import getpass
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cli.configurations import ConfigurationRefused, Written, read_written
from cli.errors import CommandFailed
from cli.lint import Strict, refuse_if_strict, show_warnings, warnings_as_json, warnings_in
from cli.programs import choose
from cli.refusals import refusals
from cli.work import InProgram, Json, answer_json, now, opened
from domain.definitions import Change, Definitions, change_as_json
from domain.proposals import Proposal
from settings import Settings
from storage import configurations, publishing
from storage.database import Database

app = typer.Typer()

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_SHOWN_CHARACTERS = 100


@app.command()
def apply(
    folder: Annotated[Path, typer.Argument(help="The folder with the configuration's .yaml files.")],
    program: InProgram = None,
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the changes, but apply nothing.")] = False,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Check a configuration folder, show what changes, and make it the program's active configuration."""
    try:
        written = read_written(folder)
    except ConfigurationRefused as refused:
        if json:
            answer_json({"faults": [_as_json(complaint) for complaint in refused.complaints]})
        raise
    answer = asyncio.run(
        _apply(Settings(), written, program, ask=not yes and not json, dry_run=dry_run, strict=strict, quiet=json)
    )
    if json:
        answer_json(answer)


async def _apply(
    settings: Settings, written: Written, wanted: str | None, *, ask: bool, dry_run: bool, strict: bool, quiet: bool
) -> dict[str, Any]:
    console, definitions = Console(soft_wrap=True, quiet=quiet), written.definitions
    async with opened(settings) as database:
        async with database.begin() as session:
            program = await choose(session, wanted)
            with refusals():
                number, changes = await publishing.preview(session, program.id, definitions, at=now())
            warnings = await warnings_in(session, program.id, definitions)
        show_changes(console, changes)
        show_warnings(console, written, warnings)
        answer = _answer(program.id, number, changes) | {"warnings": warnings_as_json(written, warnings)}
        if quiet and strict and warnings:
            answer_json(answer)
        refuse_if_strict(warnings, strict=strict)
        if dry_run or not changes:
            console.print(f"Configuration {number} of {program.id} stays active: {_reason(changes)}.", highlight=False)
            return answer
        if ask and not typer.confirm(f"Make these {len(changes)} changes to {program.name}?"):
            raise CommandFailed("nothing was applied")
        return answer | await _make_active(console, database, program.id, definitions, expected=number)


async def _make_active(
    console: Console, database: Database, program_id: str, definitions: Definitions, *, expected: int
) -> dict[str, Any]:
    with refusals():
        made = await apply_definitions(database, program_id, definitions, expected=expected)
    show_made(console, program_id, made)
    return made_as_json(program_id, made)


def show_made(console: Console, program_id: str, made: configurations.Applied | Proposal) -> None:
    """What became of definitions that were submitted."""
    if isinstance(made, Proposal):
        console.print(f"Proposed as {made.id}.", style="bold", highlight=False)
        console.print(f"Somebody else publishes it: laurel configurations publish {made.id}", highlight=False)
    else:
        active = made.configuration.number
        console.print(f"Configuration {active} of {program_id} is active.", style="bold", highlight=False)


def made_as_json(program_id: str, made: configurations.Applied | Proposal) -> dict[str, Any]:
    """The same for scripts."""
    if isinstance(made, Proposal):
        return {"program": program_id, "configuration": made.expected, "applied": False, "proposal": made.id}
    return _answer(program_id, made.configuration.number, made.changes) | {"applied": bool(made.changes)}


async def apply_definitions(
    database: Database, program_id: str, definitions: Definitions, *, expected: int | None = None
) -> configurations.Applied | Proposal:
    """Submit in one transaction, as whoever runs this process; raises what `publishing.submit` does."""
    async with database.begin() as session:
        return await publishing.submit(session, program_id, definitions, actor=user(), at=now(), expected=expected)


def user() -> str:
    """Whoever runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def show_changes(console: Console, changes: Sequence[Change]) -> None:
    """One line for each definition that changes, one below it for each field."""
    for change in changes:
        sign, colour = _SIGNS[change.kind]
        console.print(
            f"[{colour}]{sign} {change.section} [bold]{escape(change.key)}[/bold][/{colour}]", highlight=False
        )
        for name, before, after in change.fields:
            shown = _shown(before) if change.kind == "removed" else _shown(after)
            if change.kind == "changed":
                shown = f"{_shown(before)} [dim]->[/dim] {_shown(after)}"
            console.print(f"    {escape(name)}: {shown}", highlight=False)


def _shown(value: Any) -> str:
    if value is None:
        return "[dim]none[/dim]"
    text = str(value).lower() if isinstance(value, bool) else str(value) or '""'
    return escape(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")


def _reason(changes: Sequence[Change]) -> str:
    return "this was a dry run" if changes else "the folder changes nothing"


def _as_json(complaint: Any) -> dict[str, Any]:
    place = complaint.place
    return {"file": place.file, "line": place.line, "column": place.column, "message": complaint.message}


def _answer(program_id: str, number: int, changes: Sequence[Change]) -> dict[str, Any]:
    told = [change_as_json(change) for change in changes]
    return {"program": program_id, "configuration": number, "applied": False, "changes": told}
