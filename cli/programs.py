"""`laurel programs`, and `laurel init`, which makes one with its first key."""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli.errors import CommandFailed
from cli.work import InProgram, Json, answer_json, now, opened
from domain.programs import Program, ProgramKind
from domain.scopes import Scope
from settings import Settings
from storage import api_keys, programs

noun = typer.Typer(name="programs", help="Programs: the tenants of this deployment.", no_args_is_help=True)
app = typer.Typer()
app.add_typer(noun)

FIRST_KEY = "administrator"


async def choose(session: AsyncSession, wanted: str | None) -> Program:
    """The program of this id or name, or the only one there is; raises CommandFailed."""
    known = await programs.list_all(session)
    found = [program for program in known if wanted in (None, program.id, program.name)]
    if len(found) == 1:
        return found[0]
    if not known:
        raise CommandFailed("there is no program yet; make one with `laurel init --name ...`")
    named = ", ".join(f"{one.id} ({one.name})" for one in found or known)
    what = "there is no such program" if not found else "several programs fit"
    raise CommandFailed(f"{what}; give --program with one of: {named}")


@noun.callback()
def group() -> None:
    """Hold the commands below this name, even while there is only one."""


@app.command()
def init(
    name: Annotated[str, typer.Option(help="What the program is called, usually the company's name.")],
    live: Annotated[
        bool,
        typer.Option(
            "--live/--sandbox", help="Live programs order real gift cards; a sandbox never does. It stays what it is."
        ),
    ] = False,
    time_zone: Annotated[str, typer.Option(help="The program's IANA time zone, for its days and weeks.")] = "UTC",
    json: Json = False,
) -> None:
    """Make a program and an administrator's key, which is shown once."""
    kind = ProgramKind.LIVE if live else ProgramKind.SANDBOX
    program, key = asyncio.run(_init(Settings(), name, kind, time_zone))
    if json:
        answer_json({**_described(program), "key": key})
        return
    console = Console(soft_wrap=True)
    console.print(f"Program [bold]{program.id}[/bold] ({program.kind}) is ready.")
    console.print("Its administrator's key, shown only now; keep it where secrets are kept:")
    console.print(key, style="bold", highlight=False)


async def _init(settings: Settings, name: str, kind: ProgramKind, time_zone: str) -> tuple[Program, str]:
    at = now()
    async with opened(settings) as database, database.begin() as session:
        try:
            program = await programs.insert(session, name=name, kind=kind, time_zone=time_zone, now=at)
        except ValueError as error:
            raise CommandFailed(str(error)) from None
        _, key = await api_keys.insert(session, program, name=FIRST_KEY, scopes={Scope.PROGRAMS_ADMIN}, now=at)
        return program, key


@noun.command("origins")
def set_origins(
    allowed: Annotated[list[str] | None, typer.Argument(help="Origins, such as https://app.example.com.")] = None,
    program: InProgram = None,
) -> None:
    """Let web pages of just these origins read with member tokens; none at all if none is given."""
    asyncio.run(_set_origins(Settings(), program, allowed or []))


async def _set_origins(settings: Settings, wanted: str | None, allowed: list[str]) -> None:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        try:
            await programs.set_origins(session, program.id, allowed)
        except ValueError as error:
            raise CommandFailed(str(error)) from None


@noun.command("set")
def set_program(
    second_person_publishes: Annotated[
        bool,
        typer.Option(
            "--second-person-publishes/--one-person-publishes",
            help="Whether somebody else publishes what one person proposes.",
        ),
    ],
    program: InProgram = None,
) -> None:
    """Say how configurations and challenges of a program become active."""
    asyncio.run(_set_publishing(Settings(), program, second_person_publishes))


async def _set_publishing(settings: Settings, wanted: str | None, second_person: bool) -> None:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        await programs.set_publishing(session, program.id, second_person=second_person)


@noun.command("list")
def list_programs(json: Json = False) -> None:
    """List every program, oldest first."""
    found = asyncio.run(_list(Settings()))
    if json:
        answer_json([_described(program) for program in found])
        return
    table = Table(Column("program", no_wrap=True), "name", "kind", "time zone", "configuration", "made")
    for program in found:
        number = str(program.configuration or "none yet")
        table.add_row(
            program.id, program.name, program.kind, program.time_zone, number, f"{program.created_at:%Y-%m-%d}"
        )
    Console().print(table)


async def _list(settings: Settings) -> list[Program]:
    async with opened(settings) as database, database.begin() as session:
        return await programs.list_all(session)


def _described(program: Program) -> dict[str, Any]:
    columns = ("id", "name", "kind", "time_zone", "configuration", "second_person_publishes", "origins", "created_at")
    return {name: getattr(program, name) for name in columns}
