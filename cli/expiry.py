"""`laurel expiry`: what time does to value, now and not at the next run of the schedule."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import Json, answer_json, now, opened
from domain.expiry import Duty
from domain.programs import Program, ProgramKind
from settings import Settings
from storage import expiry, programs

app = typer.Typer(
    name="expiry", help="What lapses, is released, refilled or warned of with time.", no_args_is_help=True
)

GoOn = Callable[[expiry.Page], Awaitable[bool]]

_TOLD = {
    Duty.HOLDS: "holds given back",
    Duty.PROMISES: "promises made available",
    Duty.REFILLS: "allowances refilled",
    Duty.IDLE: "lots expired by inactivity",
    Duty.LOTS: "lots expired",
    Duty.WARNINGS: "warnings given",
}


@app.command()
def run(
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Do what is due at this time, with its offset. Default: now.", metavar="TIME"),
    ] = None,
    program: Annotated[
        str | None, typer.Option("--program", help="Only this program, by id or name. Default: all.", metavar="TEXT")
    ] = None,
    no_pacing: Annotated[
        bool, typer.Option("--no-pacing", help="As fast as it can, whatever EXPIRY_LOTS_PER_SECOND says.")
    ] = False,
    json: Json = False,
) -> None:
    """Do all that is due: once, however often it is run and whatever interrupts it."""
    settings = Settings()
    go_on = None if no_pacing else _pacing(settings.expiry_lots_per_second)
    done = asyncio.run(_run(settings, program, _instant(as_of), go_on))
    if json:
        answer_json({str(duty): count for duty, count in done.items()})
        return
    table = Table("what", "how many")
    for duty, count in done.items():
        table.add_row(_TOLD[duty], f"{count:,}")
    Console().print(table)


def _instant(text: str | None) -> datetime:
    if text is None:
        return now()
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise CommandFailed(f"{text!r} is not a time with its offset, as 2027-01-31T09:00:00Z")
    return instant.astimezone(UTC)


def _pacing(lots_per_second: float) -> GoOn:
    async def go_on(page: expiry.Page) -> bool:
        await asyncio.sleep(page.done / lots_per_second)
        return True

    return go_on


async def _run(settings: Settings, wanted: str | None, as_of: datetime, go_on: GoOn | None) -> dict[Duty, int]:
    async with opened(settings) as database:
        async with database.begin() as session:
            chosen = [await choose(session, wanted)] if wanted else await programs.list_all(session)
        _refuse_future(chosen, as_of)
        return await expiry.run_all(
            database, as_of=as_of, clock=now, program_ids=[program.id for program in chosen], go_on=go_on
        )


def _refuse_future(chosen: list[Program], as_of: datetime) -> None:
    live = [program.id for program in chosen if program.kind is ProgramKind.LIVE]
    if live and as_of > now():
        raise CommandFailed(f"{live[0]} is live: only a sandbox program can be taken into the future")
