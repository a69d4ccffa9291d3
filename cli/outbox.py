"""`laurel outbox`: effects that were refused too often, and what becomes of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.outbox import DeadRow
from settings import Settings
from storage import outbox

app = typer.Typer(name="outbox", help="Effects of committed changes that could not take place.", no_args_is_help=True)

Numbers = Annotated[list[int], typer.Argument(help="Rows, as `laurel outbox dead` numbers them.", metavar="ROW...")]


@app.command()
def dead(program: InProgram = None, json: Json = False) -> None:
    """List what was refused too often, oldest first, with the last refusal."""
    found = asyncio.run(_list(Settings(), program))
    if json:
        answer_json([_described(row) for row in found])
        return
    table = Table("row", "effect", "about", "attempts", "last refusal")
    for row in found:
        about = ", ".join(f"{name} {value}" for name, value in row.payload.items())
        table.add_row(str(row.id), row.kind, about, str(row.attempts), row.error)
    Console().print(table)


async def _list(settings: Settings, wanted: str | None) -> list[DeadRow]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return await outbox.list_dead(session, program.id)


@app.command()
def requeue(rows: Numbers, program: InProgram = None) -> None:
    """Have dead rows tried again from the beginning, after what refused them was put right."""
    count = asyncio.run(_change(Settings(), program, rows, outbox.requeue))
    typer.echo(f"{count} to be tried again.")


@app.command()
def skip(rows: Numbers, program: InProgram = None) -> None:
    """Give dead rows up for good, so that later ones of their keys go on."""

    async def give_up(session: AsyncSession, program_id: str, ids: list[int]) -> int:
        return await outbox.skip(session, program_id, ids, now=now())

    count = asyncio.run(_change(Settings(), program, rows, give_up))
    typer.echo(f"{count} given up.")


async def _change(
    settings: Settings,
    wanted: str | None,
    rows: list[int],
    change: Callable[[AsyncSession, str, list[int]], Awaitable[int]],
) -> int:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        count = await change(session, program.id, rows)
        if count != len(set(rows)):
            raise CommandFailed(f"only {count} of these rows are dead in this program; nothing was changed")
    return count


def _described(row: DeadRow) -> dict[str, Any]:
    columns = ("id", "lane", "kind", "payload", "order_key", "attempts", "error")
    return {name: getattr(row, name) for name in columns}
