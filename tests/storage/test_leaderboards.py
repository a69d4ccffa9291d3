"""Boards in Redis: the places that standings give, in whatever order and however often they come."""

import random
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from fakeredis import TcpFakeServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from cli.embedded.ports import free_port
from domain.game import Board, Window
from domain.leaderboards import BUILT_IN, MAX_POINTS, Earned, Place, Ranking, Standing
from storage import leaderboards
from storage.leaderboards import Scheme
from tests.programs import NOW

PROGRAM = "prg_1"
BOARDS = {
    **BUILT_IN,
    "week": Board("week", 1, window=Window.WEEK, least_members=1),
    "both": Board("both", 1, by=("department", "country"), least_members=2),
}
ON = Scheme(PROGRAM, BOARDS, "UTC", NOW.date())
COMPANY = ON.ranking("company")


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


def standing(
    member: str, points: int, second: int = 0, version: int = 1, *, listed: bool = True, **attributes: str | None
) -> Standing:
    earned = {Window.LIFETIME: Earned(points, NOW + timedelta(seconds=second))}
    return Standing(f"mem_{member}", "points", version, earned, attributes, listed)


async def write(redis: Redis, *standings: Standing) -> None:
    await leaderboards.write(redis, ON, standings)


async def top(redis: Redis, limit: int = 100, after: Place | None = None) -> list[Place]:
    return await leaderboards.top(redis, PROGRAM, COMPANY, limit, after)


async def order(redis: Redis, ranking: Ranking = COMPANY) -> list[str]:
    return [place.member_id[4:] for place in await leaderboards.top(redis, PROGRAM, ranking, 100)]


async def dump(redis: Redis) -> dict[str, Any]:
    """Everything on the boards that are there, without what is only kept to refuse older standings."""
    keys = [leaderboards.text(key) for key in await redis.keys("laurel:boards:*:board:*")]
    boards = {key.partition(":board:")[2]: await redis.zrange(key, 0, -1, withscores=True) for key in keys}
    assert len(boards) == len(keys), "two generations are left"
    return boards


async def test_more_points_stand_higher_and_among_equals_who_got_there_first(redis: Redis) -> None:
    await write(redis, standing("a", 50, 3), standing("b", 70, 9), standing("c", 50, 1), standing("d", 50, 2))

    assert await order(redis) == ["b", "c", "d", "a"]


async def test_a_microsecond_decides_and_points_are_exact_to_the_limit(redis: Redis) -> None:
    first, second, third = standing("z", MAX_POINTS), standing("a", MAX_POINTS), standing("b", MAX_POINTS - 1)
    later = {Window.LIFETIME: Earned(MAX_POINTS, NOW + timedelta(microseconds=1))}

    await write(redis, third, second._replace(earned=later), first)

    places = await top(redis)
    assert [(place.member_id, place.points) for place in places] == [
        ("mem_z", MAX_POINTS), ("mem_a", MAX_POINTS), ("mem_b", MAX_POINTS - 1)
    ]  # fmt: skip


async def test_an_older_standing_is_refused_even_after_the_member_has_left(redis: Redis) -> None:
    await write(redis, standing("a", 50, version=2), standing("b", 5, version=3, listed=False))

    await write(redis, standing("a", 90, version=1), standing("b", 5, version=1))

    [place] = await top(redis)
    assert (place.member_id, place.points) == ("mem_a", 50)


async def test_versions_beyond_what_a_text_of_a_double_keeps_are_told_apart(redis: Redis) -> None:
    await write(redis, standing("a", 50, version=2**52 + 1))

    await write(redis, standing("a", 90, version=2**52))

    assert [place.points for place in await top(redis)] == [50]


async def test_what_was_seen_of_one_state_on_an_earlier_day_is_refused(redis: Redis) -> None:
    """The week is over: whoever read before midnight must not bring it back."""
    earned = {Window.WEEK: Earned(10, NOW)}
    await leaderboards.write(redis, replace(ON, today=date(2026, 3, 9)), [standing("a", 0)])

    await write(redis, standing("a", 0)._replace(earned=earned))

    assert await order(redis, ON.ranking("week")) == []


async def test_a_new_period_takes_its_places_from_the_old_one(redis: Redis) -> None:
    earned, later = {Window.WEEK: Earned(10, NOW)}, replace(ON, today=date(2026, 3, 9))
    await write(redis, standing("a", 0)._replace(earned=earned))

    await leaderboards.write(redis, later, [standing("a", 0, version=2)._replace(earned=earned)])

    assert await order(redis, ON.ranking("week")) == []
    assert await order(redis, later.ranking("week")) == ["a"]


