"""`laurel configurations`: the snapshots of a program, what is proposed, and the way back to an earlier one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli.apply import made_as_json, show_changes, show_made, user
from cli.errors import CommandFailed
from cli.programs import choose
from cli.refusals import refusals
from cli.work import InProgram, Json, answer_json, now, opened
from domain.definitions import Change, change_as_json
from domain.programs import Program
from domain.proposals import Proposal
from settings import Settings
from storage import configurations, proposals, publishing
from storage.configurations import Snapshot

app = typer.Typer(
    name="configurations",
    help="A program's configurations: their history, and proposals that wait for a second person.",
    no_args_is_help=True,
)

_Found = TypeVar("_Found")

SHOWN = 20  # snapshots and proposals, the newest

ProposalId = Annotated[str, typer.Argument(help="The proposal's id, as prp_...")]


@app.command("list")
def list_configurations(program: InProgram = None, json: Json = False) -> None:
    """List the newest snapshots and proposals: who, when, and what each changes."""
    snapshots, proposed = asyncio.run(_in_program(Settings(), program, _list))
    if json:
        told = [_snapshot_as_json(one) for one in snapshots]
        answer_json({"configurations": told, "proposals": [_proposal_as_json(one) for one in proposed]})
        return
    console = Console()
    console.print(_table("configuration", [_snapshot_row(one) for one in snapshots]))
    if proposed:
        console.print(_table("proposal", [_proposal_row(one) for one in proposed]))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A snapshot's number, or a proposal's id.")],
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Show everything that a snapshot changed, or that a proposal would."""
    found = asyncio.run(_in_program(Settings(), program, lambda session, chosen: _find(session, chosen, name)))
    told = _proposal_as_json(found) if isinstance(found, Proposal) else _snapshot_as_json(found)
    if json:
        answer_json(told)
        return
    console = Console(soft_wrap=True)
    for word, value in told.items():
        if word != "changes":
            console.print(f"{word.replace('_', ' ')}: {value}", highlight=False, markup=False)
    show_changes(console, _changes(found))


@app.command()
def publish(proposal: ProposalId, program: InProgram = None) -> None:
    """Make active what somebody else proposed."""
    done = asyncio.run(_decide(Settings(), program, proposal, publishing.publish))
    Console(soft_wrap=True).print(f"Configuration {done.published_as} is active.", style="bold", highlight=False)


@app.command()
def withdraw(proposal: ProposalId, program: InProgram = None) -> None:
    """Let a proposal not be published."""
    asyncio.run(_decide(Settings(), program, proposal, publishing.withdraw))


@app.command()
def rollback(
    number: Annotated[
        int, typer.Argument(help="The number of the snapshot to go back to.", min=0, max=configurations.MAX_NUMBER)
    ],
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Make a new snapshot with the definitions of an earlier one; what commands made, and what is over, stays."""
    chosen, made = asyncio.run(_in_program(Settings(), program, lambda session, one: _roll_back(session, one, number)))
    if json:
        answer_json(made_as_json(chosen.id, made))
    else:
        show_made(Console(soft_wrap=True), chosen.id, made)


async def _in_program(
    settings: Settings, wanted: str | None, step: Callable[[AsyncSession, Program], Awaitable[Any]]
) -> Any:
    async with opened(settings) as database, database.begin() as session:
        return await step(session, await choose(session, wanted))


async def _list(session: AsyncSession, program: Program) -> tuple[list[Snapshot], list[Proposal]]:
    snapshots = await configurations.list_page(session, program.id, limit=SHOWN)
    return snapshots, await proposals.list_page(session, program.id, limit=SHOWN)


async def _find(session: AsyncSession, program: Program, name: str) -> Snapshot | Proposal:
    if not name.isdecimal():
        return await _told(proposals.get(session, program.id, name))
    number = min(int(name), configurations.MAX_NUMBER - 1)
    found = await configurations.list_page(session, program.id, before=number + 1, limit=1)
    if not found or found[0].number != int(name):
        raise CommandFailed(f"{program.id} has no configuration {name}")
    return found[0]


async def _decide(
    settings: Settings, wanted: str | None, proposal_id: str, decide: Callable[..., Awaitable[Proposal]]
) -> Proposal:
    async def step(session: AsyncSession, program: Program) -> Proposal:
        return await _told(decide(session, program.id, proposal_id, actor=user(), at=now()))

    done: Proposal = await _in_program(settings, wanted, step)
    return done


async def _roll_back(
    session: AsyncSession, program: Program, number: int
) -> tuple[Program, configurations.Applied | Proposal]:
    return program, await _told(publishing.roll_back(session, program.id, number, actor=user(), at=now()))


async def _told(step: Awaitable[_Found]) -> _Found:
    try:
        with refusals():
            return await step
    except LookupError as error:
        raise CommandFailed(str(error)) from None


# -- Showing -------------------------------------------------------------------------------------------------------


def _changes(found: Snapshot | Proposal) -> Sequence[Change]:
    return found.changes if isinstance(found, Snapshot) else [_change(told) for told in found.changes]


def _change(told: Any) -> Change:
    fields = tuple((one["field"], one["before"], one["after"]) for one in told["fields"])
    return Change(told["section"], told["key"], told["kind"], fields)


def _table(what: str, rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(Column(what, no_wrap=True), "by", Column("at", no_wrap=True), "state", "changes")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _snapshot_row(one: Snapshot) -> tuple[str, ...]:
    return str(one.number), one.applied_by, _minute(one.applied_at), "", _summary(one.changes)


def _proposal_row(one: Proposal) -> tuple[str, ...]:
    by = f", by {one.decided_by}" if one.decided_by else ""
    return one.id, one.proposed_by, _minute(one.proposed_at), f"{one.state}{by}", _summary(_changes(one))


def _summary(changes: Sequence[Change]) -> str:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    return ", ".join(f"{signs[change.kind]} {change.section} {change.key}" for change in changes)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _snapshot_as_json(one: Snapshot) -> dict[str, Any]:
    told = {"number": one.number, "applied_by": one.applied_by, "applied_at": one.applied_at}
    return told | {"changes": [change_as_json(change) for change in one.changes]}


def _proposal_as_json(one: Proposal) -> dict[str, Any]:
    columns = ("id", "state", "expected", "proposed_by", "proposed_at", "decided_by", "decided_at", "published_as")
    return {name: getattr(one, name) for name in columns} | {"changes": list(one.changes)}
