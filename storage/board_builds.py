"""Builds: all boards of a program made anew from the ledger, aside, and shown at once when they are whole.

Until then the boards that were shown before are read and written. Whatever is told while a build lasts goes into both:
it is put aside from before the first standing is read, so it is either in what is read or newer. Of several builds the
one that began last is shown; one that died is over after MAKING_SECONDS, and what it left goes with the next.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain.leaderboards import Placement, Standing, placing, shape
from storage import board_scripts, leaderboards, standings
from storage.leaderboards import Scheme

MAKING_SECONDS = 60  # reading and writing a page takes less, or the database has ended the statement
TOLD_PAGE = 10  # deliveries that came meanwhile, written at once: 200 standings each from a relay
UNLINK_PAGE = 500  # keys


async def rebuild(session: AsyncSession, redis: Redis, program_id: str, *, as_of: datetime) -> int:
    """Make every board of the program anew, whoever else is at it; how many standings there are."""
    on = await leaderboards.scheme(session, program_id, as_of=as_of)
    return await _make(session, redis, on, await _begin(redis, on))


async def refresh(session: AsyncSession, redis: Redis, on: Scheme) -> int | None:
    """The same for today's boards, unless somebody is at it: then None."""
    generation = await _begin(redis, on, "NX")
    return await _make(session, redis, on, generation) if generation else None


async def is_built(redis: Redis, on: Scheme) -> bool:
    """Whether the boards that are shown were built as they are defined, for today, and Redis lost nothing since."""
    return bool(await board_scripts.run(redis, board_scripts.IS_SHOWN, on.program_id, _shape(on)))


def _shape(on: Scheme) -> str:
    return shape(on.boards.values(), on.today)


async def _begin(redis: Redis, on: Scheme, *condition: str) -> str:
    """The name of the generation; empty if there was a condition, and somebody is at it."""
    asked = _shape(on), secrets.token_hex(4), str(MAKING_SECONDS), *condition
    generation = await board_scripts.run(redis, board_scripts.MAKE, on.program_id, *asked)
    return leaderboards.text(generation) if generation else ""


async def _make(session: AsyncSession, redis: Redis, on: Scheme, generation: str) -> int:
    count, writing = 0, None
    place_on_all = placing(on.boards.values(), on.today)
    try:
        async with aclosing(standings.pages(session, on)) as pages:
            async for page in pages:  # a page is read while the one before is written
                commands = _commands(on, generation, place_on_all, page)
                if writing:
                    await writing
                writing = asyncio.create_task(board_scripts.send(redis, commands))
                count += len(page)
        if writing:
            await writing
    finally:
        if writing:
            writing.cancel()
    await _show(redis, on.program_id, generation)
    await _sweep(redis, on.program_id)
    return count


def _commands(
    on: Scheme, generation: str, place_on_all: Callable[[Standing], list[Placement]], page: Iterable[Standing]
) -> list[Sequence[str]]:
    """What writes a page: nothing is known of its members in this generation, so nothing is asked."""
    boards, known = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    day, of = on.today.isoformat(), board_scripts.prefix(on.program_id) + generation
    for standing in page:
        kept = f"{standing.version} {day}"
        for ranking, score, entry in place_on_all(standing):
            boards[ranking.name] += f"-{score}", entry
            kept += f"\n{entry} {ranking.name}"
        known[standing.unit] += standing.member_id, kept
    return [
        ("EXPIRE", board_scripts.making_key(on.program_id), str(MAKING_SECONDS)),
        *(("ZADD", f"{of}:board:{name}", *scored) for name, scored in boards.items()),
        *(("HSET", f"{of}:standings:{unit}", *kept_of) for unit, kept_of in known.items()),
    ]


async def _show(redis: Redis, program_id: str, generation: str) -> None:
    more = True
    while more:
        answer = await board_scripts.run(redis, board_scripts.SHOW, program_id, generation, str(TOLD_PAGE))
        more = answer is not None and leaderboards.text(answer) == "more"


async def _sweep(redis: Redis, program_id: str) -> None:
    """Take away every generation that is neither shown nor in the making."""
    prefix = board_scripts.prefix(program_id)
    keys = [leaderboards.text(key) async for key in redis.scan_iter(match=f"{prefix}*:*", count=UNLINK_PAGE)]
    # Asked for only now: what begins meanwhile is not among the keys.
    kept = await redis.mget(board_scripts.shown_key(program_id), board_scripts.making_key(program_id))
    names = {leaderboards.text(name) for name in kept if name}
    gone = [key for key in keys if key.removeprefix(prefix).partition(":")[0] not in names]
    for first in range(0, len(gone), UNLINK_PAGE):
        await redis.unlink(*gone[first : first + UNLINK_PAGE])
