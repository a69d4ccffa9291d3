"""Debian's chromium for the pages that people see; it must not ask the internet for anything."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright, expect

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MILLISECONDS = 60_000

in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """A browser that has no page yet."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()
