"""A member's points in a browser: on the page, and on pages of other sites that the program allows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, expect
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api import auth
from api.routes import live as routes
from settings import Settings
from storage import api_keys
from tests.api.conftest import Client
from tests.api.facts import deal
from tests.api.test_live import serving
from tests.api.test_member_tokens import ada_of, allow, token_for
from tests.browser import in_a_browser
from tests.programs import NOW
from tests.sandboxes import running

NO_SOCKETS = "window.WebSocket = class { constructor() { setTimeout(() => this.onclose({code: 1006})); } close() {} }"

NO_STREAMS = """const reach = fetch;
    window.fetch = (url, how) => `${url}`.includes("/stream") ? Promise.reject(new TypeError()) : reach(url, how);"""


# -- In a browser --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def at_points(page: Page, url: str, client: Client, *scripts: str) -> AsyncIterator[str]:
    """The page shows a member who has earned something, whose id this is; it is closed before the server is."""
    member_id = await ada_of(client)
    token = await token_for(client, member_id, seconds=3600)
    for script in scripts:
        await page.add_init_script(script)
    await page.goto(f"{url}/points#member={member_id}&token={token}")
    yield member_id
    await page.close()


async def available(client: Client, member_id: str) -> str:
    """As the page writes it."""
    return f"{(await client.get(f'/v1/members/{member_id}/balance')).json()['available']:,}"


async def shows(page: Page, client: Client, member_id: str, state: str) -> str:
    """What the page shows, which is what the member has."""
    amount = await available(client, member_id)
    await expect(page.locator("laurel-points .amount")).to_have_text(amount)
    await expect(page.locator("laurel-points")).to_have_attribute("data-state", state)
    return amount


@in_a_browser
@pytest.mark.parametrize("door", ["socket", "events", "poll"])
async def test_points_that_are_earned_are_seen(settings: Settings, client: Client, page: Page, door: str) -> None:
    """By the first door that works."""
    lacking = {"socket": (), "events": (NO_SOCKETS,), "poll": (NO_SOCKETS, NO_STREAMS)}[door]
    async with serving(settings) as url, at_points(page, url, client, *lacking) as member_id:
        before = await shows(page, client, member_id, door)

        await client.post("/v1/events", deal(2, amount_minor=2_000_000))
        after = await shows(page, client, member_id, door)

        assert after != before
        assert "token" not in page.url


@in_a_browser
async def test_pages_of_allowed_origins_show_it_and_others_nothing(
    settings: Settings, client: Client, engine: AsyncEngine, page: Page
) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url:
        with (
            running(embedding(url, member_id, token)) as allowed,
            running(embedding(url, member_id, token)) as stranger,
        ):
            await allow(engine, client.program_id, allowed)
            await page.goto(allowed)
            seen = await shows(page, client, member_id, "socket")
            async with page.expect_event("requestfailed", lambda request: request.url.endswith("/balance?unit=points")):
                await page.goto(stranger)
            await expect(page.locator("laurel-points")).to_have_attribute("data-state", "waiting")
            unseen = await page.locator("laurel-points .amount").text_content()

    assert (seen, unseen) == ("50", "\N{EN DASH}")


def embedding(url: str, member_id: str, token: str):
    """Another site, whose policy allows no more than docs/live.md asks for."""
    policy = f"default-src 'none'; script-src {url}; connect-src {url} {url.replace('http', 'ws')}"
    body = (
        f'<!doctype html><html lang="en"><title>A site</title><script src="{url}/points/points.js"></script>'
        f'<laurel-points member="{member_id}" token="{token}"></laurel-points></html>'
    ).encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", policy.encode())]

    async def app(scope, receive, send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return app


@in_a_browser
async def test_a_token_that_ends_is_asked_for_again(
    settings: Settings, client: Client, engine: AsyncEngine, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "KEY_CACHE_SECONDS", 0)
    monkeypatch.setattr(routes, "HEARTBEAT_SECONDS", 0.2)
    async with serving(settings) as url, at_points(page, url, client) as member_id:
        await shows(page, client, member_id, "socket")
        async with AsyncSession(engine) as session, session.begin():
            (key,) = await api_keys.list_of(session, client.program_id)
            await api_keys.revoke(session, client.program_id, key.id, now=NOW)

        await expect(page.get_by_role("alert")).to_be_visible()
        await expect(page.get_by_label("Member token")).to_have_value("")


@in_a_browser
async def test_it_comes_back_with_the_server(settings: Settings, client: Client, page: Page) -> None:
    async with serving(settings) as url, at_points(page, url, client) as member_id:
        await shows(page, client, member_id, "socket")
        await page.context.set_offline(True)
        await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(page.locator("laurel-points")).to_have_attribute("data-state", "away")
        await client.post("/v1/events", deal(2, amount_minor=2_000_000))

        await page.context.set_offline(False)

        await shows(page, client, member_id, "socket")
