"""The administrators' pages in a browser: by keyboard, on a phone, and held against the rules of accessibility."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from settings import Settings
from tests.api.admin.conftest import make_link
from tests.api.conftest import MakeClient
from tests.api.facts import deal
from tests.browser import in_a_browser
from tests.programs import NOW
from tests.sandboxes import running

# What sticks out of the screen.
TOO_WIDE = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] : [...document.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > window.innerWidth).map((one) => one.outerHTML.slice(0, 80))"""
PHONE = {"width": 390, "height": 800}


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
        assert self.faults == []


@pytest.fixture
async def desk(settings: Settings, make_client: MakeClient, engine: AsyncEngine, page: Page) -> AsyncIterator[Desk]:
    client = await make_client()
    await client.post("/v1/events/batch", {"events": [deal(number) for number in range(3)]})
    with running(create_app(settings, clock=lambda: NOW)) as url:
        desk = Desk(page, url)
        await desk.enter(await make_link(engine, client.program_id))
        yield desk


@in_a_browser
async def test_a_challenge_is_tried_saved_and_launched_by_keyboard(desk: Desk) -> None:
    page = desk.page
    await page.get_by_role("link", name="New challenge").press("Enter")
    await page.get_by_label("Title").fill("Spring sprint")
    await page.get_by_label("deal.won").press("Space")
    await page.get_by_label("For a completion").select_option("bonus")
    await page.get_by_label("How much").fill("50")
    await page.get_by_label("Only the first").fill("20")
    await page.get_by_role("button", name="Last 30 days").press("Enter")

    await expect(page.get_by_text("150 points")).to_be_visible()
    await desk.is_sound()

    await page.get_by_role("button", name="Save as a draft").press("Enter")
    await page.get_by_role("button", name="Launch").press("Enter")
    await expect(page.get_by_text("scheduled")).to_be_visible()
    await desk.is_sound()


@in_a_browser
async def test_every_page_is_sound_on_a_phone(desk: Desk) -> None:
    page = desk.page
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for path in ("/admin/challenges", "/admin/challenges/new", "/admin/members"):
        await page.goto(desk.url + path)
        await desk.is_sound()

    await page.get_by_role("link", name="ada").click()
    await page.get_by_label("First day").fill("2026-03-02")
    await page.get_by_role("button", name="Add").click()

    await expect(page.get_by_text("2 Mar 2026")).to_be_visible()
    await desk.is_sound()
