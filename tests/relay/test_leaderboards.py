import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from domain.events import SourcePolicy
from domain.outbox import ClaimedRow, Kind, Lane
from relay.lanes import RedisLane
from relay.leaderboards import Boards
from storage import board_builds, board_scripts, intake, leaderboards
from storage.database import Database
from storage.leaderboards import Scheme
from storage.tables import members
from tests.programs import NOW, SAMPLE, apply, deal, make_member, make_program


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


async def on_now(pool: Database, program_id: str) -> Scheme:
    async with pool.begin() as session:
        return await leaderboards.scheme(session, program_id, as_of=NOW)


async def test_boards_that_redis_has_lost_come_back_by_themselves(
    pool: Database, program_id: str, redis: Redis
) -> None:
    boards, company = Boards(pool, redis, clock=lambda: NOW), (await on_now(pool, program_id)).ranking("company")
    first = await boards.heal()
    whole = await leaderboards.top(redis, program_id, company, 10)
    await redis.flushdb()

    again = await boards.heal()

    assert (first, again) == (1, 1)
    assert len(whole) == 1
    assert await leaderboards.top(redis, program_id, company, 10) == whole


async def test_boards_that_redis_loses_while_they_are_made_are_made_again(
    pool: Database, program_id: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    boards, send = Boards(pool, redis, clock=lambda: NOW), board_scripts.send

    async def send_and_lose(*page: Any) -> None:
        await send(*page)
        await redis.flushdb()

    monkeypatch.setattr(board_scripts, "send", send_and_lose)
    await boards.heal()
    monkeypatch.undo()
    await boards.heal()

    company = (await on_now(pool, program_id)).ranking("company")
    assert len(await leaderboards.top(redis, program_id, company, 10)) == 1


async def test_boards_that_stand_are_left_alone(pool: Database, program_id: str, redis: Redis) -> None:
    boards, company = Boards(pool, redis, clock=lambda: NOW), (await on_now(pool, program_id)).ranking("company")
    await boards.heal()
    [place] = await leaderboards.top(redis, program_id, company, 10)
    key = (await redis.keys("*:board:company*"))[0]
    await redis.zadd(key, {place.entry: -7})

    assert await boards.heal() == 0
    assert await redis.zscore(key, place.entry) == -7


async def test_boards_that_are_defined_anew_are_made_without_emptying_the_others(
    pool: Database, program_id: str, redis: Redis
) -> None:
    boards = Boards(pool, redis, clock=lambda: NOW)
    await boards.heal()
    async with pool.begin() as session:
        await apply(session, program_id, SAMPLE | {"boards": {"week": {"window": "week", "least_members": 1}}})

    healed = await boards.heal()

    on = await on_now(pool, program_id)
    assert healed == 1
    assert len(await leaderboards.top(redis, program_id, on.ranking("week"), 10)) == 1
    assert len(await leaderboards.top(redis, program_id, on.ranking("company"), 10)) == 1


async def test_when_a_week_is_over_its_board_begins_anew(pool: Database, program_id: str, redis: Redis) -> None:
    async with pool.begin() as session:
        await apply(session, program_id, SAMPLE | {"boards": {"week": {"window": "week", "least_members": 1}}})
    await Boards(pool, redis, clock=lambda: NOW).heal()

    healed = await Boards(pool, redis, clock=lambda: NOW + timedelta(days=7)).heal()

    assert healed == 1
    assert await redis.keys("*:board:week:*") == []


async def test_whoever_has_the_turn_is_not_disturbed(pool: Database, program_id: str, redis: Redis) -> None:
    await redis.set(board_scripts.making_key(program_id), "somebody's")

    await Boards(pool, redis, clock=lambda: NOW).heal()

    assert not await board_builds.is_built(redis, await on_now(pool, program_id))


async def test_rows_claimed_together_are_read_and_written_together(
    pool: Database, program_id: str, redis: Redis
) -> None:
    on = await on_now(pool, program_id)
    async with pool.begin() as session:
        [member_id] = (await session.execute(select(members.c.id))).scalars()
    rows = [ClaimedRow(n, program_id, Lane.REDIS, Kind.SCORE, {"member_id": member_id}, 0) for n in range(20)]
    lane = RedisLane(pool, redis, clock=lambda: NOW)

    await asyncio.gather(*map(lane, rows))
    before = (await redis.info("commandstats"))["cmdstat_eval"]["calls"]
    await asyncio.gather(*map(lane, rows))

    assert (await redis.info("commandstats"))["cmdstat_eval"]["calls"] == before + 1
    assert [one.member_id for one in await leaderboards.top(redis, program_id, on.ranking("company"), 10)] == [
        member_id
    ]
