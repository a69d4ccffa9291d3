"""The circuit breaker opens after failures in a row, rests, and lets one trial decide."""

import pytest

from connectors.breakers import Breaker, BreakerState
from connectors.errors import BreakerOpen


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(clock: Seconds) -> Breaker:
    return Breaker("vendor", failures_to_open=3, open_seconds=30, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.admit()
        breaker.failed()


def test_it_stays_closed_below_its_number_of_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.admit()
    breaker.succeeded()
    fail(breaker, 2)

    assert breaker.state is BreakerState.CLOSED


def test_open_it_refuses_and_says_for_how_long(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 3)
    clock.now += 10

    with pytest.raises(BreakerOpen) as refused:
        breaker.admit()
    assert refused.value.retry_after_seconds == 20
    assert breaker.state is BreakerState.OPEN


def test_half_open_it_lets_one_trial_through_at_a_time(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 3)
    clock.now += 30
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.admit()

    with pytest.raises(BreakerOpen):
        breaker.admit()


def test_a_trial_that_succeeds_closes_it(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 3)
    clock.now += 30
    breaker.admit()
    breaker.succeeded()

    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED


def test_a_trial_that_fails_opens_it_for_the_whole_time_again(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 3)
    clock.now += 30
    fail(breaker, 1)
    clock.now += 29

    assert breaker.state is BreakerState.OPEN


def test_an_abandoned_trial_makes_room_for_another(breaker: Breaker, clock: Seconds) -> None:
    fail(breaker, 3)
    clock.now += 30
    breaker.admit()
    breaker.abandoned()

    breaker.admit()
