"""Pages of administrators: who may see them, and how they are rendered.

A page is opened by a session's cookie, which scripts cannot read and other sites' requests do not carry; whatever
changes something is a POST with the session's CSRF token. Who is not signed in is led to the door.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import structlog
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from api import bodies, problems, sites
from api.backends import backends
from api.problems import Problem
from domain import sign_ins
from domain.programs import Program
from domain.sign_ins import AdminSession
from domain.time import zone
from storage import programs
from storage import sign_ins as stored_sign_ins

COOKIE = "laurel_admin"
ENTRANCE = "/admin/enter"
FORM_BYTES = 64 * 1024
MAX_FIELDS = 200
SEE_OTHER = 303
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
SENT = sites.headers(forms="'self'") | {"Cache-Control": "no-store"}

Form = Mapping[str, list[str]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in; `form` is what a POST sends."""

    session: AdminSession
    program: Program
    csrf: str
    form: Form

    def text(self, name: str) -> str:
        """A field of the form without the spaces around it; empty if it was not filled in."""
        return (self.form.get(name) or [""])[-1].strip()


class Page(APIRoute):
    """A route for who is signed in: it finds the visit as `visit(request)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                request.scope["visit"] = await _admit(request)
                return await handle(request)
            except _SignedOut:
                return redirect(request, ENTRANCE)
            except Exception as error:
                return fault(problems.of(error))

        return guarded


def visit(request: Request) -> Visit:
    """The visit that this request belongs to."""
    found: Visit = request.scope["visit"]
    return found


def render(request: Request, name: str, status: int = 200, **shown: Any) -> Response:
    """The page of this template for whoever is visiting."""
    here = visit(request)
    page = _TEMPLATES.get_template(name).render(
        program=here.program, session=here.session, csrf=here.csrf, path=request.url.path, **shown
    )
    return HTMLResponse(page, status_code=status, headers=SENT)


def render_plain(name: str, status: int = 200, **shown: Any) -> Response:
    """The page of this template for somebody who is not signed in."""
    return HTMLResponse(_TEMPLATES.get_template(name).render(**shown), status_code=status, headers=SENT)


def fault(problem: Problem) -> Response:
    """The problem in words, for a person."""
    if problem.kind.status >= 500:
        log.error("page failed", code=problem.kind.code, exc_info=True)
    return render_plain("fault.html", problem.kind.status, title=problem.kind.title, detail=problem.detail)


def redirect(request: Request, path: str) -> Response:
    """On to the page that shows what was done."""
    if "hx-request" in request.headers:  # the whole page is to change, not a part of it
        return Response(status_code=204, headers=SENT | {"HX-Redirect": path})
    return RedirectResponse(path, SEE_OTHER, headers=SENT)


async def read_form(request: Request) -> Form:
    """The fields that a form sends; raises Problem for what no form of ours is."""
    body = await bodies.read(request, FORM_BYTES)
    try:
        form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise Problem("invalid_request", "the form cannot be read") from None
    if any("\0" in value for values in form.values() for value in values):
        raise Problem("invalid_request", "the form holds a character that no text has")
    return form


# -- Who comes in --------------------------------------------------------------------------------------------------


class _SignedOut(Exception):
    """Nobody is signed in, or not any more."""


async def _admit(request: Request) -> Visit:
    here, token = backends(request), request.cookies.get(COOKIE, "")
    if not 1 <= len(token) <= sign_ins.MAX_TOKEN:
        raise _SignedOut
    async with here.database.begin() as session:
        signed_in = await stored_sign_ins.find_session(session, token, now=here.clock())
        if signed_in is None:
            raise _SignedOut
        program = await programs.get(session, signed_in.program_id)
    form: Form = {}
    if request.method != "GET":
        form = await read_form(request)
        presented = (form.get(CSRF_FIELD) or [request.headers.get(CSRF_HEADER, "")])[-1]
        if not sign_ins.is_csrf_token(presented, token):
            raise Problem("forbidden", "this form was not opened in your session: load the page anew")
    return Visit(signed_in, program, sign_ins.csrf_token(token), form)


# -- Templates -----------------------------------------------------------------------------------------------------


def _moment(at: datetime | None, time_zone: str) -> str:
    return at.astimezone(zone(time_zone)).strftime("%-d %b %Y, %H:%M") if at else ""


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


_TEMPLATES = Environment(
    loader=PackageLoader("api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.filters.update(moment=_moment, number=_number)
