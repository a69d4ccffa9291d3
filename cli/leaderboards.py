"""`laurel leaderboards`: boards live in Redis and can be made anew at any moment."""

import asyncio
import time

import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, opened
from settings import Settings
from storage import leaderboards

app = typer.Typer(name="leaderboards", help="Leaderboards.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Hold the commands below this name, even while there is only one."""


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
        return program.id, await leaderboards.rebuild(session, redis, program.id)
