"""What may happen to a reward, and what it may become."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.orders import Refusal
from domain.rewards import (
    REWARD_ARROWS,
    REWARD_ENDED,
    IllegalReward,
    RewardEvent,
    RewardState,
    items_of,
    main_reason,
    remind_at,
    reward_after,
)
from tests.shop import AUTOMATIC, BOOKS, CHOICE, COFFEE, LUNCH

CATALOG = {item.key: item for item in (COFFEE, BOOKS, LUNCH)}
END = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize("state", RewardState)
@pytest.mark.parametrize("event", RewardEvent)
def test_a_reward_moves_along_its_arrows_only(state: RewardState, event: RewardEvent) -> None:
    if (state, event) in REWARD_ARROWS:
        assert reward_after(state, event) is REWARD_ARROWS[state, event]
    else:
        with pytest.raises(IllegalReward):
            reward_after(state, event)


def test_what_has_ended_is_only_reopened() -> None:
    assert {event for (state, event) in REWARD_ARROWS if state in REWARD_ENDED} == {RewardEvent.REOPEN}


def test_a_reward_becomes_items_of_its_currency_that_the_catalog_has_in_its_own_order() -> None:
    assert items_of(AUTOMATIC, CATALOG) == (COFFEE,)
    assert items_of(CHOICE, CATALOG) == (COFFEE, LUNCH)
    assert items_of(CHOICE, {"lunch": LUNCH}) == (LUNCH,)


@pytest.mark.parametrize(("days", "reminded"), [(7, END - timedelta(days=7)), (0, None), (30, None), (40, None)])
def test_a_reminder_comes_before_the_end_or_not_at_all(days: int, reminded: datetime | None) -> None:
    assert remind_at(replace(CHOICE, offer_days=30, remind_days=days), END) == reminded


@pytest.mark.parametrize(
    ("refusals", "reason"),
    [
        ([], Refusal.ITEM_UNAVAILABLE),
        ([Refusal.COUNTRY_NOT_SUPPORTED], Refusal.COUNTRY_NOT_SUPPORTED),
        ([Refusal.COUNTRY_NOT_SUPPORTED, Refusal.INSUFFICIENT_POINTS], Refusal.INSUFFICIENT_POINTS),
        ([Refusal.INVALID_RECIPIENT, Refusal.LIMIT_REACHED], Refusal.LIMIT_REACHED),
    ],
)
def test_the_reason_is_what_may_pass_or_what_concerns_the_member(refusals: list[Refusal], reason: Refusal) -> None:
    assert main_reason(refusals) is reason
