"""Bad days on request: each fault spoils the next answers of the API, in the order in which faults were asked for."""

import asyncio
from typing import Literal

from fastapi import Request, Response
from pydantic import BaseModel

from sandbox.hubspot.errors import Refused, rate_limited

RATE_LIMIT = 190


class Fault(BaseModel):
    """`slow` answers well after `delay_seconds`; `garbled` answers a page of HTML."""

    kind: Literal["rate_limited", "server_error", "slow", "garbled"]
    times: int = 1
    retry_after_seconds: int = 1
    delay_seconds: float = 0.0


class Garbled(Exception):
    pass


def answer_garbled(request: Request, error: Exception) -> Response:
    return Response("<html><body>Down for maintenance</body></html>", media_type="text/html")


async def spoil(request: Request, response: Response) -> None:
    """Lets the next fault, if any, answer instead of the route."""
    response.headers["x-hubspot-ratelimit-max"] = str(RATE_LIMIT)
    response.headers["x-hubspot-ratelimit-interval-milliseconds"] = "10000"
    fault = _next(request.app.state.faults)
    if fault is None:
        return
    await asyncio.sleep(fault.delay_seconds)
    if fault.kind == "rate_limited":
        raise rate_limited(fault.retry_after_seconds)
    if fault.kind == "server_error":
        raise Refused(500, "INTERNAL_ERROR", "internal error")
    if fault.kind == "garbled":
        raise Garbled


def _next(faults: list[Fault]) -> Fault | None:
    if not faults:
        return None
    fault = faults[0]
    fault.times -= 1
    if fault.times <= 0:
        faults.pop(0)
    return fault
