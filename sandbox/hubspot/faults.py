"""HubSpot's bad days, as it words them."""

from typing import Literal

from fastapi import Request, Response

from sandbox.hubspot.errors import Refused, rate_limited
from sandbox.shared import faults

RATE_LIMIT = 190


class Fault(faults.Fault):
    kind: Literal["rate_limited", "server_error", "slow", "garbled"]


async def spoil(request: Request, response: Response) -> None:
    """Lets the next fault, if any, answer instead of the route."""
    response.headers["x-hubspot-ratelimit-max"] = str(RATE_LIMIT)
    response.headers["x-hubspot-ratelimit-interval-milliseconds"] = "10000"
    fault = await faults.strike(request)
    if fault is None:
        return
    if fault.kind == "rate_limited":
        raise rate_limited(fault.retry_after_seconds)
    if fault.kind == "server_error":
        raise Refused(500, "INTERNAL_ERROR", "internal error")
