"""How a workspace comes in: a link, the approval at Slack, and the way back with a code.

The link's text is OAuth's state: random, for one program, once, for minutes. It works only in the browser that opened
it, so that nobody is led to hand their own workspace, or somebody else's, to a program that they did not see named.
"""

import hmac
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.admin import pages
from api.admin.pages import Door
from api.backends import Backends, backends
from connectors.errors import OutsideError, Rejected
from connectors.slack.oauth import CALLBACK_PATH, INSTALL_PATH, App
from domain import sign_ins
from domain.sign_ins import LinkSpent
from domain.slack_workspaces import LINK_MINUTES, BelongsToAnother, InstallLink
from settings import Settings
from storage import programs, slack_install_links, slack_workspaces

COOKIE = "laurel_slack"
MAX_CODE = 1_000  # characters
SPENT = "This link does not work: it was used, its time is over, or it was opened in another browser."
DECLINED = "Nobody approved Laurel at Slack, and nothing was connected."
AGAIN = "Ask for another link, and open it in the browser in which you approve."

State = Annotated[str, Query(max_length=sign_ins.MAX_TOKEN)]

router = APIRouter(include_in_schema=False, route_class=Door)


@router.get(INSTALL_PATH)
async def begin(request: Request, state: State = "") -> Response:
    """Names the program, and leads on to Slack; looking at it spends nothing."""
    await pages.spend_at_door(request)
    here = backends(request)
    app = app_of(here.settings)
    if app is None:
        return _refuse("No Slack app is set up here.", "Whoever runs Laurel finds how in docs/slack.md.", 404)
    async with here.database.begin() as session:
        link = await slack_install_links.find(session, state, now=here.clock())
        program = await programs.get(session, link.program_id) if link else None
    if program is None:
        return _refuse(SPENT, AGAIN, 403)
    approval = app.approval_url(here.settings.slack_api_url, state)
    answer = pages.render_plain("slack_install.html", program=program, approval=approval)
    answer.set_cookie(
        COOKIE,
        state,
        max_age=LINK_MINUTES * 60,
        path="/slack",
        secure=app.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",  # it comes along when Slack sends the browser back
    )
    return answer


@router.get(CALLBACK_PATH)
async def finish(
    request: Request,
    state: State = "",
    code: Annotated[str, Query(max_length=MAX_CODE)] = "",
    error: Annotated[str, Query(max_length=MAX_CODE)] = "",
) -> Response:
    """Slack sends the browser here: the workspace is connected, or a page says why not."""
    await pages.spend_at_door(request)
    if not hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), state.encode()):
        return _refuse(SPENT, AGAIN, 403)
    here = backends(request)
    app = app_of(here.settings)
    try:
        async with here.database.begin() as session:
            link = await slack_install_links.spend(session, state, now=here.clock())
    except LinkSpent:
        return _refuse(SPENT, AGAIN, 403)
    if app is None or error or not code:
        return _refuse(DECLINED, AGAIN, 403)
    return await _connect(here, app, link, code)


def app_of(settings: Settings) -> App | None:
    """The app as it is set up, or None."""
    if settings.slack_client_id is None or settings.slack_client_secret is None:
        return None
    return App(settings.slack_client_id, settings.slack_client_secret.get_secret_value(), settings.laurel_public_url)


async def _connect(here: Backends, app: App, link: InstallLink, code: str) -> Response:
    try:
        installation = await app.exchange(here.slacks.anonymous, code)
        async with here.database.begin() as session:
            workspace = await slack_workspaces.install(session, here.keyring, link, installation, now=here.clock())
            program = await programs.get(session, link.program_id)
    except BelongsToAnother as refused:
        return _refuse(pages.sentence(str(refused)), "Have it removed there first: laurel slack remove.", 409)
    except Rejected as refused:
        said = refused.detail or f"Slack says {refused.code}"
        return _refuse(f"Nothing was connected: {said}.", AGAIN, 502)
    except OutsideError:
        return _refuse("Slack did not answer as it should, and nothing was connected.", AGAIN, 502)
    answer = pages.render_plain("slack_installed.html", program=program, workspace=workspace)
    answer.delete_cookie(COOKIE, path="/slack")
    return answer


def _refuse(reason: str, advice: str, status: int) -> Response:
    return pages.render_plain("slack_refused.html", status, reason=reason, advice=advice)
