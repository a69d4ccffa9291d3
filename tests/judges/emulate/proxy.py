"""What stands before emulate: it loses answers to what emulate has done."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from fastapi import FastAPI, Request, Response

from sandbox.slack.errors import Lost
from tests.sandboxes import running


@dataclass
class Proxy:
    """Slack's base URL as it is reached by way of the proxy; of each method in `losing` the next answer is lost."""

    url: str = ""
    losing: list[str] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)  # calls that emulate has answered, by method


@contextmanager
def running_proxy(upstream: str) -> Iterator[Proxy]:
    """Passes everything on until the block ends."""
    app, proxy = FastAPI(), Proxy()

    @app.post("/api/{method}")
    async def forward(method: str, request: Request) -> Response:
        headers = {name: request.headers.get(name, "") for name in ("authorization", "content-type")}
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{upstream}/api/{method}", content=await request.body(), headers=headers)
        proxy.taken[method] += 1
        if method in proxy.losing:
            proxy.losing.remove(method)
            return Lost()
        return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])

    with running(app) as proxy.url:
        yield proxy
