"""One Slack, with the workspaces that have installed the app, as a web application."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError

from sandbox.shared.control import count, furnish
from sandbox.slack.company import SCOPES, TEAM_ID, TEAM_NAME, found
from sandbox.slack.control import control
from sandbox.slack.driver import Driver
from sandbox.slack.errors import Refused, answer_invalid, answer_refused
from sandbox.slack.faults import Fault
from sandbox.slack.kept import Memory
from sandbox.slack.notices import Webhook
from sandbox.slack.pages import pages
from sandbox.slack.socket_mode import socket_mode
from sandbox.slack.web_api import api
from sandbox.slack.workspace import Workspace

SIGNING_SECRET = "sandbox-signing-secret"
CLIENT_ID = "sandbox.client"
CLIENT_SECRET = "sandbox-client-secret"
APP_TOKEN = "xapp-sandbox"
TEAMS: Mapping[str, str] = {TEAM_ID: TEAM_NAME}


def create_app(
    *,
    signing_secret: str = SIGNING_SECRET,
    request_url: str | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    base_url: str = "http://127.0.0.1",
    teams: Mapping[str, str] = TEAMS,
    data: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """What happens is sent to `request_url` at once, until deliveries are held; kept in `data`.

    `transport` reaches a request URL that no network leads to. `app.state.slack` drives the first of the workspaces,
    which has installed the app, `app.state.drivers` each by its team.
    """
    app = FastAPI(title="Slack sandbox")
    app.state.client_id, app.state.client_secret = CLIENT_ID, CLIENT_SECRET
    app.state.app_token, app.state.tickets = APP_TOKEN, set()
    webhook = Webhook(signing_secret, clock, request_url, transport)
    drivers = {
        team: Driver(Workspace(team, name, clock, webhook.tell), webhook, base_url) for team, name in teams.items()
    }
    for driver in drivers.values():
        found(driver.workspace)
    app.state.drivers, app.state.slack = drivers, next(iter(drivers.values()))
    app.state.slack.workspace.install(list(SCOPES))
    memory = Memory(data, drivers, webhook) if data else None
    furnish(app, webhook=webhook, fault=Fault, refused=lambda message: Refused(message, status=409), memory=memory)
    for driver in drivers.values():
        driver.faults, driver.requests = app.state.faults, app.state.requests
    app.include_router(api, dependencies=[Depends(count)])
    app.include_router(control)
    app.include_router(pages)
    app.include_router(socket_mode)
    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    return app
