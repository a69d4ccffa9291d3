"""`laurel chaos`: servers die under load, and nothing that was acknowledged is lost or done twice."""

import asyncio
import random
import signal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import telemetry
from cli.chaos import campaign
from cli.chaos.campaign import Report, Round
from cli.chaos.faults import FAULTS
from cli.embedded.processes import ProgramFailed
from cli.errors import CommandFailed
from cli.work import Json, answer_json

app = typer.Typer()
MAX_SEED = 2**31


@app.command()
def chaos(
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="How many faults to make.")] = len(FAULTS),
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_SEED, help="Draw the same faults and requests again. Default: a new one."),
    ] = None,
    json: Json = False,
) -> None:
    """Kill, stop and cut off servers under load, and check after each fault that the ledger is as callers were told.

    It starts servers of its own and leaves nothing behind. Ends with status 1 if anything is violated.
    """
    telemetry.configure("warning")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.randrange(MAX_SEED) if seed is None else seed
    console = Console(stderr=True)
    console.print(f"{rounds} rounds, seed {seed}")
    try:
        report = asyncio.run(campaign.run(campaign.drawn(rounds, seed), seed, lambda done: _tell(console, done)))
    except (ProgramFailed, TimeoutError) as error:
        raise CommandFailed(f"seed {seed}: {error or 'nobody was answered any more'}") from None
    if json:
        answer_json(report.as_json())
    else:
        _show(report)
    if report.violations:
        raise typer.Exit(1)


def _tell(console: Console, done: Round) -> None:
    found = "; ".join(f"{check.name}: {', '.join(check.examples)}" for check in done.violated)
    console.print(f"{done.fault}: answered again after {done.recovery_seconds:.2f} s; {found or 'all holds'}")


def _show(report: Report) -> None:
    told = report.as_json()
    table = Table(title=f"Chaos with seed {report.seed}", title_justify="left", show_header=False)
    for name, value in told.items():
        if not isinstance(value, dict | list):
            table.add_row(name.replace("_", " "), f"{value:,}")
    for fault, count in told["faults"].items():
        slowest = told["slowest_recovery_seconds"][fault]
        table.add_row(fault.replace("_", " "), f"{count}, recovered within {slowest} s")
    for kind, outcomes in told["by_kind"].items():
        table.add_row(kind, ", ".join(f"{count:,} {how}" for how, count in outcomes.items()))
    Console().print(table)
