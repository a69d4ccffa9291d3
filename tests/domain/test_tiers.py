from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.game import Level, TierLadder
from domain.tiers import Rise, Tier, TierChange, climb, event_of, first_day, reached, settle, settled

TODAY = date(2026, 3, 4)
LADDER = TierLadder("status", 1, (Level("bronze", 100), Level("silver", 500, keep=400), Level("gold", 1_000, keep=0)))
LATELY = TierLadder("lately", 1, LADDER.levels, days=30)
LEVELS = [None, "bronze", "silver", "gold"]


def rise(amount: int, days_ago: int = 0, event_id: str = "evt_1") -> Rise:
    return Rise("mem_1", "points", amount, TODAY - timedelta(days=days_ago), event_id)


def keys(changes: list[TierChange]) -> list[str | None]:
    return [change.tier.key for change in changes]


@pytest.mark.parametrize(
    ("amount", "level"), [(0, None), (99, None), (100, "bronze"), (499, "bronze"), (500, "silver"), (5_000, "gold")]
)
def test_a_level_is_reached_at_its_threshold(amount: int, level: str | None) -> None:
    found = reached(LADDER, amount)

    assert (found.key if found else None) == level


@pytest.mark.parametrize(
    ("held", "amount", "left"),
    [
        ("silver", 400, "silver"),
        ("silver", 399, "bronze"),
        ("silver", 99, None),
        ("gold", 0, "gold"),
        ("gold", -1, None),
        ("bronze", 700, "silver"),
        (None, 120, "bronze"),
        ("platinum", 450, "bronze"),
    ],
)
def test_a_level_is_kept_while_there_is_enough_to_keep_it(held: str | None, amount: int, left: str | None) -> None:
    assert settled(LADDER, held, amount) == left


@given(st.sampled_from(LEVELS), st.integers(-100, 2_000))
def test_settling_again_changes_nothing(held: str | None, amount: int) -> None:
    once = settled(LADDER, held, amount)

    assert settled(LADDER, once, amount) == once


def test_each_level_passed_is_a_change_with_the_event_that_did_it() -> None:
    changes = climb([LADDER], {}, {("mem_1", "status"): 90}, [rise(20), rise(500, event_id="evt_2")], TODAY)

    assert [(change.before, change.tier, change.amount, change.event_id) for change in changes] == [
        (None, Tier("bronze", 1), 110, "evt_1"),
        ("bronze", Tier("silver", 2), 610, "evt_2"),
    ]


def test_what_is_taken_back_lowers_nobody_at_once() -> None:
    held = {("mem_1", "status"): Tier("silver", 3)}

    assert climb([LADDER], held, {("mem_1", "status"): 500}, [rise(-450), rise(100)], TODAY) == []


def test_of_the_last_days_only_those_count() -> None:
    assert first_day(LATELY, TODAY) == date(2026, 2, 3)
    assert keys(climb([LATELY], {}, {}, [rise(100, days_ago=29)], TODAY)) == ["bronze"]
    assert climb([LATELY], {}, {}, [rise(100, days_ago=30)], TODAY) == []


@given(st.lists(st.integers(-300, 600), max_size=8), st.integers(0, 8))
def test_a_batch_is_its_rises_one_by_one(amounts: list[int], cut: int) -> None:
    rises = [rise(amount) for amount in amounts]
    whole = climb([LADDER], {}, {}, rises, TODAY)

    first = climb([LADDER], {}, {}, rises[:cut], TODAY)
    held = {("mem_1", "status"): first[-1].tier} if first else {}
    second = climb([LADDER], held, {("mem_1", "status"): sum(amounts[:cut])}, rises[cut:], TODAY)

    assert first + second == whole


def test_who_falls_below_the_lowest_level_has_no_tier() -> None:
    at = datetime(2026, 3, 4, tzinfo=UTC)
    change = settle(LADDER, "mem_1", Tier("bronze", 1), 20)

    assert change == TierChange("mem_1", LADDER, "bronze", Tier(None, 2), 20)
    assert event_of(change, at).data == {"ladder": "status", "upgraded": False, "before": "bronze"}
    assert event_of(change, at).external_id == "tier.changed:status:mem_1:2"
    assert settle(LADDER, "mem_1", Tier("bronze", 1), 120) is None
