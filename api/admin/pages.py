"""Pages of administrators: who may see them, and how they are rendered.

A page is opened by a session's cookie, which scripts cannot read and other sites' requests do not carry; whatever
changes something is a POST with the session's CSRF token. Who is not signed in is led to the door.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import ClientDisconnect

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
HOME = "/admin"
ENTRANCE = f"{HOME}/enter"
FORM_BYTES = 64 * 1024
MAX_FIELDS = 200
SEE_OTHER = 303
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
SENT = sites.headers(forms="'self'") | {"Cache-Control": "no-store"}

# What these mean for a person, and what to do.
_WORDS = {
    "not_found": ("There is nothing here", "The address is wrong, or what it showed is not in this program."),
    "method_not_allowed": ("This cannot be opened here", "It is the address of a button, not of a page."),
    "forbidden": ("This form is out of date", "Load its page anew, and fill it in again."),
    "body_too_large": ("This is too much text", "Shorten it, and send it again."),
    "request_timeout": ("The form took too long to arrive", "Send it again."),
    "rate_limited": ("Too many requests in one minute", "Nothing was changed."),
    "overloaded": ("Too many people ask for this at once", "Nothing was changed."),
    "database_unavailable": ("Laurel cannot answer just now", "It may be over in a moment."),
    "internal_error": ("Something went wrong", "If it goes on, tell whoever runs Laurel when it happened."),
    "illegal_transition": ("This is not possible any more", ""),
    "needs_second_person": ("A second person is needed", ""),
    "preview_too_large": ("Too much has happened for a preview", ""),
}
# Statuses whose details are written for people who use pages too.
_TOLD = (400, 409, 422)

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


class Door(APIRoute):
    """A route for whoever comes: what goes wrong is told as a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                await self.admit(request)
                return await handle(request)
            except _SignedOut:
                return redirect(request, ENTRANCE)
            except ClientDisconnect:
                raise
            except RequestValidationError:  # no link of ours leads there
                return fault(request, Problem("not_found"))
            except Exception as error:
                return fault(request, problems.of(error))

        return told

    async def admit(self, request: Request) -> None:
        """Everybody comes in."""


class Page(Door):
    """A route for who is signed in: it finds the visit as `visit(request)`."""

    async def admit(self, request: Request) -> None:
        """Raises _SignedOut or Problem for whoever does not come in."""
        request.scope["visit"] = await _admit(request)


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


def fault(request: Request, problem: Problem) -> Response:
    """The problem in words, for a person: a page with a way back, or a line for the page that asked for a part."""
    status = problem.kind.status
    if problem.kind.code == "internal_error":
        log.exception("page failed", path=request.scope["path"])
    title, advice = _WORDS.get(problem.kind.code, (problem.kind.title, ""))
    told = {"title": title, "advice": advice, "detail": problem.detail if status in _TOLD else ""}
    template = "fault_line.html" if is_part(request) else "fault.html"
    page = _TEMPLATES.get_template(template).render(**told, wait_seconds=problem.retry_after_seconds)
    return HTMLResponse(page, status, headers=SENT | problems.headers_of(problem))


def redirect(request: Request, path: str) -> Response:
    """On to the page that shows what was done."""
    if is_part(request):  # the whole page is to change
        return Response(status_code=204, headers=SENT | {"HX-Redirect": path})
    return RedirectResponse(path, SEE_OTHER, headers=SENT)


def is_part(request: Request) -> bool:
    """Whether a page asks for a part of itself."""
    return "hx-request" in request.headers


def are_at(path: str) -> bool:
    """Whether people are answered here, with pages."""
    return path == HOME or path.startswith(f"{HOME}/")


async def spend(request: Request, kind: str, caller_id: str) -> None:
    """Take one request of those that this caller may make in a minute; raises Problem rate_limited."""
    await backends(request).admin_allowance.spend(request.scope, kind, caller_id)


async def spend_at_door(request: Request) -> None:
    """The same for somebody who is known by an address alone."""
    await spend(request, "address", f"address:{request.client.host if request.client else ''}")


def sentence(text: str) -> str:
    """What faults and problems say, as a sentence of its own."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


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
        program = await programs.get(session, signed_in.program_id) if signed_in else None
    if signed_in is None or program is None:
        await spend_at_door(request)
        raise _SignedOut
    await spend(request, "session", signed_in.id)
    form: Form = {}
    if request.method != "GET":
        form = await read_form(request)
        presented = (form.get(CSRF_FIELD) or [request.headers.get(CSRF_HEADER, "")])[-1]
        if not sign_ins.is_csrf_token(presented, token):
            raise Problem("forbidden", "this form was not opened in your session: load the page anew")
    return Visit(signed_in, program, sign_ins.csrf_token(token), form)


# -- Templates -----------------------------------------------------------------------------------------------------


def _moment(at: datetime | None, time_zone: str) -> str:
    return at.astimezone(zone(time_zone)).strftime("%a %-d %b %Y, %H:%M") if at else ""


def _day(on: date) -> str:
    return on.strftime("%a %-d %b %Y")


def _place(time_zone: str) -> str:
    return time_zone.replace("_", " ")


def _count(value: int, one: str, many: str) -> str:
    return f"{value:,} {one if value == 1 else many}"


def _person(actor: str) -> str:
    """Who did it, of what records say."""
    kind, _, name = actor.partition(":")
    return {"admin": name, "key": f"the API key {name}"}.get(kind, actor)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


_TEMPLATES = Environment(
    loader=PackageLoader("api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.filters.update(
    moment=_moment, day=_day, place=_place, number=_number, count=_count, person=_person, sentence=sentence
)
