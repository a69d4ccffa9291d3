"""The API as one application: settings -> connections -> middlewares -> routes. No logic."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError, ValidationException, WebSocketRequestValidationError
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from redis.asyncio import Redis
from starlette.exceptions import HTTPException
from temporalio.client import Client

import runtime
from api import operations, problems
from api.admin import pages
from api.auth import Authentication, Keys
from api.backends import Backends
from api.charts import read_chart
from api.cors import Preflights, origin_of
from api.cursors import Cursors
from api.limits import Allowance, RateLimits
from api.live import Live
from api.long_answers import LongAnswers
from api.plain import PlainRoutes
from api.problems import Problem
from api.requests import Requests
from api.routes import ROUTERS
from api.routes.health import VERSION
from api.slack.bolt import SlackApp
from api.writer import Writer
from connectors.slack.web import Slacks
from domain.member_tokens import TokenSigner
from domain.reports import Chart
from domain.time import Clock
from settings import Settings
from storage.balance_changes import BalanceChanges, Changed
from storage.database import Database
from storage.keyring import Keyring
from storage.wakeups import Wakeups
from workflows.plugin import data_converter

DESCRIPTION = """\
Events become points by reviewed rules; points become rewards. Every request names an API key of one program.

Errors are `application/problem+json` (RFC 9457) with a stable `code`. Send an `Idempotency-Key` with every POST that
you may have to repeat. Lists go on with `next_cursor`.
"""
REDIS_TIMEOUT_SECONDS = 2.0
# Of FastAPI, which would look for OpenTelemetry in the environment at each request; metrics are api.requests' own.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


def utc_now() -> datetime:
    """The process's clock."""
    return datetime.now(UTC)


def create_app(settings: Settings, *, clock: Clock = utc_now) -> FastAPI:
    """The application; `python -m api` serves it."""
    wakeups = Wakeups(settings.listen_url)
    changes = BalanceChanges(settings.redis_url)
    database = Database(
        settings.database_url,
        pool_size=settings.database_pool_size,
        ring=wakeups.ring,
        tell=lambda changed: _tell(changed, changes, live),
    )
    live = Live(database, changes, clock)
    allowance = Allowance(settings.redis_url, settings.requests_per_minute, clock)
    chart = read_chart(settings.general_ledger_chart)
    signer = TokenSigner(settings.laurel_secret_keys)
    made = partial(_backends, settings, clock, database, allowance, chart, signer, live)
    app = FastAPI(
        title="Laurel",
        version=VERSION,
        lifespan=_lifespan(made, wakeups, changes),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.openapi = operations.describe(app, DESCRIPTION)  # type: ignore[method-assign]
    for router in ROUTERS:
        # As they are: `include_router` would make each of them anew, at the first requests, for a tenth of a second.
        app.router.routes.extend(router.routes)
    # The last one added stands outermost.
    app.add_middleware(PlainRoutes, routers=ROUTERS)
    app.add_middleware(RateLimits, allowance=allowance)
    own_origin = origin_of(settings.laurel_public_url)
    app.add_middleware(Authentication, keys=Keys(database, clock), signer=signer, own_origin=own_origin, clock=clock)
    app.add_middleware(Preflights, paths=operations.paths_for_members(ROUTERS))
    app.add_middleware(Requests)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(WebSocketRequestValidationError, _refuse_socket)
    app.add_exception_handler(HTTPException, _answer_http)
    return app


def _lifespan(
    made: Callable[[], Awaitable[Backends]], wakeups: Wakeups, changes: BalanceChanges
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime.spare_the_collector()
        here = await made()
        app.state.backends = here
        app.state.slack = SlackApp(here.database, here.keyring, here.slacks, here.redis, here.clock)
        loops = wakeups.send(), changes.send(), here.live.hear(), here.live.feed()
        beside = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            await here.writer.close()
            await runtime.end(beside)
            await here.slacks.aclose()
            await here.redis.aclose()
            await changes.aclose()
            await here.database.dispose()

    return lifespan


async def _backends(
    settings: Settings,
    clock: Clock,
    database: Database,
    allowance: Allowance,
    chart: Chart,
    signer: TokenSigner,
    live: Live,
) -> Backends:
    """What is made beside what the middlewares have; nothing is connected before it is used."""
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    return Backends(
        settings,
        clock,
        database,
        redis=Redis.from_url(
            settings.redis_url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        ),
        temporal=await Client.connect(
            settings.temporal_address,
            namespace=settings.temporal_namespace,
            data_converter=data_converter(keyring),
            lazy=True,
        ),
        keyring=keyring,
        writer=Writer(database, clock),
        cursors=Cursors(settings.laurel_secret_keys),
        allowance=allowance,
        admin_allowance=Allowance(settings.redis_url, settings.admin_requests_per_minute, clock),
        chart=chart,
        signer=signer,
        live=live,
        long_answers=LongAnswers(),
        slacks=Slacks(settings.slack_api_url),
    )


def _tell(changed: Changed, changes: BalanceChanges, live: Live) -> None:
    """Others over Redis, and at once whoever watches here: also while Redis is away."""
    changes.tell(changed)
    live.changed(changed)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    """FastAPI's own validation concerns parameters only: bodies are parsed by api.bodies."""
    assert isinstance(error, RequestValidationError)
    return _say(_faults(error), request)


async def _refuse_socket(websocket: WebSocket, error: Exception) -> None:
    assert isinstance(error, WebSocketRequestValidationError)
    await websocket.send_denial_response(problems.answer(_faults(error), websocket.scope["path"]))


def _faults(error: ValidationException) -> Problem:
    faults = [{"parameter": str(fault["loc"][-1]), "detail": fault["msg"]} for fault in error.errors()]
    return Problem("invalid_request", "faults in the parameters", errors=faults)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    if error.status_code == 405:
        return _say(Problem("method_not_allowed", headers={"Allow": ", ".join(_allowed(path))}), request)
    code = "not_found" if error.status_code == 404 else "internal_error"
    return _say(Problem(code, headers=error.headers), request)


def _say(problem: Problem, request: Request) -> Response:
    path = request.scope["path"]
    return pages.fault(request, problem) if pages.are_at(path) else problems.answer(problem, path)


def _allowed(path: str) -> list[str]:
    """Every method of a path: Starlette names those of the first route that matches it."""
    routes = (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))
    return sorted({method for route in routes if route.path_regex.match(path) for method in route.methods or ()})
