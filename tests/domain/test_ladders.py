"""What members have crossed, as one transaction changes it."""

from collections.abc import Iterator
from itertools import count

import pytest

from domain.configuration import Milestone
from domain.ladders import Crossing, Ladders

EVERY_100 = Milestone("hundreds", 1, "card", every=100)
AT_500 = Milestone("five_hundred", 1, "mug", at=500)


@pytest.fixture
def ladders() -> Ladders:
    numbers: Iterator[int] = count(1)
    return Ladders([EVERY_100, AT_500], lambda prefix: f"{prefix}_{next(numbers)}")


def falls(_: Crossing) -> bool:
    return False


def test_what_is_withdrawn_takes_its_reward_along(ladders: Ladders) -> None:
    ladders.cross("mem_a", EVERY_100, 1, "evt_1")
    ladders.cross("mem_a", EVERY_100, 2, "evt_2")

    ladders.withdraw("mem_a", lambda crossing: crossing.n == 1)

    assert [(crossing.n, crossing.state) for crossing in ladders.new_crossings] == [(1, "standing"), (2, "withdrawn")]
    assert [reward.event_id for reward in ladders.withdrawn_rewards] == ["evt_2"]
    assert ladders.marks_of("mem_a") == {EVERY_100.mark: 1}


def test_the_next_is_counted_from_the_highest_that_stands_also_where_one_is_missing(ladders: Ladders) -> None:
    for n in (1, 3):
        ladders.cross("mem_a", EVERY_100, n)

    ladders.withdraw("mem_a", lambda crossing: crossing.n < 3)

    assert ladders.marks_of("mem_a") == {EVERY_100.mark: 1}


def test_nothing_below_a_placed_one_is_withdrawn(ladders: Ladders) -> None:
    for n in (1, 2, 3):
        ladders.cross("mem_a", EVERY_100, n)
    ladders.crossings[1].placed = True

    ladders.withdraw("mem_a", falls)

    assert [crossing.n for crossing in ladders.withdrawn_crossings] == [3]
    assert ladders.marks_of("mem_a") == {EVERY_100.mark: 2}


def test_each_ladder_is_its_own(ladders: Ladders) -> None:
    ladders.cross("mem_a", EVERY_100, 1)
    ladders.cross("mem_a", AT_500, 1)
    ladders.cross("mem_b", EVERY_100, 1)

    ladders.withdraw("mem_a", lambda crossing: crossing.mark == AT_500.mark)

    assert (ladders.marks_of("mem_a"), ladders.marks_of("mem_b")) == ({AT_500.mark: 1}, {EVERY_100.mark: 1})


@pytest.mark.parametrize("state", ["ordered", "ended"])
def test_a_reward_that_is_open_no_longer_stays_as_it_is(ladders: Ladders, state: str) -> None:
    ladders.cross("mem_a", EVERY_100, 1)
    ladders.rewards[0].state = state

    ladders.withdraw("mem_a", falls)

    assert (ladders.rewards[0].state, ladders.withdrawn_rewards) == (state, [])
