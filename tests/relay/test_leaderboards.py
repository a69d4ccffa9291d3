from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from domain.events import SourcePolicy
from relay.leaderboards import Boards
from storage import intake, leaderboards
from storage.database import Database
from storage.leaderboards import Board
from tests.programs import NOW, deal, make_member, make_program


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Database]:
    pool = Database(database_url, pool_size=2)
    yield pool
    await pool.dispose()


@pytest.fixture
async def program_id(pool: Database) -> str:
    async with pool.begin() as session:
        program_id = await make_program(session)
        await make_member(session, program_id, "ada")
        await intake.record(session, program_id, [deal(1)], SourcePolicy(), as_of=NOW)
        return program_id


async def test_boards_that_redis_has_lost_come_back_by_themselves(
    pool: Database, program_id: str, redis: Redis
) -> None:
    boards = Boards(pool, redis)
    first = await boards.heal()
    whole = await leaderboards.top(redis, Board(program_id), 10)
    await redis.flushdb()

    again = await boards.heal()

    assert (first, again) == (1, 1)
    assert len(whole) == 1
    assert await leaderboards.top(redis, Board(program_id), 10) == whole


async def test_boards_that_stand_are_left_alone(pool: Database, program_id: str, redis: Redis) -> None:
    boards = Boards(pool, redis)
    await boards.heal()
    await redis.zadd(Board(program_id).key, {"0000:mem_mark": 0})

    assert await boards.heal() == 0
    assert await redis.zscore(Board(program_id).key, "0000:mem_mark") == 0


async def test_whoever_has_the_turn_is_not_disturbed(pool: Database, program_id: str, redis: Redis) -> None:
    await redis.set(f"laurel:turns:boards:{program_id}", "1")

    await Boards(pool, redis).heal()

    assert not await leaderboards.is_built(redis, program_id)
