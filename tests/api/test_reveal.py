"""The link of a card is shown to whoever may spend, leaves a trace, and is nowhere else."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from domain.scopes import Scope
from domain.vendors import GiftLink
from storage import orders
from storage.database import Database
from storage.ids import new_id
from tests.api.conftest import MakeClient
from tests.shop import Shop, open_shop

LINK = "https://gifts.example/canary"


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    database = Database(database_url)
    yield await open_shop(database)
    await database.dispose()


async def order_with_link(app: FastAPI, shop: Shop) -> str:
    order = await shop.place(await shop.member(points=300), delivery_method="link")
    async with shop.database.begin() as session:
        locked = await orders.lock(session, shop.id, order.id)
        await orders.store_link(session, app.state.backends.keyring, locked, GiftLink(LINK))
    return order.id


async def test_a_link_is_revealed_and_nobody_keeps_a_copy(app: FastAPI, shop: Shop, make_client: MakeClient) -> None:
    order_id, client = await order_with_link(app, shop), await make_client(program_id=shop.id)

    shown = await client.post(f"/v1/orders/{order_id}/reveal")
    order = await client.get(f"/v1/orders/{order_id}")

    assert shown.json() == {"link": LINK}
    assert shown.headers["cache-control"] == "no-store"
    assert "canary" not in order.text
    assert [step["step"] for step in order.json()["steps"]] == ["place", "reveal_link"]


async def test_who_may_only_read_orders_is_not_shown_a_link(app: FastAPI, shop: Shop, make_client: MakeClient) -> None:
    order_id = await order_with_link(app, shop)
    client = await make_client(Scope.ORDERS_READ, program_id=shop.id)

    refused = await client.post(f"/v1/orders/{order_id}/reveal")

    assert refused.status_code == 403


async def test_an_order_without_a_link_has_none_to_reveal(shop: Shop, make_client: MakeClient) -> None:
    order = await shop.place(await shop.member(points=300))
    client = await make_client(program_id=shop.id)

    answers = [await client.post(f"/v1/orders/{found}/reveal") for found in (order.id, new_id("ord"))]

    assert [answer.status_code for answer in answers] == [404, 404]


async def test_another_programs_link_is_not_there(app: FastAPI, shop: Shop, make_client: MakeClient) -> None:
    order_id, client = await order_with_link(app, shop), await make_client()

    assert (await client.post(f"/v1/orders/{order_id}/reveal")).status_code == 404
