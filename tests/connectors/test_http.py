"""Outbound HTTP against real servers that misbehave: what is retried, what is ambiguous, what is bounded."""

import asyncio
import logging
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import stamina
from prometheus_client import REGISTRY
from stamina.instrumentation import RetryDetails
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

import connectors.http
from cli.embedded.ports import free_port
from connectors.breakers import Breaker, BreakerState
from connectors.errors import (
    Ambiguous,
    BreakerOpen,
    GarbledAnswer,
    OutsideError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from connectors.http import Bounds, Outside, retry_after_seconds
from tests.sandboxes import running

CANARY = "TEST_canary_in_the_credentials"
QUICK = Bounds(first_wait_seconds=0.01, longest_wait_seconds=0.02, answer_bytes=1000)
Answers = Callable[[Request], Awaitable[Response]]


class Server:
    """Answers calls in turn from a script, the last of which is repeated."""

    def __init__(self) -> None:
        self.script: list[Response | Answers] = [JSONResponse({})]
        self.calls: list[Request] = []
        self.called = threading.Event()

    async def __call__(self, request: Request) -> Response:
        self.calls.append(request)
        self.called.set()
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return answer if isinstance(answer, Response) else await answer(request)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    routes = [Route("/{path:path}", server.__call__, methods=["GET", "POST"])]
    with running(Starlette(routes=routes)) as base_url:
        yield base_url


@asynccontextmanager
async def connected(url: str, system: str = "vendor", bounds: Bounds = QUICK) -> AsyncIterator[Outside]:
    headers = {"authorization": f"Bearer {CANARY}"}
    outside = Outside(url, headers=headers, breaker=Breaker(system, failures_to_open=50), bounds=bounds)
    try:
        yield outside
    finally:
        await outside.aclose()


@pytest.fixture
async def outside(url: str) -> AsyncIterator[Outside]:
    async with connected(url) as made:
        yield made


async def hang(request: Request) -> Response:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


async def drip(request: Request) -> Response:
    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b"."
            await asyncio.sleep(0.02)

    return StreamingResponse(drops())


class Cut(Response):
    """A head that promises more than follows."""

    async def __call__(self, scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]}
        await send(head)


def test_no_other_connector_knows_the_client_library() -> None:
    modules = Path(connectors.http.__file__).parent.glob("*.py")

    assert [module.name for module in modules if "import httpx" in module.read_text()] == ["http.py"]


async def test_a_read_carries_the_credentials_and_its_answer_is_exact(server: Server, outside: Outside) -> None:
    server.script = [Response(b'{"amount": 0.10}', 200, {"X-Kind": "a"})]

    answer = await outside.read("things", {"page": 2})

    assert server.calls[0].url.path == "/things"
    assert server.calls[0].url.query == "page=2"
    assert server.calls[0].headers["authorization"] == f"Bearer {CANARY}"
    assert str(answer.json()["amount"]) == "0.10"
    assert answer.headers["x-kind"] == "a"


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_read_is_tried_again_until_it_is_answered(server: Server, outside: Outside, status: int) -> None:
    server.script = [Response(status_code=status), Response(status_code=status), JSONResponse({"ok": True})]

    assert (await outside.read("things")).json() == {"ok": True}
    assert len(server.calls) == 3


async def test_a_question_in_a_form_is_asked_again_whole(server: Server, outside: Outside) -> None:
    heard: list[bytes] = []

    async def hear(request: Request) -> Response:
        heard.append(await request.body())
        return JSONResponse({}, 503 if len(heard) == 1 else 200)

    server.script = [hear]
    await outside.ask("people", {"email": "ada@example.com"})

    assert heard == [b"email=ada%40example.com"] * 2
    assert {(call.method, call.url.query) for call in server.calls} == {("POST", "")}


