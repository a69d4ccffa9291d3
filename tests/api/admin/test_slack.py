"""A workspace comes in by a link, in the browser that opened it, with the approval of whoever administers it."""

import html
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

import api.app
from connectors.slack import manifest
from domain.slack_workspaces import Installation, InstallLink, Workspace
from sandbox.slack.app import CLIENT_ID, CLIENT_SECRET, create_app
from sandbox.slack.company import TEAM_ID, TEAM_NAME
from settings import Settings
from storage import connections, slack_install_links, slack_workspaces
from storage.keyring import Keyring
from tests.api.admin.conftest import MakeVisitor, Visitor
from tests.api.conftest import MakeClient
from tests.programs import NOW
from tests.sandboxes import running


@pytest.fixture(scope="module")
def slack_url() -> Iterator[str]:
    with running(create_app()) as url:
        yield url


@pytest.fixture
def settings(settings: Settings, slack_url: str) -> Settings:
    """Settings with an app at Slack."""
    app = {"slack_client_id": CLIENT_ID, "slack_client_secret": SecretStr(CLIENT_SECRET)}
    return settings.model_copy(update={**app, "slack_api_url": f"{slack_url}/api/"})


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of whoever administers the workspace."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as http:
        yield http


@pytest.fixture
async def visitor(make_client: MakeClient, sign_in: MakeVisitor) -> Visitor:
    return await sign_in((await make_client()).program_id)


async def make_link(engine: AsyncEngine, program_id: str, *, minutes_ago: int = 0) -> str:
    async with AsyncSession(engine) as session, session.begin():
        made_at = NOW - timedelta(minutes=minutes_ago)
        token = await slack_install_links.make(session, program_id, actor="admin:Anna", now=made_at)
    return f"/slack/install?state={token}"


async def approve(page: httpx.Response) -> str:
    """Where Slack sends the browser when somebody approves."""
    found = re.search(r'href="([^"]+/oauth/v2/authorize[^"]+)"', page.text)
    assert found is not None, page.text
    async with httpx.AsyncClient() as http:
        approved = await http.get(html.unescape(found[1]))
    return approved.headers["location"].removeprefix("http://127.0.0.1:8700")


async def installed(engine: AsyncEngine) -> Workspace | None:
    async with AsyncSession(engine) as session:
        return await slack_workspaces.find(session, TEAM_ID)


async def test_an_administrator_connects_a_workspace(
    visitor: Visitor, browser: httpx.AsyncClient, engine: AsyncEngine, settings: Settings
) -> None:
    made = await visitor.send("/admin/slack")
    [link] = re.findall(r'href="http://127.0.0.1:8700(/slack/install[^"]+)"', made.text)

    back = await approve(await browser.get(link))
    done = await browser.get(back)

    workspace = await installed(engine)
    assert (done.status_code, TEAM_NAME in done.text) == (200, True)
    assert workspace is not None
    assert workspace.program_id == visitor.program_id
    assert sorted(workspace.scopes) == sorted(manifest.bot_scopes())
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with AsyncSession(engine) as session:
        connection = await connections.get(session, keyring, visitor.program_id, workspace.connection_id)
    assert connection.secrets["bot_token"].startswith("xoxb-")
    assert connection.secrets["bot_token"] not in done.text
    assert TEAM_NAME in (await visitor.get("/admin/slack")).text


