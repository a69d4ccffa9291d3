"""The doctor asks Slack and our own address, and says what to do about each thing that is wrong."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from redis.asyncio import Redis

import api.app
from connectors.breakers import Breaker
from connectors.slack import doctor, manifest
from connectors.slack.web import Slack
from domain.slack_workspaces import Workspace, WorkspaceState
from sandbox.slack.app import create_app
from sandbox.slack.company import TEAM_ID
from settings import Settings
from tests.sandboxes import running

NOW = datetime.now(UTC)
ACME = Workspace(TEAM_ID, "prg_1", "con_1", "Acme", "A1", "U1", [], WorkspaceState.INSTALLED, NOW)


@pytest.fixture(scope="module")
def sandbox() -> FastAPI:
    return create_app()


@pytest.fixture(scope="module")
def slack_url(sandbox: FastAPI) -> Iterator[str]:
    with running(sandbox) as url:
        yield f"{url}/api/"


@pytest.fixture
async def slack(sandbox: FastAPI, slack_url: str) -> AsyncIterator[Slack]:
    workspace = sandbox.state.slack.workspace
    workspace.install(manifest.bot_scopes())
    slack = Slack(workspace.bot_token, Breaker("slack"), slack_url)
    yield slack
    await slack.aclose()


@pytest.fixture
def laurel_url(database_url: str, redis_url: str, redis: Redis) -> Iterator[str]:
    """An API that knows a signing secret."""
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        temporal_address="127.0.0.1:1",
        slack_signing_secret=SecretStr("shh"),
    )
    with running(api.app.create_app(settings)) as url:
        yield url


async def test_our_own_address_answers_what_slack_asks_of_it(laurel_url: str) -> None:
    signed = await doctor.reach(laurel_url, "shh", datetime.now(UTC))
    otherwise = await doctor.reach(laurel_url, "another", datetime.now(UTC))
    late = await doctor.reach(laurel_url, "shh", datetime.now(UTC) - timedelta(minutes=6))
    nowhere = await doctor.reach("http://127.0.0.1:1", "shh", datetime.now(UTC))

    assert signed.is_well
    assert "another SLACK_SIGNING_SECRET" in otherwise.advice
    assert "another time" in late.advice
    assert "Is the API up" in nowhere.advice


async def test_a_clock_that_is_wrong_and_a_token_of_another_workspace_are_found(slack: Slack) -> None:
    *_, right = await doctor.examine(slack, ACME, datetime.now(UTC))
    *_, wrong = await doctor.examine(slack, ACME, datetime.now(UTC) - timedelta(minutes=10))
    [elsewhere] = await doctor.examine(slack, replace(ACME, team_id="T0"), NOW)

    assert right == doctor.Finding("this machine has Slack's time")
    assert "s behind Slack" in wrong.what
    assert elsewhere.advice == doctor.CONNECT


@pytest.mark.parametrize(
    ("name", "what", "advice"),
    [
        ("thanks", "Laurel is in #thanks", ""),
        ("random", "Laurel is not in #random", "Type /invite @Laurel in #random."),
        (
            "C0NOWHERE",
            "no workspace shows a channel C0NOWHERE",
            "Is its id right? If it is private, type /invite @Laurel there.",
        ),
    ],
)
async def test_laurel_is_looked_for_in_a_channel(
    sandbox: FastAPI, slack: Slack, name: str, what: str, advice: str
) -> None:
    known = {one.name: one.id for one in sandbox.state.slack.workspace.records.conversations.values()}

    assert await doctor.look_for([slack], known.get(name, name)) == doctor.Finding(what, advice)
