"""Answers that are errors: Slack says what is wrong with status 200."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send


class Refused(Exception):
    """One answer with `ok` false, an error code, and what Slack adds to it."""

    def __init__(self, error: str, *, status: int = 200, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(error)
        self.status = status
        self.headers = headers or {}
        self.body = {"ok": False, "error": error, **more}


class Lost(Response):
    """The head of an answer and then a closed connection: the caller cannot know what became of the request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def explained(error: str, faults: list[str]) -> Refused:
    """What is wrong with blocks or a view, place by place."""
    messages = [f"[ERROR] {fault}" for fault in faults]
    return Refused(error, errors=faults, response_metadata={"messages": messages})


def answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse(error.body, error.status, error.headers)


def answer_invalid(request: Request, error: Exception) -> Response:
    return answer_refused(request, Refused("invalid_arguments", status=400))
