"""Reports that take long, on a real server: they begin with blanks, and end with their callers or their time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api import long_answers
from settings import Settings
from storage import database
from storage.database import with_driver
from tests.api.conftest import Client
from tests.api.test_live import serving
from tests.api.test_member_tokens import ada_of
from tests.api.test_previews import CHALLENGE

PATH = "/v1/reports/trial-balance"


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(with_driver(owner_url))
    yield engine
    await engine.dispose()


@asynccontextmanager
async def nothing_is_read(owner: AsyncEngine) -> AsyncIterator[None]:
    """As if there were a great deal to read."""
    async with owner.begin() as connection:
        await connection.execute(text("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE"))
        yield


@asynccontextmanager
async def asking(url: str, client: Client) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {client.key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        yield http


async def reports_at_work(owner: AsyncEngine) -> int:
    async with owner.connect() as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'entries'::regclass"
        return int(await connection.scalar(text(waiting)) or 0)


async def test_a_report_may_take_longer_than_other_statements_and_shows_that_it_lives(
    settings: Settings, client: Client, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "OPTIONS", "-c statement_timeout=300 -c TimeZone=UTC")
    monkeypatch.setattr(long_answers, "PROMPT_SECONDS", 0.2)
    monkeypatch.setattr(long_answers, "BLANK_SECONDS", 0.2)
    await ada_of(client)
    prompt = (await client.get(PATH)).json()
    async with serving(settings) as url, asking(url, client) as http, AsyncExitStack() as lock:
        await lock.enter_async_context(nothing_is_read(owner))
        async with http.stream("GET", PATH) as answer:
            body, chunks = b"", answer.aiter_raw()
            while len(body) < 3:
                body += await anext(chunks)
            await lock.aclose()
            rest = [chunk async for chunk in chunks]

    assert (answer.status_code, body.strip()) == (200, b"")
    assert orjson.loads(b"".join(rest)) == prompt


async def test_a_report_that_takes_too_long_is_broken_off(
    settings: Settings, client: Client, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_answers, "PROMPT_SECONDS", 0.1)
    monkeypatch.setattr(long_answers, "LONGEST_SECONDS", 0.5)
    async with serving(settings) as url, asking(url, client) as http, nothing_is_read(owner):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(PATH)


async def test_a_caller_who_leaves_takes_its_question_along(
    settings: Settings, client: Client, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_answers, "PROMPT_SECONDS", 0.1)

    async with serving(settings) as url, asking(url, client) as http, nothing_is_read(owner):
        async with http.stream("GET", PATH) as answer:
            while await reports_at_work(owner) == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        while await reports_at_work(owner) > 0:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    assert answer.status_code == 200


async def test_few_reports_are_made_at_once_and_not_many_wait(
    settings: Settings, client: Client, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_answers, "AT_ONCE", 2)
    monkeypatch.setattr(long_answers, "MAX_WAITING", 4)
    async with serving(settings) as url, asking(url, client) as http:
        async with nothing_is_read(owner):
            asked = [asyncio.create_task(http.get(PATH)) for _ in range(4)]
            while await reports_at_work(owner) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            one_more = await http.get(PATH)
            working = await reports_at_work(owner)
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]

    assert (one_more.status_code, one_more.json()["code"]) == (503, "overloaded")
    assert working == 2
    assert statuses == [200] * 4


async def test_previews_take_their_turns_with_reports_and_one_with_faults_waits_for_none(
    settings: Settings, client: Client, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_answers, "AT_ONCE", 1)
    wanted = {"challenge": CHALLENGE, "days": 30}
    async with serving(settings) as url, asking(url, client) as http:
        async with nothing_is_read(owner):
            report = asyncio.create_task(http.get(PATH))
            while await reports_at_work(owner) < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            preview = asyncio.create_task(http.post("/v1/challenges/preview", json=wanted))
            faulty = await http.post("/v1/challenges/preview", json=wanted | {"challenge": CHALLENGE | {"first": 0}})
            waited = not preview.done()
        answers = await asyncio.gather(report, preview)

    assert faulty.status_code == 422
    assert waited
    assert [answer.status_code for answer in answers] == [200, 200]
