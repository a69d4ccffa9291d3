"""Leaderboards in Redis: for each board of a program one sorted set for each cohort, in the present period.

A sorted set has entries, each scored with its points below zero, so that the first rank has the lowest score and equal
scores fall in the order of their entries (see `domain.leaderboards`). Beside them a hash for each unit keeps each
member's newest standing and its places, also of those who have none, so that an older one is refused for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import orjson
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain.calendars import WORKING_DAYS
from domain.game import Board, Window
from domain.leaderboards import (
    Earned,
    Place,
    Ranking,
    Standing,
    began_on,
    boards_of,
    cohort_in,
    last_day,
    of_period,
    percentile,
    place,
    placements,
    seen_from,
    shape,
    tenure,
)
from domain.outbox import Kind, Lane, OutboxRow
from domain.time import zone
from storage import configurations, programs
from storage.hot_path import Found, run
from storage.sets import texts

AROUND = 5  # places above and below a member
MAX_PAGE = 101  # places: a page, and one more that tells whether another follows
REBUILD_PAGE = 1_000  # standings read and written at once; a script's calls take no more than 7,999 arguments
UNLINK_PAGE = 500  # keys
BUILDING_SECONDS = 86_400  # a rebuild that takes longer is made again

# KEYS: what a rebuild has left at its beginning, and what says that boards are built. ARGV: as what. What Redis lost
# meanwhile was lost with the first.
_FINISH = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('SET', KEYS[2], ARGV[1]) end"

# KEYS: the hash of standings. ARGV: the prefix of boards, the day of the boards, and as JSON of each standing: member,
# version, and its places, each a board, points as written and an entry. Places name boards, so all keys share a hash
# tag. Of what was seen of one state of the book, the later day is newer. A call costs Redis as much as a place does, so
# what is known is asked for at once, and what changes is gathered board by board.
_WRITE = """
local standings, members, known = cjson.decode(ARGV[3]), {}, {}
for n, one in ipairs(standings) do members[n] = one[1] end
for n, seen in ipairs(redis.call('HMGET', KEYS[1], unpack(members))) do known[members[n]] = seen or nil end

local gone, placed, changed = {}, {}, {}
local function set(changes, board, entry, score)
  if not changes[board] then changes[board] = {} end
  changes[board][entry] = score
end
for _, one in ipairs(standings) do
  local member, version, places = one[1], one[2], one[3]
  local seen, seen_on, before = 0, '', nil
  if known[member] then seen, seen_on, before = string.match(known[member], '^(%d+) (%S+) (.*)$') end
  local newer = tonumber(version) - tonumber(seen)
  if newer > 0 or (newer == 0 and ARGV[2] >= seen_on) then
    for _, old in ipairs(before and cjson.decode(before) or {}) do
      set(gone, old[1], old[3], true)
      set(placed, old[1], old[3], nil)
    end
    for _, new in ipairs(places) do set(placed, new[1], new[3], '-' .. new[2]) end
    known[member] = version .. ' ' .. ARGV[2] .. ' ' .. cjson.encode(places)
    changed[member] = known[member]
  end
end

local function call(command, key, listed)
  if #listed > 0 then redis.call(command, key, unpack(listed)) end
