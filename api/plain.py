"""Plain routes: a fixed path whose endpoint takes the request alone is found in a table and called at once.

Everything else goes through FastAPI's router, which tries the routes one after the other and prepares for what a plain
endpoint does not ask for; for a single event that took a fifth of the API's time.
"""

from collections.abc import Awaitable, Callable, Iterable

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.operations import Operation

Handle = Callable[[Request], Awaitable[Response]]


class PlainRoutes:
    """Innermost: calls plain routes directly, and leaves all other requests to the application."""

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self.app = app
        self._found: dict[tuple[str, str], tuple[Operation, Handle]] = {
            (method, route.path): (route, route.get_route_handler())
            for router in routers
            for route in router.routes
            if isinstance(route, Operation) and route.is_plain
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._found.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        scope["route"], handle = found
        answer = await handle(Request(scope, receive, send))
        await answer(scope, receive, send)
