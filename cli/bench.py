"""`laurel bench`: our figures beside a yardstick's, measured in the same run."""

import asyncio
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.pairs import Compared, Several
from cli.work import Json, answer_json

app = typer.Typer()

# What each benchmark measures; the modules of the same names say against what.
BENCHMARKS = {
    "boards": "standings written, neighbourhoods read and boards rebuilt, against bare Redis calls",
    "bulk": "batches of 500 events by the one door, against raw SQL that writes the same rows",
    "expiry": "lots that have lapsed, set by set, against raw SQL that writes the same rows",
    "game": "batches of 500 events with groups, a budget, a streak and a challenge, against raw SQL of the same rows",
    "http": "single events over keep-alive connections, against a FastAPI echo",
    "intake": "64 callers awaiting single events in process, against a batcher written by hand",
    "ledger": "transfers as commands, against single statements, a batcher written by hand, and django-hordak",
    "verify": "recounting a ledger and recomputing its chain, against fetching the same columns",
    "streaks": "streaks settled for one new period, against raw SQL that writes the same rows",
    "slack": "commands acknowledged over keep-alive connections, against a bare Bolt that keeps nothing",
    "orders": "orders from request to card, against a bare workflow with as many steps",
}
NAMES = "; ".join(f"{name}: {what}" for name, what in BENCHMARKS.items())


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help=f"Which one. {NAMES}.")],
    lots: Annotated[
        int | None, typer.Option("--lots", help="Of expiry: how many lots. From 100,000 on, once and not five times.")
    ] = None,
    members: Annotated[
        list[int] | None, typer.Option("--members", help="Of boards: how many; several are measured in turn.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure one thing and its yardstick in turn, five times; tell the median ratio."""
    if name not in BENCHMARKS:
        raise typer.BadParameter(f"known are {', '.join(BENCHMARKS)}", param_hint="NAME")
    if lots is not None and name != "expiry":
        raise typer.BadParameter("only expiry has lots", param_hint="--lots")
    if members and name != "boards":
        raise typer.BadParameter("only boards have members", param_hint="--members")
    size: dict[str, Any] = {"lots": lots} if lots is not None else {"members": members} if members else {}
    measured: Compared | Several = asyncio.run(import_module(f"bench.{name}").run(**size))
    if json:
        answer_json(measured.as_json())
        return
    console = Console()
    console.print(f"[bold]{name}[/bold]: {BENCHMARKS[name]}")
    for figure in measured.figures if isinstance(measured, Several) else [measured]:
        told = figure.as_json()
        begin = f"{told['name']}: " if isinstance(measured, Several) else ""
        console.print(
            f"{begin}ratio {told['ratio']} (ours {told['ours']} {told['unit']}, yardstick {told['yardstick']})"
        )
