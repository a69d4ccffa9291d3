"""BambooHR's bad days, as it words them."""

from typing import Literal

from fastapi import Request

from sandbox.bamboohr.errors import Refused
from sandbox.shared import faults


class Fault(faults.Fault):
    """`unauthorized` knows no key."""

    kind: Literal["rate_limited", "unavailable", "server_error", "unauthorized", "slow", "garbled"]


async def spoil(request: Request) -> None:
    """Lets the next fault, if any, answer instead of the route."""
    fault = await faults.strike(request)
    if fault is None:
        return
    match fault.kind:
        case "rate_limited":
            raise Refused(429, "Rate limit exceeded", fault.retry_after_seconds)
        case "unavailable":
            raise Refused(503, "Service Unavailable", fault.retry_after_seconds)
        case "server_error":
            raise Refused(500, "Internal Server Error")
        case "unauthorized":
            raise Refused(401, "Unauthorized")
