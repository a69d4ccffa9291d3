"""Windows: what is filled in there is done, by its own fields, and decisions are made where they are asked for."""

from functools import partial

from sqlalchemy import update

from connectors.slack import forms
from domain.nominations import NominationState
from sandbox.slack.faults import Fault
from storage import nomination_levels, nominations
from storage.tables import members
from tests.eventually import eventually
from tests.programs import NOW
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_walk import has, said, told, whispered

REASON = "Because she held the line all night long."


async def shows(company: Company, user: str, callback_id: str) -> None:
    assert company.slack.view(user)["callback_id"] == callback_id


async def opened(company: Company, user: str, callback_id: str) -> None:
    """The window is filled."""
    await eventually(partial(shows, company, user, callback_id))


async def test_a_shortcut_thanks_several_people_and_tells_them_alone(company: Company) -> None:
    slack = company.slack
    await slack.shortcut("owen", forms.OPEN_THANKS)
    await opened(company, "owen", forms.THANK)
    receivers = [slack.workspace.user(name).id for name in ("maya", "lena")]
    await slack.submit("owen", {"receivers": receivers, "reason": "For holding the line.", "amount": "15"})
    await company.work()

    assert [await has(company, name) for name in ("maya", "lena")] == [15, 15]
    assert await has(company, "owen", "kudos") == 70
    assert said(company) == []


async def test_a_shortcut_on_a_message_thanks_its_author_where_it_stands(company: Company) -> None:
    slack = company.slack
    ts = await slack.say("maya", "general", "The demo works again.")
    await slack.message_shortcut("owen", "general", ts, forms.THANK_AUTHOR)
    await opened(company, "owen", forms.THANK)
    await slack.submit("owen", {"reason": "For holding the line."})
    await company.work()

    assert await has(company, "maya") == 10
    assert "thanks" in said(company)[-1]


async def test_private_thanks_are_said_to_nobody_else(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "thanks @maya private for the demo that saved the day")
    await company.work()

    assert await has(company, "maya") == 10
    assert said(company) == []


async def test_in_channels_that_are_not_listed_signs_give_nothing(company: Company) -> None:
    ts = await company.slack.say("maya", "thanks", "The demo works again.")
    await company.slack.react("owen", "thanks", ts, "laurel")
    await company.slack.say("owen", "thanks", "@maya :laurel: for the demo")
    await company.work()

    assert (await has(company, "maya"), await has(company, "owen", "kudos")) == (0, 100)


async def asked(company: Company) -> str:
    """Owen has nominated Maya with 80 points and a link, and her manager Ruth was asked; the nomination's id."""
    async with company.database.begin() as session:
        led = update(members).where(members.c.id == company.members["maya"])
        await session.execute(led.values(manager_id=company.members["ruth"]))
    slack = company.slack
    await slack.command("owen", "general", "/laurel", "nominate @maya")
    await opened(company, "owen", forms.NOMINATE)
    link = "https://example.com/demo"
    await slack.submit("owen", {"category": "teamwork", "reason": REASON, "evidence": link, "amount": "80"})
    await slack.open_home("ruth")
    await company.work()
    async with company.database.begin() as session:
        [nomination] = await nominations.list_page(session, company.program_id)
        await nomination_levels.ask(session, company.program_id, nomination.id, now=NOW)
    assert (nomination.amount, nomination.evidence) == (80, link)
    await company.work()
    return nomination.id


async def press(company: Company, action: str) -> None:
    """Ruth presses this in the card that asks her."""
    direct = company.slack.workspace.direct(company.slack.workspace.user("ruth").id)
    [ts] = direct.messages
    await company.slack.press("ruth", direct.id, ts, action)


async def test_an_approver_changes_the_amount(company: Company) -> None:
    nomination_id = await asked(company)
    await press(company, forms.CHANGE_AMOUNT)
    await opened(company, "ruth", forms.CHANGE_AMOUNT)
    too_much = await company.slack.submit("ruth", {"amount": "101"})
    await company.slack.submit("ruth", {"amount": "30"})
    await company.work()

    assert "amount" in too_much.json["errors"]
    async with company.database.begin() as session:
        nomination = await nominations.get(session, company.program_id, nomination_id)
    assert (nomination.state, nomination.amount) == (NominationState.APPROVED, 30)


async def test_an_approver_declines_and_the_nominator_reads_why(company: Company) -> None:
    nomination_id = await asked(company)
    await press(company, forms.DECLINE)
    await opened(company, "ruth", forms.DECLINE)
    await company.slack.submit("ruth", {"comment": "It was her job."})
    await company.work()

    async with company.database.begin() as session:
        nomination = await nominations.get(session, company.program_id, nomination_id)
    assert nomination.state is NominationState.DECLINED
    assert "declined" in told(company, "owen")[-1]


async def says_no_window(company: Company) -> None:
    await company.work()
    assert whispered(company, "owen") == ["This cannot be shown just now. Please try again in a minute."]


async def test_who_asks_for_a_window_that_slack_does_not_open_reads_so(company: Company) -> None:
    company.slack.faults.append(Fault(kind="server_error", method="views.open"))
    await company.slack.command("owen", "general", "/laurel", "nominate @maya")

    await eventually(partial(says_no_window, company))