end
for board, entries in pairs(gone) do
  local listed = {}
  for entry in pairs(entries) do listed[#listed + 1] = entry end
  call('ZREM', ARGV[1] .. board, listed)
end
for board, entries in pairs(placed) do
  local listed = {}
  for entry, score in pairs(entries) do listed[#listed + 1] = score; listed[#listed + 1] = entry end
  call('ZADD', ARGV[1] .. board, listed)
end
local listed = {}
for member, standing in pairs(changed) do listed[#listed + 1] = member; listed[#listed + 1] = standing end
call('HSET', KEYS[1], listed)
"""

# KEYS: the hash of standings. ARGV: the prefix of boards, what the names of the board's rankings begin with, member,
# places on each side, the least that a board has. Answers the ranking's name, how many places it has, the member's
# rank and the first one shown, both from 0, and the entries with their scores; nothing without a place.
_AROUND = """
local known = redis.call('HGET', KEYS[1], ARGV[3])
if not known then return {} end
for _, one in ipairs(cjson.decode(string.match(known, '^%S+ %S+ (.*)$'))) do
  if string.sub(one[1], 1, #ARGV[2]) == ARGV[2] then
    local board = ARGV[1] .. one[1]
    local rank, count = redis.call('ZRANK', board, one[3]), redis.call('ZCARD', board)
    if not rank or count < tonumber(ARGV[5]) then return {} end
    local first = math.max(rank - tonumber(ARGV[4]), 0)
    local shown = redis.call('ZRANGE', board, first, rank + tonumber(ARGV[4]), 'WITHSCORES')
    return {one[1], count, rank, first, shown}
  end
end
return {}
"""

# KEYS: the board. ARGV: number of places, the least that a board has, then the last place seen as points and entry, if
# any. A mark is set right after that place for a moment, so that the page begins where it stood, even if it is gone.
_TOP = """
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then return {0, {}} end
local first = 0
if ARGV[4] then
  local mark = ARGV[4] .. '~'
  redis.call('ZADD', KEYS[1], '-' .. ARGV[3], mark)
  first = redis.call('ZRANK', KEYS[1], mark)
  redis.call('ZREM', KEYS[1], mark)
end
return {first, redis.call('ZRANGE', KEYS[1], first, first + tonumber(ARGV[1]) - 1, 'WITHSCORES')}
"""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The boards of a program on a day of its own zone, under its active configuration."""

    program_id: str
    boards: Mapping[str, Board]
    time_zone: str
    today: date
    configuration: int = 0

    @property
    def units(self) -> set[str]:
        return {board.unit for board in self.boards.values()}

    @property
    def windows(self) -> set[Window]:
        return {board.window for board in self.boards.values()}

    def board(self, key: str) -> Board:
        """The board of this key; raises LookupError if the program has none."""
        board = self.boards.get(key)
        if board is None:
            raise LookupError(f"no board {key}")
        return board

    def ranking(self, key: str, cohort: Sequence[str] = ()) -> Ranking:
        """The board of this key for a cohort, in the present period; raises LookupError if there is none."""
        board = self.board(key)
        if len(cohort) != len(board.by):
            raise LookupError(f"{key} has a board for each {' and '.join(board.by) or 'program'}")
        return Ranking(board, tuple(cohort), began_on(board.window, self.today))


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A member's own place and those around it that the member may see, in the order of ranks."""

    board: Board
    cohort: tuple[str, ...]
    member_id: str
    places: tuple[Place, ...]
    percentile: int | None


async def scheme(session: AsyncSession, program_id: str, *, as_of: datetime) -> Scheme:
    """The program's boards as they are now; raises LookupError for an unknown program."""
    program = await programs.get(session, program_id)
    active = await configurations.read_active(session, program_id)
    today = as_of.astimezone(zone(program.time_zone)).date()
    return Scheme(program_id, boards_of(active), program.time_zone, today, active.number)


def _prefix(program_id: str) -> str:
    return f"laurel:boards:{{{program_id}}}:"


def _board_key(program_id: str, ranking: Ranking) -> str:
    return _rankings(program_id) + ranking.name


def _rankings(program_id: str) -> str:
    return _prefix(program_id) + "board:"


def _standings_key(program_id: str, unit: str) -> str:
    return f"{_prefix(program_id)}standings:{unit}"


# -- Standings -----------------------------------------------------------------------------------------------------

# How much of the book a statement saw: whatever is committed between two statements makes the second one's greater. It
# is what PostgreSQL knows as a snapshot: the transaction numbers given so far, less those whose end it did not see.
_SEEN = """(SELECT (pg_snapshot_xmax(s)::text::bigint << 16) - (SELECT count(*) FROM pg_snapshot_xip(s))
    FROM pg_current_snapshot() s)"""
# A merge brings what the other one had earned.
_EARNING = "('earn', 'confirm', 'reverse', 'merge')"


@lru_cache(maxsize=100)
def _reading(windows: frozenset[Window], *, absences: bool, everybody: bool) -> str:
    periods = sorted(windows - {Window.LIFETIME})
    columns = "".join(f", {window}.amount, {window}.changed_at" for window in periods)
    laterals = "".join(
        f""" LEFT JOIN LATERAL (SELECT sum(amount)::bigint AS amount, max(changed_at) AS changed_at FROM earned_days
            WHERE member_id = m.id AND unit = a.unit AND day >= CAST(%({window})s AS date)
                AND day <= CAST(%({window}_last)s AS date)) {window} ON true"""
        for window in periods
    )
    away = """(SELECT array_agg(DISTINCT day::date) FROM absences x, generate_series(
        greatest(x.starts_on, CAST(%(since)s AS date)), least(x.ends_on, CAST(%(today)s AS date)), '1 day') AS day
        WHERE x.program_id = m.program_id AND x.member_id = m.id AND x.state = 'standing')"""
    these = "a.id > %(after)s" if everybody else "a.member_id = ANY(CAST(%(member_ids)s AS text[]))"
    return f"""SELECT a.id, m.id, a.unit, {_SEEN}, a.lifetime, reached.recorded_at,
            m.status <> 'left' AND m.merged_into IS NULL AND o.member_id IS NULL,
            m.department, m.role, m.performance_tier, m.location, m.country, m.hired_on,
            m.custom ->> '{WORKING_DAYS}', {away if absences else "NULL"}{columns}
        FROM accounts a JOIN members m ON m.program_id = a.program_id AND m.id = a.member_id
        LEFT JOIN board_opt_outs o ON o.program_id = m.program_id AND o.member_id = m.id
        CROSS JOIN LATERAL (
            SELECT t.recorded_at FROM entries e JOIN transactions t ON t.id = e.transaction_id
            WHERE e.account_id = a.id AND t.kind IN {_EARNING} ORDER BY e.version DESC LIMIT 1
        ) reached{laterals}
        WHERE a.program_id = %(program_id)s AND {these} AND a.unit = ANY(CAST(%(units)s AS text[]))
        ORDER BY a.id LIMIT %(limit)s"""


_ATTRIBUTES = ("department", "role", "performance_tier", "location", "country", "hired_on")


async def list_standings(session: AsyncSession, on: Scheme, member_ids: Collection[str]) -> list[Standing]:
    """The present standings of these members, in every unit that has boards."""
    statement = _reading(frozenset(on.windows), absences=_counts_days(on), everybody=False)
    found = await run(session, statement, _parameters(on) | {"member_ids": texts(list(member_ids)), "limit": None})
    return list(map(_reader(on), found))


async def pages(session: AsyncSession, on: Scheme) -> AsyncIterator[list[Standing]]:
    """The standings of everybody, page by page."""
    read = _reader(on)
    async for found in rows(session, on):
        yield list(map(read, found))


async def rows(session: AsyncSession, on: Scheme) -> AsyncIterator[Found]:
    """What `pages` are made of: account, member, unit, how much of the book was seen, lifetime and more."""
    statement = _reading(frozenset(on.windows), absences=_counts_days(on), everybody=True)
    parameters, after = _parameters(on), ""
    while True:
        found = await run(session, statement, parameters | {"after": after, "limit": REBUILD_PAGE})
        if found:
            yield found
        if len(found) < REBUILD_PAGE:
            return
        after = found[-1][0]


def _counts_days(on: Scheme) -> bool:
    return any(board.per_working_day for board in on.boards.values())


def _parameters(on: Scheme) -> dict[str, Any]:
    firsts = {window: first for window in on.windows if (first := began_on(window, on.today))}
    since = min([on.today, *firsts.values()])
    ends = {f"{window}_last": last_day(window, first) for window, first in firsts.items()}
    periods = {str(window): first for window, first in firsts.items()}
    units = texts(sorted(on.units))
    return {"program_id": on.program_id, "units": units, "since": since, "today": on.today, **periods, **ends}


def _reader(on: Scheme) -> Callable[[Sequence[Any]], Standing]:
    """What makes a standing of a row; what all rows have in common is looked at once."""
    periods = [(15 + 2 * n, window) for n, window in enumerate(sorted(on.windows - {Window.LIFETIME}))]
    needed = {name for board in on.boards.values() for name in board.by}
    if _counts_days(on):
        needed.add("country")
    columns = [(7 + n, name) for n, name in enumerate(_ATTRIBUTES) if name in needed]

    def read(row: Sequence[Any]) -> Standing:
        earned = {Window.LIFETIME: Earned(row[4], row[5])}
        for at, window in periods:
            if row[at] is not None:
                earned[window] = Earned(row[at], row[at + 1])
        attributes = {name: row[at] for at, name in columns}
        if "tenure" in needed:
            attributes["tenure"] = tenure(row[12], on.today)
        return Standing(row[1], row[2], row[3], earned, attributes, row[6], row[13], frozenset(row[14] or ()))

    return read


# -- Writing -------------------------------------------------------------------------------------------------------


def outbox_row(program_id: str, member_id: str) -> OutboxRow:
    """What makes the relay read where the member stands, and write it."""
    return OutboxRow(program_id, Lane.REDIS, Kind.SCORE, {"member_id": member_id})


async def write(redis: Redis, on: Scheme, standings: Sequence[Standing]) -> None:
    """Give each standing its places on its boards, unless a newer one of the same member is known."""
    for unit in {standing.unit for standing in standings}:
        boards = [board for board in on.boards.values() if board.unit == unit]
        told = [_told(boards, standing, on.today) for standing in standings if standing.unit == unit]
        for first in range(0, len(told), REBUILD_PAGE):
            page = orjson.dumps(told[first : first + REBUILD_PAGE]).decode()
            arguments = [_rankings(on.program_id), on.today.isoformat(), page]
            await _run(redis, _WRITE, [_standings_key(on.program_id, unit)], arguments)


def _told(boards: Iterable[Board], standing: Standing, today: date) -> tuple[Any, ...]:
    """The standing as the script takes it; numbers as text, for Lua's would lose digits."""
    placed = placements(boards, standing, today)
    places = [(one.ranking.name, str(one.score), one.entry) for one in placed]
    return standing.member_id, str(standing.version), places


async def rebuild(session: AsyncSession, redis: Redis, program_id: str, *, as_of: datetime) -> int:
    """Make every board of the program anew from the ledger; how many standings there are.

    The boards are emptied before the first standing is read, so what the relay writes meanwhile is either in what is
    read or newer than it. Until this ends, readers see boards that are still filling.
    """
    await _clear(redis, program_id)
    return await refresh(session, redis, await scheme(session, program_id, as_of=as_of))


async def refresh(session: AsyncSession, redis: Redis, on: Scheme) -> int:
    """Give everybody the places of today's boards, leaving those of boards and periods that are over; how many that is.

    Nothing is emptied: readers see each member on the old boards or on the new ones. Boards that Redis lost meanwhile
    do not count as built.
    """
    await redis.set(_building_key(on.program_id), "1", ex=BUILDING_SECONDS)
    count, writing = 0, None
    try:
        async for standings in pages(session, on):  # a page is read while the one before is written
            if writing:
                await writing
            writing = asyncio.create_task(write(redis, on, standings))
            count += len(standings)
        if writing:
            await writing
    finally:
        if writing:
            writing.cancel()
    keys = [_building_key(on.program_id), _built_key(on.program_id)]
    await _run(redis, _FINISH, keys, [shape(on.boards.values(), on.today)])
    return count


async def is_built(redis: Redis, on: Scheme) -> bool:
    """Whether the program's boards were built since Redis was last emptied, as they are defined and for today."""
    built = await redis.get(_built_key(on.program_id))
    return built is not None and _text(built) == shape(on.boards.values(), on.today)


def _building_key(program_id: str) -> str:
    return f"{_prefix(program_id)}building"


def _built_key(program_id: str) -> str:
    return f"{_prefix(program_id)}built"


async def _clear(redis: Redis, program_id: str) -> None:
    keys: list[bytes | str] = []
    async for key in redis.scan_iter(match=f"{_prefix(program_id)}*", count=UNLINK_PAGE):
        keys.append(key)
        if len(keys) == UNLINK_PAGE:
            await redis.unlink(*keys)
            keys = []
    if keys:
        await redis.unlink(*keys)


# -- Reading -------------------------------------------------------------------------------------------------------


async def top(redis: Redis, program_id: str, ranking: Ranking, limit: int, after: Place | None = None) -> list[Place]:
    """The first places, or those after a place that was seen before, at most MAX_PAGE at once; none of a small cohort.

    A cohort is small when fewer have a place in it than its board asks for.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} places")
    seen = [str(after.points), after.entry] if after else []
    arguments = [str(limit), str(ranking.board.least_members), *seen]
    first, found = await _run(redis, _TOP, [_board_key(program_id, ranking)], arguments)
    return _places(first, found)


async def around(redis: Redis, on: Scheme, key: str, member_id: str) -> Neighbourhood | None:
    """The member's place and up to AROUND above and below, as the member may see them; None without a place."""
    board = on.board(key)
    begins = of_period(board, began_on(board.window, on.today))
    arguments = [_rankings(on.program_id), begins, member_id, str(AROUND), str(board.least_members)]
    answer = await _run(redis, _AROUND, [_standings_key(on.program_id, board.unit)], arguments)
    if not answer:
        return None
    name, count, own, first, found = answer
    places = seen_from(own + 1, count, _places(first, found))
    return Neighbourhood(board, cohort_in(_text(name)), member_id, places, percentile(own + 1, count))


async def _run(redis: Redis, script: str, keys: list[str], arguments: list[str]) -> Any:
    # Not EVALSHA: the stand-in for Redis ends the connection when a script is loaded.
    return await redis.eval(script, len(keys), *keys, *arguments)


def _places(first: int, found: Sequence[bytes | str]) -> list[Place]:
    pairs = zip(found[::2], found[1::2], strict=True)
    return [place(first + n, _text(entry), -int(float(score))) for n, (entry, score) in enumerate(pairs, start=1)]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
