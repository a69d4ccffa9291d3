"""The page of the review: a person sees why an order stands still and decides it, and the page keeps no secret."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from api.app import create_app
from api.sites import text
from domain.orders import Order, OrderEvent, OrderState
from domain.scopes import Scope
from settings import Settings
from storage import api_keys, orders
from storage.database import Database
from tests.browser import in_a_browser
from tests.sandboxes import running
from tests.shop import Shop, open_shop

MARKUP = '<img src="/x" onerror="alert(1)">'  # a recipient's name that must stay a name
STATES = Path(__file__).parents[2] / "docs" / "states.md"


def test_the_page_explains_every_reason_of_a_review_that_the_docs_list() -> None:
    told = STATES.read_text().partition("A review's reasons: ")[2].partition("\n\n")[0]
    listed = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", told))

    script = text("review.js").partition("const REASONS = {")[2].partition("};")[0]

    assert len(listed) > 5
    assert set(re.findall(r"^  (\w+): \[", script, re.MULTILINE)) == set(listed)


# -- In a browser --------------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """The page in a browser; what went wrong in it, and what it asked of whom."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda said: self.faults.append(said.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    async def sign_in(self, key: str) -> None:
        await self.page.goto(f"{self.url}/admin/review")
        await self.page.get_by_label("API key").fill(key)
        await self.page.get_by_role("button", name="Sign in").click()

    async def decide(self, button: str, note: str) -> None:
        await self.page.get_by_role("button", name=button).click()
        await self.page.get_by_role("dialog").get_by_role("textbox").fill(note)
        await self.confirm(button)

    async def confirm(self, button: str) -> None:
        await self.page.get_by_role("dialog").get_by_role("button", name=button).click()


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    with running(create_app(settings)) as url:
        yield url


@pytest.fixture
async def desk(url: str, page: Page) -> Desk:
    return Desk(page, url)


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    database = Database(database_url, pool_size=2)
    yield await open_shop(database)
    await database.dispose()


async def a_key(shop: Shop, *scopes: Scope) -> str:
    async with shop.database.begin() as session:
        _, key = await api_keys.insert(session, shop.program, name="a person", scopes=scopes, now=shop.clock())
    return key


async def in_review(shop: Shop) -> Order:
    """An order whose card came back with another value than was ordered."""
    placed = await shop.place(await shop.member(points=500), recipient_name=MARKUP)
    async with shop.database.begin() as session:
        order = await orders.lock(session, shop.id, placed.id)
        return await orders.move(
            session,
            order,
            OrderEvent.REVIEW,
            actor="workflow",
            now=shop.clock(),
            reason="difference",
            detail={"differences": ["amount 2.50 USD, ordered 25.00 USD"]},
            changes={"vendor_order_id": "VENDORS-OWN-ID"},
        )


@in_a_browser
async def test_an_order_in_review_is_shown_with_its_evidence_refunded_by_a_click_and_gone(
    desk: Desk, shop: Shop
) -> None:
    order, key, page = await in_review(shop), await a_key(shop, Scope.PROGRAMS_ADMIN), desk.page

    await desk.sign_in(key)
    await page.get_by_role("button", name="Example Coffee").click()

    shown = page.get_by_label("The chosen order")
    for said in ("Example Coffee, 25.00 USD", MARKUP, "Not as ordered", "VENDORS-OWN-ID", order.id, order.member_id):
        await expect(shown.get_by_text(said).first).to_be_visible()
    await expect(shown.get_by_text("amount 2.50 USD, ordered 25.00 USD")).to_be_visible()
    await expect(shown.get_by_role("heading", name="Example Coffee")).to_be_focused()
    await desk.decide("Refund", "the vendor agreed to cancel")
    await expect(page.get_by_role("status")).to_contain_text("is being refunded")
    await expect(page.get_by_text("Nothing needs a decision.")).to_be_visible()
    assert await page.get_by_role("button", name="Example Coffee").count() == 0
    async with shop.database.begin() as session:
        *_, last = await orders.list_steps(session, shop.id, order.id)
    assert (last.state, last.detail["note"]) == (OrderState.CANCELLING, "the vendor agreed to cancel")
    assert last.actor.startswith("key:")
    assert desk.faults == []
    assert [one for one in desk.asked if not one.startswith(desk.url)] == []


