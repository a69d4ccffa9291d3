"""`laurel ledger`: whether everything that must hold of the ledger does."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.programs import choose
from cli.work import Json, answer_json, opened
from domain.programs import Program
from settings import Settings
from storage import programs, verification
from storage.verification import Check

app = typer.Typer(name="ledger", help="The ledger: check it.", no_args_is_help=True)

Checked = list[tuple[Program, list[Check]]]


@app.callback()
def group() -> None:
    """Hold the commands below this name, even while there is only one."""


@app.command()
def verify(
    program: Annotated[
        str | None, typer.Option("--program", help="Only this program, by id or name. Default: all.", metavar="TEXT")
    ] = None,
    json: Json = False,
) -> None:
    """Check invariants I1 to I5 over every row; ends with status 1 if one is violated."""
    checked = asyncio.run(_verify(Settings(), program))
    violations = sum(check.violations for _, checks in checked for check in checks)
    if json:
        answer_json(_described(checked, violations))
    else:
        _show(checked)
    if violations:
        raise typer.Exit(1)


async def _verify(settings: Settings, wanted: str | None) -> Checked:
    async with opened(settings) as database:
        async with database.begin() as session:
            chosen = [await choose(session, wanted)] if wanted else await programs.list_all(session)
        checked = []
        for program in chosen:
            async with database.snapshot() as session:
                checked.append((program, await verification.verify(session, program.id)))
        return checked


def _described(checked: Checked, violations: int) -> dict[str, object]:
    return {
        "checked": sum(check.checked for _, checks in checked for check in checks),
        "violations": violations,
        "programs": [{"program": program.id, "checks": [asdict(c) for c in checks]} for program, checks in checked],
    }


def _show(checked: Checked) -> None:
    console = Console()
    for program, checks in checked:
        table = Table(
            "invariant", "checked", "violations", title=f"{program.name} ({program.id})", title_justify="left"
        )
        for check in checks:
            wrong = f"{check.violations}: {', '.join(check.examples)}" if check.violations else "none"
            table.add_row(check.name, f"{check.checked:,}", wrong, style="red" if check.violations else None)
        console.print(table)
    if not checked:
        console.print("There is no program yet.")
