"""`laurel simulate`: a company that is made up from a seed lives through months against the real engine."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.configurations import read_folder
from cli.errors import CommandFailed
from cli.seed import CONFIGURATION
from cli.work import Json, answer_json, opened
from domain.definitions import Definitions
from domain.programs import ProgramKind
from settings import Settings
from simulation.company import DAYS_PER_MONTH, STARTS_ON, Company
from simulation.life import ACTOR, company_of, live
from storage import configurations, ledger_digests, programs
from storage.database import Database
from storage.ledger_digests import LedgerDigest, PostedOfKind

MAX_MEMBERS = 100_000
MAX_MONTHS = 60

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Simulated:
    """What became of the company: what was told by what came of it, what was posted, and the ledger's digest."""

    program_id: str
    members: int
    seed: int
    starts_at: datetime
    ends_at: datetime
    seconds: float
    told: Mapping[str, int]
    posted: list[PostedOfKind]
    ledger: LedgerDigest


@app.command()
def simulate(
    members: Annotated[int, typer.Option("--members", min=1, max=MAX_MEMBERS, help="How many people.")] = 50,
    months: Annotated[
        int, typer.Option("--months", min=1, max=MAX_MONTHS, help=f"How many months of {DAYS_PER_MONTH} days.")
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same company and ledger.")] = 1,
    program: Annotated[
        str | None, typer.Option("--program", help="The name of the sandbox program that is made for it.")
    ] = None,
    config: Annotated[
        Path, typer.Option("--config", help="The folder with its configuration.", show_default="the sample's")
    ] = CONFIGURATION,
    starts_on: Annotated[
        datetime | None,
        typer.Option("--starts-on", formats=["%Y-%m-%d"], help="Its first day.", show_default=STARTS_ON.isoformat()),
    ] = None,
    json: Json = False,
) -> None:
    """Make a company up, with people, calendars and habits, and live through its months in a program of its own.

    Its sources are late, correct themselves and take back. Rewards are given, but ordered only if a worker runs.
    """
    name = program or f"Simulation {seed}"
    first = starts_on.date() if starts_on else STARTS_ON
    made = {"members": members, "months": months, "seed": seed, "starts_on": first}
    simulated = asyncio.run(_simulate(Settings(), name, read_folder(config), made, quiet=json))
    if json:
        answer_json(asdict(simulated))
    else:
        _show(Console(), name, simulated)


async def _simulate(
    settings: Settings, name: str, definitions: Definitions, made: Mapping[str, Any], *, quiet: bool
) -> Simulated:
    async with opened(settings) as database:
        program_id = await make_program(database, name, definitions, made)
        company = await company_of(database, program_id, **made)
        began = time.perf_counter()
        told = await _live(database, program_id, company, quiet=quiet)
        seconds = time.perf_counter() - began
        async with database.begin() as session:
            return Simulated(
                program_id,
                company.members,
                company.seed,
                company.starts_at,
                company.ends_at,
                round(seconds, 1),
                dict(sorted(told.items())),
                await ledger_digests.posted(session, program_id),
                await ledger_digests.digest(session, program_id),
            )


async def make_program(database: Database, name: str, definitions: Definitions, made: Mapping[str, Any]) -> str:
    """The sandbox program of this name with the definitions, from the first day on; raises CommandFailed if taken."""
    starts_at = Company({}, starts_on=made["starts_on"]).starts_at
    async with database.begin() as session:
        if any(known.name == name for known in await programs.list_all(session)):
            raise CommandFailed(f"there is a program {name!r} already; name another by --program")
        program = await programs.insert(session, name=name, kind=ProgramKind.SANDBOX, now=starts_at)
        await configurations.apply(session, program.id, definitions, applied_by=ACTOR, applied_at=starts_at)
    return program.id


async def _live(database: Database, program_id: str, company: Company, *, quiet: bool) -> Counter[str]:
    with Progress(console=Console(stderr=True), disable=quiet, transient=True) as progress:
        task = progress.add_task("Living", total=(company.ends_at - company.starts_at).days)

        async def advance(_: datetime) -> None:
            progress.advance(task)

        return await live(database, program_id, company, daily=advance)


def _show(console: Console, name: str, simulated: Simulated) -> None:
    days = (simulated.ends_at - simulated.starts_at).days
    console.print(
        f"[bold]{name}[/bold] ({simulated.program_id}): {simulated.members} members lived through {days} days, "
        f"{simulated.starts_at:%Y-%m-%d} to {simulated.ends_at:%Y-%m-%d}, in {simulated.seconds} seconds",
        highlight=False,
    )
    told = Table("What was told", box=None, pad_edge=False)
    told.add_column("How often", justify="right")
    for what, count in simulated.told.items():
        told.add_row(what, f"{count:,}")
    console.print("", told)
    posted = Table("Posted", "Unit", box=None, pad_edge=False)
    posted.add_column("Transactions", justify="right")
    posted.add_column("Amount", justify="right")
    for one in simulated.posted:
        posted.add_row(one.kind, one.unit, f"{one.transactions:,}", f"{one.amount:,}")
    console.print("", posted)
    console.print(f"\nThe ledger's {simulated.ledger.entries:,} entries: {simulated.ledger.sha256}", highlight=False)
