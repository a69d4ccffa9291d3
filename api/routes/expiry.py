"""Expiry runs: what time does to the value of the caller's program, now and not at the schedule's next run."""

import asyncio
import time

from fastapi import APIRouter, Request, Response

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.schemas.expiry import ExpiryRunDocument
from domain.scopes import Scope
from storage import expiry
from storage.expiry import Page

router = APIRouter(route_class=Operation, tags=["ledger"])

RUN_SECONDS = 15


@router.post(
    "/v1/expiry/runs",
    operation_id="run_expiry",
    summary="Do what is due: expire, give back, refill, warn",
    **operation(Scope.LEDGER_WRITE, {200: ExpiryRunDocument}),
)
async def run_expiry(request: Request) -> Response:
    """All of it, or as much as fits 15 seconds at EXPIRY_LOTS_PER_SECOND; once, however often it is asked for."""
    here, as_of = backends(request), backends(request).clock()
    until, finished = time.monotonic() + RUN_SECONDS, True

    async def go_on(page: Page) -> bool:
        nonlocal finished
        await asyncio.sleep(page.done / here.settings.expiry_lots_per_second)
        finished = time.monotonic() < until
        return finished

    program_ids = [caller(request).program_id]
    done = await expiry.run_all(here.database, as_of=as_of, clock=here.clock, program_ids=program_ids, go_on=go_on)
    told = {str(duty): count for duty, count in done.items()}
    return answer({"as_of": as_of, "done": told, "finished": finished})
