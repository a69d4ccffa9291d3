"""Boards in Redis: the places that standings give, in whatever order and however often they come."""

import random
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import TcpFakeServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cli.embedded.ports import free_port
from domain.events import SourcePolicy
from domain.leaderboards import MAX_POINTS, Place, Standing
from domain.member_changes import read
from domain.outbox import Kind
from storage import intake, leaderboards, member_changes, tables
from storage.leaderboards import Board
from tests.programs import NOW, deal, make_program, retraction

PROGRAM = "prg_1"
COMPANY = Board(PROGRAM)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[str]:
    """The URL of what `laurel up` runs where no Redis is installed."""
    server = TcpFakeServer(("127.0.0.1", free_port()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["redis-server", "stand-in"])
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """An empty Redis, of both kinds that Laurel may meet."""
    url = request.getfixturevalue("redis_url" if request.param == "redis-server" else "stand_in")
    async with Redis.from_url(url) as client:
        await client.flushdb()
        yield client


def _standing(member: str, points: int, second: int = 0, version: int = 1, **values: Any) -> Standing:
    return Standing(f"mem_{member}", "points", points, NOW + timedelta(seconds=second), version, **values)


async def _order(redis: Redis, board: Board = COMPANY) -> list[str]:
    return [place.member_id[4:] for place in await leaderboards.top(redis, board, 100)]


async def _dump(redis: Redis) -> dict[bytes | str, Any]:
    """Everything on the boards, without what is only kept to refuse older standings."""
    keys = [key for key in await redis.keys("laurel:boards:*") if await redis.type(key) == b"zset"]
    return {key: await redis.zrange(key, 0, -1, withscores=True) for key in keys}


async def test_more_points_stand_higher_and_among_equals_who_got_there_first(redis: Redis) -> None:
    standings = [_standing("a", 50, 3), _standing("b", 70, 9), _standing("c", 50, 1), _standing("d", 50, 2)]

    await leaderboards.write(redis, PROGRAM, standings)

    assert await _order(redis) == ["b", "c", "d", "a"]


async def test_a_microsecond_decides_and_points_are_exact_to_the_limit(redis: Redis) -> None:
    first = Standing("mem_z", "points", MAX_POINTS, NOW, 1)
    second = Standing("mem_a", "points", MAX_POINTS, NOW + timedelta(microseconds=1), 1)
    third = Standing("mem_b", "points", MAX_POINTS - 1, NOW, 1)

    await leaderboards.write(redis, PROGRAM, [third, second, first])

    places = await leaderboards.top(redis, COMPANY, 10)
    assert [(place.member_id, place.points) for place in places] == [
        ("mem_z", MAX_POINTS), ("mem_a", MAX_POINTS), ("mem_b", MAX_POINTS - 1)
    ]  # fmt: skip


async def test_an_older_standing_is_refused_even_after_the_member_has_left(redis: Redis) -> None:
    await leaderboards.write(
        redis, PROGRAM, [_standing("a", 50, version=2), _standing("b", 5, version=3, listed=False)]
    )

    await leaderboards.write(redis, PROGRAM, [_standing("a", 90, version=1), _standing("b", 5, version=1)])

    [place] = await leaderboards.top(redis, COMPANY, 10)
    assert (place.member_id, place.points) == ("mem_a", 50)


async def test_another_department_is_another_board(redis: Redis) -> None:
    sales, legal = Board(PROGRAM, "Sales"), Board(PROGRAM, "Legal & Ökonomie")
    await leaderboards.write(
        redis, PROGRAM, [_standing("a", 50, department="Sales"), _standing("b", 40, department="Sales")]
    )

    await leaderboards.write(redis, PROGRAM, [_standing("a", 50, version=2, department="Legal & Ökonomie")])

    assert await _order(redis, sales) == ["b"]
    assert await _order(redis, legal) == ["a"]
    assert await _order(redis) == ["a", "b"]


async def test_a_department_with_a_name_of_ours_is_a_board_of_its_own(redis: Redis) -> None:
    await leaderboards.write(redis, PROGRAM, [_standing("a", 50, department="company"), _standing("b", 40)])

    assert await _order(redis, Board(PROGRAM, "company")) == ["a"]
    assert await _order(redis) == ["a", "b"]


@pytest.mark.parametrize(
    ("member", "ranks"), [(1, range(1, 7)), (3, range(1, 9)), (10, range(5, 16)), (19, range(14, 21))]
)
async def test_around_a_member_are_five_above_and_five_below(redis: Redis, member: int, ranks: range) -> None:
    await leaderboards.write(
        redis, PROGRAM, [_standing(f"{n:02}", 1_000 - n, department="Sales") for n in range(1, 21)]
    )

    company = await leaderboards.around(redis, PROGRAM, f"mem_{member:02}")
    sales = await leaderboards.around(redis, PROGRAM, f"mem_{member:02}", of_department=True)

    assert company
    assert sales
    assert [place.rank for place in company.places] == list(ranks)
    assert [place.member_id for place in company.places] == [f"mem_{rank:02}" for rank in ranks]
    assert (sales.places, sales.board) == (company.places, Board(PROGRAM, "Sales"))


async def test_who_has_no_place_has_nobody_around(redis: Redis) -> None:
    await leaderboards.write(redis, PROGRAM, [_standing("a", 0), _standing("b", 50)])

    assert await leaderboards.around(redis, PROGRAM, "mem_a") is None
    assert await leaderboards.around(redis, PROGRAM, "mem_unknown") is None
    assert await leaderboards.around(redis, PROGRAM, "mem_b", of_department=True) is None


async def test_pages_go_on_where_the_last_place_stood_even_if_it_moved_away(redis: Redis) -> None:
    await leaderboards.write(redis, PROGRAM, [_standing(f"{n}", 100 - n) for n in range(9)])
    first = await leaderboards.top(redis, COMPANY, 3)
    await leaderboards.write(redis, PROGRAM, [_standing("2", 500, version=2)])

    second = await leaderboards.top(redis, COMPANY, 3, first[-1])
    third = await leaderboards.top(redis, COMPANY, 4, second[-1])

    assert [place.member_id for place in (*first, *second, *third)] == [f"mem_{n}" for n in range(9)]
    assert [place.rank for place in second] == [4, 5, 6]
    assert len(await leaderboards.top(redis, COMPANY, 100)) == 9


@pytest.mark.parametrize("limit", [0, 102])
async def test_a_page_is_bounded(redis: Redis, limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 101"):
        await leaderboards.top(redis, COMPANY, limit)


async def test_after_a_page_on_an_empty_board_nothing_is_left_behind(redis: Redis) -> None:
    gone = Place(1, "mem_a", 50, NOW)

    assert await leaderboards.top(redis, COMPANY, 10, gone) == []
    assert await _dump(redis) == {}


histories = st.lists(
    st.lists(
        st.tuples(st.integers(-10, 60), st.integers(0, 3), st.sampled_from([None, "Sales", "Legal"]), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories, st.randoms(use_true_random=False))
async def test_boards_are_the_same_in_whatever_order_and_however_often_standings_come(
    redis: Redis, histories: list[list[tuple[int, int, str | None, bool]]], chance: random.Random
) -> None:
    told = [
        [
            _standing(str(member), points, second, version, department=department, listed=listed)
            for version, (points, second, department, listed) in enumerate(history, start=1)
        ]
        for member, history in enumerate(histories)
    ]
    await redis.flushdb()
    await leaderboards.write(redis, PROGRAM, [history[-1] for history in told])
    rebuilt = await _dump(redis)

    await redis.flushdb()
    deliveries = [standing for history in told for standing in (*history, *history)]
    chance.shuffle(deliveries)
    while deliveries:
        count = chance.randint(1, len(deliveries))
        await leaderboards.write(redis, PROGRAM, deliveries[:count])
        deliveries = deliveries[count:]

    assert await _dump(redis) == rebuilt


# -- Beside the ledger ---------------------------------------------------------------------------------------------


class Company:
    """A program whose members earn, with every standing that its outbox tells."""

    def __init__(self, session: AsyncSession, program_id: str):
        self.session = session
        self.id = program_id

    async def hire(self, *names: str, **values: Any) -> None:
        rows = [
            {"external_id": one, "name": one, "identities": [{"source": "crm", "external_id": one}], **values}
            for one in names
        ]
        await member_changes.write(self.session, self.id, [read(row) for row in rows], effective_at=NOW, now=NOW)

    async def record(self, *events: Any, seconds: int) -> None:
        at = NOW + timedelta(seconds=seconds)
        await intake.record(self.session, self.id, events, SourcePolicy(amendments="redecide"), as_of=at)

    async def told(self) -> list[Standing]:
        rows = select(tables.outbox.c.payload).where(tables.outbox.c.kind == Kind.SCORE)
        return [Standing.from_payload(payload) for payload in (await self.session.execute(rows)).scalars()]


@pytest.fixture
async def company(session: AsyncSession) -> Company:
    company = Company(session, await make_program(session))
    await company.hire("ada", "bob", department="Sales")
    await company.hire("cyd", "dan")
    await company.record(deal(1, "ada"), deal(2, "bob"), deal(3, "cyd"), seconds=1)
    await company.record(deal(4, "bob"), deal(5, "dan"), seconds=2)
    await company.record(deal(6, "ada"), retraction(deal(3, "cyd")), seconds=3)
    await company.record(deal(4, "bob", amount_minor=2_000_000_00), deal(5, "dan", amount_minor=1), seconds=4)
    await company.hire("bob", department="Legal")
    await company.hire("dan", status="left")
    return company


async def test_what_the_relay_writes_in_any_order_equals_a_rebuild(company: Company, redis: Redis) -> None:
    told = await company.told()
    random.Random(7).shuffle(told)
    await leaderboards.write(redis, company.id, [*told, *told[::-1]])
    written = await _dump(redis)

    count = await leaderboards.rebuild(company.session, redis, company.id)

    assert await _dump(redis) == written
    assert count == 4
    assert [len(entries) for entries in written.values()].count(2) == 1


async def test_a_rebuild_removes_what_does_not_belong(company: Company, redis: Redis) -> None:
    await leaderboards.rebuild(company.session, redis, company.id)
    right = await _dump(redis)
    board = Board(company.id)
    await redis.zadd(board.key, {"0000:mem_ghost": -9_999})
    await redis.zadd(Board(company.id, "Ghosts").key, {"0000:mem_ghost": -9_999})

    await leaderboards.rebuild(company.session, redis, company.id)

    assert await _dump(redis) == right
    assert await leaderboards.is_built(redis, company.id)


async def test_a_rebuild_leaves_other_programs_alone(company: Company, redis: Redis) -> None:
    await leaderboards.write(redis, PROGRAM, [_standing("a", 50)])

    await leaderboards.rebuild(company.session, redis, company.id)

    assert await _order(redis) == ["a"]
    assert not await leaderboards.is_built(redis, PROGRAM)


async def test_a_rebuild_reads_page_by_page(company: Company, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    await leaderboards.rebuild(company.session, redis, company.id)
    whole = await _dump(redis)
    monkeypatch.setattr(leaderboards, "REBUILD_PAGE", 1)

    assert await leaderboards.rebuild(company.session, redis, company.id) == 4
    assert await _dump(redis) == whole
