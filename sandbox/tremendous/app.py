"""Puts the sandbox together; every part is given what it needs, so any number can run side by side."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette

from sandbox.tremendous.control import Control
from sandbox.tremendous.courier import Courier
from sandbox.tremendous.pages import Pages
from sandbox.tremendous.store import Store
from sandbox.tremendous.wire import Wire


def create_app(
    *,
    data: Path | None = None,
    webhook_url: str | None = None,
    webhook_key: str | None = None,
    requests_per_second: int | None = None,
    delivery_seconds: float = 0.0,
) -> Starlette:
    """The sandbox as an ASGI application.

    `data` keeps its state in a file. `webhook_url` receives the notices, signed with `webhook_key` (made up if None).
    `requests_per_second` turns the rate limit on. An e-mail takes `delivery_seconds`.
    """
    store = Store(data)
    courier = Courier(store, delivery_seconds)
    wire = Wire(store, courier, requests_per_second)
    if webhook_url is not None:
        wire.set_webhook(webhook_url, webhook_key)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(courier.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            store.close()

    routes = [*wire.routes(), *Control(store, courier, wire).routes(), *Pages(store).routes()]
    return Starlette(routes=routes, lifespan=lifespan)
