"""Pages for browsers: a page with the files beside it, public and without data.

Nothing but these files may run in a page or be called by it, and no other page may frame it: its
Content-Security-Policy says so.
"""

from collections.abc import Mapping
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api.problems import Problem

_STATIC = files("api") / "static"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def headers(images: str = "'self'", forms: str = "'none'") -> dict[str, str]:
    """What goes with every page: it asks for its files anew, so that it never runs with another version's script."""
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src {images}",
        "connect-src 'self'",
        "base-uri 'none'",
        f"form-action {forms}",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def text(name: str) -> str:
    """A file of ours as text."""
    return (_STATIC / name).read_text("utf-8")


def site(path: str, page: str, sources: Mapping[str, str], **beside: str) -> APIRouter:
    """The page under its path, and below it each of our files by the name that it has there; `beside` are headers."""
    router, sent = APIRouter(include_in_schema=False), headers()

    @router.get(path)
    async def get_page(request: Request) -> Response:
        return HTMLResponse(page, headers=sent)

    serve_files(router, path, sources, **beside)
    return router


def serve_files(router: APIRouter, path: str, sources: Mapping[str, str], **beside: str) -> None:
    """Below the path each of our files by the name that it has there; `beside` are headers."""
    contents = {name: (_STATIC / source).read_bytes() for name, source in sources.items()}
    sent = headers() | {name.replace("_", "-"): value for name, value in beside.items()}

    @router.get(f"{path}/{{name}}")
    async def get_file(name: str) -> Response:
        if name not in contents:
            raise Problem("not_found")
        media_type = _MEDIA_TYPES[name[name.rindex(".") :]]
        return Response(contents[name], media_type=media_type, headers=sent)
