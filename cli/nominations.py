"""`laurel nominations`: what waits for whom, and what an administrator decides where nobody else can."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from cli import tabular
from cli.apply import user
from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.nominations import Nomination, NominationRefused, NominationState, Ruling, Verdict
from domain.programs import Program
from settings import Settings
from storage import members, nomination_commands, nominations

app = typer.Typer(name="nominations", help="Nominations: what was proposed, who decides, and what was decided.")

SHOWN = 100  # rows of one list

Id = Annotated[str, typer.Argument(help="The nomination's id.", metavar="NOMINATION")]


@app.callback()
def group() -> None:
    """Hold the commands below this name."""


@app.command(name="list")
def list_(
    state: Annotated[
        NominationState | None, typer.Option("--state", help="Only those of this state.", metavar="STATE")
    ] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """List nominations, newest first."""

    async def read(session: AsyncSession, of: Program) -> list[dict[str, Any]]:
        found = await nominations.list_page(session, of.id, state=state, limit=SHOWN)
        named = [one for nomination in found for one in (nomination.nominator_id, nomination.nominee_id)]
        names = await members.find_names(session, of.id, named)
        return [_shown(one) | {"by": names[one.nominator_id], "for": names[one.nominee_id]} for one in found]

    rows = asyncio.run(_read(program, read))
    if json:
        answer_json({"items": rows})
    elif rows:
        tabular.show("Nominations", list(rows[0]), [list(row.values()) for row in rows])
    else:
        typer.echo("Nominations: none.")


@app.command()
def show(nomination_id: Id, program: InProgram = None) -> None:
    """Show a nomination as JSON: what was said, who was asked on each level, and what was decided."""

    async def read(session: AsyncSession, of: Program) -> dict[str, Any]:
        found = await _get(session, of, nomination_id)
        return {
            "nomination": found,
            "approvers": await nominations.list_approvers(session, found),
            "decisions": await nominations.list_decisions(session, found),
        }

    answer_json(asyncio.run(_read(program, read)))


@app.command()
def approve(
    nomination_id: Id,
    amount: Annotated[
        int | None, typer.Option("--amount", help="Another amount than the nomination's.", metavar="NUMBER")
    ] = None,
    comment: Annotated[str, typer.Option("--comment", help="For whoever asks.", metavar="TEXT")] = "",
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Approve a nomination as an administrator: for the whole level on which it waits."""
    _decide(program, nomination_id, Ruling(Verdict.APPROVED, None, user(), amount, comment), json)


@app.command()
def decline(
    nomination_id: Id,
    comment: Annotated[str, typer.Option("--comment", help="Why: the nominator reads it.", metavar="TEXT")],
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Decline a nomination as an administrator."""
    _decide(program, nomination_id, Ruling(Verdict.DECLINED, None, user(), comment=comment), json)


@app.command()
def withdraw(nomination_id: Id, program: InProgram = None, json: Json = False) -> None:
    """Withdraw a nomination that waits, as an administrator."""

    async def take_back(session: AsyncSession, of: Program) -> Nomination:
        return await nomination_commands.withdraw(session, of.id, nomination_id, member_id=None, now=now())

    _change(program, nomination_id, take_back, json)


def _decide(program: str | None, nomination_id: str, said: Ruling, json: bool) -> None:
    async def decide(session: AsyncSession, of: Program) -> Nomination:
        return await nomination_commands.decide(session, of.id, nomination_id, said, now=now())

    _change(program, nomination_id, decide, json)


def _change(
    program: str | None,
    nomination_id: str,
    change: Callable[[AsyncSession, Program], Awaitable[Nomination]],
    json: bool,
) -> None:
    async def do(session: AsyncSession, of: Program) -> Nomination:
        await _get(session, of, nomination_id)
        try:
            return await change(session, of)
        except NominationRefused as refused:
            raise CommandFailed(str(refused)) from None

    changed = asyncio.run(_read(program, do))
    if json:
        answer_json(_shown(changed))
    else:
        typer.echo(f"Nomination {changed.id} is {changed.state}, level {changed.level}, amount {changed.amount}.")


async def _read(wanted: str | None, read: Callable[[AsyncSession, Program], Awaitable[Any]]) -> Any:
    async with opened(Settings()) as database, database.begin() as session:
        return await read(session, await choose(session, wanted))


async def _get(session: AsyncSession, program: Program, nomination_id: str) -> Nomination:
    try:
        return await nominations.get(session, program.id, nomination_id)
    except LookupError as unknown:
        raise CommandFailed(str(unknown)) from None


def _shown(nomination: Nomination) -> dict[str, Any]:
    columns = ("id", "state", "level", "category", "amount", "created_at")
    return {name: getattr(nomination, name) for name in columns}
