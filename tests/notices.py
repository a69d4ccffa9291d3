"""A receiver of webhooks on a port of its own, for tests of what sandboxes send."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.sandboxes import running

_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What arrived, in order; `refuse_next` is how many of the next ones are answered with 503."""

    url: str = ""
    refuse_next: int = 0
    received: list[Received] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.received.append(Received(dict(request.headers), await request.body()))
        self.refuse_next -= 1
        return Response(status_code=503 if self.refuse_next >= 0 else 204)

    def wait_for(self, count: int) -> list[Received]:
        """The first `count`, as soon as they are there; raises AssertionError if they never are."""
        eventually(lambda: len(self.received) >= count)
        return self.received[:count]


@contextmanager
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with running(Starlette(routes=[Route("/notices", made.__call__, methods=["POST"])])) as base_url:
        made.url = f"{base_url}/notices"
        yield made


def eventually(holds: Callable[[], bool]) -> None:
    """Returns once `holds`; raises AssertionError after far longer than it should take."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
