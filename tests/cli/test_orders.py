import asyncio
from typing import Any

import orjson
import pytest

from domain.orders import OrderState
from storage import programs
from storage.database import Database
from tests.cli.conftest import Laurel
from tests.shop import Shop, open_shop


def in_review(url: str, reason: str = "difference") -> Shop:
    """A program with one order that needs a decision; its database is closed again."""

    async def make() -> Shop:
        database = Database(url, pool_size=2)
        shop = await open_shop(database)
        order = await shop.place(await shop.member(points=300))
        await shop.set_order(order.id, state=OrderState.IN_REVIEW, reason=reason)
        await database.dispose()
        return shop

    return asyncio.run(make())


@pytest.fixture
def shop(database_url: str) -> Shop:
    return in_review(database_url)


def reviewed(laurel: Laurel, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(laurel("orders", "review", *arguments, "--json").stdout)
    return found


@pytest.mark.usefixtures("shop")
def test_an_order_in_review_is_listed_with_why_and_its_evidence(laurel: Laurel) -> None:
    [order] = reviewed(laurel)

    assert (order["state"], order["reason"]) == ("in_review", "difference")
    assert [step["step"] for step in order["steps"]] == ["place"]
    assert "difference" in laurel("orders", "review").stdout


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("decision", "state"), [("retry", "placed"), ("fulfil", "delivered"), ("refund", "cancelling")]
)
def test_a_review_ends_as_decided_and_says_who_did_it(laurel: Laurel, decision: str, state: str) -> None:
    [order] = reviewed(laurel)

    answer = laurel("orders", "resolve", order["id"], decision, "--note", "Looked at it.")

    assert answer.stdout.strip() == f"{order['id']} is {state}."
    assert reviewed(laurel) == []
    [after] = reviewed(laurel, order["id"])
    assert after["steps"][-1]["actor"] == "operator"
    assert after["steps"][-1]["detail"]["note"] == "Looked at it."


@pytest.mark.usefixtures("shop")
def test_what_is_not_in_review_is_not_resolved(laurel: Laurel) -> None:
    [order] = reviewed(laurel)
    laurel("orders", "resolve", order["id"], "retry", "--note", "Once.")

    again = laurel("orders", "resolve", order["id"], "retry", "--note", "Twice.")

    assert "is not in review but placed" in str(again.exception)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("arguments", [("review", "ord_none"), ("resolve", "ord_none", "retry", "--note", "x")])
def test_an_unknown_order_is_named(laurel: Laurel, arguments: tuple[str, ...]) -> None:
    answer = laurel("orders", *arguments)

    assert "no order ord_none" in str(answer.exception)


@pytest.mark.usefixtures("shop")
def test_orders_are_paused_and_resumed(laurel: Laurel) -> None:
    assert laurel("orders", "pause").stdout.strip() == "Example sends no orders now."
    assert laurel("orders", "resume").stdout.strip() == "Example sends orders again; 0 were waiting."


def test_nothing_in_review_is_said(laurel: Laurel) -> None:
    laurel("init", "--name", "Acme")

    assert laurel("orders", "review").stdout.strip() == "No order is in review."


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--daily", "500.50"], "Acme orders at most 500.50 USD a day and any value a month."),
        (["--monthly", "90000", "--currency", "JPY"], "Acme orders at most any value a day and 90000 JPY a month."),
        ([], "Acme orders at most any value a day and any value a month."),
    ],
)
def test_a_program_is_limited(laurel: Laurel, arguments: list[str], answer: str) -> None:
    laurel("init", "--name", "Acme")

    assert laurel("orders", "limit", *arguments).stdout.strip() == answer


@pytest.mark.parametrize(
    "arguments", [["--daily", "5.001"], ["--daily", "-5"], ["--currency", "usd"], ["--daily", "x"]]
)
def test_what_is_no_limit_is_refused(laurel: Laurel, arguments: list[str]) -> None:
    laurel("init", "--name", "Acme")

    assert laurel("orders", "limit", *arguments).exit_code != 0


async def limits(url: str) -> list[tuple[int | None, int | None, str]]:
    database = Database(url, pool_size=1)
    async with database.begin() as session:
        found = [
            (one.daily_limit_minor, one.monthly_limit_minor, one.limit_currency)
            for one in await programs.list_all(session)
        ]
    await database.dispose()
    return found


def test_a_limit_is_kept_in_minor_units_of_its_currency(laurel: Laurel, database_url: str) -> None:
    laurel("init", "--name", "Acme")
    laurel("orders", "limit", "--daily", "500.5", "--monthly", "9000")

    assert asyncio.run(limits(database_url)) == [(50_050, 900_000, "USD")]
