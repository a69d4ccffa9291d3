"""Slack's bad days, as it words them."""

from typing import Literal

from fastapi import Request

from sandbox.shared import faults
from sandbox.slack.errors import Refused


class Fault(faults.Fault):
    """`lost` does what was asked, and the connection ends before the answer; `refused` answers with this error.

    With a `method`, only its calls.
    """

    kind: Literal["rate_limited", "server_error", "lost", "refused", "slow", "garbled"]
    method: str | None = None
    error: str = "restricted_action"

    def strikes(self, request: Request) -> bool:
        return self.method in (None, request.path_params.get("method"))


async def spoil(request: Request) -> bool:
    """Lets the next fault, if any, answer instead of the method; whether its answer gets lost."""
    fault = await faults.strike(request)
    match fault.kind if fault else "":
        case "rate_limited":
            assert fault
            raise Refused("ratelimited", status=429, headers={"Retry-After": str(fault.retry_after_seconds)})
        case "server_error":
            raise Refused("internal_error", status=500)
        case "refused":
            assert isinstance(fault, Fault)
            raise Refused(fault.error)
        case "lost":
            return True
    return False
