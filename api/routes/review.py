"""The review as a page: orders that wait for a person, with their evidence, decided through the API of everybody.

The page is public and holds no data: whoever opens it names an API key, which stays in the page's memory. Nothing but
these files may run in it or be called by it, and no other page may frame it: its Content-Security-Policy says so.
"""

import json
from html import escape
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api.problems import Problem
from domain.vendors import MINOR_DIGITS

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
# Asked for anew each time, so that a page never runs with another version's script.
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}

_STATIC = files("api") / "static"
PAGE = (_STATIC / "review.html").read_text("utf-8").replace("{minor_digits}", escape(json.dumps(MINOR_DIGITS)))
FILES = {
    name: ((_STATIC / name).read_bytes(), media_type)
    for name, media_type in (
        ("review.css", "text/css"),
        ("review.js", "text/javascript"),
        ("laurel.svg", "image/svg+xml"),
    )
}

router = APIRouter(include_in_schema=False)


@router.get("/admin/review")
async def get_page(request: Request) -> Response:
    """The page."""
    return HTMLResponse(PAGE, headers=HEADERS)


@router.get("/admin/review/{name}")
async def get_file(name: str) -> Response:
    """A file of the page."""
    if name not in FILES:
        raise Problem("not_found")
    content, media_type = FILES[name]
    return Response(content, media_type=media_type, headers=HEADERS)
