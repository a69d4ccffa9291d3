"""What a member can have, and that each click orders once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from connectors.vendors import REQUEST_BODIES
from domain.orders import Refusal
from domain.redemptions import Choice, Outcome, Pick, Placed, Purchase, Refused
from domain.vendors import Money
from storage import merges, redemptions, rewards
from storage.database import Database
from tests.eventually import eventually
from tests.shop import CHOICE, Shop, now, open_shop

COFFEE = Purchase("coffee", Money(2_500, "USD"), "ada@example.com")


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    database = Database(database_url)
    yield await open_shop(database)
    await database.dispose()


async def act(shop: Shop, member_id: str, choice: Choice, key: str = "click") -> Outcome:
    async with shop.database.begin() as session:
        return await redemptions.act(session, shop.id, member_id, choice, key, request_bodies=REQUEST_BODIES, now=now())


async def read(shop: Shop, member_id: str) -> Any:
    async with shop.database.begin() as session:
        return await redemptions.read_shop(session, shop.id, member_id, as_of=now())


async def offered(shop: Shop, member_id: str) -> str:
    """A reward that the member may choose an item of."""
    reward_id = await shop.give(member_id, "choice")
    async with shop.database.begin() as session:
        await rewards.offer(session, await rewards.lock(session, shop.id, reward_id), CHOICE, now=now())
    return reward_id


async def test_the_catalog_is_that_of_the_members_country(shop: Shop) -> None:
    found = [await read(shop, await shop.member(points=70, country=country)) for country in ("US", "DE", None)]

    assert [[one.key for one in each.listings] for each in found] == [
        ["lunch", "coffee"],
        ["books", "lunch"],
        ["lunch"],
    ]
    assert (found[0].points, found[0].recipient_email) == (70, "ada@example.com")


async def test_an_offer_has_what_the_member_can_choose(shop: Shop) -> None:
    member_id = await shop.member(country="DE")
    reward_id = await offered(shop, member_id)
    await shop.give(member_id, "choice")  # not offered yet

    [offer] = (await read(shop, member_id)).offers

    assert (offer.reward_id, offer.value, [one.key for one in offer.items]) == (
        reward_id,
        Money(2_500, "USD"),
        ["lunch"],
    )


async def test_the_same_click_orders_once_also_when_it_comes_twice_at_a_time(shop: Shop) -> None:
    member_id = await shop.member(points=1_000)

    outcomes = await asyncio.gather(*(act(shop, member_id, COFFEE) for _ in range(4)))

    assert all(isinstance(outcome, Placed) for outcome in outcomes)
    assert len({outcome.order.id for outcome in outcomes if isinstance(outcome, Placed)}) == 1
    assert await shop.effects() == ["start_order"]
    assert (await shop.balance(member_id), await shop.held(member_id)) == (750, 250)


async def test_whoever_is_merged_at_this_moment_has_it_ordered_as_who_they_are_then(shop: Shop) -> None:
    member_id, other = await shop.member(points=1_000, email="ben@example.com"), await shop.member()
    async with shop.database.begin() as session:
        named: dict[str, Any] = {"actor": "hr", "reason": "the same person", "as_of": now()}
        await merges.merge(session, shop.id, source=member_id, destination=other, **named)
        ordering = asyncio.create_task(act(shop, member_id, COFFEE))
        await eventually(partial(waits, shop))
    outcome = await ordering

    assert isinstance(outcome, Placed)
    assert outcome.order.member_id == other
    assert await shop.balance(other) == 750


async def waits(shop: Shop) -> None:
    async with shop.database.begin() as session:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        assert (await session.execute(text(waiting))).all()


async def test_another_click_is_another_order(shop: Shop) -> None:
    member_id = await shop.member(points=1_000)

    outcomes = [await act(shop, member_id, COFFEE, key) for key in ("one", "two")]

    assert len({outcome.order.id for outcome in outcomes if isinstance(outcome, Placed)}) == 2


async def test_too_few_points_are_counted_and_nothing_is_written(shop: Shop) -> None:
    member_id = await shop.member(points=180)

    assert await act(shop, member_id, COFFEE) == Refused(Refusal.INSUFFICIENT_POINTS, missing=70)
    assert (await shop.effects(), await shop.balance(member_id)) == ([], 180)
    await shop.grant(member_id, 70)
    assert isinstance(await act(shop, member_id, COFFEE), Placed)


async def test_what_cannot_be_ordered_is_refused_by_its_reason(shop: Shop) -> None:
    member_id = await shop.member(points=1_000)
    refused: dict[Choice, Refusal] = {
        replace(COFFEE, item="tea"): Refusal.ITEM_UNAVAILABLE,
        Purchase("books", Money(2_500, "EUR"), "ada@example.com"): Refusal.COUNTRY_NOT_SUPPORTED,
        replace(COFFEE, value=Money(2_501, "USD")): Refusal.INVALID_DENOMINATION,
        replace(COFFEE, value=Money(2_500, "EUR")): Refusal.INVALID_DENOMINATION,
        replace(COFFEE, recipient_email="ada@"): Refusal.INVALID_RECIPIENT,
        Pick("rwd_1", "coffee", "ada@example.com"): Refusal.REWARD_NOT_OFFERED,
    }

    assert {choice: await act(shop, member_id, choice) for choice in refused} == {
        choice: Refused(refusal) for choice, refusal in refused.items()
    }


async def test_an_offer_is_picked_by_its_member_alone(shop: Shop) -> None:
    ada, ben = await shop.member(), await shop.member()
    pick = Pick(await offered(shop, ada), "coffee", "ada@example.com")

    assert await act(shop, ben, pick) == Refused(Refusal.REWARD_NOT_OFFERED)
    picked = await act(shop, ada, pick)

    assert isinstance(picked, Placed)
    assert (picked.order.reward_id, picked.order.price_points, picked.needs_a_person) == (pick.reward_id, 0, False)
    assert await act(shop, ada, pick) == picked


async def test_what_is_the_programs_own_needs_a_person(shop: Shop) -> None:
    member_id = await shop.member(points=1_000)

    lunch = await act(shop, member_id, Purchase("lunch", Money(2_500, "USD"), "ada@example.com"))

    assert isinstance(lunch, Placed)
    assert lunch.needs_a_person
