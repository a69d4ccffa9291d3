"""Live balances over WebSockets on a real server: the same as by server-sent events, and nobody is waited for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import websockets
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from api import auth, live, server
from api.routes import live as routes
from cli.embedded.ports import free_port
from cli.embedded.processes import Child
from cli.embedded.redis import Redis as EmbeddedRedis
from settings import Settings
from storage import balance_changes
from storage.balance_changes import CHANNEL
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal
from tests.api.test_live import serving, streamed
from tests.api.test_member_tokens import PAGE, ada_of, allow, token_for
from tests.deployment import kill
from tests.programs import NOW

SUBPROTOCOL = Subprotocol("laurel.balance")


def address(url: str, member_id: str, query: str = "") -> str:
    return f"{url.replace('http', 'ws', 1)}/v1/members/{member_id}/balance/socket{query}"


@asynccontextmanager
async def connected(
    url: str, member_id: str, token: str, query: str = "", **more: Any
) -> AsyncIterator[ClientConnection]:
    """As a page does it: the token is one of the subprotocols."""
    async with websockets.connect(
        address(url, member_id, query), subprotocols=[SUBPROTOCOL, Subprotocol(token)], compression=None, **more
    ) as line:
        yield line


async def told(line: ClientConnection) -> dict[str, Any]:
    """The next message."""
    async with asyncio.timeout(30):
        message: dict[str, Any] = orjson.loads(await line.recv())
    return message


async def closed(line: ClientConnection) -> tuple[int, str]:
    """With which code and reason the server closes."""
    async with asyncio.timeout(30):
        await line.wait_closed()
    return line.close_code or 0, line.close_reason or ""


async def refused(url: str, member_id: str, *offered: str, query: str = "", **more: Any) -> tuple[int, str]:
    """With which status and problem the server answers instead of switching."""
    with pytest.raises(InvalidStatus) as answer:
        await websockets.connect(
            address(url, member_id, query), subprotocols=[Subprotocol(one) for one in offered] or None, **more
        )
    response = answer.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status_code, orjson.loads(response.body or b"")["code"]


async def test_a_socket_tells_the_present_balance_and_each_newer_one(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 3600)
    member_id = await ada_of(client)
    async with serving(settings) as url, connected(url, member_id, await token_for(client, member_id)) as line:
        first = await told(line)

        await client.post("/v1/events", deal(2))
        second = await told(line)
    read = (await client.get(f"/v1/members/{member_id}/balance")).json()

    assert line.subprotocol == SUBPROTOCOL
    assert (first["event"], second["event"]) == ("balance", "balance")
    assert second["data"] == read
    assert second["id"] == read["version"] > first["id"]


async def test_programs_call_with_a_key_in_the_header(settings: Settings, client: Client) -> None:
    member_id = await ada_of(client)
    headers = {"Authorization": f"Bearer {client.key}"}
    async with (
        serving(settings) as url,
        websockets.connect(address(url, member_id), additional_headers=headers) as line,
    ):
        message = await told(line)

    assert message["data"]["available"] > 0


# -- Coming back ---------------------------------------------------------------------------------------------------


async def test_who_has_the_newest_balance_is_told_nothing_until_there_is_a_newer_one(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 0.1)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url:
        async with connected(url, member_id, token) as line:
            first = await told(line)
        async with connected(url, member_id, token, f"?last_event_id={first['id']}") as line:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await line.recv()
            await client.post("/v1/events", deal(2))
            second = await told(line)
        async with connected(url, member_id, token, f"?last_event_id={first['id']}") as line:
            missed = await told(line)

    assert second["id"] > first["id"]
    assert missed == second


async def test_while_redis_is_dead_balances_come_by_looking_and_when_it_is_back_by_hints(
    settings: Settings, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One API process takes the events, and another one tells the balances."""
    monkeypatch.setattr(live, "POLL_SECONDS", 0.3)
    own_redis = EmbeddedRedis(free_port())
    redis = Child.start(own_redis.program(tmp_path / "redis.log"))
    shared = settings.model_copy(update={"redis_url": own_redis.url})
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {client.key}"}, timeout=30) as http,
        serving(shared) as taking,
        serving(shared) as telling,
        streamed(telling, member_id, token) as stream,
        connected(telling, member_id, token) as line,
    ):

        async def earn_and_see(number: int) -> tuple[int, int]:
            earned = await http.post(f"{taking}/v1/events", json=deal(number))
            assert earned.status_code == 201
            return (await stream.balance())["version"], (await told(line))["id"]

        await stream.balance()
        await told(line)
        kill(redis)
        dead = await earn_and_see(2)
        monkeypatch.setattr(live, "POLL_SECONDS", 3600)
        redis = Child.start(own_redis.program(tmp_path / "redis.log"))
        await listened(own_redis.url, 2)
        await asyncio.sleep(balance_changes.TIMEOUT_SECONDS + balance_changes.RETRY_SECONDS)  # of who could not send
        await earn_and_see(3)
        back = await earn_and_see(4)
    redis.stop()

    assert dead[0] == dead[1] < back[0] == back[1]


