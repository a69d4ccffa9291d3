"""A local Slack on a port of its own, whose people act towards an app of the test's."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from domain.slack_workspaces import Installation, InstallLink, Workspace
from sandbox.slack import create_app
from sandbox.slack.driver import Driver
from storage import slack_workspaces
from storage.keyring import Keyring
from tests.sandboxes import running


class Way(httpx.AsyncBaseTransport):
    """The way from Slack to the app, which is there later than Slack."""

    app: FastAPI | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.app is not None
        return await httpx.ASGITransport(self.app).handle_async_request(request)


@contextmanager
def running_slack(**settings: Any) -> Iterator[Driver]:
    """What drives it; its Web API answers under `api_url`. `settings` are those of the sandbox's application."""
    app = create_app(**settings)
    with running(app) as url:
        for driver in app.state.drivers.values():
            driver.base_url = url
        slack: Driver = app.state.slack
        yield slack


async def install(
    session: AsyncSession, keyring: Keyring, program_id: str, slack: Driver, *, now: datetime
) -> Workspace:
    """The driver's workspace belongs to the program."""
    team = slack.workspace
    scopes = next(iter(team.records.installations.values())).scopes
    found = Installation(team.team_id, team.name, "A0SANDBOX", "U0BOT", scopes, team.bot_token)
    return await slack_workspaces.install(session, keyring, InstallLink(program_id, "tests"), found, now=now)