@in_a_browser
async def test_the_key_is_nowhere_but_in_the_pages_memory_and_gone_after_signing_out(desk: Desk, shop: Shop) -> None:
    key, page = await a_key(shop, Scope.PROGRAMS_ADMIN), desk.page

    await desk.sign_in(key)
    await page.get_by_text("Nothing needs a decision.").wait_for()

    kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, history.state])")
    assert key not in kept + page.url + await page.content() + "".join(desk.asked)
    assert await page.get_by_label("API key").input_value() == ""
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("API key")).to_be_focused()
    await expect(page.get_by_text("Nothing needs a decision.")).to_be_hidden()


@in_a_browser
async def test_a_wrong_key_is_told_what_is_wrong_with_it(desk: Desk) -> None:
    await desk.sign_in("lrl_test_wrong")

    await expect(desk.page.get_by_role("alert")).to_have_text("A valid API key is needed.")
    await expect(desk.page.get_by_role("button", name="Refresh")).to_be_hidden()


@in_a_browser
async def test_a_key_that_may_only_read_sees_the_orders_and_no_way_to_decide(desk: Desk, shop: Shop) -> None:
    await in_review(shop)

    await desk.sign_in(await a_key(shop, Scope.ORDERS_READ))
    await desk.page.get_by_role("button", name="Example Coffee").click()

    await expect(desk.page.get_by_text("This key may read, not decide")).to_be_visible()
    await expect(desk.page.get_by_role("heading", name="Evidence")).to_be_visible()
    assert await desk.page.get_by_role("button", name="Refund").count() == 0


@in_a_browser
async def test_a_decision_whose_answer_was_lost_is_sent_again_and_taken_once(desk: Desk, shop: Shop) -> None:
    order = await in_review(shop)
    await desk.sign_in(await a_key(shop, Scope.PROGRAMS_ADMIN))
    await desk.page.get_by_role("button", name="Example Coffee").click()

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await desk.page.route("**/resolve", lose, times=1)
    await desk.decide("Mark as fulfilled", "handed over on 3 March")
    await expect(desk.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("cannot be reached")
    await desk.confirm("Mark as fulfilled")

    await expect(desk.page.get_by_role("status")).to_contain_text("is fulfilled")
    assert await shop.steps(order.id) == ["place", "review", "fulfil"]


@in_a_browser
async def test_what_somebody_else_decided_meanwhile_is_told_and_read_anew(desk: Desk, shop: Shop) -> None:
    order = await in_review(shop)
    await desk.sign_in(await a_key(shop, Scope.PROGRAMS_ADMIN))
    await desk.page.get_by_role("button", name="Example Coffee").click()
    await desk.page.get_by_role("button", name="Try again").wait_for()
    async with shop.database.begin() as session:
        await orders.fulfil(session, shop.id, order.id, actor="operator", proof="it arrived", now=shop.clock())

    await desk.decide("Try again", "the vendor is back")

    await expect(desk.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("that is delivered cannot retry")
    await desk.page.get_by_role("button", name="Back").click()
    await expect(desk.page.get_by_text("Nothing needs a decision.")).to_be_visible()


@in_a_browser
async def test_orders_that_wait_are_listed_page_by_page_and_can_be_refunded_at_once(desk: Desk, shop: Shop) -> None:
    member_id, count = await shop.member(points=20_000), 51
    waiting = [await shop.place(member_id, recipient_name=f"Number {number}") for number in range(count)]
    for order in waiting:
        await shop.set_order(order.id, state=OrderState.AWAITING_FUNDS)
    page = desk.page

    await desk.sign_in(await a_key(shop, Scope.PROGRAMS_ADMIN))
    await page.get_by_role("button", name="50+ Awaiting funds").click()
    await page.get_by_role("button", name="Show more").click()
    await page.get_by_role("button", name="51 Awaiting funds").wait_for()
    await page.get_by_role("button", name="Number 0").click()
    await page.get_by_role("button", name="Refund").wait_for()

    assert await page.get_by_role("button", name="Show more").count() == 0
    assert await page.get_by_role("button", name="Try again").count() == 0
    await desk.decide("Refund", "the member left")
    await expect(page.get_by_role("status")).to_contain_text("is being refunded")
    assert (await shop.order(waiting[0].id)).state == OrderState.CANCELLING
