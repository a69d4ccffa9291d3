"""Bodies: read from the connection within a limit, and parsed strictly into a model."""

import asyncio
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from api import headers
from api.problems import MAX_ERRORS, Problem

SMALL_BYTES = 64 * 1024
BATCH_BYTES = 4 * 1024 * 1024
# How long a sender may take over one body; a slower one would keep its place for as long as it likes.
BODY_SECONDS = 30
RETRY_SECONDS = 1
# Begins the tags of unions, which are no part of the body.
CHOICE = "oneOf:"

Model = TypeVar("Model")


async def read(request: Request, limit_bytes: int) -> bytes:
    """The whole body; raises Problem body_too_large before more than the limit is kept, or request_timeout."""
    declared = headers.find(request.scope, b"content-length") or ""
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    if "is_whole" in request.scope:  # a deadline costs more than reading what is there
        return await _receive(request, limit_bytes)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _receive(request, limit_bytes)
    except TimeoutError:
        closing = {"Connection": "close"}
        raise Problem("request_timeout", headers=closing, retry_after_seconds=RETRY_SECONDS) from None


async def _receive(request: Request, limit_bytes: int) -> bytes:
    chunks, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def require_json(request: Request) -> None:
    """Raises Problem unsupported_media_type unless the body is declared as JSON in UTF-8."""
    declared = headers.find(request.scope, b"content-type") or ""
    if declared == "application/json":
        return
    media_type, _, parameters = declared.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8"):
        raise Problem("unsupported_media_type")


def parse(model: type[Model], body: bytes) -> Model:
    """The body as the model; raises Problem malformed_json, or invalid_request with a JSON pointer per fault."""
    adapter: TypeAdapter[Model] = _adapter(model)  # type: ignore[arg-type]
    return parse_with(adapter, body)


def parse_with(adapter: TypeAdapter[Model], body: bytes) -> Model:
    """The body as what the adapter reads, for types that are no classes; raises as `parse` does."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise _fault(error) from None


async def read_json(request: Request, limit_bytes: int = SMALL_BYTES) -> bytes:
    """The body of a request that declares JSON, still to be parsed."""
    require_json(request)
    return await read(request, limit_bytes)


@lru_cache(maxsize=256)
def _adapter(model: Any) -> Any:
    return TypeAdapter(model)


def _too_large(limit_bytes: int) -> Problem:
    return Problem("body_too_large", f"at most {limit_bytes} bytes are taken")


def _fault(error: ValidationError) -> Problem:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        return Problem("malformed_json", faults[0]["msg"])
    errors = [{"pointer": pointer(fault["loc"]), "detail": fault["msg"]} for fault in faults[:MAX_ERRORS]]
    return Problem("invalid_request", f"{len(faults)} faults in the body", errors=errors)


def pointer(path: tuple[int | str, ...]) -> str:
    """The JSON pointer (RFC 6901) of a place in a document."""
    names = (str(part) for part in path if not str(part).startswith(CHOICE))
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
