"""The contract that every source keeps: what arrives over HTTP is verified as bytes first and read only then."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson

from connectors.errors import MalformedNotice, TooLarge, WrongContentType
from domain.events import SourcePolicy

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
JSON_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Request:
    """One incoming request as the sender made it: `url` is the public one, header names are lower-case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Source(Protocol):
    """Takes in what one kind of outside system sends; a module of connectors keeps it. Pure: no IO, no clock, no state.

    `verify` comes first and looks at raw bytes only. It raises BadSignature, StaleNotice, TooLarge, WrongContentType or
    WrongVersion and nothing else, whatever a stranger puts into headers or body, and compares secrets in constant time.

    What the source's systems report becomes events whose external_id is the business fact's, never the notice's. A
    source whose requests only say that something changed reads them as `notices(request)`, of objects to be fetched.
    """

    KIND: str
    POLICY: SourcePolicy

    def verify(self, request: Request, secret: str, now: datetime) -> None: ...


def require_size(request: Request, most_bytes: int) -> None:
    """Raises TooLarge if the body has more than `most_bytes`."""
    if len(request.body) > most_bytes:
        raise TooLarge(f"{len(request.body)} bytes, at most {most_bytes} are taken")


def require_json(request: Request) -> None:
    """Raises WrongContentType unless the body is declared as JSON in UTF-8, the only form that sources send."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in ("", "utf-8"):
        raise WrongContentType("only application/json in UTF-8 is taken")


def load_json(body: bytes) -> Any:
    """The body as JSON that can be stored and written again: UTF-8, no NUL in texts, not nested without end.

    Raises MalformedNotice.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedNotice("not JSON in UTF-8") from None
    level = [value]
    for _ in range(JSON_MAX_DEPTH):
        if not level:
            return value
        if any(isinstance(part, str) and "\0" in part for part in level):
            raise MalformedNotice("a text contains NUL")
        level = [child for part in level for child in _children(part)]
    raise MalformedNotice(f"nested deeper than {JSON_MAX_DEPTH} levels")


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    return value if isinstance(value, list) else ()


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (instant - EPOCH) // MILLISECOND


def instant(since_epoch: int) -> datetime:
    """The instant that many milliseconds after 1970; raises MalformedNotice if no calendar reaches it."""
    try:
        return EPOCH + since_epoch * MILLISECOND
    except OverflowError as error:
        raise MalformedNotice("a timestamp is out of range") from error
