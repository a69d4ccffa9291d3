"""The reference of the API: a page that needs nobody else's server, and may run nothing but its own files."""

import re

import httpx
from playwright.async_api import Page

from api.app import create_app
from settings import Settings
from tests.api.test_openapi import OPERATIONS
from tests.browser import in_a_browser
from tests.sandboxes import running


async def test_the_page_names_files_that_are_there_and_nothing_elsewhere(anyone: httpx.AsyncClient) -> None:
    page = await anyone.get("/docs")

    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    files = [await anyone.get(name) for name in named]

    assert "unsafe" not in page.headers["content-security-policy"]
    assert len(named) == 4
    assert not [name for name in named if "//" in name]
    assert {file.status_code for file in files} == {200}


async def test_a_file_that_is_no_part_of_the_page_is_not_found(anyone: httpx.AsyncClient) -> None:
    assert (await anyone.get("/docs/__init__.py")).json()["code"] == "not_found"
    assert (await anyone.get("/docs/..%2Fmain.py")).json()["code"] == "not_found"


@in_a_browser
async def test_a_browser_shows_every_operation_asks_nobody_else_and_is_forbidden_nothing(
    settings: Settings, page: Page
) -> None:
    asked: list[str] = []
    faults: list[str] = []
    with running(create_app(settings)) as url:
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(str(error)))

        await page.goto(f"{url}/docs")
        await page.locator(".opblock").first.wait_for()
        await page.locator(".opblock-post").first.click()
        await page.get_by_text("Try it out").wait_for()

        assert await page.locator(".opblock").count() == len(OPERATIONS)
    assert faults == []
    assert {one for one in asked if not one.startswith((url, "data:"))} == set()
