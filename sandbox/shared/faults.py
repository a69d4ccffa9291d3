"""Bad days on request: each fault spoils the next answers of the API, in the order in which faults were asked for."""

import asyncio

from fastapi import Request, Response
from pydantic import BaseModel


class Fault(BaseModel):
    """One kind of bad day, `times` times. A vendor says which kinds it has; `garbled` and `slow` mean the same to all.

    `slow` answers well after `delay_seconds`; `garbled` answers a page of HTML.
    """

    kind: str
    times: int = 1
    retry_after_seconds: int = 1
    delay_seconds: float = 0.0

    def strikes(self, request: Request) -> bool:
        """Whether it spoils the answer to this request."""
        return True


class Garbled(Exception):
    """Becomes a page of HTML."""


def answer_garbled(request: Request, error: Exception) -> Response:
    return Response("<html><body>Down for maintenance</body></html>", media_type="text/html")


async def strike(request: Request) -> Fault | None:
    """The fault that spoils this answer, if one does, once its delay is over; raises Garbled."""
    fault = _next(request)
    if fault is None:
        return None
    await asyncio.sleep(fault.delay_seconds)
    if fault.kind == "garbled":
        raise Garbled
    return fault


def _next(request: Request) -> Fault | None:
    faults: list[Fault] = request.app.state.faults
    fault = next((one for one in faults if one.strikes(request)), None)
    if fault is None:
        return None
    fault.times -= 1
    if fault.times <= 0:
        faults.remove(fault)
    return fault
