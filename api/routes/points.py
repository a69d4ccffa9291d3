"""One member's points, live: a page, and its script, which other sites put into pages of their own.

The files are public and hold no data: a member token opens the balance, for pages of the program's origins. In the page
nothing but these files may run or be called; where sites of others embed the script, their own policies hold.
"""

from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api.problems import Problem
from api.routes.review import HEADERS

# Also for pages that take nothing from elsewhere that does not say so.
EMBEDDED = HEADERS | {"Cross-Origin-Resource-Policy": "cross-origin"}

_STATIC = files("api") / "static"
PAGE = (_STATIC / "points.html").read_text("utf-8")
FILES = {
    name: ((_STATIC / source).read_bytes(), media_type)
    for name, source, media_type in (
        ("points.js", "points.js", "text/javascript"),
        ("page.js", "points-page.js", "text/javascript"),
        ("points.css", "points.css", "text/css"),
        ("laurel.svg", "laurel.svg", "image/svg+xml"),
    )
}

router = APIRouter(include_in_schema=False)


@router.get("/points")
async def get_page(request: Request) -> Response:
    """The page."""
    return HTMLResponse(PAGE, headers=HEADERS)


@router.get("/points/{name}")
async def get_file(name: str) -> Response:
    """A file of the page, or the script to embed."""
    if name not in FILES:
        raise Problem("not_found")
    content, media_type = FILES[name]
    return Response(content, media_type=media_type, headers=EMBEDDED)
