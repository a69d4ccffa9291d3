"""The door of the administrators' pages: a link is spent by a POST, so that whoever only looks ahead spends nothing."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api import sites
from api.admin import pages
from api.admin.pages import HOME, Door, Page
from api.backends import backends
from domain import sign_ins
from domain.sign_ins import LinkSpent
from storage import sign_ins as stored_sign_ins

FILES = {name: name for name in ("palette.css", "base.css", "admin.css", "admin.js", "htmx.min.js", "laurel.svg")}
FIRST_PAGE = f"{HOME}/challenges"

router = APIRouter(include_in_schema=False, route_class=Door)
inside = APIRouter(include_in_schema=False, route_class=Page)
sites.serve_files(router, f"{HOME}/files", FILES)


@router.get(HOME)
async def begin(request: Request) -> Response:
    """The first page."""
    return RedirectResponse(FIRST_PAGE, pages.SEE_OTHER, headers=pages.SENT)


@router.get(pages.ENTRANCE)
async def show_door(request: Request) -> Response:
    """Asks for the link, which the page's address holds where no server sees it."""
    return pages.render_plain("enter.html", spent=False)


@router.post(pages.ENTRANCE)
async def enter(request: Request) -> Response:
    """Spend the link and sign in."""
    await pages.spend_at_door(request)
    here, form = backends(request), await pages.read_form(request)
    link = (form.get("link") or [""])[-1].strip().rpartition("#")[2]
    try:
        async with here.database.begin() as session:
            _, token = await stored_sign_ins.open_session(session, link[: sign_ins.MAX_TOKEN], now=here.clock())
    except LinkSpent:
        return pages.render_plain("enter.html", 403, spent=True)
    answer = RedirectResponse(FIRST_PAGE, pages.SEE_OTHER, headers=pages.SENT)
    answer.set_cookie(
        pages.COOKIE,
        token,
        max_age=sign_ins.SESSION_HOURS * 3600,  # browsers' clocks differ
        path="/admin",
        secure=here.settings.laurel_public_url.startswith("https://"),
        httponly=True,
        samesite="strict",
    )
    return answer


@inside.post("/admin/leave")
async def leave(request: Request) -> Response:
    """Sign out: the session ends, also where its cookie was copied to."""
    here, who = backends(request), pages.visit(request).session
    async with here.database.begin() as session:
        await stored_sign_ins.end_session(session, who.program_id, who.id, now=here.clock())
    answer = RedirectResponse(pages.ENTRANCE, pages.SEE_OTHER, headers=pages.SENT)
    answer.delete_cookie(pages.COOKIE, path="/admin")
    return answer
