"""Leaderboards in Redis: for each program and unit one board of the company and one of each department.

A board is a sorted set of entries, each scored with its points below zero, so that the first rank has the lowest score
and equal scores fall in the order of their entries (see `domain.leaderboards.Standing.entry`). Beside the boards a hash
keeps each member's newest standing, also of those who have no place, so that an older one is refused for ever.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.leaderboards import MAX_POINTS, Place, Standing, place
from domain.outbox import Kind, Lane, OutboxRow

UNIT = "points"
AROUND = 5  # places above and below a member
MAX_PAGE = 101  # places: a page, and one more that tells whether another follows
REBUILD_PAGE = 1_000  # standings read and written at once
UNLINK_PAGE = 500  # keys

# KEYS: the hash of standings. ARGV: the prefix of boards, then per standing: member, version, entry, points as written,
# department, "1" if it has a place. Departments are in the value, so boards are named here: all keys share a hash tag.
_WRITE = """
local prefix = ARGV[1]
for n = 2, #ARGV, 6 do
  local member, version, entry, points = ARGV[n], tonumber(ARGV[n + 1]), ARGV[n + 2], ARGV[n + 3]
  local department, ranks = ARGV[n + 4], ARGV[n + 5]
  local known = redis.call('HGET', KEYS[1], member)
  local old = known and cjson.decode(known)
  if not old or version >= old[1] then
    if old then
      redis.call('ZREM', prefix .. 'company', old[2])
      redis.call('ZREM', prefix .. 'department:' .. old[3], old[2])
    end
    if ranks == '1' then
      redis.call('ZADD', prefix .. 'company', '-' .. points, entry)
      if department ~= '' then
        redis.call('ZADD', prefix .. 'department:' .. department, '-' .. points, entry)
      end
    end
    redis.call('HSET', KEYS[1], member, cjson.encode({version, entry, department}))
  end
end
"""

# KEYS: the hash of standings. ARGV: the prefix of boards, "company" or "department", member, places on each side.
# Answers the board's name, the first rank from 0 and the entries with their scores; nothing without a place.
_AROUND = """
local known = redis.call('HGET', KEYS[1], ARGV[3])
if not known then return {} end
local standing = cjson.decode(known)
local board = ARGV[1] .. 'company'
if ARGV[2] == 'department' then board = ARGV[1] .. 'department:' .. standing[3] end
local rank = redis.call('ZRANK', board, standing[2])
if not rank then return {} end
local first = math.max(rank - tonumber(ARGV[4]), 0)
return {standing[3], first, redis.call('ZRANGE', board, first, rank + tonumber(ARGV[4]), 'WITHSCORES')}
"""

# KEYS: the board. ARGV: number of places, then the last place seen as points and entry, if any. A mark is set right
# after that place for a moment, so that the page begins where it stood, even if it is gone.
_TOP = """
local first = 0
if ARGV[3] then
  local mark = ARGV[3] .. '~'
  redis.call('ZADD', KEYS[1], '-' .. ARGV[2], mark)
  first = redis.call('ZRANK', KEYS[1], mark)
  redis.call('ZREM', KEYS[1], mark)
end
return {first, redis.call('ZRANGE', KEYS[1], first, first + tonumber(ARGV[1]) - 1, 'WITHSCORES')}
"""

_STANDINGS = text("""
    SELECT m.id AS member_id, a.id AS account_id, a.unit, a.lifetime AS points, reached.recorded_at AS reached_at,
        a.version + m.version AS version, m.department, m.status <> 'left' AS listed
    FROM accounts a JOIN members m ON m.program_id = a.program_id AND m.id = a.member_id
    CROSS JOIN LATERAL (
        SELECT t.recorded_at FROM entries e JOIN transactions t ON t.id = e.transaction_id
        WHERE e.account_id = a.id AND t.kind IN ('earn', 'reverse') ORDER BY e.version DESC LIMIT 1
    ) reached
    WHERE a.program_id = :program_id AND a.id > :after AND (:all OR a.member_id = ANY(:member_ids))
    ORDER BY a.id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Board:
    """One board of a program: the company's, or a department's."""

    program_id: str
    department: str | None = None
    unit: str = UNIT

    @property
    def key(self) -> str:
        name = "company" if self.department is None else f"department:{self.department}"
        return _prefix(self.program_id, self.unit) + name


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A member's own place and those around it on one board, in the order of ranks."""

    board: Board
    member_id: str
    places: tuple[Place, ...]


def _prefix(program_id: str, unit: str) -> str:
    return f"laurel:boards:{{{program_id}}}:{unit}:"


def _standings_key(program_id: str, unit: str) -> str:
    return _prefix(program_id, unit) + "standings"


# -- Writing -------------------------------------------------------------------------------------------------------


