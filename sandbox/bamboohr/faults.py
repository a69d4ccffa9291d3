"""Bad days on request: each fault spoils the next answers of the API, in the order in which faults were asked for."""

import asyncio
from typing import Literal

from fastapi import Request, Response
from pydantic import BaseModel

from sandbox.bamboohr.errors import Refused


class Fault(BaseModel):
    """`slow` answers well after `delay_seconds`; `garbled` answers a page of HTML; `unauthorized` knows no key."""

    kind: Literal["rate_limited", "unavailable", "server_error", "unauthorized", "slow", "garbled"]
    times: int = 1
    retry_after_seconds: int = 1
    delay_seconds: float = 0.0


class Garbled(Exception):
    pass


def answer_garbled(request: Request, error: Exception) -> Response:
    return Response("<html><body>Down for maintenance</body></html>", media_type="text/html")


async def spoil(request: Request) -> None:
    """Lets the next fault, if any, answer instead of the route."""
    fault = _next(request.app.state.faults)
    if fault is None:
        return
    await asyncio.sleep(fault.delay_seconds)
    match fault.kind:
        case "rate_limited":
            raise Refused(429, "Rate limit exceeded", fault.retry_after_seconds)
        case "unavailable":
            raise Refused(503, "Service Unavailable", fault.retry_after_seconds)
        case "server_error":
            raise Refused(500, "Internal Server Error")
        case "unauthorized":
            raise Refused(401, "Unauthorized")
        case "garbled":
            raise Garbled


def _next(faults: list[Fault]) -> Fault | None:
    if not faults:
        return None
    fault = faults[0]
    fault.times -= 1
    if fault.times <= 0:
        faults.pop(0)
    return fault
