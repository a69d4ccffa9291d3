"""What stands before emulate: it loses answers to what emulate has done.

What we ask by GET, it asks by POST: Slack takes both, emulate only that.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from fastapi import FastAPI, Request, Response

from sandbox.slack.errors import Lost
from tests.sandboxes import running

FORM = "application/x-www-form-urlencoded"


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

    @app.api_route("/api/{method}", methods=["GET", "POST"])
    async def forward(method: str, request: Request) -> Response:
        headers = {"authorization": request.headers.get("authorization", "")}
        content, content_type = await request.body(), request.headers.get("content-type", FORM)
        if request.method == "GET":
            content = request.url.query.encode()
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{upstream}/api/{method}", content=content, headers=headers | {"content-type": content_type}
            )
        proxy.taken[method] += 1
        if method in proxy.losing:
            proxy.losing.remove(method)
            return Lost()
        return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])

    with running(app) as proxy.url:
        yield proxy