async def listened(redis_url: str, by: int) -> None:
    """Until so many processes listen for hints."""
    async with Redis.from_url(redis_url) as redis:
        while dict(await redis.pubsub_numsub(CHANNEL)).get(CHANNEL.encode(), 0) < by:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


# -- Who may ---------------------------------------------------------------------------------------------------------


async def test_nobody_is_let_in_before_it_is_clear_who_it_is(
    settings: Settings, client: Client, make_client: MakeClient
) -> None:
    member_id = await ada_of(client)
    other = await make_client()
    grace = (await client.post("/v1/members", {"external_id": "grace", "name": "Grace"})).json()["id"]
    token = await token_for(client, member_id)
    theirs = await token_for(other, await ada_of(other))
    async with serving(settings) as url:
        answers = [
            await refused(url, member_id),
            await refused(url, member_id, SUBPROTOCOL, token[:-1]),
            await refused(url, member_id, SUBPROTOCOL, client.key),  # keys do not belong into pages
            await refused(url, member_id, SUBPROTOCOL, theirs),
            await refused(url, grace, SUBPROTOCOL, token),
            await refused(url, member_id, SUBPROTOCOL, token, query="?unit=marbles"),
            await refused(url, member_id, SUBPROTOCOL, token, query="?last_event_id=x"),
            await refused(f"{url}/v1/nothing", member_id, SUBPROTOCOL, token),
            await refused(f"{url}/nothing", member_id, SUBPROTOCOL, token),
        ]

    assert answers == [
        (401, "unauthenticated"),
        (401, "unauthenticated"),
        (401, "unauthenticated"),
        (403, "forbidden"),
        (403, "forbidden"),
        (404, "not_found"),
        (422, "invalid_request"),
        (404, "not_found"),
        (404, "not_found"),
    ]


async def test_only_pages_of_the_programs_origins_are_let_in(
    settings: Settings, client: Client, engine: AsyncEngine
) -> None:
    await allow(engine, client.program_id, PAGE)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url:
        async with connected(url, member_id, token, origin=PAGE) as line:
            assert (await told(line))["data"]["available"] > 0
        strangers = [await refused(url, member_id, SUBPROTOCOL, token, origin=f"{PAGE}.evil") for _ in range(2)]

    assert strangers == [(403, "forbidden")] * 2


