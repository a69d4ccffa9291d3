"""Forms open with something in them, are answered in the time that Slack gives, and can be handed in again."""

from functools import partial
from typing import Any

import pytest

from api.slack import submissions
from connectors.slack import forms
from relay.slack import celebrations
from sandbox.slack.faults import Fault
from tests.eventually import eventually
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_redeeming import shows, words
from tests.relay.slack.test_thanks import context

REASON = "Because she held the line all night long."


async def open_nomination(company: Company) -> dict[str, Any]:
    """By Owen, whom Slack has named already; what he fills in about Maya, whom it has not."""
    await company.slack.command("owen", "general", "/laurel", "balance")
    await company.work()
    await company.slack.shortcut("owen", forms.OPEN_NOMINATION)
    await eventually(partial(shows, company, "owen", forms.NOMINATE))
    return {"nominee": company.slack.workspace.user("maya").id, "reason": REASON}


async def test_a_form_that_was_refused_for_a_moment_is_judged_anew(company: Company) -> None:
    filled = await open_nomination(company)
    company.slack.faults.append(Fault(kind="server_error", method="users.info", times=1_000))
    refused = await company.slack.submit("owen", filled)
    company.slack.faults.clear()
    taken = await company.slack.submit("owen", filled)

    assert list(refused.json["errors"]) == ["nominee"]
    assert taken.json == {}


async def test_while_slack_takes_its_time_a_form_is_answered_by_what_is_known(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "KNOW_SECONDS", 0.1)
    filled = await open_nomination(company)
    company.slack.faults.append(Fault(kind="slow", method="users.info", delay_seconds=30.0))
    answer = await company.slack.submit("owen", filled)

    assert "do not know this person yet" in answer.json["errors"]["nominee"]


async def test_a_window_that_cannot_be_filled_says_so(company: Company) -> None:
    company.slack.faults.append(Fault(kind="server_error", method="views.update"))
    await company.slack.shortcut("owen", forms.OPEN_NOMINATION)
    await eventually(partial(shows, company, "owen", forms.EXCUSE))

    assert "cannot be shown just now" in words(company, "owen")


async def test_words_for_a_celebration_that_is_gone_are_refused_in_words(company: Company) -> None:
    view = {"private_metadata": "ntf_gone", "state": {"values": {"words": {"words": {"value": "Cheers"}}}}}
    async with company.database.begin() as session:
        answered = await celebrations.add(session, context(), view)

    assert answered.answer == {"response_action": "errors", "errors": {"words": "It is not there any more."}}
