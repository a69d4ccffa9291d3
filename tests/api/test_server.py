"""The server on real sockets: who is late is hung up on, and nobody is shut out by those who are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from api.server import HEAD_MAX_BYTES, Server
from cli.embedded.ports import free_port
from settings import Settings

HALF_OPEN = 200
PATIENCE_SECONDS = 1
BOUND_SECONDS = 30  # of a machine that does much else
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
# What a caller may have sent without owing us less than a whole head.
UNFINISHED = (b"", b"\r\n", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n", GET, GET + b"GET /")

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Call = Callable[[bytes], Awaitable[Line]]


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that takes its time where it is asked to, and answers with as much as it is asked for."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * PATIENCE_SECONDS)
    body = b"x" * (2**24 if scope["path"] == "/much" else 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(connections: int = 1000) -> AsyncIterator[tuple[Server, Call]]:
    """A server, and how to call it."""
    settings = Settings(laurel_port=free_port(), http_connections=connections, http_patience_seconds=PATIENCE_SECONDS)
    server = Server(lambda: answer, settings)
    running = asyncio.create_task(server.serve())
    lines: list[Line] = []

    async def call(sent: bytes) -> Line:
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.laurel_port)
        lines.append((reader, writer))
        writer.write(sent)
        return reader, writer

    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        async with asyncio.timeout(BOUND_SECONDS):
            yield server, call
    finally:
        for _, writer in lines:
            writer.close()
        server.should_exit = True
        await running


async def everything(line: Line) -> bytes:
    """What the server sends until it hangs up."""
    try:
        return await line[0].read()
    except ConnectionResetError:
        return b""


async def head(line: Line) -> bytes:
    return await line[0].readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("sent", UNFINISHED)
async def test_half_open_connections_stop_nobody_and_are_hung_up_on(sent: bytes) -> None:
    async with serving() as (server, call):
        late = [await call(sent) for _ in range(HALF_OPEN)]

        healthy = await call(GET)

        assert (await head(healthy)).startswith(b"HTTP/1.1 200")
        for line in late:
            await everything(line)
        await everything(healthy)
        assert not server.server_state.connections


async def test_a_newcomer_takes_the_place_of_who_has_been_late_longest() -> None:
    async with serving(connections=3) as (server, call):
        first, second, third = [await call(b"GET") for _ in range(3)]
        while len(server.server_state.connections) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

        newcomer = await call(GET)

        assert (await head(newcomer)).startswith(b"HTTP/1.1 200")
        assert await everything(first) == b""
        assert not second[0].at_eof()
        assert not third[0].at_eof()


async def test_who_waits_for_us_is_not_late_and_keeps_its_place() -> None:
    async with serving(connections=1) as (_, call):
        waiting = await call(GET.replace(b"/ ", b"/slow ", 1))
        await asyncio.sleep(PATIENCE_SECONDS / 10)

        newcomer = await call(GET)

        assert await everything(newcomer) == b""
        assert (await head(waiting)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("more", [b"", GET])
async def test_an_answer_that_nobody_takes_is_given_up_though_more_is_asked_for(more: bytes) -> None:
    async with serving() as (server, call):
        _, writer = await call(GET.replace(b"/ ", b"/much ", 1))
        await asyncio.sleep(PATIENCE_SECONDS / 10)
        writer.write(more)
        while not server.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

        while server.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_an_answer_that_is_taken_is_whole() -> None:
    async with serving() as (_, call):
        line = await call(GET.replace(b"/ ", b"/much ", 1))

        assert (await everything(line)).endswith(b"x" * 2**24)


async def test_what_is_no_http_is_answered_with_a_problem() -> None:
    async with serving() as (_, call):
        said, _, body = (await everything(await call(b"nonsense\r\n\r\n"))).partition(b"\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in said
    assert orjson.loads(body)["code"] == "malformed_request"


async def test_a_head_without_an_end_is_refused_before_it_is_kept() -> None:
    async with serving() as (_, call):
        line = await call(GET[:-2] + b"X: ")
        await asyncio.sleep(PATIENCE_SECONDS / 10)
        line[1].write(b"x" * (HEAD_MAX_BYTES + 1))
        said, _, body = (await everything(line)).partition(b"\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 431")
    assert orjson.loads(body)["code"] == "head_too_large"