async def test_a_token_that_ends_closes_the_socket(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT_SECONDS", 0.2)
    member_id = await ada_of(client)
    token = await token_for(client, member_id, seconds=60)
    clock = [NOW]
    async with serving(settings, clock=lambda: clock[0]) as url, connected(url, member_id, token) as line:
        await told(line)
        clock[0] += timedelta(seconds=60)

        assert await closed(line) == (4401, "unauthenticated")


async def test_an_origin_that_is_taken_from_the_list_closes_the_socket(
    settings: Settings, client: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(auth, "KEY_CACHE_SECONDS", 0)
    await allow(engine, client.program_id, PAGE)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url, connected(url, member_id, token, origin=PAGE) as line:
        await told(line)
        await allow(engine, client.program_id)

        assert await closed(line) == (4403, "forbidden")


# -- Bounds --------------------------------------------------------------------------------------------------------


async def test_streams_and_sockets_of_a_member_are_counted_together(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_STREAMS_OF_MEMBER", 1)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    stream = f"/v1/members/{member_id}/balance/stream"
    async with serving(settings) as url, connected(url, member_id, token), httpx.AsyncClient() as http:
        by_events = await http.get(f"{url}{stream}", headers={"Authorization": f"Bearer {token}"})
        by_socket = await refused(url, member_id, SUBPROTOCOL, token)

    assert by_events.status_code == 429
    assert by_socket == (429, "rate_limited")


@pytest.mark.parametrize("said", ["hello", b"hello", ["hel", "lo"], "x" * 1_000])
async def test_who_says_something_is_closed_on(settings: Settings, client: Client, said: Any) -> None:
    member_id = await ada_of(client)
    async with serving(settings) as url, connected(url, member_id, await token_for(client, member_id)) as line:
        await told(line)
        await line.send(said)

        code, _ = await closed(line)

    assert code == (CloseCode.MESSAGE_TOO_BIG if len(said) == 1_000 else CloseCode.UNSUPPORTED_DATA)


async def test_pings_are_answered(settings: Settings, client: Client) -> None:
    member_id = await ada_of(client)
    async with serving(settings) as url, connected(url, member_id, await token_for(client, member_id)) as line:
        async with asyncio.timeout(30):
            assert await (await line.ping()) > 0


async def test_who_answers_no_ping_is_closed_on(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PING_SECONDS", 0.2)
    monkeypatch.setattr(server, "PONG_SECONDS", 0.5)
    member_id = await ada_of(client)
    before = ended("slow")
    async with serving(settings) as url, raw(url, member_id, await token_for(client, member_id)) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(30):
            said = await reader.read()  # everything until the end, and no pong

    assert b"\x03\xf3keepalive ping timeout" in said
    assert ended("slow") == before + 1


async def test_who_reads_slowly_skips_to_the_newest_and_who_never_reads_is_hung_up_on(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 3600)
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    monkeypatch.setattr(server, "UNREAD_BYTES", 1)  # the kernel takes its least instead
    impatient = settings.model_copy(update={"http_patience_seconds": 2})
    slow, overtaken = ended("slow"), outcome("overtaken")
    async with serving(impatient) as url, raw(url, member_id, token, receive_bytes=2048) as (_, transport):
        transport.pause_reading()
        number = 2
        while outcome("overtaken") == overtaken:
            await client.post("/v1/events", deal(number))
            number += 1
        assert REGISTRY.get_sample_value("laurel_live_streams_behind") == 1
        while ended("slow") == slow:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_server_that_stops_says_so(settings: Settings, client: Client) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    async with serving(settings) as url:
        line = await websockets.connect(address(url, member_id), subprotocols=[SUBPROTOCOL, Subprotocol(token)])
        await told(line)

    assert await closed(line) == (CloseCode.SERVICE_RESTART, "")


async def test_a_stream_is_no_latency(settings: Settings, client: Client) -> None:
    member_id = await ada_of(client)
    token = await token_for(client, member_id)
    headers = {"Authorization": f"Bearer {token}"}
    answered, measured = streams("requests_total", status="101"), streams("request_seconds_count")
    async with serving(settings) as url:
        async with connected(url, member_id, token) as line:
            await told(line)
        path = f"{url}/v1/members/{member_id}/balance/stream"
        async with httpx.AsyncClient() as http, http.stream("GET", path, headers=headers) as answer:
            await anext(answer.aiter_lines())

    assert streams("requests_total", status="101") == answered + 1
    assert streams("request_seconds_count") == measured


# -- Raw sockets ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def raw(
    url: str, member_id: str, token: str, receive_bytes: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.ReadTransport]]:
    """A caller that sends a handshake and then nothing, not even pongs."""
    host, port = url.removeprefix("http://").split(":")
    line = socket.socket()
    if receive_bytes:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    line.connect((host, int(port)))
    reader, writer = await asyncio.open_connection(sock=line, limit=2**20)
    writer.write(
        handshake(f"/v1/members/{member_id}/balance/socket", f"Sec-WebSocket-Protocol: {SUBPROTOCOL}, {token}")
    )
    yield reader, writer.transport  # type: ignore[misc]
    writer.close()


async def test_a_handshake_that_is_none_is_refused(settings: Settings, client: Client) -> None:
    """Before anybody is asked who calls."""
    path = f"/v1/members/{await ada_of(client)}/balance/socket"
    good = handshake(path)
    async with serving(settings.model_copy(update={"http_patience_seconds": 1})) as url:
        no_key = await everything(url, good.replace(b"Sec-WebSocket-Key", b"X-Key"))
        other_version = await everything(url, good.replace(b"Version: 13", b"Version: 8"))
        too_many = await everything(url, handshake(path, *(f"X-{n}: x" for n in range(200))))
        posted = await everything(url, good.replace(b"GET", b"POST"))

    assert no_key.startswith(b"HTTP/1.1 400")
    assert b'"code":"malformed_request"' in no_key
    assert other_version.startswith(b"HTTP/1.1 400")
    assert posted.startswith(b"HTTP/1.1 400")
    assert too_many == b""


async def everything(url: str, sent: bytes) -> bytes:
    """What the server answers until it hangs up."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def handshake(path: str, *headers: str) -> bytes:
    usual = (
        f"GET {path} HTTP/1.1",
        "Host: a",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    return "\r\n".join((*usual, *headers, "", "")).encode()


def ended(how: str) -> float:
    return REGISTRY.get_sample_value("laurel_live_stream_seconds_count", {"door": "socket", "end": how}) or 0


def streams(metric: str, **labels: str) -> float:
    """What a metric of HTTP says of streams and sockets together."""
    routes = (f"/v1/members/{{member_id}}/balance/{door}" for door in ("socket", "stream"))
    values = (
        REGISTRY.get_sample_value(f"laurel_http_{metric}", {"method": "GET", "route": route, **labels})
        for route in routes
    )
    return sum(filter(None, values))


def outcome(of: str) -> float:
    return REGISTRY.get_sample_value("laurel_live_balances_total", {"outcome": of}) or 0
