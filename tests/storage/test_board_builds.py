"""Builds of boards: shown whole, with all that was told meanwhile, one at a time, and never after a loss."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cli.embedded.ports import free_port
from cli.embedded.processes import Child
from cli.embedded.redis import Redis as Server
from domain.events import SourcePolicy
from storage import board_builds, board_scripts, intake, leaderboards, standings
from storage.leaderboards import Scheme
from tests.programs import NOW, SAMPLE, apply, deal, make_member, make_program
from tests.storage.test_leaderboards import dump

# Versions count transactions in their upper bits, also those of others in the same server.
MUCH_LATER = 1 << 40
PEOPLE = ("ada", "bob", "cyd")


@pytest.fixture
async def program_id(engine: AsyncEngine) -> str:
    async with AsyncSession(engine) as session, session.begin():
        program_id = await make_program(session)
        for n, name in enumerate(PEOPLE):
            await make_member(session, program_id, name, department="Sales")
            await win(session, program_id, name, n)
        return program_id


@pytest.fixture
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as session:
        yield session


async def win(session: AsyncSession, program_id: str, name: str, n: int) -> str:
    [taken] = await intake.record(session, program_id, [deal(n, name)], SourcePolicy(), as_of=NOW)
    return taken.member_id or ""


async def scheme(session: AsyncSession, program_id: str) -> Scheme:
    return await leaderboards.scheme(session, program_id, as_of=NOW)


async def tell(session: AsyncSession, redis: Redis, program_id: str, *member_ids: str) -> None:
    on = await scheme(session, program_id)
    await leaderboards.write(redis, on, await standings.list_of(session, on, member_ids))


async def rebuild(session: AsyncSession, redis: Redis, program_id: str) -> int:
    return await board_builds.rebuild(session, redis, program_id, as_of=NOW)


async def shown(session: AsyncSession, redis: Redis, program_id: str) -> list[tuple[str, int]]:
    company = (await scheme(session, program_id)).ranking("company")
    places = await leaderboards.top(redis, program_id, company, 100)
    return [(place.member_id, place.points) for place in places]


@contextmanager
def while_a_page_is_sent(act: Callable[[], Any]) -> Iterator[None]:
    """Do this once, before the first page of a build is written: it has been read then."""
    send, done = board_scripts.send, list[bool]()

    async def act_and_send(redis: Redis, commands: Sequence[Sequence[str]]) -> None:
        if not done:
            done.append(True)
            await act()
        await send(redis, commands)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board_scripts, "send", act_and_send)
        yield
    assert done


async def test_until_a_build_is_whole_the_boards_before_it_are_shown(
    session: AsyncSession, redis: Redis, program_id: str
) -> None:
    await rebuild(session, redis, program_id)
    before, seen = await shown(session, redis, program_id), []

    async def look() -> None:
        seen.append(await shown(session, redis, program_id))

    with while_a_page_is_sent(look):
        await rebuild(session, redis, program_id)

    assert len(before) == len(PEOPLE)
    assert seen == [before]


async def test_what_is_told_while_a_build_lasts_is_on_the_boards_before_and_after(
    engine: AsyncEngine, session: AsyncSession, redis: Redis, program_id: str
) -> None:
    await rebuild(session, redis, program_id)
    seen = []

    async def win_and_tell() -> None:
        async with AsyncSession(engine) as other, other.begin():
            ada = await win(other, program_id, "ada", 10)
        async with AsyncSession(engine) as other:
            await tell(other, redis, program_id, ada)
            seen.extend([(ada, 100), await shown(other, redis, program_id)])

    with while_a_page_is_sent(win_and_tell):
        await rebuild(session, redis, program_id)

    first, during = seen
    assert during[0] == first
    assert (await shown(session, redis, program_id))[0] == first
    live = await dump(redis)
    await rebuild(session, redis, program_id)
    assert await dump(redis) == live


async def test_more_is_told_meanwhile_than_is_written_at_once(
    session: AsyncSession, redis: Redis, program_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_builds, "TOLD_PAGE", 2)
    on = await scheme(session, program_id)
    members = [one.member_id async for page in standings.pages(session, on) for one in page]
    [newest] = await standings.list_of(session, on, members[:1])

    async def tell_often() -> None:
        for points in range(60, 67):
            earned = {window: one._replace(points=points) for window, one in newest.earned.items()}
            told = newest._replace(version=newest.version + MUCH_LATER + points, earned=earned)
            await leaderboards.write(redis, on, [told])

    with while_a_page_is_sent(tell_often):
        await rebuild(session, redis, program_id)

    assert (members[0], 66) in await shown(session, redis, program_id)


async def test_of_two_builds_the_one_that_began_last_is_shown(
    engine: AsyncEngine, session: AsyncSession, redis: Redis, program_id: str
) -> None:
    async def begin_and_end_another() -> None:
        async with AsyncSession(engine) as other, other.begin():
            await win(other, program_id, "ada", 11)
        async with AsyncSession(engine) as other:
            await rebuild(other, redis, program_id)

    with while_a_page_is_sent(begin_and_end_another):
        await rebuild(session, redis, program_id)

    assert (await shown(session, redis, program_id))[0][1] == 100
    assert len(await redis.keys("laurel:boards:*:board:company::")) == 1


async def test_builds_at_the_same_time_leave_one_whole_generation(
    engine: AsyncEngine, session: AsyncSession, redis: Redis, program_id: str
) -> None:
    async def build() -> None:
        async with AsyncSession(engine) as one:
            await rebuild(one, redis, program_id)

    await asyncio.gather(*(build() for _ in range(5)))

    assert len(await shown(session, redis, program_id)) == len(PEOPLE)
    assert await board_builds.is_built(redis, await scheme(session, program_id))
    assert len(await redis.keys("laurel:boards:*:standings:*")) == 1


async def test_boards_that_are_not_defined_any_more_go_with_the_generation(
    session: AsyncSession, redis: Redis, program_id: str
) -> None:
    await apply(session, program_id, SAMPLE | {"boards": {"roles": {"by": ["department"], "least_members": 1}}})
    await rebuild(session, redis, program_id)
    before = {name.partition(":")[0] for name in await dump(redis)}
    await apply(session, program_id, SAMPLE)

    await rebuild(session, redis, program_id)

    assert before == {"company", "department", "roles"}
    assert {name.partition(":")[0] for name in await dump(redis)} == {"company", "department"}


async def test_a_build_of_which_redis_lost_the_beginning_is_not_shown(
    session: AsyncSession, redis: Redis, program_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "PAGE", 1)
    send, pages = board_scripts.send, 0

    async def send_and_lose(client: Redis, commands: Sequence[Sequence[str]]) -> None:
        nonlocal pages
        await send(client, commands)
        pages += 1
        if pages == 2:
            await client.flushdb()

    monkeypatch.setattr(board_scripts, "send", send_and_lose)

    await rebuild(session, redis, program_id)

    assert pages > 2
    assert not await board_builds.is_built(redis, await scheme(session, program_id))
    assert await redis.keys("laurel:boards:*") == []


async def test_what_died_in_the_making_goes_with_the_next(session: AsyncSession, redis: Redis, program_id: str) -> None:
    async def die() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError), while_a_page_is_sent(die):
        await rebuild(session, redis, program_id)
    left = board_scripts.prefix(program_id) + "dead-0-0:board:company::"
    await redis.zadd(left, {"somebody": -1})
    in_turn = await board_builds.refresh(session, redis, await scheme(session, program_id))
    alive_for = await redis.ttl(board_scripts.making_key(program_id))

    await rebuild(session, redis, program_id)

    assert in_turn is None
    assert 0 < alive_for <= board_builds.MAKING_SECONDS
    assert not await redis.exists(left)


async def test_names_of_any_alphabet_are_built(
    engine: AsyncEngine, session: AsyncSession, redis: Redis, program_id: str
) -> None:
    async with AsyncSession(engine) as other, other.begin():
        await make_member(other, program_id, "dan", department='Öffentlichkeitsarbeit 🌍 & "Recht"')
        await win(other, program_id, "dan", 12)

    await rebuild(session, redis, program_id)

    ranking = (await scheme(session, program_id)).ranking("department", ['Öffentlichkeitsarbeit 🌍 & "Recht"'])
    [place] = await leaderboards.top(redis, program_id, ranking, 10)
    around = await leaderboards.around(redis, await scheme(session, program_id), "department", place.member_id)
    assert around
    assert around.cohort == ranking.cohort


async def test_boards_that_a_server_brought_back_from_a_minute_ago_do_not_count_as_built(
    session: AsyncSession, program_id: str, tmp_path: Path
) -> None:
    """A server that crashed comes back with what it had saved, and knows nothing of what it was told since."""
    server = Server(free_port(), tmp_path)
    if server.kind != "redis-server":
        pytest.skip("the stand-in keeps nothing")
    on = await scheme(session, program_id)
    child = await asyncio.to_thread(Child.start, server.program(tmp_path / "redis.log"))
    async with Redis.from_url(server.url) as redis:
        await rebuild(session, redis, program_id)
        before = await board_builds.is_built(redis, on)
        await redis.save()
    await asyncio.to_thread(child.stop)
    child = await asyncio.to_thread(Child.start, server.program(tmp_path / "redis.log"))
    try:
        async with Redis.from_url(server.url) as redis:
            brought_back = await shown(session, redis, program_id)
            after = await board_builds.is_built(redis, on)
            await board_builds.refresh(session, redis, on)
            mended = await board_builds.is_built(redis, on)
    finally:
        await asyncio.to_thread(child.stop)

    assert len(brought_back) == len(PEOPLE)
    assert (before, after, mended) == (True, False, True)
