"""`laurel demo`: the main job, for real: deals and courses become points, points become gift cards."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from cli import seed
from cli.demo.expectations import Expectation, cards_issued, judge
from cli.demo.facts import BIG_DEAL
from cli.demo.outside import Api, HubSpotAccount, LearningSystem, SlackWorkspace, VendorAccount
from cli.demo.record import Record
from cli.demo.script import Script
from cli.demo.story import Story
from cli.demo.waiting import Waiting
from cli.embedded.processes import ProgramFailed
from cli.embedded.stack import Ports, Stack, responds
from cli.embedded.temporal import NoTemporal
from cli.errors import CommandFailed
from cli.seed import Sandboxes
from settings import RUNNING_STACK_FILE, OwnSettings, Settings
from storage.database import Database

app = typer.Typer()
NAME = "Demonstration"
PORT_OFFSET_MAX = 50_000
CHECK_SECONDS = 0.5


@app.command()
def demo(
    json: Annotated[bool, typer.Option("--json", help="End with one line that is one JSON object.")] = False,
    port_offset: Annotated[
        int, typer.Option(min=0, max=PORT_OFFSET_MAX, help="Add this to every port, where others are taken.")
    ] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it all running until Ctrl-C.")] = False,
) -> None:
    """Show the main job for real, at the stack that runs here or at one that is started for it.

    A new program each time: people are imported, a configuration is applied, deals and courses become points, points
    become gift cards, a nomination in Slack becomes points. The status is 0 only if all of it happened exactly once.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    try:
        with _running(console, port_offset) as (settings, ours):
            expectations, record = asyncio.run(_play(console, settings))
            if keep and ours:
                _stay(console, ours)
    except (ProgramFailed, NoTemporal) as error:
        raise CommandFailed(str(error)) from None
    if json:
        typer.echo(orjson.dumps(_summary(record)))
    if failed := [one for one in expectations if not one.holds]:
        raise CommandFailed("not so: " + "; ".join(f"{one.what} ({one.found})" for one in failed))


@contextmanager
def _running(console: Console, port_offset: int) -> Iterator[tuple[Settings, Stack | None]]:
    """The settings of a stack that runs, and the stack if it was started for this."""
    own = OwnSettings()
    if (own.laurel_state_dir / RUNNING_STACK_FILE).exists():
        settings = Settings()
        if responds(f"http://127.0.0.1:{settings.laurel_port}/healthz"):
            console.print("Using the stack that runs here")
            try:
                yield settings, None
            finally:
                _give_sandboxes_back(console, settings)
            return
    if own.laurel_env == "production":
        raise CommandFailed("`laurel demo` is for development")
    with Stack(own, port_offset, lambda step: console.print(f"[dim]{step}[/dim]", highlight=False)) as stack:
        yield stack.settings(), stack


def _give_sandboxes_back(console: Console, settings: Settings) -> None:
    """The stack's sample company gets their notices again."""
    try:
        asyncio.run(seed.sample_company(settings, Sandboxes.at(Ports(settings.laurel_port))))
    except CommandFailed as error:
        console.print(f"the sample company gets no notices until `laurel up` starts again: {error}")


def _stay(console: Console, stack: Stack) -> None:
    console.print("\nEverything is left running; Ctrl-C ends it.")
    try:
        while True:
            stack.check()
            time.sleep(CHECK_SECONDS)
    except KeyboardInterrupt:
        return


async def _play(console: Console, settings: Settings) -> tuple[list[Expectation], Record]:
    sandboxes, story = Sandboxes.at(Ports(settings.laurel_port)), Story(console, settings)
    if not seed.speaks_with_sandbox(settings, sandboxes):
        raise CommandFailed(
            "`laurel demo` talks to the sandbox of Slack: take your own app's SLACK_ settings away for it"
        )
    database = Database(settings.database_url, pool_size=2)
    try:
        record = await _record(story, settings, sandboxes, database)
    finally:
        await database.dispose()
    expectations = judge(record)
    _tell(story, record, expectations)
    return expectations, record


async def _record(story: Story, settings: Settings, sandboxes: Sandboxes, database: Database) -> Record:
    company = await seed.make_company(database, settings, sandboxes, NAME)
    team_id = await seed.make_workspace(sandboxes, NAME)
    await seed.connect_slack(database, settings, company.program_id, team_id)
    await seed.connect_sandboxes(settings, sandboxes, company)
    story.chapter("A company")
    story.tell(f"{company.program_id}, a new program: 12 people in three countries, the rules of config/,")
    story.tell("connected to a CRM, an LMS, a gift card vendor and a Slack workspace (local sandboxes, real protocols)")
    url = f"http://127.0.0.1:{settings.laurel_port}"
    api, lms = Api(url, company), LearningSystem(url, company)
    crm, vendor, slack = HubSpotAccount(sandboxes), VendorAccount(sandboxes), SlackWorkspace(sandboxes, team_id)
    async with AsyncExitStack() as opened:
        for caller in (api, lms, crm, vendor, slack):
            await opened.enter_async_context(aclosing(caller))
        waiting = Waiting(settings.laurel_state_dir)
        return await Script(company.program_id, api, crm, lms, vendor, slack, database, waiting, story).play()


def _tell(story: Story, record: Record, expectations: list[Expectation]) -> None:
    story.points(record.final.balances)
    story.explanation(f"the deal “{BIG_DEAL.name}” earned what it earned", record.explanation)
    story.explanation("who was third got no place", record.played.refusal)
    for order in reversed(record.orders):
        story.order(order)
    story.checks(record.checks)
    story.verdict(expectations)


def _summary(record: Record) -> dict[str, Any]:
    lifetime: int = sum(balance["lifetime"] for balance in record.final.balances.values())
    return {
        "events": len(record.final.events),
        "awarded_points": lifetime + record.retracted_points,
        "retracted_points": record.retracted_points,
        "repeats_suppressed": record.repeats_sent,
        "orders_fulfilled": sum(order["state"] == "delivered" for order in record.orders),
        "cards_at_vendor": cards_issued(record),
        "ledger_checks": sum(check.checked for check in record.checks),
        "seconds": record.seconds,
    }
