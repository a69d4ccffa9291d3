"""What Redis itself does with boards: scripts, each of which happens as a whole, and the keys that they work on.

A program's boards are kept in generations. One is shown: it is read, and what is told goes into it. Another may be in
the making: what is told meanwhile is also put aside for it, and goes into it just before it is shown instead. A
generation is named after the boards' shape and the server's run, for a server that was started anew may have come back
with less than it had.

In a generation each cohort's board is a sorted set of entries, scored with the points below zero, so that the first
rank has the lowest score. A hash for each unit keeps each member's newest standing: version and day, then a line
for each place, entry and board. Who has no place has a standing too, so that an older one is refused for ever.
"""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

# KEYS of every script: which generation is shown, and which is in the making. ARGV[1]: what all keys begin with. Places
# name boards, so all keys share a hash tag.
_COMMON = """
local prefix = ARGV[1]
local function shown() return prefix .. (redis.call('GET', KEYS[1]) or 'none') .. ':' end
"""

# `told` is JSON: the unit, the day of the boards, and standings: each a member, a version, and places, each a board,
# points and an entry; numbers as text, for Lua's would lose digits. Of what was seen of one state of the book, the
# later day is newer. A call costs Redis as much as a place does, so what is known is asked for at once, and what
# changes is gathered board by board.
_WRITING = """
local function call(command, key, listed)
  if #listed > 0 then redis.call(command, key, unpack(listed)) end
end
local function write(generation, told)
  local unit, day, standings = unpack(cjson.decode(told))
  local key, members, known = generation .. 'standings:' .. unit, {}, {}
  for n, one in ipairs(standings) do members[n] = one[1] end
  for n, seen in ipairs(redis.call('HMGET', key, unpack(members))) do known[members[n]] = seen or nil end

  local gone, placed, changed = {}, {}, {}
  local function set(changes, board, entry, score)
    if not changes[board] then changes[board] = {} end
    changes[board][entry] = score
  end
  for _, one in ipairs(standings) do
    local member, version, places = one[1], one[2], one[3]
    local before = known[member] or '0 '
    local seen, seen_on = string.match(before, '^(%d+) (%S*)')
    local newer = tonumber(version) - tonumber(seen)
    if newer > 0 or (newer == 0 and day >= seen_on) then
      for entry, board in string.gmatch(before, '\\n(%S+) ([^\\n]+)') do
        set(gone, board, entry, true)
        set(placed, board, entry, nil)
      end
      local lines = {version .. ' ' .. day}
      for n, new in ipairs(places) do
        set(placed, new[1], new[3], '-' .. new[2])
        lines[n + 1] = new[3] .. ' ' .. new[1]
      end
      known[member] = table.concat(lines, '\\n')
      changed[member] = known[member]
    end
  end

  for board, entries in pairs(gone) do
    local listed = {}
    for entry in pairs(entries) do listed[#listed + 1] = entry end
    call('ZREM', generation .. 'board:' .. board, listed)
  end
  for board, entries in pairs(placed) do
    local listed = {}
    for entry, score in pairs(entries) do listed[#listed + 1] = score; listed[#listed + 1] = entry end
    call('ZADD', generation .. 'board:' .. board, listed)
  end
  local listed = {}
  for member, standing in pairs(changed) do listed[#listed + 1] = member; listed[#listed + 1] = standing end
  call('HSET', key, listed)
end
"""

# ARGV: what is told.
WRITE = f"""{_COMMON}{_WRITING}
write(shown(), ARGV[2])
local making = redis.call('GET', KEYS[2])
if making then redis.call('RPUSH', prefix .. making .. ':told', ARGV[2]) end
"""

# ARGV: the unit, what the names of the board's rankings begin with, member, places on each side, the least that a board
# has. Answers the ranking's name, how many places it has, the member's rank and the first one shown, both from 0, and
# the entries with their scores; nothing without a place.
AROUND = f"""{_COMMON}
local generation = shown()
local known = redis.call('HGET', generation .. 'standings:' .. ARGV[2], ARGV[4])
for entry, name in string.gmatch(known or '', '\\n(%S+) ([^\\n]+)') do
  if string.sub(name, 1, #ARGV[3]) == ARGV[3] then
    local board = generation .. 'board:' .. name
    local rank, count = redis.call('ZRANK', board, entry), redis.call('ZCARD', board)
    if not rank or count < tonumber(ARGV[6]) then return {{}} end
    local first = math.max(rank - tonumber(ARGV[5]), 0)
    local around = redis.call('ZRANGE', board, first, rank + tonumber(ARGV[5]), 'WITHSCORES')
    return {{name, count, rank, first, around}}
  end
end
return {{}}
"""

