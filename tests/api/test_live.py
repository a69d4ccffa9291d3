"""Live balances on a real server: the present one at once, then each newer one, whatever is lost in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from api import live
from api.app import create_app
from api.routes import live as routes
from api.routes.members import etag, still_right
from api.server import Server
from cli.embedded.ports import free_port
from domain.members import Balance
from domain.time import Clock
from settings import Settings
from storage.balance_changes import CHANNEL
from tests.api.conftest import Client
from tests.api.facts import deal
from tests.api.test_member_tokens import ada_of, token_for
from tests.api.test_openapi import DOCUMENT
from tests.programs import NOW

PATH = "/v1/members/{member_id}/balance/stream"
DOCUMENTED = DOCUMENT["paths"][PATH]["get"]["responses"]["200"]["content"]
BOUND_SECONDS = 60  # of a machine that does much else
NOBODY = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def serving(settings: Settings, *, clock: Clock = lambda: NOW) -> AsyncIterator[str]:
    """An API on a port of its own, beside the one in this process: they share PostgreSQL and Redis."""
    port = free_port()
    own = settings.model_copy(update={"laurel_port": port, "laurel_public_url": f"http://127.0.0.1:{port}"})
    server = Server(lambda: create_app(own, clock=clock), own)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        async with asyncio.timeout(BOUND_SECONDS):
            yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


class Streamed:
    """The events of one stream, as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.last_id = ""

    async def balance(self) -> dict[str, Any]:
        """The next balance; its id is kept, as browsers do."""
        async for line in self._lines:
            if line.startswith("id: "):
                self.last_id = line[4:]
            if line.startswith("data: "):
                found: dict[str, Any] = orjson.loads(line[6:])
                return found
        raise EOFError

    async def heartbeat(self) -> None:
        """Until a line says that there is nothing new; any balance before it is one too many."""
        async for line in self._lines:
            assert not line.startswith("data: "), line
            if line == ": still here":
                return


@asynccontextmanager
async def streamed(url: str, member_id: str, token: str, **headers: str) -> AsyncIterator[Streamed]:
    headers = {"Authorization": f"Bearer {token}", **headers}
    path = url + PATH.format(member_id=member_id)
    async with httpx.AsyncClient(timeout=BOUND_SECONDS) as http, http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] in DOCUMENTED
        yield Streamed(answer)


async def test_a_stream_tells_the_present_balance_and_what_another_process_changes(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 3600)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url, streamed(url, member_id, token) as stream:
        first = await stream.balance()

        await client.post("/v1/events", deal(2))
        second = await stream.balance()
    read = (await client.get(f"/v1/members/{member_id}/balance")).json()

    assert second["available"] > first["available"] > 0
    assert second["version"] > first["version"]
    assert read == second


async def test_holds_are_told_though_they_change_no_board(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 3600)
    member_id = await ada_of(client)
    await client.post("/v1/events/batch", {"events": [deal(n, amount_minor=2_000_000) for n in range(2, 12)]})
    token = await token_for(client, member_id)
    async with serving(settings) as url, streamed(url, member_id, token) as stream:
        before = await stream.balance()

        placed = await client.post("/v1/orders", {"member_id": member_id, "item": "mug", "value_minor": 500})
        after = await stream.balance()

    assert placed.is_success
    assert (before["held"], after["held"]) == (0, placed.json()["price_points"])


