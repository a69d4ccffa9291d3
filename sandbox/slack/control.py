"""Not Slack's: plays the people of the workspace. Unauthenticated, for loopback only."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from sandbox.slack.driver import Driver
from sandbox.slack.errors import Refused
from sandbox.slack.notices import Answer
from sandbox.slack.workspace import new_id

Json = dict[str, Any]

control = APIRouter(prefix="/_control")

# What people do, by the name in the path; the body has the arguments.
ACTS: dict[str, Callable[..., Awaitable[Any]]] = {
    "say": Driver.say,
    "rewrite": Driver.rewrite,
    "remove": Driver.remove,
    "react": Driver.react,
    "unreact": Driver.unreact,
    "join": Driver.join,
    "change": Driver.change,
    "invite": Driver.invite,
    "kick": Driver.kick,
    "archive": Driver.archive,
    "unarchive": Driver.unarchive,
    "uninstall": Driver.uninstall,
    "revoke": Driver.revoke,
    "command": Driver.command,
    "shortcut": Driver.shortcut,
    "message_shortcut": Driver.message_shortcut,
    "open_home": Driver.open_home,
    "press": Driver.press,
    "press_view": Driver.press_view,
    "submit": Driver.submit,
    "close": Driver.close,
    "verify_url": Driver.verify_url,
    "send_again": Driver.send_again,
}


@control.post("/people/{act}")
async def do(act: str, body: Json, request: Request) -> Json:
    """Somebody does something in the first workspace, unless `team` names another."""
    slack = _driver(request, body.pop("team", None))
    if act not in ACTS:
        raise Refused("unknown_act", status=404)
    try:
        inspect.signature(ACTS[act]).bind(slack, **body)
        done = await ACTS[act](slack, **body)
    except (LookupError, TypeError, ValueError) as error:
        raise Refused("impossible", status=400, message=str(error)) from None
    return {"ok": True, "result": _shown(done)}


class NewTeam(BaseModel):
    name: str


@control.post("/teams", status_code=201)
async def make_team(body: NewTeam, request: Request) -> Json:
    """One more workspace with a company of the same people, into which an app can be installed."""
    drivers: dict[str, Driver] = request.app.state.drivers
    team_id = new_id("T")
    drivers[team_id] = request.app.state.slack.beside(team_id, body.name)
    return {"id": team_id, "name": body.name}


def _shown(done: Any) -> Any:
    return {"status": done.status, "json": done.json} if isinstance(done, Answer) else done


def _driver(request: Request, team: str | None) -> Driver:
    drivers: dict[str, Driver] = request.app.state.drivers
    if team is not None and team not in drivers:
        raise Refused("team_not_found", status=404)
    found: Driver = drivers[team] if team else request.app.state.slack
    return found


@control.get("/said")
async def said(request: Request, team: str | None = None) -> Json:
    """Everything that there is to see: people, conversations with what was said, home tabs, modals."""
    records = _driver(request, team).workspace.records
    return {
        "users": [asdict(one) for one in records.users.values()],
        "conversations": [
            asdict(one) | {"messages": list(one.messages.values())} for one in records.conversations.values()
        ],
        "homes": records.homes,
        "modals": records.modals,
    }
