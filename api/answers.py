"""Answers that are no problems: JSON, written fast."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response


def as_json(content: Any) -> bytes:
    """The content as JSON; dataclasses, dates and mappings are taken."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response that holds the content."""
    return Response(as_json(content), status, headers, "application/json")
