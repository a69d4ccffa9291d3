"""What operators and machines ask about the process: is it alive, is it ready, which version, what does it count."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from temporalio.client import Client

import telemetry
from api.answers import answer
from api.backends import Backends, backends
from api.operations import documented
from api.problems import TABLE, Problem
from api.schemas.health import Readiness, Version
from api.schemas.problems import ErrorDocument
from storage import schema

CHECK_SECONDS = 2.0
VERSION = version("laurel")

router = APIRouter(tags=["operations"])


@router.get("/healthz", operation_id="healthz", summary="Whether the process is alive")
async def healthz() -> dict[str, str]:
    """Always 200 while the process answers at all."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether the process can do its work",
    response_model=None,
    responses={
        200: {"model": Readiness, "description": "Ready, or degraded: what is away is named and will catch up."},
        503: {"model": Readiness, "description": "The database is away, or its migrations are behind."},
    },
)
async def readyz(request: Request) -> Response:
    """Only the database is needed: while Redis or Temporal is away, events and orders are accepted and catch up."""
    here = backends(request)
    names = ("database", "redis", "temporal")
    checks = await asyncio.gather(_state(_database(here)), _state(_redis(here)), _state(_temporal(here.temporal)))
    states = dict(zip(names, checks, strict=True))
    if states["database"] != "ok":
        return answer({"status": "unavailable", "checks": states}, 503)
    return answer({"status": "ready" if set(checks) == {"ok"} else "degraded", "checks": states})


@router.get("/version", operation_id="version", summary="Which version runs here")
async def get_version() -> Version:
    """The version of the installed package."""
    return Version(version=VERSION)


@router.get(
    "/errors/{code}",
    operation_id="explain_error",
    summary="What a problem's code means",
    responses=documented(("not_found", "invalid_request")),
)
async def explain_error(code: Annotated[str, Path(pattern="^[a-z_]{1,64}$", examples=["not_found"])]) -> ErrorDocument:
    """Where the `type` of every problem leads."""
    kind = TABLE.get(code)
    if kind is None:
        raise Problem("not_found", "no such code")
    return ErrorDocument(
        code=kind.code, status=kind.status, retryable=kind.retryable, title=kind.title, meaning=kind.meaning
    )


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text form."}
    },
)
async def metrics() -> Response:
    """No personal data and no secrets, but keep it inside your network."""
    page, content_type = telemetry.metrics_page()
    return Response(page, media_type=content_type)


async def _state(check: Awaitable[str]) -> str:
    """What a check says, or that nothing answered in time; the reason is in the log of whoever is away."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check
    except Exception:
        return "away"


async def _database(here: Backends) -> str:
    async with here.database.engine.connect() as connection:
        return "ok" if await schema.current(connection) == schema.head() else "migrations behind"


async def _redis(here: Backends) -> str:
    await here.redis.ping()
    return "ok"


async def _temporal(client: Client) -> str:
    healthy = await client.service_client.check_health(timeout=timedelta(seconds=CHECK_SECONDS))
    return "ok" if healthy else "away"
