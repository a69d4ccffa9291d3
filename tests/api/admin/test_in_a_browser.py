"""The administrators' pages in a browser: by keyboard, on a phone, and held against the rules of accessibility."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect
from sqlalchemy.ext.asyncio import AsyncEngine

from api import long_answers
from api.admin import challenges
from api.app import create_app
from settings import Settings
from tests.api.admin.conftest import make_link
from tests.api.conftest import Client
from tests.api.facts import deal
from tests.browser import in_a_browser
from tests.programs import NOW
from tests.sandboxes import running

# What sticks out of the screen.
TOO_WIDE = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] : [...document.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > window.innerWidth).map((one) => one.outerHTML.slice(0, 80))"""
PHONE = {"width": 390, "height": 800}
REFUSED = "Failed to load resource"  # what a browser logs of each answer of 400 and more


@dataclass
class Desk:
    """Somebody at the pages; what went wrong in them."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self.faults.append(said.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    async def enter(self, link: str) -> None:
        await self.page.goto(f"{self.url}/admin/enter#{link}")
        assert link not in self.page.url
        await self.page.get_by_role("button", name="Sign in").press("Enter")
        await expect(self.page.get_by_role("heading", name="Challenges")).to_be_visible()

    async def is_sound(self) -> None:
        """Axe finds nothing serious, nothing is wider than the screen, and nothing was refused or thrown."""
        found = await Axe().run(self.page)
        grave = [one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
        assert grave == []
        assert await self.page.evaluate(TOO_WIDE) == []
        assert [one for one in self.faults if REFUSED not in one] == []


@pytest.fixture
async def desk(settings: Settings, client: Client, engine: AsyncEngine, page: Page) -> AsyncIterator[Desk]:
    await client.post("/v1/events/batch", {"events": [deal(number) for number in range(3)]})
    with running(create_app(settings, clock=lambda: NOW)) as url:
        desk = Desk(page, url)
        await desk.enter(await make_link(engine, client.program_id))
        yield desk


@in_a_browser
async def test_a_challenge_is_tried_saved_and_launched_by_keyboard(desk: Desk) -> None:
    page = desk.page
    await fill_in(page)
    await page.get_by_label("Only the first").fill("20")
    await page.get_by_role("button", name="Last 30 days").press("Enter")

    await expect(page.get_by_text("150 points")).to_be_visible()
    await desk.is_sound()

    await page.get_by_role("button", name="Save as a draft").press("Enter")
    await page.get_by_role("button", name="Launch").press("Enter")
    await expect(page.get_by_text("scheduled")).to_be_visible()
    await desk.is_sound()


async def fill_in(page: Page) -> None:
    """A challenge that pays 50 points for each deal, in the form."""
    await page.get_by_role("link", name="New challenge").press("Enter")
    await page.get_by_label("Title").fill("Spring sprint")
    await page.get_by_label("deal.won").press("Space")
    await page.get_by_label("For a completion").select_option("bonus")
    await page.get_by_label("How much").fill("50")


@in_a_browser
async def test_a_preview_that_fails_says_so_where_it_would_have_been(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, preview = desk.page, desk.page.locator("#preview")
    await fill_in(page)
    ask = page.get_by_role("button", name="Last 30 days")

    monkeypatch.setattr(long_answers, "MAX_WAITING", 0)
    await ask.press("Enter")
    await expect(preview).to_contain_text("Try again in 30 seconds")
    await expect(ask).to_be_focused()

    await page.route("**/preview", lambda route: route.abort())
    await ask.press("Enter")
    await expect(preview).to_contain_text("cannot be reached")

    await page.unroute("**/preview")
    monkeypatch.undo()
    desk.faults.clear()  # they were meant
    await page.get_by_label("Only the first").fill("many")
    await ask.press("Enter")
    await expect(page.get_by_label("Only the first")).to_be_focused()
    await expect(page.get_by_text("Write a whole number")).to_be_visible()
    await expect(preview).to_be_empty()
    await expect(page.get_by_label("Title")).to_have_value("Spring sprint")
    await desk.is_sound()


@in_a_browser
async def test_standings_come_anew_without_taking_focus_or_scrolling_away(
    desk: Desk, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "LIVE_SECONDS", 1)
    page = desk.page
    await page.set_viewport_size({"width": 200, "height": 800})  # so that tables are scrolled
    await fill_in(page)
    await page.get_by_label("Start").fill("2026-03-02T09:00")
    await page.get_by_label("Only the first").fill("20")
    await page.get_by_role("button", name="Save as a draft").press("Enter")
    await page.get_by_role("button", name="Launch").press("Enter")
    await client.post("/v1/events", deal(10))
    table, name = page.locator("#arrivals"), page.locator("#rank-1")
    await expect(table.locator("tbody tr")).to_have_count(1)
    await name.focus()
    await table.evaluate("(one) => one.scrollTo({ left: 30 })")

    await client.post("/v1/events", deal(11))
    await expect(table.locator("tbody tr")).to_have_count(2)

    await expect(name).to_be_focused()
    assert await table.evaluate("(one) => one.scrollLeft") == 30


@in_a_browser
async def test_every_page_is_sound_on_a_phone(desk: Desk) -> None:
    page = desk.page
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for path in ("/admin/challenges", "/admin/challenges/new", "/admin/slack", "/admin/members"):
        await page.goto(desk.url + path)
        await desk.is_sound()

    await page.get_by_role("link", name="ada").click()
    await page.get_by_label("First day").fill("2026-03-02")
    await page.get_by_role("button", name="Add").click()

    await expect(page.get_by_role("button", name="Withdraw Sick leave of Mon 2 Mar 2026")).to_be_visible()
    await desk.is_sound()


MOST_STOPS = 60  # of the Tab key on one page


async def tab_to(page: Page, wanted: Locator) -> None:
    """Go on by the Tab key until this has the focus."""
    for _ in range(MOST_STOPS):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"no key leads to {wanted}")


@in_a_browser
async def test_sick_leave_is_entered_and_withdrawn_by_keyboard_alone(desk: Desk) -> None:
    page = desk.page
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await page.goto(f"{desk.url}/admin/members")
    await tab_to(page, page.get_by_role("link", name="ada"))
    await page.keyboard.press("Enter")

    await tab_to(page, page.get_by_label("First day"))
    await page.keyboard.type("03022026")
    await tab_to(page, page.get_by_role("button", name="Add"))
    await page.keyboard.press("Enter")
    withdraw = page.get_by_role("button", name="Withdraw Sick leave of Mon 2 Mar 2026")
    await expect(withdraw).to_be_visible()
    await tab_to(page, withdraw)
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("No absences are known")).to_be_visible()
    await desk.is_sound()


@in_a_browser
async def test_a_challenge_is_extended_and_cancelled_by_keyboard_alone(desk: Desk) -> None:
    page = desk.page
    await fill_in(page)
    await page.get_by_role("button", name="Save as a draft").press("Enter")
    await page.get_by_role("button", name="Launch").press("Enter")
    await expect(page.get_by_text("scheduled")).to_be_visible()

    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await tab_to(page, page.locator("#ends_at"))
    await page.keyboard.type("05302026")
    await page.keyboard.press("Tab")
    await page.keyboard.type("0900AM")
    await tab_to(page, page.get_by_role("button", name="Extend"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("30 May 2026")).to_be_visible()
    await tab_to(page, page.locator("#reason"))
    await page.keyboard.type("Enough of it")
    await tab_to(page, page.get_by_role("button", name="Cancel the challenge"))
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Cancelled: Enough of it")).to_be_visible()
    await desk.is_sound()
