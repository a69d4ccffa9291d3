"""Member tokens: they open what their member may read, on pages of the program's origins, and nothing else."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
import structlog
from fastapi import FastAPI
from playwright.async_api import Page
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api import auth
from api.app import create_app
from domain.member_tokens import MemberToken, TokenSigner
from domain.scopes import Scope
from settings import Settings
from storage import api_keys, programs
from tests import test_telemetry
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal
from tests.api.test_openapi import IDS, OPERATIONS
from tests.browser import in_a_browser
from tests.programs import NOW
from tests.sandboxes import running

lines = test_telemetry.lines

PAGE = "https://app.example.com"
OPENED = [path for _, path, one in OPERATIONS if {"member_token": []} in one.get("security", ())]
CLOSED = [
    (method, path)
    for method, path, _ in OPERATIONS
    if path.startswith("/v1/") and not (method == "get" and path in OPENED)
]


@asynccontextmanager
async def bearing(app: FastAPI, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """A phone with this token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://api.test", headers=headers
    ) as http:
        yield http


async def ada_of(client: Client) -> str:
    """A member who has earned something."""
    answer = await client.post("/v1/events", deal())
    member_id: str = answer.json()["member_id"]
    return member_id


async def token_for(client: Client, member_id: str, **body: int) -> str:
    answer = await client.post(f"/v1/members/{member_id}/tokens", body)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


async def allow(engine: AsyncEngine, program_id: str, *origins: str) -> None:
    async with AsyncSession(engine) as session, session.begin():
        await programs.set_origins(session, program_id, origins)


def test_tokens_open_what_a_member_may_read() -> None:
    assert sorted(path.removeprefix("/v1/members/{member_id}/") for path in OPENED) == [
        "balance",
        "balance/stream",
        "expiry",
        "history",
        "statement",
    ]


async def test_a_token_reads_all_that_its_member_may(app: FastAPI, client: Client) -> None:
    member_id = await ada_of(client)

    async with bearing(app, await token_for(client, member_id)) as phone:
        answers = [await phone.get(path.format(member_id=member_id)) for path in OPENED if not path.endswith("/stream")]

    assert [answer.status_code for answer in answers] == [200] * (len(OPENED) - 1)


async def test_a_token_opens_nothing_else(app: FastAPI, client: Client) -> None:
    member_id = await ada_of(client)

    async with bearing(app, await token_for(client, member_id)) as phone:
        for method, path in CLOSED:
            named = path.format(**IDS | {"member_id": member_id})
            answer = await phone.request(method, named, content=b"not even JSON")

            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)


@pytest.mark.parametrize("path", OPENED)
async def test_a_token_of_another_member_is_refused_whether_there_is_one_or_not(
    app: FastAPI, client: Client, path: str
) -> None:
    grace = (await client.post("/v1/members", {"external_id": "grace", "name": "Grace"})).json()["id"]

    async with bearing(app, await token_for(client, await ada_of(client))) as phone:
        answers = [await phone.get(path.format(member_id=member_id)) for member_id in (grace, IDS["member_id"])]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json() == answers[1].json() | {"instance": answers[0].json().get("instance")}


async def test_a_token_ends_with_its_time(settings: Settings, client: Client) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id, seconds=60)
    later = create_app(settings, clock=lambda: NOW + timedelta(seconds=60))

    async with later.router.lifespan_context(later), bearing(later, token) as phone:
        answer = await phone.get(f"/v1/members/{member_id}/balance")

    assert answer.status_code == 401


async def test_a_token_ends_with_the_key_that_gave_it_out(
    app: FastAPI, client: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "KEY_CACHE_SECONDS", 0)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with AsyncSession(engine) as session, session.begin():
        (key,) = await api_keys.list_of(session, client.program_id)
        await api_keys.revoke(session, client.program_id, key.id, now=NOW)

    async with bearing(app, token) as phone:
        answer = await phone.get(f"/v1/members/{member_id}/balance")

    assert answer.status_code == 401


async def test_a_key_that_may_not_give_tokens_out_gives_none_and_vouches_for_none(
    app: FastAPI, make_client: MakeClient, engine: AsyncEngine, settings: Settings
) -> None:
    reader = await make_client(Scope.BALANCES_READ)
    async with AsyncSession(engine) as session:
        (key,) = await api_keys.list_of(session, reader.program_id)
    forged = TokenSigner(settings.laurel_secret_keys).write(
        MemberToken(key.id, IDS["member_id"], NOW + timedelta(minutes=5))
    )

    refused = await reader.post(f"/v1/members/{IDS['member_id']}/tokens", {})
    async with bearing(app, forged) as phone:
        unknown = await phone.get(f"/v1/members/{IDS['member_id']}/balance")

    assert (refused.status_code, refused.json()["scope"]) == (403, "tokens:write")
    assert unknown.status_code == 401