# ARGV: the ranking's name, number of places, the least that a board has, then the last place seen as points and entry,
# if any. A mark is set right after that place for a moment, so that the page begins where it stood, even if it is gone.
TOP = f"""{_COMMON}
local board = shown() .. 'board:' .. ARGV[2]
if redis.call('ZCARD', board) < tonumber(ARGV[4]) then return {{0, {{}}}} end
local first = 0
if ARGV[6] then
  local mark = ARGV[6] .. '~'
  redis.call('ZADD', board, '-' .. ARGV[5], mark)
  first = redis.call('ZRANK', board, mark)
  redis.call('ZREM', board, mark)
end
return {{first, redis.call('ZRANGE', board, first, first + tonumber(ARGV[3]) - 1, 'WITHSCORES')}}
"""

# The stand-in for Redis tells nothing of itself, and keeps nothing when it ends.
_SERVER = """
local function server()
  local told = redis.pcall('INFO', 'server')
  return type(told) == 'string' and string.sub(string.match(told, 'run_id:(%w+)'), 1, 8) or '0'
end
"""

# ARGV: the boards' shape.
IS_SHOWN = f"""{_COMMON}{_SERVER}
local generation = redis.call('GET', KEYS[1]) or ''
return string.find(generation, ARGV[2] .. '-' .. server() .. '-', 1, true) == 1
"""

# ARGV: the boards' shape, what nobody else calls theirs, for how many seconds it is in the making unless a page
# that is written says so anew, and NX unless the turn is taken from whoever has it. Answers the generation, or nothing.
MAKE = f"""{_COMMON}{_SERVER}
local generation = ARGV[2] .. '-' .. server() .. '-' .. ARGV[3]
return redis.call('SET', KEYS[2], generation, 'EX', ARGV[4], unpack(ARGV, 5)) and generation
"""

# ARGV: the generation, and how much of what was told meanwhile to write at once. Answers whether it is shown now; there
# may be more to write; or nothing: another is in the making, or the server has lost what was written.
SHOW = f"""{_COMMON}{_SERVER}{_WRITING}
local generation, limit = ARGV[2], tonumber(ARGV[3])
local of_this_run = string.find(generation, '-' .. server() .. '-', 1, true)
if redis.call('GET', KEYS[2]) ~= generation or not of_this_run then return false end
local told = prefix .. generation .. ':told'
for _, one in ipairs(redis.call('LRANGE', told, 0, limit - 1)) do write(prefix .. generation .. ':', one) end
redis.call('LTRIM', told, limit, -1)
if redis.call('EXISTS', told) == 1 then return 'more' end
redis.call('SET', KEYS[1], generation)
redis.call('DEL', KEYS[2])
return 'shown'
"""


def prefix(program_id: str) -> str:
    """What all keys of the program's boards begin with."""
    return f"laurel:boards:{{{program_id}}}:"


def shown_key(program_id: str) -> str:
    """Names the generation that is shown."""
    return prefix(program_id) + "shown"


def making_key(program_id: str) -> str:
    """Names the generation in the making; it ends by itself when nobody is at it any more."""
    return prefix(program_id) + "making"


async def run(redis: Redis, script: str, program_id: str, *arguments: str) -> Any:
    """What the script answers."""
    # Not EVALSHA: the stand-in for Redis ends the connection when a script is loaded.
    keys = shown_key(program_id), making_key(program_id)
    return await redis.eval(script, len(keys), *keys, prefix(program_id), *arguments)


async def send(redis: Redis, commands: Sequence[Sequence[str]]) -> None:
    """Have all of these done, in this order.

    They are packed here: the client looks at each argument for itself, which takes longer than what Redis does with it.
    """
    connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.send_packed_command("".join(map(_packed, commands)).encode())
        for _ in commands:
            await connection.read_response()
    except BaseException:  # answers may be on their way that nobody waits for
        await connection.disconnect()
        raise
    finally:
        await redis.connection_pool.release(connection)


def _packed(command: Sequence[str]) -> str:
    """The command as Redis reads it (RESP): an array of strings that say how many bytes they have."""
    count = len if "".join(command).isascii() else _count_bytes
    return f"*{len(command)}\r\n" + "".join([f"${count(one)}\r\n{one}\r\n" for one in command])


def _count_bytes(text: str) -> int:
    return len(text.encode())
