"""`laurel up`: everything on one machine, on one screen, until Ctrl-C."""

import asyncio
import signal
import threading
from typing import Annotated

import typer
from rich.console import Console

from cli import seed
from cli.embedded.processes import ProgramFailed
from cli.embedded.stack import Stack
from cli.embedded.temporal import NoTemporal
from cli.errors import CommandFailed
from cli.seed import SampleCompany, Sandboxes
from settings import OwnSettings

app = typer.Typer()
CHECK_SECONDS = 0.5
PORT_OFFSET_MAX = 50_000


@app.command()
def up(
    port_offset: Annotated[
        int, typer.Option(min=0, max=PORT_OFFSET_MAX, help="Add this to every port, where others are taken.")
    ] = 0,
) -> None:
    """Run everything on this machine until Ctrl-C: servers that no setting names, API, worker and sandboxes."""
    settings = OwnSettings()
    if settings.laurel_env == "production":
        raise CommandFailed("`laurel up` is for development; in production run the API, the worker and real servers")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        _run(settings, port_offset, stop)
    except (ProgramFailed, NoTemporal) as error:
        raise CommandFailed(str(error)) from None
    except KeyboardInterrupt:
        return


def _run(settings: OwnSettings, port_offset: int, stop: threading.Event) -> None:
    console = Console()
    status = console.status("starting")
    progress = status.update if console.is_terminal else console.print
    with status, Stack(settings, port_offset, progress, stop.is_set) as stack:
        company = asyncio.run(seed.sample_company(stack.settings(), Sandboxes.at(stack.ports)))
        status.stop()
        _show(console, stack, company)
        while not stop.wait(CHECK_SECONDS):
            stack.check()
        status.start()
    console.print("Everything has stopped; its state is kept.")


def _show(console: Console, stack: Stack, company: SampleCompany) -> None:
    rows = [(part.name, part.where, part.kind) for part in stack.parts]
    rows += [("program", company.program_id, "the sample company, a sandbox"), ("its API key", company.key, "")]
    console.print("[bold]Laurel is running[/bold]")
    for name, where, kind in rows:
        # Not a table: whatever its width does to a line, a URL or a key must stay in one piece.
        console.print(f"  {name:<19} {where}  [dim]{kind}[/dim]", highlight=False, soft_wrap=True)
    console.print(f"Logs are in {stack.directory / 'logs'}. Ctrl-C stops everything.", soft_wrap=True, highlight=False)