async def test_a_read_gives_up_after_its_attempts(server: Server, outside: Outside) -> None:
    server.script = [Response(status_code=500)]

    with pytest.raises(Unavailable, match="status 500"):
        await outside.read("things")
    assert len(server.calls) == QUICK.attempts


@pytest.mark.parametrize("answer", [hang, drip, Cut()])
async def test_a_read_without_an_answer_is_unavailable(url: str, server: Server, answer: Response | Answers) -> None:
    server.script = [answer]
    bounds = Bounds(request_seconds=0.3, attempts=1, answer_bytes=10**6)

    async with connected(url, bounds=bounds) as outside:
        with pytest.raises(Unavailable):
            await outside.read("things")


@pytest.mark.parametrize("answer", [hang, drip, Cut(), Response(status_code=500), Response(status_code=503)])
async def test_a_write_without_a_clear_answer_is_ambiguous_and_sent_once(
    url: str, server: Server, answer: Response | Answers
) -> None:
    server.script = [answer]
    bounds = Bounds(request_seconds=0.3, answer_bytes=10**6)

    async with connected(url, bounds=bounds) as outside:
        with pytest.raises(Ambiguous):
            await outside.write("POST", "things", b"{}")
    assert len(server.calls) == 1


async def test_a_refused_connection_is_unavailable_for_writes_too() -> None:
    async with connected(f"http://127.0.0.1:{free_port()}") as outside:
        with pytest.raises(Unavailable):
            await outside.read("things")
        with pytest.raises(Unavailable):
            await outside.write("POST", "things", b"{}")


async def test_a_write_that_was_turned_away_took_no_effect(server: Server, outside: Outside) -> None:
    server.script = [Response(status_code=429, headers={"retry-after": "7"})]

    with pytest.raises(RateLimited) as told:
        await outside.write("POST", "things", b"{}")
    assert told.value.retry_after_seconds == 7
    assert len(server.calls) == 1


async def test_retry_after_is_waited_for(server: Server, outside: Outside) -> None:
    server.script = [Response(status_code=429, headers={"retry-after": "1"}), JSONResponse({})]
    waits: list[float] = []

    def note(details: RetryDetails) -> None:
        waits.append(details.wait_for)

    stamina.instrumentation.set_on_retry_hooks([note])
    try:
        await outside.read("things")
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)

    assert [seconds >= 1 for seconds in waits] == [True]


async def test_a_retry_after_beyond_patience_is_handed_to_the_caller(server: Server, outside: Outside) -> None:
    server.script = [Response(status_code=503, headers={"retry-after": "120"})]

    with pytest.raises(Unavailable) as told:
        await outside.read("things")
    assert told.value.retry_after_seconds == 120
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "999999"}, 3600),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "²"}, None),
        ({"date": "Sat, 21 Nov 2026 07:00:00 GMT", "retry-after": "Sat, 21 Nov 2026 07:00:30 GMT"}, 30),
        ({"date": "Sat, 21 Nov 2026 07:00:30 GMT", "retry-after": "Sat, 21 Nov 2026 07:00:00 GMT"}, 0),
        ({"retry-after": "Sat, 21 Nov 2026 07:00:30 GMT"}, None),
        ({"date": "Sat, 21 Nov 2026 07:00:00 -0000", "retry-after": "Sat, 21 Nov 2026 07:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_understood_in_both_forms_and_bounded(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


async def test_an_answer_beyond_its_bound_is_garbled_for_a_read_and_ambiguous_for_a_write(
    server: Server, outside: Outside
) -> None:
    server.script = [Response(b"x" * (QUICK.answer_bytes + 1))]

    with pytest.raises(GarbledAnswer, match="1000 bytes"):
        await outside.read("things")
    with pytest.raises(Ambiguous):
        await outside.write("POST", "things", b"{}")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 900])