async def test_the_id_of_a_key_is_no_credential(app: FastAPI, client: Client, engine: AsyncEngine) -> None:
    """Though keys are kept by id as well, for the tokens that they gave out."""
    member_id = await ada_of(client)
    async with bearing(app, await token_for(client, member_id)) as phone:
        await phone.get(f"/v1/members/{member_id}/balance")
    async with AsyncSession(engine) as session:
        (key,) = await api_keys.list_of(session, client.program_id)

    async with bearing(app, key.id) as thief:
        answer = await thief.get(f"/v1/members/{member_id}/balance")

    assert answer.status_code == 401


@pytest.mark.parametrize("seconds", [0, 59, 3601])
async def test_a_token_is_for_minutes(client: Client, seconds: int) -> None:
    answer = await client.post(f"/v1/members/{IDS['member_id']}/tokens", {"seconds": seconds})

    assert answer.status_code == 422


async def test_minutes_may_be_written_as_any_whole_number(client: Client) -> None:
    member = (await client.get("/v1/members")).json()["items"][0]["id"]

    assert (await client.post(f"/v1/members/{member}/tokens", {"seconds": 145.0})).status_code == 201


async def test_no_line_of_the_log_shows_a_token(app: FastAPI, client: Client, lines: io.StringIO) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with bearing(app, token) as phone:
        await phone.get(f"/v1/members/{member_id}/balance")
    structlog.get_logger().info(f"presented {token}")

    assert token.partition("_member_")[2] not in lines.getvalue()
    assert "lrl_member_[redacted]" in lines.getvalue()


# -- Pages ---------------------------------------------------------------------------------------------------------


async def test_preflights_are_answered_alike_whoever_asks_about_whomever(
    anyone: httpx.AsyncClient, client: Client, engine: AsyncEngine
) -> None:
    await allow(engine, client.program_id, PAGE)
    asking = {"Origin": "https://stranger.example", "Access-Control-Request-Method": "GET"}
    paths = [
        path.format(member_id=member_id) for path in OPENED for member_id in (await ada_of(client), "mem_" + "0" * 26)
    ]

    answers = [await anyone.options(path, headers=asking) for path in paths]
    mint = await anyone.options(f"/v1/members/{IDS['member_id']}/tokens", headers=asking)

    own = {"x-request-id"}
    assert len({str(sorted((k, v) for k, v in one.headers.items() if k not in own)) for one in answers}) == 1
    assert {answer.status_code for answer in answers} == {204}
    assert answers[0].headers["access-control-allow-methods"] == "GET"
    assert "access-control-allow-credentials" not in answers[0].headers
    assert mint.status_code == 401


async def test_only_pages_of_the_programs_origins_use_its_tokens(
    app: FastAPI, client: Client, make_client: MakeClient, engine: AsyncEngine
) -> None:
    other = await make_client()
    await allow(engine, client.program_id, PAGE)
    await allow(engine, other.program_id, "https://other.example")
    member_id = await ada_of(client)
    path = f"/v1/members/{member_id}/balance"

    async with bearing(app, await token_for(client, member_id)) as page:
        ours = await page.get(path, headers={"Origin": PAGE})
        theirs = await page.get(path, headers={"Origin": "https://other.example"})
    with_key = await client.http.get(path, headers={"Origin": PAGE})

    assert (ours.status_code, ours.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "origin" in ours.headers["vary"].lower()
    assert theirs.status_code == 403
    assert "access-control-allow-origin" not in theirs.headers
    assert "access-control-allow-origin" not in with_key.headers


@in_a_browser
async def test_a_browser_lets_pages_read_as_the_program_says(
    settings: Settings, client: Client, engine: AsyncEngine, page: Page
) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    reading = """async ([url, token]) => {
        try {
            const answer = await fetch(url, {headers: {Authorization: `Bearer ${token}`}});
            return [answer.status, (await answer.json()).available];
        } catch (error) { return error.name; }
    }"""

    async def empty(scope, receive, send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": b"<title>a page</title>"})

    with (
        running(create_app(settings, clock=lambda: NOW)) as api,
        running(empty) as allowed,
        running(empty) as stranger,
    ):
        await allow(engine, client.program_id, allowed)
        said = []
        for origin in (allowed, stranger):
            await page.goto(origin)
            said.append(await page.evaluate(reading, [f"{api}/v1/members/{member_id}/balance", token]))

    assert said[0][0] == 200
    assert said[0][1] > 0
    assert said[1] == "TypeError"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "null",
        "https://a.example/",
        "https://A.example",
        "https://a.example:443",
        "ftp://a.example",
        "a.example",
    ],
)
async def test_what_no_browser_sends_is_no_origin(engine: AsyncEngine, client: Client, origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        await allow(engine, client.program_id, origin)
