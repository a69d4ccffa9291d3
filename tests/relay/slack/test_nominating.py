"""Nominations while they wait: approvers are reminded in words that say so, and nominators take theirs back."""

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import update

from connectors.slack import forms
from storage import nomination_levels, nominations
from storage.nomination_tables import nominations as table
from storage.tables import members
from tests.eventually import eventually
from tests.programs import NOW
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_walk import has_form, told

REASON = "Because she held the line all night long."


async def nominate(company: Company) -> str:
    """Owen has nominated Maya in the form, and her manager Ruth was asked; the nomination's id."""
    await company.slack.command("owen", "general", "/laurel", "nominate @maya")
    await eventually(partial(has_form, company, "owen"))
    await company.slack.submit("owen", {"reason": REASON})
    await company.slack.open_home("ruth")
    await company.work()
    async with company.database.begin() as session:
        [nomination] = await nominations.list_page(session, company.program_id)
        led = update(members).where(members.c.id == company.members["maya"])
        await session.execute(led.values(manager_id=company.members["ruth"]))
        await nomination_levels.ask(session, company.program_id, nomination.id, now=NOW)
    await company.work()
    return nomination.id


def last(company: Company, user: str) -> Any:
    """What the app has said last to this user."""
    direct = company.slack.workspace.direct(company.slack.workspace.user(user).id)
    return [*direct.messages.values()][-1]


async def test_after_days_approvers_are_reminded_and_their_managers_asked_in_words_that_say_so(
    company: Company,
) -> None:
    nomination_id = await nominate(company)
    async with company.database.begin() as session:
        led = update(members).where(members.c.id == company.members["ruth"])
        await session.execute(led.values(manager_id=company.members["grace"]))
        await session.execute(update(table).values(level_since=NOW - timedelta(days=5)))
        await nomination_levels.remind(session, company.program_id, nomination_id, now=NOW)
        await nomination_levels.escalate(session, company.program_id, nomination_id, now=NOW)
    await company.slack.open_home("grace")
    await company.work()

    assert told(company, "ruth")[-1].startswith("A reminder: ")
    assert "It has waited for 5 days." in str(last(company, "ruth")["blocks"])
    assert "has not decided in 5 days, so you are asked as well." in str(last(company, "grace")["blocks"])
