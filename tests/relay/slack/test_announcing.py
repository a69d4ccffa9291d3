"""Thanks that are public are said where they were given, answers reach who asked, and what is taken back is edited."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from sandbox.slack.faults import Fault
from storage import notifications
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_apart import THANKS
from tests.relay.slack.test_walk import said, told, whispered


async def test_public_thanks_are_confirmed_to_their_giver_and_said_once_although_the_answer_was_lost(
    company: Company,
) -> None:
    company.slack.faults.append(Fault(kind="lost", method="chat.postMessage"))
    await company.slack.command("owen", "general", "/laurel", THANKS)
    with pytest.raises(ApplicationError):
        await company.work()
    await company.work_again()

    assert "You gave" in whispered(company, "owen")[0]
    assert len(said(company)) == 1


async def test_where_the_app_is_not_thanks_are_said_all_the_same_and_no_administrator_is_troubled(
    company: Company,
) -> None:
    await company.slack.kick("general")
    for _ in range(2):
        await company.slack.command("owen", "general", "/laurel", THANKS)
    await company.slack.send_again()
    await company.work()

    assert (len(whispered(company, "owen")), len(said(company))) == (2, 2)
    async with company.database.begin() as session:
        of_administrators = await notifications.list_page(session, company.program_id, member_id=None, limit=10)
    assert "slack_conversation_closed" not in {one.kind for one in of_administrators}


async def test_what_was_asked_an_hour_before_slack_takes_anything_is_answered_directly(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "balance")
    await company.slack.command("owen", "general", "/laurel", THANKS)
    company.clock.now += timedelta(hours=1)
    await company.work()

    assert (whispered(company, "owen"), len(said(company))) == ([], 1)
    assert ["points" in told(company, "owen")[0], "You gave" in told(company, "owen")[1]] == [True, True]
