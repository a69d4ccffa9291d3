"""Thanks that are public are said where they were given, answers reach who asked, and what is taken back is edited."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from sandbox.slack.faults import Fault
from storage import notifications, recognitions
from tests.programs import NOW
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_apart import THANKS
from tests.relay.slack.test_saying import send
from tests.relay.slack.test_walk import place, said, told, whispered


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


async def test_thanks_are_said_also_where_what_waits_before_them_closes_the_channel(company: Company) -> None:
    await company.slack.kick("general")
    await send(company, ("1", "of ours"))
    await company.slack.command("owen", "general", "/laurel", THANKS)
    await company.work()

    [announced] = said(company)
    assert "thanks" in announced


async def test_what_was_asked_an_hour_before_slack_takes_anything_is_answered_directly(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "balance")
    await company.slack.command("owen", "general", "/laurel", THANKS)
    company.clock.now += timedelta(hours=1)
    await company.work()

    assert (whispered(company, "owen"), len(said(company))) == ([], 1)
    assert ["points" in told(company, "owen")[0], "You gave" in told(company, "owen")[1]] == [True, True]


async def take_back(company: Company, receiver: str) -> None:
    async with company.database.begin() as session:
        [found] = await recognitions.list_page(
            session, company.program_id, receiver_id=company.members[receiver], limit=1
        )
        await recognitions.withdraw_one(session, company.program_id, found.id, actor="hr", as_of=NOW)
    await company.work()


async def test_an_announcement_says_of_thanks_only_those_that_stand(company: Company) -> None:
    await company.slack.command(
        "owen", "general", "/laurel", "thanks @maya @lena +20 #Craft for the demo that saved us"
    )
    await company.work()
    maya, lena = (f"<@{company.slack.workspace.user(name).id}>" for name in ("maya", "lena"))
    seen = said(company)
    for name in ("maya", "lena"):
        await take_back(company, name)
        seen += said(company)

    assert [(maya in one, lena in one) for one in seen] == [(True, True), (False, True), (False, False)]
    assert seen[-1] == "These thanks were taken back."


async def test_whoever_is_no_member_and_reacts_is_told_what_to_do_once_a_day(company: Company) -> None:
    zoe = await company.slack.join("zoe", "zoe@elsewhere.example")
    place(company, "general").members.append(zoe)
    for n in range(3):
        ts = await company.slack.say("maya", "general", f"Step {n} works again.")
        await company.slack.react("zoe", "general", ts, "laurel")
    await company.slack.say("zoe", "general", "@maya :laurel: for holding the line all night")
    await company.work()

    [answer] = whispered(company, "zoe")
    assert "I do not know you yet" in answer
