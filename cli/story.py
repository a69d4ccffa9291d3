"""`laurel story`: what happened, from the event to the card, as one line of time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from cli.errors import CommandFailed
from cli.work import InProgram, Json, answer_json, opened
from domain.stories import Cast, Moment, Teller
from settings import Settings
from storage import programs, stories
from storage.database import Database
from storage.keyring import CannotOpen, Keyring
from workflows import histories, starts
from workflows.clients import connect
from workflows.histories import History

app = typer.Typer()

# How long Temporal may take before the story is told without it.
TEMPORAL_SECONDS = 10.0

COLOURS = {
    Teller.EVENT: "cyan",
    Teller.DECISION: "cyan",
    Teller.LEDGER: "yellow",
    Teller.MILESTONE: "magenta",
    Teller.REWARD: "magenta",
    Teller.NOMINATION: "magenta",
    Teller.ORDER: "green",
    Teller.NOTIFICATION: "white",
    Teller.WORKFLOW: "blue",
}


@dataclass(frozen=True, slots=True)
class WorkflowLink:
    """A workflow of the story, and where its history can be looked at."""

    id: str
    status: str
    url: str


@dataclass(frozen=True, slots=True)
class Story:
    """All moments in the order of time; `missing` says what could not be asked."""

    subject: str
    program_id: str
    moments: Sequence[Moment]
    workflows: Sequence[WorkflowLink]
    missing: str | None = None


@app.command()
def story(
    subject: Annotated[
        str,
        typer.Argument(help="ord_..., rwd_..., evt_..., nom_..., mem_..., or the id of a workflow.", metavar="SUBJECT"),
    ],
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Tell what happened in one line of time: decisions, ledger, workflow steps, vendor calls, notifications."""
    settings = Settings()
    told = asyncio.run(_find(settings, subject, program))
    if json:
        answer_json(told)
    else:
        show(told, Console(soft_wrap=True))


async def _find(settings: Settings, subject: str, program: str | None) -> Story:
    async with opened(settings) as database:
        return await find(settings, database, subject, program)


async def find(settings: Settings, database: Database, subject: str, program: str | None = None) -> Story:
    """The story of the subject, from the tables and, while it answers, from Temporal; raises CommandFailed."""
    row_id = subject.rpartition("/")[2]
    async with database.begin() as session:
        cast = await _find_cast(session, row_id, program)
        told = await stories.list_moments(session, cast)
    found, missing = await _ask_temporal(settings, cast)
    moments = sorted([*told, *(moment for one in found for moment in one.moments)], key=lambda moment: moment.at)
    return Story(subject, cast.program_id, moments, [_link(settings, one) for one in found], missing)


async def _find_cast(session: AsyncSession, row_id: str, program: str | None) -> Cast:
    """Ids are unique, so every program is asked, unless one is named."""
    for known in await programs.list_all(session):
        if program in (None, known.id, known.name) and (cast := await stories.find_cast(session, known.id, row_id)):
            return cast
    raise CommandFailed(f"nothing is known of {row_id}")


async def _ask_temporal(settings: Settings, cast: Cast) -> tuple[list[History], str | None]:
    """The histories of the cast's workflows, or why they are missing."""
    wanted = [starts.reward(cast.program_id, reward).workflow_id for reward in sorted(cast.rewards)]
    wanted += [starts.nomination(cast.program_id, one).workflow_id for one in sorted(cast.nominations)]
    wanted += [starts.order(cast.program_id, order).workflow_id for order in sorted(cast.orders)]
    if not wanted:
        return [], None
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    try:
        async with asyncio.timeout(TEMPORAL_SECONDS):
            client = await connect(settings.temporal_address, settings.temporal_namespace, keyring)
            found = [await histories.find(client, workflow_id) for workflow_id in wanted]
    except (RuntimeError, RPCError, TimeoutError):
        return [], f"Temporal at {settings.temporal_address} does not answer, so its part is missing"
    except CannotOpen as error:
        return [], f"Temporal's part cannot be read: {error}"
    return [history for history in found if history], None


def _link(settings: Settings, history: History) -> WorkflowLink:
    place = f"{settings.temporal_ui_url}/namespaces/{settings.temporal_namespace}/workflows"
    url = f"{place}/{quote(history.workflow_id, safe='')}/{history.run_id}/history"
    return WorkflowLink(history.workflow_id, history.status, url)


def show(told: Story, console: Console) -> None:
    """Write the story for people."""
    table = Table("time", "who tells", "what happened", Column("about", no_wrap=True), box=None, pad_edge=False)
    for moment in told.moments:
        who = f"[{COLOURS[moment.teller]}]{moment.teller}[/]"
        text = escape(moment.text) + _details(moment.detail)
        table.add_row(f"{moment.at:%Y-%m-%d %H:%M:%S.%f}"[:-3], who, text, escape(moment.about))
    console.print(table)
    for workflow in told.workflows:
        console.print(f"{workflow.id} {workflow.status}: [link={workflow.url}]{escape(workflow.url)}[/link]")
    if told.missing:
        console.print(told.missing, style="yellow")


def _details(detail: Any) -> str:
    shown = ", ".join(f"{name} {value}" for name, value in detail.items() if value not in (None, "", []))
    return f" [dim]{escape(shown)}[/dim]" if shown else ""
