"""`laurel slack` against a Slack of its own: manifest, links, tokens, and what the doctor says."""

import asyncio
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from fastapi import FastAPI

from connectors.slack import manifest
from sandbox.slack.app import APP_TOKEN, CLIENT_ID, CLIENT_SECRET, SIGNING_SECRET, create_app
from sandbox.slack.company import TEAM_ID, TEAM_NAME
from sandbox.slack.driver import Driver
from sandbox.slack.notices import Answer
from tests.cli.conftest import Laurel
from tests.eventually import eventually
from tests.sandboxes import running


@pytest.fixture
def slack() -> FastAPI:
    return create_app()


@pytest.fixture(autouse=True)
def slack_url(slack: FastAPI, laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with running(slack) as url:
        monkeypatch.setenv("SLACK_API_URL", f"{url}/api/")
        monkeypatch.setenv("SLACK_CLIENT_ID", CLIENT_ID)
        monkeypatch.setenv("SLACK_CLIENT_SECRET", CLIENT_SECRET)
        laurel("init", "--name", "Acme")
        yield url


def approved(slack: FastAPI, *without: str) -> str:
    """The token of a bot that somebody installed on the app's own page."""
    workspace = slack.state.slack.workspace
    installation = workspace.install(manifest.bot_scopes())
    installation.scopes = [scope for scope in manifest.bot_scopes() if scope not in without]
    return str(workspace.bot_token)


def connect(laurel: Laurel, slack: FastAPI, *without: str):
    return laurel("slack", "connect", "--token", "-", input=approved(slack, *without))


def test_the_manifest_is_printed_for_an_address_or_for_none(laurel: Laurel) -> None:
    ready = laurel("slack", "manifest", "--url", "https://laurel.acme.com/")
    socket = laurel("slack", "manifest", "--socket")
    insecure = laurel("slack", "manifest")

    assert "request_url: https://laurel.acme.com/slack/events" in ready.stdout
    assert "request_url" not in socket.stdout
    assert "Slack sends to https alone" in str(insecure.exception)


def test_a_link_leads_to_our_own_page(laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> None:
    made = orjson.loads(laurel("slack", "install", "--json").stdout)
    monkeypatch.delenv("SLACK_CLIENT_SECRET")
    refused = laurel("slack", "install")

    url = urlsplit(made["link"])
    assert (url.path, made["minutes"]) == ("/slack/install", 10)
    assert len(parse_qs(url.query)["state"][0]) >= 43
    assert "SLACK_CLIENT_SECRET" in str(refused.exception)


def test_a_workspace_is_connected_by_its_token_and_removed_on_both_sides(laurel: Laurel, slack: FastAPI) -> None:
    connected = connect(laurel, slack)
    listed = orjson.loads(laurel("slack", "list", "--json").stdout)
    removed = laurel("slack", "remove", TEAM_ID)
    again = laurel("slack", "remove", TEAM_ID)

    [workspace] = listed
    assert connected.output == f"{TEAM_NAME} ({TEAM_ID}) is connected.\n"
    assert (workspace["state"], sorted(workspace["scopes"])) == ("installed", sorted(manifest.bot_scopes()))
    assert removed.output == f"{TEAM_NAME} is disconnected. The app is uninstalled there.\n"
    assert "no workspace" in str(again.exception)
    assert not any(one.is_active for one in slack.state.slack.workspace.records.installations.values())


def test_a_token_that_slack_does_not_know_connects_nothing_and_is_not_shown(laurel: Laurel) -> None:
    refused = laurel("slack", "connect", "--token", "-", input="xoxb-canary")

    assert "Slack does not take this token: slack: invalid_auth" in str(refused.exception)
    assert "canary" not in str(refused.exception) + refused.output


def test_what_a_deactivated_account_means_is_said_for_a_workspace(laurel: Laurel, slack: FastAPI) -> None:
    connect(laurel, slack)

    said = laurel("slack", "deactivation", TEAM_ID, "leave")
    unknown = laurel("slack", "deactivation", "T0", "leave")

    listed = orjson.loads(laurel("connections", "list", "--json").stdout)
    assert said.exit_code == 0
    assert listed[0]["config"]["deactivation"] == "leave"
    assert "no workspace T0" in str(unknown.exception)


def test_requests_are_taken_over_a_socket_until_somebody_ends_it(
    laurel: Laurel, slack: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(laurel, slack)
    without = laurel("slack", "socket")
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-another")
    refused = laurel("slack", "socket")
    monkeypatch.setenv("SLACK_APP_TOKEN", APP_TOKEN)
    with ThreadPoolExecutor(1) as people:
        asking = people.submit(asyncio.run, ask_and_end_it(slack.state.slack))
        taken = laurel("slack", "socket")

    assert "set SLACK_APP_TOKEN first" in str(without.exception)
    assert "Slack refuses the app-level token: invalid_auth" in str(refused.exception)
    assert (taken.exit_code, taken.output) == (0, "Slack's requests are taken. Ctrl-C ends it.\n")
    assert (asking.result().is_taken, asking.result().json) == (True, {})


async def ask_and_end_it(slack: Driver) -> Answer:
    """What Owen is answered at once, as soon as somebody listens; then that ends as Ctrl-C ends it."""

    async def is_open() -> None:
        assert slack.webhook.socket is not None

    try:
        await eventually(is_open)
        return await slack.command("owen", "general", "/laurel", "balance")
    finally:
        os.kill(os.getpid(), signal.SIGINT)


def test_the_doctor_says_what_to_do_before_anything_is_set_up(laurel: Laurel) -> None:
    looked = laurel("slack", "doctor")

    assert looked.exit_code == 1
    assert "Set SLACK_SIGNING_SECRET" in looked.output
    assert "no workspace is connected" in looked.output


def test_the_doctor_finds_an_address_that_is_not_laurel_scopes_that_are_missing_and_tokens_that_are_revoked(
    laurel: Laurel, slack: FastAPI, slack_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_SIGNING_SECRET", SIGNING_SECRET)
    monkeypatch.setenv("LAUREL_PUBLIC_URL", slack_url)  # answers, and is not Laurel
    connect(laurel, slack, "reactions:read", "im:write")

    looked = laurel("slack", "doctor")
    asyncio.run(slack.state.slack.revoke())
    revoked = laurel("slack", "doctor")

    assert looked.exit_code == 1
    assert f"FAIL  {slack_url}/slack/events answers 404" in looked.output
    assert f"ok    {TEAM_NAME}: the token works" in looked.output
    assert f"FAIL  {TEAM_NAME}: scopes are missing: reactions:read, im:write" in looked.output
    assert "ok    this machine has Slack's time" in looked.output
    assert f"FAIL  {TEAM_NAME}: Slack refuses the token (account_inactive)" in revoked.output
    assert looked.output.count("laurel slack install") == 1


DECLARED = """
units: {kudos: {kind: allowance, refill: {per: month, amount: 100}}}
recognition: {thanks: {unit: kudos, channels: [C0THANKS00]}}
notifications:
  people:
    admin_channel: C0ADMINS00
    celebrations: {channel: C0CAKES000}
    challenges: {channel: C0CAKES000}
"""


def test_the_doctor_looks_for_every_channel_that_is_declared(laurel: Laurel, slack: FastAPI, tmp_path: Path) -> None:
    (tmp_path / "slack.yaml").write_text(DECLARED)
    laurel("apply", str(tmp_path), "--yes")
    connect(laurel, slack)

    looked = laurel("slack", "doctor")

    for channel in ("C0ADMINS00", "C0CAKES000", "C0THANKS00"):
        assert looked.output.count(f"FAIL  no workspace shows a channel {channel}") == 1