async def test_what_no_hint_told_is_found_by_looking(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream's process never reaches Redis."""
    monkeypatch.setattr(live, "POLL_SECONDS", 0.2)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    alone = settings.model_copy(update={"redis_url": NOBODY})
    async with serving(alone) as url, streamed(url, member_id, token) as stream:
        first = await stream.balance()

        await client.post("/v1/events", deal(2))

        assert (await stream.balance())["available"] > first["available"]


async def test_a_stream_goes_on_when_redis_drops_its_listeners(
    settings: Settings, client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 3600)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url, streamed(url, member_id, token) as stream:
        first = await stream.balance()

        await redis.flushdb()
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await client.post("/v1/events", deal(2))

        assert (await stream.balance())["available"] > first["available"]


async def test_an_api_that_stops_ends_its_streams_and_the_next_one_tells_what_was_missed(
    settings: Settings, client: Client
) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url:
        stop = asyncio.Event()

        async def follow() -> dict[str, Any]:
            async with streamed(url, member_id, token) as stream:
                first = await stream.balance()
                stop.set()
                with pytest.raises((EOFError, httpx.RemoteProtocolError)):
                    await stream.balance()
                return first

        following = asyncio.create_task(follow())
        await stop.wait()
    first = await following
    await client.post("/v1/events", deal(2))

    async with serving(settings) as url, streamed(url, member_id, token) as stream:
        assert (await stream.balance())["available"] > first["available"]


# -- Coming back ---------------------------------------------------------------------------------------------------


async def test_who_has_the_newest_balance_is_told_nothing_until_there_is_a_newer_one(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT_SECONDS", 0.5)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url:
        async with streamed(url, member_id, token) as stream:
            first = await stream.balance()
        async with streamed(url, member_id, token, **{"Last-Event-ID": stream.last_id}) as stream:
            await stream.heartbeat()
            await client.post("/v1/events", deal(2))
            second = await stream.balance()

    assert stream.last_id == str(second["version"])
    assert second["version"] > first["version"]


async def test_who_has_an_older_balance_is_told_the_newest_at_once(settings: Settings, client: Client) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url:
        async with streamed(url, member_id, token) as stream:
            await stream.balance()
        await client.post("/v1/events", deal(2))
        await client.post("/v1/events", deal(3))
        async with streamed(url, member_id, token, **{"Last-Event-ID": stream.last_id}) as stream:
            missed = await stream.balance()

    assert missed == (await client.get(f"/v1/members/{member_id}/balance")).json()


async def test_what_lapsed_meanwhile_is_told_though_the_version_is_the_same(settings: Settings, client: Client) -> None:
    """Nothing is posted until an expiry run does it."""
    member_id = await ada_of(client)
    lapses_at = NOW + timedelta(minutes=30)
    wanted = {"reference": "a", "member_id": member_id, "amount": 40, "expires_at": lapses_at.isoformat()}
    assert (await client.post("/v1/earnings", wanted)).is_success
    token = await token_for(client, member_id, seconds=3600)
    async with serving(settings) as url, streamed(url, member_id, token) as stream:
        first = await stream.balance()

    async with (
        serving(settings, clock=lambda: lapses_at) as url,
        streamed(url, member_id, token, **{"Last-Event-ID": stream.last_id}) as again,
    ):
        second = await again.balance()

    assert (second["version"], second["available"]) == (first["version"], first["available"] - 40)


@pytest.mark.parametrize("given", ["", "x", "-1", "9" * 40, "1.5"])
async def test_an_id_that_is_none_of_ours_is_ignored(settings: Settings, client: Client, given: str) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url, streamed(url, member_id, token, **{"Last-Event-ID": given}) as stream:
        assert (await stream.balance())["available"] > 0


# -- Bounds --------------------------------------------------------------------------------------------------------


async def test_a_member_has_so_many_streams_at_most(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_STREAMS_OF_MEMBER", 1)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(settings) as url, httpx.AsyncClient() as http, streamed(url, member_id, token):
        refused = await http.get(f"{url}/v1/members/{member_id}/balance/stream", headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")


async def test_a_hint_names_members_and_nothing_else(client: Client, redis: Redis) -> None:
    async with redis.pubsub(ignore_subscribe_messages=True) as hearing:
        await hearing.subscribe(CHANNEL)
        member_id = await ada_of(client)
        async with asyncio.timeout(BOUND_SECONDS):
            async for message in hearing.listen():
                if client.program_id in (said := message["data"].decode()):
                    break

    assert said == f"{client.program_id} {member_id}"


# -- Polling, where there is no stream -----------------------------------------------------------------------------


async def test_a_balance_that_has_not_changed_is_not_told_again(client: Client) -> None:
    path = f"/v1/members/{await ada_of(client)}/balance"
    first = await client.get(path)

    same = await client.http.get(path, headers={"If-None-Match": first.headers["etag"]})
    await client.post("/v1/events", deal(2))
    newer = await client.http.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    assert newer.status_code == 200
    assert newer.json()["available"] > first.json()["available"]
    assert newer.headers["etag"] != first.headers["etag"]


def test_a_tag_ends_when_something_lapses_though_nothing_is_posted() -> None:
    tag = etag(Balance("points", available=5, next_expiry_at=NOW, version=3))

    assert still_right(tag, 3, NOW - timedelta(seconds=1))
    assert not still_right(tag, 3, NOW)
    assert not still_right(tag, 4, NOW - timedelta(seconds=1))


@pytest.mark.parametrize("tag", ["", "*", '"x"', '"1"', '"-1.5"', '"' + "9" * 40 + '.1"'])
async def test_a_tag_that_is_none_of_ours_is_ignored(client: Client, tag: str) -> None:
    path = f"/v1/members/{await ada_of(client)}/balance"

    assert (await client.http.get(path, headers={"If-None-Match": tag})).status_code == 200
