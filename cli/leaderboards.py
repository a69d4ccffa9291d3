"""`laurel leaderboards`: boards live in Redis and can be made anew at any moment; nobody has to be on them."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.leaderboards import rank_document
from cli.errors import CommandFailed
from cli.programs import choose
from cli.tabular import moment
from cli.work import InProgram, Json, answer_json, now, opened
from settings import Settings
from storage import board_builds, board_opt_outs, members, ranks
from storage.ranks import Rank

app = typer.Typer(name="leaderboards", help="Leaderboards.", no_args_is_help=True)

Member = Annotated[str, typer.Argument(help="The member's id.")]


@app.command()
def rebuild(program: InProgram = None, json: Json = False) -> None:
    """Make a program's boards anew from the ledger, whatever Redis holds; it may be run at any time."""
    began = time.monotonic()
    try:
        program_id, count = asyncio.run(_rebuild(Settings(), program))
    except RedisError as error:
        raise CommandFailed(f"Redis does not answer: {type(error).__name__}") from None
    seconds = round(time.monotonic() - began, 3)
    if json:
        answer_json({"program": program_id, "standings": count, "seconds": seconds})
    else:
        typer.echo(f"{count} standings of {program_id} are on their boards, after {seconds} seconds.")


async def _rebuild(settings: Settings, wanted: str | None) -> tuple[str, int]:
    async with Redis.from_url(settings.redis_url) as redis, opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return program.id, await board_builds.rebuild(session, redis, program.id, as_of=now())


@app.command()
def hide(member: Member, program: InProgram = None, json: Json = False) -> None:
    """Take a member off all boards, who keeps the points and goes on earning."""
    asyncio.run(_set_shown(Settings(), program, member, shown=False))
    _tell(member, f"{member} has no place on boards any more.", shown=False, json=json)


@app.command()
def show(member: Member, program: InProgram = None, json: Json = False) -> None:
    """Give a member places on boards again."""
    asyncio.run(_set_shown(Settings(), program, member, shown=True))
    _tell(member, f"{member} has places on boards.", shown=True, json=json)


@app.command()
def rank(
    member: Member,
    board: Annotated[str, typer.Argument(help="The board's key, for example company.")],
    at: Annotated[datetime | None, typer.Option(help="As of when, in UTC; now if left out.")] = None,
    known_at: Annotated[datetime | None, typer.Option(help="As the book knew when, in UTC; now if left out.")] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Say where a member stood on a board, as of any time and as it was known at any time, and with how many points."""
    found, names = asyncio.run(_rank(Settings(), program, member, board, _instant(at), _instant(known_at)))
    if json:
        answer_json(rank_document(found, names))
        return
    for line in told(found, names):
        typer.echo(line)


def told(found: Rank, names: Mapping[str, str]) -> Iterator[str]:
    """Where a member stood and why just there, line by line."""
    where, member = " of ".join([found.ranking.board.key, *found.ranking.cohort]), found.member_id
    if found.rank is None:
        yield f"{member} had no place on {where}: {found.reason}."
    else:
        since = f" since {found.ranking.first_day}" if found.ranking.first_day else ""
        score = f"with {_points(found, found.points)}{since}"
        yield f"{member} was number {found.rank} of {found.members} on {where}, {score}."
    if found.reached_at:
        yield f"  the last of them counted at {moment(found.reached_at)}"
    if found.tied:
        yield f"  {found.tied} more had as many: whoever had them first stands higher"
    if found.above:
        score = f"with {_points(found, found.above.points)}, the last at {moment(found.above.reached_at)}"
        yield f"  just above: {names.get(found.above.member_id)} ({found.above.member_id}), {score}"
    yield f"  as of {moment(found.at)}, as known at {moment(found.known_at)}"


def _points(found: Rank, points: int) -> str:
    board = found.ranking.board
    return f"{points} thousandths of {board.unit} a working day" if board.per_working_day else f"{points} {board.unit}"


def _instant(naive: datetime | None) -> datetime:
    return naive.replace(tzinfo=UTC) if naive else now()


async def _rank(
    settings: Settings, wanted: str | None, member: str, board: str, at: datetime, known_at: datetime
) -> tuple[Rank, Mapping[str, str]]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        try:
            found = await ranks.get(session, program.id, member, board, at=at, known_at=known_at)
        except LookupError as error:
            raise CommandFailed(str(error)) from None
        return found, await names_above(session, program.id, found)


async def names_above(session: AsyncSession, program_id: str, found: Rank) -> Mapping[str, str]:
    """What whoever stands just above is called, by id."""
    return await members.find_names(session, program_id, [found.above.member_id] if found.above else [])


def _tell(member: str, sentence: str, *, shown: bool, json: bool) -> None:
    if json:
        answer_json({"member_id": member, "shown": shown})
    else:
        typer.echo(sentence)


async def _set_shown(settings: Settings, wanted: str | None, member: str, *, shown: bool) -> None:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        try:
            await board_opt_outs.set_shown(session, program.id, member, shown=shown, now=now())
        except LookupError as error:
            raise CommandFailed(str(error)) from None
