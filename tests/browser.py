"""Debian's chromium for the pages that people see; it must not ask the internet for anything."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, async_playwright, expect

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MILLISECONDS = 60_000

in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")


@asynccontextmanager
async def empty_page() -> AsyncIterator[Page]:
    """An empty page of a browser."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        yield page
        await browser.close()
