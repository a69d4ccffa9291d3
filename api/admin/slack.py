"""Slack for administrators: the workspaces of the program, and a link that connects another."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api.admin import pages
from api.admin.pages import Page
from api.backends import backends
from api.slack.installation import app_of
from connectors.slack import manifest
from connectors.slack.oauth import INSTALL_PATH
from domain.slack_workspaces import LINK_MINUTES
from storage import slack_install_links, slack_workspaces

router = APIRouter(include_in_schema=False, route_class=Page)


@router.get("/admin/slack")
async def list_workspaces(request: Request) -> Response:
    """The program's workspaces, and what their installation lacks."""
    return await _show(request)


@router.post("/admin/slack")
async def connect_workspace(request: Request) -> Response:
    """Make a link and show it once: whoever administers the workspace may be somebody else."""
    here, visit = backends(request), pages.visit(request)
    async with here.database.begin() as session:
        link = await slack_install_links.make(session, visit.program.id, actor=visit.session.actor, now=here.clock())
    return await _show(request, f"{here.settings.laurel_public_url}{INSTALL_PATH}?state={link}")


async def _show(request: Request, link: str = "") -> Response:
    here, visit = backends(request), pages.visit(request)
    async with here.database.begin() as session:
        found = await slack_workspaces.list_of(session, visit.program.id)
    asked = set(manifest.bot_scopes())
    missing = {one.team_id: sorted(asked.difference(one.scopes)) for one in found}
    told: dict[str, Any] = {"workspaces": found, "missing": missing, "link": link, "minutes": LINK_MINUTES}
    return pages.render(request, "slack.html", is_set_up=app_of(here.settings) is not None, **told)
