"""`laurel challenges`: what runs, who was among the first, who stands where, and what is done with one meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from cli import tabular
from cli.apply import user
from cli.errors import CommandFailed
from cli.programs import choose
from cli.tabular import instant
from cli.work import InProgram, Json, answer_json, now, opened
from domain.challenges import IllegalChallenge
from domain.definitions import KeyTaken
from domain.programs import Program
from domain.proposals import NeedsSecondPerson
from domain.shapes import write
from settings import Settings
from storage import challenge_commands, challenges, members
from storage.challenge_commands import DraftChanged, InvalidChallenge
from storage.challenges import StoredChallenge

app = typer.Typer(name="challenges", help="Challenges: drafts, those that run, and those that have ended.")

SHOWN = 100  # rows of one list

Key = Annotated[str, typer.Argument(help="The challenge's key.", metavar="KEY")]
Act = Callable[[AsyncSession, StoredChallenge], Awaitable[StoredChallenge]]


@app.callback()
def group() -> None:
    """Hold the commands below this name."""


@app.command(name="list")
def list_(program: InProgram = None, json: Json = False) -> None:
    """List challenges, newest first."""

    async def read(session: AsyncSession, of: Program) -> list[dict[str, Any]]:
        found = await challenges.list_page(session, of.id, limit=SHOWN)
        return [_shown(one) for one in found]

    _answer("Challenges", asyncio.run(_read(program, read)), json)


@app.command()
def claims(key: Key, program: InProgram = None, json: Json = False) -> None:
    """List who has completed a challenge, in the order in which they came, and who has which place."""

    async def read(session: AsyncSession, of: Program) -> list[dict[str, Any]]:
        stored = await _get(session, of, key)
        found = await challenges.list_claims(session, of.id, stored.key, limit=SHOWN)
        columns = ("number", "place", "state", "member_id", "event_id", "points", "due", "occurred_at")
        rows = [{name: getattr(one, name) for name in columns} for one in found]
        return await _named(session, of, rows)

    _answer(f"Completions of {key}", asyncio.run(_read(program, read)), json)


@app.command()
def standings(
    key: Key,
    teams: Annotated[bool, typer.Option("--teams", help="Of teams, where the goal is a team's.")] = False,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """List who stands where: as it is now, and final once the challenge is settled."""

    async def read(session: AsyncSession, of: Program) -> list[dict[str, Any]]:
        stored = await _get(session, of, key)
        found = await challenges.list_standings(session, stored, "teams" if teams else "members", limit=SHOWN)
        columns = ("rank", "team" if teams else "member_id", "amount", "reached", "completions", "points", "reached_at")
        rows = [{name: getattr(one, name) for name in columns} for one in found]
        return rows if teams else await _named(session, of, rows)

    _answer(f"Standings of {key}", asyncio.run(_read(program, read)), json)


@app.command()
def show(key: Key, program: InProgram = None) -> None:
    """Show what a challenge says, as JSON, and the fingerprint of it."""

    async def read(session: AsyncSession, of: Program) -> dict[str, Any]:
        stored = await _get(session, of, key)
        said = write(stored.definition, leave_out=("version",), defaults=False)
        return _shown(stored) | {"written_by": stored.written_by, "fingerprint": stored.fingerprint, "says": said}

    answer_json(asyncio.run(_read(program, read)))


@app.command()
def launch(
    key: Key,
    fingerprint: Annotated[
        str, typer.Argument(help="What `laurel challenges show` told of the draft.", metavar="FINGERPRINT")
    ],
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Launch a draft as it was read: from now on what occurs between its start and its end counts."""

    async def act(session: AsyncSession, stored: StoredChallenge) -> StoredChallenge:
        launched = await challenge_commands.launch(
            session, stored.program_id, stored.id, seen=fingerprint, actor=user(), now=now()
        )
        for warning in launched.warnings:
            typer.echo(f"Note: {warning}.", err=True)
        return launched.challenge

    _tell(asyncio.run(_act(program, key, act)), json)


@app.command()
def extend(
    key: Key,
    until: Annotated[str, typer.Argument(help="The new end: a time with its offset.", metavar="TIME")],
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Let a challenge end later."""
    ends_at = instant(until, "UTC")
    assert ends_at is not None, "a time was given"

    async def act(session: AsyncSession, stored: StoredChallenge) -> StoredChallenge:
        return await challenge_commands.extend(session, stored.program_id, stored.id, ends_at, actor=user(), now=now())

    _tell(asyncio.run(_act(program, key, act)), json)


@app.command()
def cancel(
    key: Key,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever asks.", metavar="TEXT")],
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Cancel a challenge: nothing counts for it any more, and what it has paid stays."""

    async def act(session: AsyncSession, stored: StoredChallenge) -> StoredChallenge:
        return await challenge_commands.cancel(
            session, stored.program_id, stored.id, reason=reason, actor=user(), now=now()
        )

    _tell(asyncio.run(_act(program, key, act)), json)


async def _read(wanted: str | None, read: Callable[[AsyncSession, Program], Awaitable[Any]]) -> Any:
    async with opened(Settings()) as database, database.begin() as session:
        return await read(session, await choose(session, wanted))


async def _act(wanted: str | None, key: str, act: Act) -> StoredChallenge:
    async with opened(Settings()) as database, database.begin() as session:
        stored = await _get(session, await choose(session, wanted), key)
        try:
            return await act(session, stored)
        except (DraftChanged, IllegalChallenge, InvalidChallenge, KeyTaken, NeedsSecondPerson) as refused:
            raise CommandFailed(str(refused)) from None


async def _get(session: AsyncSession, program: Program, key: str) -> StoredChallenge:
    stored = await challenges.find(session, program.id, key)
    if stored is None:
        raise CommandFailed(f"there is no challenge {key}")
    return stored


def _shown(stored: StoredChallenge) -> dict[str, Any]:
    definition = stored.definition
    window = {"starts_at": definition.starts_at, "until": definition.until}
    return {"key": stored.key, "state": stored.state, "title": definition.title, **window, "id": stored.id}


def _tell(stored: StoredChallenge, json: bool) -> None:
    if json:
        answer_json(_shown(stored))
    else:
        typer.echo(f"{stored.about} is {stored.state}, until {stored.definition.until:%Y-%m-%d %H:%M:%S} UTC.")


async def _named(session: AsyncSession, program: Program, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with what their members are called."""
    names = await members.find_names(session, program.id, [row["member_id"] for row in rows])
    return [{"member": names.get(row["member_id"], row["member_id"]), **row} for row in rows]


def _answer(title: str, rows: Sequence[dict[str, Any]], json: bool) -> None:
    """All of it for scripts; for people a table without the ids that names and keys stand for."""
    if json:
        answer_json({"items": rows})
        return
    if not rows:
        typer.echo(f"{title}: none.")
        return
    columns = [name for name in rows[0] if name not in ("id", "member_id")]
    tabular.show(title, columns, [[row[name] for name in columns] for row in rows])