async def test_another_department_is_another_board(redis: Redis) -> None:
    sales, legal = ON.ranking("department", ["Sales"]), ON.ranking("department", ["Legal & Ökonomie"])
    await write(redis, standing("a", 50, department="Sales"), standing("b", 40, department="Sales"))

    await write(redis, standing("a", 50, version=2, department="Legal & Ökonomie"))

    assert await order(redis, sales) == ["b"]
    assert await order(redis, legal) == ["a"]
    assert await order(redis) == ["a", "b"]


async def test_cohorts_too_small_are_not_shown(redis: Redis) -> None:
    both = ON.ranking("both", ["Sales", "DE"])
    await write(redis, standing("a", 50, department="Sales", country="DE"))
    alone = await order(redis, both), await leaderboards.around(redis, ON, "both", "mem_a")

    await write(redis, standing("b", 40, department="Sales", country="DE"))

    assert alone == ([], None)
    assert await order(redis, both) == ["a", "b"]
    assert await leaderboards.around(redis, ON, "both", "mem_a")


@pytest.mark.parametrize(
    ("member", "ranks"), [(1, range(1, 7)), (3, range(1, 9)), (10, range(5, 13)), (12, range(7, 13))]
)
async def test_around_a_member_are_five_above_and_five_below(redis: Redis, member: int, ranks: range) -> None:
    await write(redis, *(standing(f"{n:02}", 1_000 - n, department="Sales") for n in range(1, 21)))

    company = await leaderboards.around(redis, ON, "company", f"mem_{member:02}")
    sales = await leaderboards.around(redis, ON, "department", f"mem_{member:02}")

    assert company
    assert sales
    assert [place.rank for place in company.places] == list(ranks)
    assert [place.member_id for place in company.places] == [f"mem_{rank:02}" for rank in ranks]
    assert (sales.places, sales.cohort) == (company.places, ("Sales",))


async def test_who_has_no_number_sees_nobody_below_and_cannot_count_to_the_end(redis: Redis) -> None:
    await write(redis, *(standing(f"{n:02}", 1_000 - n) for n in range(1, 21)))

    seen = await leaderboards.around(redis, ON, "company", "mem_15")

    assert seen
    assert [(place.member_id, place.rank) for place in seen.places] == [(f"mem_{rank}", None) for rank in range(10, 16)]


async def test_who_has_no_place_has_nobody_around(redis: Redis) -> None:
    await write(redis, standing("a", 0), standing("b", 50))

    assert await leaderboards.around(redis, ON, "company", "mem_a") is None
    assert await leaderboards.around(redis, ON, "company", "mem_unknown") is None
    assert await leaderboards.around(redis, ON, "department", "mem_b") is None


async def test_pages_go_on_where_the_last_place_stood_even_if_it_moved_away(redis: Redis) -> None:
    await write(redis, *(standing(f"{n}", 100 - n) for n in range(9)))
    first = await top(redis, 3)
    await write(redis, standing("2", 500, version=2))

    second = await top(redis, 3, first[-1])
    third = await top(redis, 4, second[-1])

    assert [place.member_id for place in (*first, *second, *third)] == [f"mem_{n}" for n in range(9)]
    assert [place.rank for place in second] == [4, 5, 6]
    assert len(await top(redis)) == 9


@pytest.mark.parametrize("limit", [0, 102])
async def test_a_page_is_bounded(redis: Redis, limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 101"):
        await top(redis, limit)


async def test_after_a_page_on_an_empty_board_nothing_is_left_behind(redis: Redis) -> None:
    gone = Place(1, "mem_a", 50, NOW)

    assert await top(redis, 10, gone) == []
    assert await dump(redis) == {}


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
            standing(str(member), points, second, version, listed=listed, department=department, country="DE")
            for version, (points, second, department, listed) in enumerate(history, start=1)
        ]
        for member, history in enumerate(histories)
    ]
    await redis.flushdb()
    await write(redis, *(history[-1] for history in told))
    rebuilt = await dump(redis)

    await redis.flushdb()
    deliveries = [standing for history in told for standing in (*history, *history)]
    chance.shuffle(deliveries)
    while deliveries:
        count = chance.randint(1, len(deliveries))
        await write(redis, *deliveries[:count])
        deliveries = deliveries[count:]

    assert await dump(redis) == rebuilt