async def write(redis: Redis, program_id: str, standings: Sequence[Standing]) -> None:
    """Give each standing its place on its boards, unless a newer one of the same member is known."""
    for unit in {standing.unit for standing in standings}:
        of_unit = [standing for standing in standings if standing.unit == unit]
        arguments = [argument for standing in of_unit for argument in _arguments(standing)]
        await _run(redis, _WRITE, [_standings_key(program_id, unit)], [_prefix(program_id, unit), *arguments])


def _arguments(standing: Standing) -> tuple[str, ...]:
    return (
        standing.member_id,
        str(standing.version),
        standing.entry,
        str(min(standing.points, MAX_POINTS)),
        standing.department or "",
        "1" if standing.ranks else "0",
    )


async def list_standings(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> list[Standing]:
    """The present standings of these members, in every unit that they have earned."""
    parameters = {"program_id": program_id, "after": "", "all": False, "member_ids": list(member_ids), "limit": None}
    return [_standing(row) for row in (await session.execute(_STANDINGS, parameters)).mappings()]


def outbox_rows(program_id: str, standings: Sequence[Standing]) -> list[OutboxRow]:
    """What makes the relay write these standings."""
    return [OutboxRow(program_id, Lane.REDIS, Kind.SCORE, standing.as_payload()) for standing in standings]


async def rebuild(session: AsyncSession, redis: Redis, program_id: str) -> int:
    """Make every board of the program anew from the ledger; how many standings there are.

    The boards are emptied before the first standing is read, so what the relay writes meanwhile is either in what is
    read or newer than it. Until this ends, readers see boards that are still filling.
    """
    await _clear(redis, program_id)
    count = 0
    async for standings in _pages(session, program_id):
        await write(redis, program_id, standings)
        count += len(standings)
    await redis.set(_built_key(program_id), "1")
    return count


async def is_built(redis: Redis, program_id: str) -> bool:
    """Whether the program's boards were built since Redis was last emptied."""
    return bool(await redis.exists(_built_key(program_id)))


def _built_key(program_id: str) -> str:
    return f"laurel:boards:{{{program_id}}}:built"


async def _clear(redis: Redis, program_id: str) -> None:
    keys: list[bytes | str] = []
    async for key in redis.scan_iter(match=f"laurel:boards:{{{program_id}}}:*", count=UNLINK_PAGE):
        keys.append(key)
        if len(keys) == UNLINK_PAGE:
            await redis.unlink(*keys)
            keys = []
    if keys:
        await redis.unlink(*keys)


async def _pages(session: AsyncSession, program_id: str) -> AsyncIterator[list[Standing]]:
    parameters: dict[str, Any] = {"program_id": program_id, "after": "", "all": True, "member_ids": []}
    while True:
        rows = (await session.execute(_STANDINGS, parameters | {"limit": REBUILD_PAGE})).mappings().all()
        if rows:
            yield [_standing(row) for row in rows]
        if len(rows) < REBUILD_PAGE:
            return
        parameters["after"] = rows[-1]["account_id"]


def _standing(row: Any) -> Standing:
    return Standing(**{name: value for name, value in row.items() if name != "account_id"})


# -- Reading -------------------------------------------------------------------------------------------------------


async def top(redis: Redis, board: Board, limit: int, after: Place | None = None) -> list[Place]:
    """The board's first places, or those after a place that was seen before; at most MAX_PAGE at once."""
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} places")
    seen = [str(after.points), after.entry] if after else []
    first, found = await _run(redis, _TOP, [board.key], [str(limit), *seen])
    return _places(first, found)


async def around(
    redis: Redis, program_id: str, member_id: str, *, of_department: bool = False, unit: str = UNIT
) -> Neighbourhood | None:
    """The member's place and up to AROUND above and below, on the company's or the department's board; None without."""
    scope = "department" if of_department else "company"
    arguments = [_prefix(program_id, unit), scope, member_id, str(AROUND)]
    answer = await _run(redis, _AROUND, [_standings_key(program_id, unit)], arguments)
    if not answer:
        return None
    department, first, found = answer
    board = Board(program_id, _text(department) if of_department else None, unit)
    return Neighbourhood(board, member_id, tuple(_places(first, found)))


async def _run(redis: Redis, script: str, keys: list[str], arguments: list[str]) -> Any:
    # Not EVALSHA: the stand-in for Redis ends the connection when a script is loaded.
    return await redis.eval(script, len(keys), *keys, *arguments)


def _places(first: int, found: Sequence[bytes | str]) -> list[Place]:
    pairs = zip(found[::2], found[1::2], strict=True)
    return [place(first + n, _text(entry), -int(float(score))) for n, (entry, score) in enumerate(pairs, start=1)]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
