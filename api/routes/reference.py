"""The reference of the API as a page: Swagger UI from files of our own, so that it needs nobody else's server."""

from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from api import sites
from api.problems import Problem

# Addresses are relative, so that the page works under any prefix that a proxy adds.
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Laurel: the API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: -1,
  validatorUrl: null,
});
"""

router = APIRouter(include_in_schema=False)


def _swagger_ui() -> Mapping[str, Path]:
    """The files of Swagger UI by name."""
    with as_file(files("fastapi_swagger") / "resources") as folder:
        return {name: folder / name for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")}


SWAGGER_UI = _swagger_ui()


@router.get("/docs")
async def get_reference(request: Request) -> Response:
    """The page."""
    return HTMLResponse(PAGE, headers=sites.headers(images="'self' data:"))


@router.get("/docs/start.js")
async def get_start(request: Request) -> Response:
    """What the page runs: nothing stands in the page itself, so that nothing in it need be trusted."""
    return Response(START, media_type="text/javascript")


@router.get("/docs/{name}")
async def get_file(name: str) -> Response:
    """A file of Swagger UI."""
    if name not in SWAGGER_UI:
        raise Problem("not_found")
    return FileResponse(SWAGGER_UI[name])