async def test_an_answer_that_is_not_json_is_garbled(server: Server, outside: Outside, body: bytes) -> None:
    server.script = [Response(body)]

    answer = await outside.read("things")

    with pytest.raises(GarbledAnswer):
        answer.json()


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Rejected), (404, Rejected), (401, Unauthorized), (403, Unauthorized)]
)
async def test_a_refusal_is_not_tried_again(
    server: Server, outside: Outside, status: int, kind: type[Rejected]
) -> None:
    server.script = [Response(status_code=status)]

    with pytest.raises(Rejected) as refused:
        await outside.read("things")
    assert type(refused.value) is kind
    assert (refused.value.status, refused.value.code) == (status, f"http_{status}")
    assert len(server.calls) == 1


async def test_credentials_do_not_follow_a_redirect(server: Server, outside: Outside) -> None:
    server.script = [RedirectResponse("/elsewhere", 302)]

    with pytest.raises(Rejected):
        await outside.read("things")
    assert [call.url.path for call in server.calls] == ["/things"]


async def test_the_breaker_stops_asking_a_system_that_is_down(server: Server, url: str) -> None:
    server.script = [Response(status_code=500)]
    breaker = Breaker("vendor", failures_to_open=3)
    outside = Outside(url, headers={}, breaker=breaker, bounds=QUICK)

    with pytest.raises(Unavailable):
        await outside.read("things")
    with pytest.raises(BreakerOpen):
        await outside.read("things")
    with pytest.raises(BreakerOpen):
        await outside.write("POST", "things", b"{}")
    await outside.aclose()
    assert breaker.state is BreakerState.OPEN
    assert len(server.calls) == 3


async def test_a_system_that_refuses_is_not_down(server: Server, url: str) -> None:
    server.script = [Response(status_code=422)]
    breaker = Breaker("vendor", failures_to_open=2)
    outside = Outside(url, headers={}, breaker=breaker, bounds=QUICK)

    for _ in range(5):
        with pytest.raises(Rejected):
            await outside.read("things")
    await outside.aclose()
    assert breaker.state is BreakerState.CLOSED


async def test_a_caller_that_goes_away_leaves_the_trial_to_the_next(server: Server, url: str) -> None:
    seconds = [0.0]
    breaker = Breaker("vendor", failures_to_open=1, open_seconds=1, clock=lambda: seconds[0])
    outside = Outside(url, headers={}, breaker=breaker, bounds=Bounds(request_seconds=30))
    breaker.failed()
    seconds[0] = 2.0
    server.script = [hang, JSONResponse({})]
    trial = asyncio.create_task(outside.read("things"))
    assert await asyncio.to_thread(server.called.wait, 10)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial

    await outside.read("things")

    await outside.aclose()
    assert breaker.state is BreakerState.CLOSED


async def test_requests_are_counted_by_system_and_outcome(server: Server, url: str) -> None:
    server.script = [JSONResponse({}), Response(status_code=404), Cut()]

    async with connected(url, "counted") as outside:
        await outside.read("things")
        for kind in (Rejected, Ambiguous):
            with pytest.raises(kind):
                await outside.write("POST", "things")

    counts = [
        REGISTRY.get_sample_value("laurel_outside_requests_total", {"system": "counted", "outcome": outcome})
        for outcome in ("2xx", "4xx", "no_answer")
    ]
    assert counts == [1, 1, 1]


@pytest.mark.parametrize(
    "answer", [hang, Cut(), *(Response(CANARY, status) for status in (200, 302, 401, 404, 429, 500))]
)
async def test_no_error_and_no_log_shows_the_credentials(
    server: Server, url: str, answer: Response | Answers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = [answer]
    bounds = Bounds(request_seconds=0.2, attempts=2, first_wait_seconds=0.01)
    shown = []

    async with connected(url, bounds=bounds) as outside:
        for call in (outside.read("things"), outside.write("POST", "things")):
            try:
                (await call).json()
            except OutsideError as error:
                shown.append("".join(traceback.format_exception(error)) + repr(error))

    assert len(shown) == 2
    assert CANARY not in "".join(shown) + caplog.text
