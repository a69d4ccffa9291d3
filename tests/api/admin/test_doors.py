"""Signing in to the administrators' pages, and out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from api.app import create_app
from domain.sign_ins import LinkSpent
from settings import Settings
from storage import sign_ins
from storage.database import with_driver
from tests.api.admin.conftest import MakeVisitor, make_link
from tests.api.conftest import MakeClient
from tests.programs import NOW


async def test_looking_at_a_link_does_not_spend_it(
    anyone: httpx.AsyncClient, make_client: MakeClient, engine: AsyncEngine
) -> None:
    link = await make_link(engine, (await make_client()).program_id)

    looked = await anyone.get("/admin/enter", params={"link": link})
    entered = await anyone.post("/admin/enter", data={"link": f"https://laurel.example/admin/enter#{link}"})

    assert (looked.status_code, entered.status_code) == (200, 303)


async def test_a_link_opens_one_session_whoever_races_for_it(make_client: MakeClient, engine: AsyncEngine) -> None:
    link = await make_link(engine, (await make_client()).program_id)

    async def enter() -> bool:
        async with AsyncSession(engine) as session, session.begin():
            try:
                await sign_ins.open_session(session, link, now=NOW)
            except LinkSpent:
                return False
            return True

    opened = await asyncio.gather(*(enter() for _ in range(8)))

    assert sum(opened) == 1


async def test_a_link_that_was_used_or_never_was_opens_nothing(
    anyone: httpx.AsyncClient, make_client: MakeClient, engine: AsyncEngine
) -> None:
    link = await make_link(engine, (await make_client()).program_id)
    await anyone.post("/admin/enter", data={"link": link})

    answers = [await anyone.post("/admin/enter", data={"link": one}) for one in (link, "nonsense", "")]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert all("This link does not work" in answer.text for answer in answers)
    assert not any("set-cookie" in answer.headers for answer in answers)


async def test_a_link_and_a_session_run_out(make_client: MakeClient, engine: AsyncEngine) -> None:
    program_id = (await make_client()).program_id
    late = await make_link(engine, program_id)
    link = await make_link(engine, program_id)

    async with AsyncSession(engine) as session, session.begin():
        with pytest.raises(LinkSpent):
            await sign_ins.open_session(session, late, now=NOW + timedelta(minutes=15))
        opened, token = await sign_ins.open_session(session, link, now=NOW)
        lasting = await sign_ins.find_session(session, token, now=opened.expires_at - timedelta(seconds=1))
        ended = await sign_ins.find_session(session, token, now=opened.expires_at)

    assert (lasting, ended) == (opened, None)


async def test_a_cookie_is_for_these_pages_and_no_script(
    anyone: httpx.AsyncClient, make_client: MakeClient, engine: AsyncEngine
) -> None:
    link = await make_link(engine, (await make_client()).program_id)

    cookie = (await anyone.post("/admin/enter", data={"link": link})).headers["set-cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/admin" in cookie
    assert link not in cookie


async def test_behind_https_the_cookie_is_sent_by_https_alone(
    settings: Settings, make_client: MakeClient, engine: AsyncEngine
) -> None:
    link = await make_link(engine, (await make_client()).program_id)
    app = create_app(settings.model_copy(update={"laurel_public_url": "https://laurel.example"}), clock=lambda: NOW)

    async with app.router.lifespan_context(app), browser(app) as http:
        cookie = (await http.post("/admin/enter", data={"link": link})).headers["set-cookie"]

    assert "Secure" in cookie


@pytest.mark.parametrize("path", ["/admin/challenges", "/admin/challenges/new", "/admin/members"])
async def test_who_is_not_signed_in_is_led_to_the_door(anyone: httpx.AsyncClient, path: str) -> None:
    answer = await anyone.get(path)
    part = await anyone.get(path, headers={"HX-Request": "true"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/enter")
    assert (part.status_code, part.headers["hx-redirect"]) == (204, "/admin/enter")


async def test_signing_out_ends_the_session_also_for_a_copy_of_its_cookie(
    make_client: MakeClient, sign_in: MakeVisitor, anyone: httpx.AsyncClient
) -> None:
    visitor = await sign_in((await make_client()).program_id)
    anyone.cookies.update(visitor.http.cookies)

    left = await visitor.send("/admin/leave")

    assert (left.status_code, left.headers["location"]) == (303, "/admin/enter")
    assert (await anyone.get("/admin/members")).status_code == 303


@pytest.mark.parametrize("token", ["", "0" * 64, "f\u00fcnf"])
async def test_a_form_without_the_sessions_token_changes_nothing(
    make_client: MakeClient, sign_in: MakeVisitor, token: str
) -> None:
    visitor = await sign_in((await make_client()).program_id)

    refused = await visitor.http.post("/admin/leave", data={"csrf": token})

    assert refused.status_code == 403
    assert (await visitor.get("/admin/members")).status_code == 200


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=%00", b"a=1&" * 500, b"x" * 70_000])
async def test_a_body_that_is_no_form_of_ours_is_refused(
    make_client: MakeClient, sign_in: MakeVisitor, body: bytes
) -> None:
    visitor = await sign_in((await make_client()).program_id)

    refused = await visitor.http.post("/admin/leave", content=body)

    assert refused.status_code in (413, 422)


async def test_pages_run_nothing_but_our_own_files_and_are_kept_nowhere(
    make_client: MakeClient, sign_in: MakeVisitor
) -> None:
    page = await (await sign_in((await make_client()).program_id)).get("/admin/challenges")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"


def browser(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://api.test")


@pytest.fixture
async def strict(settings: Settings, make_client: MakeClient, engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at pages on which somebody may ask for two things a minute."""
    app = create_app(settings.model_copy(update={"admin_requests_per_minute": 2}), clock=lambda: NOW)
    async with app.router.lifespan_context(app), browser(app) as http:
        yield http


