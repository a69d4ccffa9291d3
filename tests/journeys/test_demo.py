"""`laurel demo` beside a running stack does what it promises, and leaves the stack as it was."""

import json

import httpx

from tests.journeys.conftest import RunningStack


def test_the_demonstration_keeps_every_promise_and_gives_the_sandboxes_back(stack: RunningStack) -> None:
    before = webhooks(stack)

    done = stack.laurel("demo", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary.pop("ledger_checks") > 100
    assert summary.pop("seconds") > 0
    assert summary == {
        "events": 24,
        "awarded_points": 1816,
        "retracted_points": 120,
        "repeats_suppressed": 61,
        "orders_fulfilled": 2,
        "cards_at_vendor": 2,
    }
    assert "Using the stack that runs here" in done.stdout
    assert f"{stack.ui_url}/namespaces/default/workflows/order%2Ford_" in done.stdout
    assert "    │ [Approve] [Change the amount] [Decline]" in done.stdout
    assert webhooks(stack) == before
    assert slack_workspaces(stack, "Sample company") == ["T0SANDBOX1"]


def slack_workspaces(stack: RunningStack, program: str) -> list[str]:
    """Those of the program, by id."""
    listed = stack.laurel("slack", "list", "--program", program, "--json")
    return [one["team_id"] for one in json.loads(listed.stdout)]


def webhooks(stack: RunningStack) -> list[str]:
    """Where the sandboxes send their notices."""
    crm = httpx.put(f"{stack.sandboxes.hubspot}/_control/webhook", json={}).json()["url"]
    headers = {"authorization": "Bearer TEST_any"}
    vendor = httpx.get(f"{stack.sandboxes.tremendous}/api/v2/webhooks", headers=headers).json()
    return [crm, vendor["webhooks"][0]["url"]]