async def test_looking_at_a_link_spends_nothing_and_names_the_program(
    visitor: Visitor, browser: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    link = await make_link(engine, visitor.program_id)

    looked = [await browser.get(link) for _ in range(2)]

    assert [page.status_code for page in looked] == [200, 200]
    assert "Acme" in looked[0].text
    assert "HttpOnly" in looked[0].headers["set-cookie"]
    assert "SameSite=lax" in looked[0].headers["set-cookie"]


async def test_a_code_that_comes_back_twice_connects_once(
    visitor: Visitor, browser: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    link = await make_link(engine, visitor.program_id)
    back = await approve(await browser.get(link))
    state = browser.cookies["laurel_slack"]

    first = await browser.get(back)
    browser.cookies.set("laurel_slack", state, path="/slack")
    again = await browser.get(back)

    assert (first.status_code, again.status_code) == (200, 403)
    assert "This link does not work" in again.text


async def test_another_browser_than_the_one_that_opened_the_link_connects_nothing(
    visitor: Visitor, browser: httpx.AsyncClient, anyone: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    back = await approve(await browser.get(await make_link(engine, visitor.program_id)))

    led = await anyone.get(back)

    assert led.status_code == 403
    assert await installed(engine) is None


@pytest.mark.parametrize("query", ["", "?state=", "?state=guess&code=1", "?code=1", f"?state={'x' * 300}"])
async def test_who_comes_without_a_link_of_ours_is_refused(browser: httpx.AsyncClient, query: str) -> None:
    begun, finished = await browser.get(f"/slack/install{query}"), await browser.get(f"/slack/oauth/callback{query}")

    assert {begun.status_code, finished.status_code} <= {403, 404}


async def test_a_link_runs_out(visitor: Visitor, browser: httpx.AsyncClient, engine: AsyncEngine) -> None:
    late = await browser.get(await make_link(engine, visitor.program_id, minutes_ago=10))

    assert late.status_code == 403


async def test_who_declines_at_slack_reads_that_nothing_was_connected(
    visitor: Visitor, browser: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    link = await make_link(engine, visitor.program_id)
    await browser.get(link)

    back = await browser.get(f"/slack/oauth/callback?{urlsplit(link).query}&error=access_denied")

    assert back.status_code == 403
    assert "nothing was connected" in back.text


async def test_what_slack_refuses_is_told_in_its_words(
    visitor: Visitor, browser: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    link = await make_link(engine, visitor.program_id)
    await browser.get(link)

    back = await browser.get(f"/slack/oauth/callback?{urlsplit(link).query}&code=never-given")

    assert back.status_code == 502
    assert "Nothing was connected: Slack says invalid_code." in back.text


async def test_a_workspace_of_another_program_is_refused_in_words(
    visitor: Visitor, make_client: MakeClient, browser: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    other = (await make_client()).program_id
    for program_id, status in ((other, 200), (visitor.program_id, 409)):
        back = await approve(await browser.get(await make_link(engine, program_id)))
        answer = await browser.get(back)
        assert answer.status_code == status

    workspace = await installed(engine)
    assert "is connected to another program" in answer.text
    assert workspace is not None
    assert workspace.program_id == other
    assert TEAM_NAME not in (await visitor.get("/admin/slack")).text


async def test_slack_is_asked_for_what_the_manifest_says_and_back_to_our_own_address(
    visitor: Visitor, browser: httpx.AsyncClient, engine: AsyncEngine, settings: Settings
) -> None:
    page = await browser.get(await make_link(engine, visitor.program_id))

    [approval] = re.findall(r'href="([^"]+/oauth/v2/authorize[^"]+)"', page.text)
    asked = parse_qs(urlsplit(html.unescape(approval)).query)
    assert asked["scope"] == [",".join(manifest.bot_scopes())]
    assert asked["redirect_uri"] == [f"{settings.laurel_public_url}/slack/oauth/callback"]
    assert asked["state"] == [browser.cookies["laurel_slack"]]


async def test_what_an_installation_lacks_is_shown(visitor: Visitor, engine: AsyncEngine, settings: Settings) -> None:
    granted = [scope for scope in manifest.bot_scopes() if scope != "reactions:read"]
    before = Installation(TEAM_ID, TEAM_NAME, "A1", "U1", granted, "xoxb-1")
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with AsyncSession(engine) as session, session.begin():
        link = InstallLink(visitor.program_id, "admin:Anna")
        await slack_workspaces.install(session, keyring, link, before, now=NOW)

    page = await visitor.get("/admin/slack")

    assert "It lacks reactions:read." in page.text


async def test_without_an_app_at_slack_the_pages_say_so(
    make_client: MakeClient, sign_in: MakeVisitor, settings: Settings, engine: AsyncEngine
) -> None:
    visitor = await sign_in((await make_client()).program_id)
    link = await make_link(engine, visitor.program_id)
    bare = api.app.create_app(settings.model_copy(update={"slack_client_secret": None}), clock=lambda: NOW)
    visitor.http._transport = httpx.ASGITransport(bare)

    async with bare.router.lifespan_context(bare):
        pages = [await visitor.get("/admin/slack"), await visitor.get(link)]

    assert [page.status_code for page in pages] == [200, 404]
    assert all("No Slack app is set up here" in page.text for page in pages)