async def test_signing_in_is_limited_by_address_before_the_form_is_read(strict: httpx.AsyncClient) -> None:
    tried = [(await strict.post("/admin/enter", data={"link": "nonsense"})).status_code for _ in range(2)]

    refused = await strict.post("/admin/enter", content=b"x" * 100_000)

    assert tried == [403, 403]
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "60"
    assert "Try again in 60 seconds" in refused.text


async def test_who_guesses_sessions_is_limited_by_address(strict: httpx.AsyncClient) -> None:
    statuses = []
    for number in range(3):
        strict.cookies.set("laurel_admin", f"guess-{number}", path="/admin")
        statuses.append((await strict.get("/admin/members")).status_code)

    assert statuses == [303, 303, 429]


async def test_each_person_has_a_limit_of_their_own(
    strict: httpx.AsyncClient, make_client: MakeClient, engine: AsyncEngine
) -> None:
    program_id = (await make_client()).program_id
    answers = {}
    for name in ("Anna", "Ben"):
        await strict.post("/admin/enter", data={"link": await make_link(engine, program_id, name)})
        answers[name] = [await strict.get("/admin/members") for _ in range(3)]

    assert [[one.status_code for one in of] for of in answers.values()] == [[200, 200, 429]] * 2
    assert answers["Ben"][0].headers["ratelimit"] == '"session";r=1;t=60'


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/admin/nowhere", 404),
        ("GET", "/admin/challenges/chl_nonsense", 404),
        ("GET", "/admin/files/nothing.css", 404),
        ("POST", "/admin/challenges/", 404),
        ("DELETE", "/admin/members", 405),
    ],
)
async def test_what_is_not_there_is_told_on_a_page_with_a_way_back(
    anyone: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await anyone.request(method, path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert 'href="/admin/challenges"' in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert ("allow" in answer.headers) is (status == 405)


async def test_a_form_that_is_too_large_is_told_on_a_page(anyone: httpx.AsyncClient) -> None:
    answer = await anyone.post("/admin/enter", data={"link": "x" * 70_000})

    assert answer.status_code == 413
    assert "This is too much text" in answer.text


async def test_what_nobody_foresaw_is_told_on_a_page_without_its_text(
    make_client: MakeClient, sign_in: MakeVisitor, owner_url: str
) -> None:
    visitor = await sign_in((await make_client()).program_id)
    owner = create_async_engine(with_driver(owner_url))
    async with owner.begin() as connection:
        await connection.execute(text("ALTER TABLE challenges RENAME TO challenges_no_more"))
    await owner.dispose()

    page = await visitor.get("/admin/challenges")
    part = await visitor.http.get("/admin/challenges", headers={"HX-Request": "true"})

    assert (page.status_code, part.status_code) == (500, 500)
    assert "Something went wrong" in page.text
    assert "no_more" not in page.text
    assert "<html" not in part.text
    assert 'class="notice fault"' in part.text
