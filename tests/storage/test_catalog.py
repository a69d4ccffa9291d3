"""The catalog joins what the program offers with what its vendors last told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.catalog import UNKNOWN, Sold, etag, list_item
from domain.vendors import Band, Money, VendorProduct
from storage import catalog, notices
from storage.database import Database
from tests.shop import BOOKS, COFFEE, LUNCH, Shop, now, open_shop


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    database = Database(database_url)
    yield await open_shop(database)
    await database.dispose()


def product(code: str, currency: str = "USD", countries: tuple[str, ...] = ("US",)) -> VendorProduct:
    return VendorProduct(
        code=code,
        name="Coffee",
        description="Beans.",
        category="food_and_drink",
        image_url="https://vendor.example/coffee.svg",
        countries=countries,
        currencies=(currency,),
        bands=(Band(500, 5_000, currency),),
        terms="No refunds.",
    )


async def sell(shop: Shop, *products: VendorProduct) -> None:
    async with shop.database.begin() as session:
        await catalog.replace_products(session, shop.id, shop.connection_id, products, now=now())


async def page(shop: Shop, **query: object) -> catalog.Page:
    async with shop.database.begin() as session:
        return await catalog.list_page(session, shop.id, **query)  # type: ignore[arg-type]


async def test_before_the_vendor_was_asked_the_program_speaks_alone(shop: Shop) -> None:
    listings = (await page(shop)).listings

    assert [(listing.key, listing.available) for listing in listings] == [
        ("books", True),
        ("coffee", True),
        ("lunch", True),
    ]
    assert listings[1] == list_item(COFFEE, UNKNOWN)
    assert [one.price_points for one in listings[1].denominations] == [100, 250, 2_000]


async def test_the_vendor_fills_in_what_the_program_leaves_open(shop: Shop) -> None:
    await sell(shop, product("SMPLCOFFEEUS"))

    [books, coffee, lunch] = (await page(shop)).listings

    assert (coffee.name, coffee.description, coffee.terms) == ("Example Coffee", "Beans.", "No refunds.")
    assert (coffee.category, coffee.images) == ("food", ("https://vendor.example/coffee.svg",))
    assert [one.value.amount_minor for one in coffee.denominations] == [1_000, 2_500]
    assert (books.available, coffee.available, lunch.available) == (False, True, True)


async def test_what_the_vendor_no_longer_sells_is_not_available_until_it_does_again(shop: Shop) -> None:
    available = []
    for sold in ([product("SMPLCOFFEEUS")], [], [product("SMPLCOFFEEUS")]):
        await sell(shop, *sold)
        available.append((await page(shop)).listings[1].available)

    assert available == [True, False, True]


async def test_a_country_and_a_category_choose(shop: Shop) -> None:
    assert [listing.key for listing in (await page(shop, country="DE")).listings] == ["books", "lunch"]
    assert [listing.key for listing in (await page(shop, country="US", category="food")).listings] == ["coffee"]


async def test_a_country_must_be_the_items_and_the_products(shop: Shop) -> None:
    await sell(shop, product("SMPLCOFFEEUS", countries=("CA",)))

    assert [listing.key for listing in (await page(shop, country="US")).listings] == ["lunch"]


async def test_pages_follow_each_other_by_key(shop: Shop) -> None:
    first = await page(shop, limit=2)
    second = await page(shop, limit=2, after=first.next_after)

    assert [listing.key for listing in (*first.listings, *second.listings)] == ["books", "coffee", "lunch"]
    assert (first.next_after, second.next_after) == ("coffee", None)


async def test_nobody_sees_another_programs_products(shop: Shop) -> None:
    other = await open_shop(shop.database)
    await sell(other, product("SMPLBUCHXXDE", "EUR", ("DE",)))

    assert (await page(shop)).listings[1] == list_item(COFFEE, UNKNOWN)


async def test_a_tag_changes_with_what_is_shown_and_with_nothing_else(shop: Shop) -> None:
    before = etag((await page(shop)).listings)
    again = etag((await page(shop)).listings)
    await sell(shop, product("SMPLCOFFEEUS"))

    assert before == again != etag((await page(shop)).listings)


async def test_a_catalog_is_due_until_it_was_read_and_again_when_it_is_old(shop: Shop) -> None:
    async def due(before_minutes: int) -> list[str]:
        async with shop.database.begin() as session:
            before = now() + timedelta(minutes=before_minutes)
            return [one.connection_id for one in await catalog.list_due(session, ["tremendous"], before=before)]

    never_read = await due(0)
    async with shop.database.begin() as session:
        await notices.keep_facts(session, await shop.connection(), catalog.CATALOG, (), now=now())

    assert never_read == [shop.connection_id]
    assert await due(-1) == []
    assert await due(1) == [shop.connection_id]


def test_an_item_without_values_takes_the_products() -> None:
    item = replace(COFFEE, denominations=())
    fixed = replace(product("SMPLCOFFEEUS"), bands=(Band(1_000, 1_000, "USD"), Band(2_000, 5_000, "USD")))

    listing = list_item(item, Sold(asked=True, product=fixed))

    assert [one.value for one in listing.denominations] == [Money(1_000, "USD")]
    assert [(one.least.price_points, one.most.price_points) for one in listing.ranges] == [(200, 500)]
    assert not list_item(item, UNKNOWN).available


def test_an_item_of_the_programs_own_is_everywhere() -> None:
    assert list_item(LUNCH, UNKNOWN).countries is None
    assert list_item(BOOKS, UNKNOWN).countries == ("DE",)
