"""Windows: what is filled in there is done, by its own fields, and decisions are made where they are asked for."""

from functools import partial
from typing import Any

from sqlalchemy import update

from connectors.slack import forms
from domain.nominations import Nomination, NominationState
from sandbox.slack.faults import Fault
from storage import nomination_levels, nominations
from storage.tables import members
from tests.eventually import eventually
from tests.programs import NOW, apply
from tests.relay.slack.conftest import COMPANY, Company
from tests.relay.slack.test_walk import has, said, told, whispered

REASON = "Because she held the line all night long."
LINK = "https://example.com/demo"


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
    assert "You gave" in told(company, "owen")[0]
    assert said(company) == []


async def thank_author(company: Company, channel: str, **more: Any) -> None:
    """Owen thanks Maya for what she has said there, in the form that a shortcut on her message opens."""
    ts = await company.slack.say("maya", channel, "The demo works again.")
    await company.slack.message_shortcut("owen", channel, ts, forms.THANK_AUTHOR)
    await opened(company, "owen", forms.THANK)
    await company.slack.submit("owen", {"reason": "For holding the line.", **more})
    await company.work()


async def test_a_shortcut_on_a_message_thanks_its_author_where_it_stands(company: Company) -> None:
    await thank_author(company, "general")

    assert await has(company, "maya") == 10
    assert "thanks" in said(company)[-1]


async def test_private_thanks_are_said_to_nobody_else(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "thanks @maya private for the demo that saved the day")
    await company.work()
    await thank_author(company, "general", private=["private"])

    assert await has(company, "maya") == 20
    assert said(company) == ["The demo works again."]


async def test_in_channels_that_are_not_listed_signs_give_nothing_and_nobody_is_thanked_aloud(company: Company) -> None:
    ts = await company.slack.say("maya", "thanks", "The demo works again.")
    await company.slack.react("owen", "thanks", ts, "laurel")
    await company.slack.say("owen", "thanks", "@maya :laurel: for the demo")
    await company.work()
    by_signs = await has(company, "maya"), await has(company, "owen", "kudos")
    before = said(company, "thanks")
    await thank_author(company, "thanks")

    assert by_signs == (0, 100)
    assert await has(company, "maya") == 10
    assert said(company, "thanks") == [*before, "The demo works again."]


async def kept(company: Company) -> Nomination:
    """The only one there is."""
    async with company.database.begin() as session:
        [nomination] = await nominations.list_page(session, company.program_id)
    return nomination


async def test_a_nomination_is_written_in_a_form_that_says_beside_each_field_what_is_wrong(company: Company) -> None:
    slack = company.slack
    maya, owen = (slack.workspace.user(name).id for name in ("maya", "owen"))
    await slack.shortcut("owen", forms.OPEN_NOMINATION)
    await opened(company, "owen", forms.NOMINATE)
    filled = {"nominee": maya, "reason": REASON, "amount": "", "evidence": ""}
    wrong = {"nominee": owen, "amount": "much", "evidence": "see the wiki", "reason": " " * 30}
    answers = [await slack.submit("owen", filled | {field: value}) for field, value in wrong.items()]
    done = await slack.submit("owen", filled)
    await company.work()

    assert [list(answer.json["errors"]) for answer in answers] == [[field] for field in wrong]
    assert done.json == {}
    nomination = await kept(company)
    assert (nomination.nominee_id, nomination.amount) == (company.members["maya"], 50)
    assert "on its way" in told(company, "owen")[0]


async def asked(company: Company) -> str:
    """Owen has nominated Maya in one category of two, with a link, and her manager Ruth was asked; its id."""
    teamwork = COMPANY["nominations"]["teamwork"]
    categories = {"teamwork": teamwork, "courage": {**teamwork, "title": "Courage"}}
    async with company.database.begin() as session:
        await apply(session, company.program_id, {**COMPANY, "nominations": categories})
        led = update(members).where(members.c.id == company.members["maya"])
        await session.execute(led.values(manager_id=company.members["ruth"]))
    slack = company.slack
    await slack.command("owen", "general", "/laurel", "nominate @maya")
    await opened(company, "owen", forms.NOMINATE)
    await slack.submit("owen", {"category": "courage", "reason": REASON, "evidence": LINK, "amount": "80"})
    await slack.open_home("ruth")
    await company.work()
    nomination = await kept(company)
    assert (nomination.category, nomination.amount, nomination.evidence) == ("courage", 80, LINK)
    async with company.database.begin() as session:
        await nomination_levels.ask(session, company.program_id, nomination.id, now=NOW)
    await company.work()
    return nomination.id


async def press(company: Company, action: str) -> None:
    """Ruth presses this in the card that asks her."""
    direct = company.slack.workspace.direct(company.slack.workspace.user("ruth").id)
    [ts] = direct.messages
    await company.slack.press("ruth", direct.id, ts, action)


async def test_an_approver_changes_the_amount(company: Company) -> None:
    await asked(company)
    await press(company, forms.CHANGE_AMOUNT)
    await opened(company, "ruth", forms.CHANGE_AMOUNT)
    too_much = await company.slack.submit("ruth", {"amount": "101"})
    await company.slack.submit("ruth", {"amount": "30"})
    await company.work()

    assert "amount" in too_much.json["errors"]
    nomination = await kept(company)
    assert (nomination.state, nomination.amount) == (NominationState.APPROVED, 30)


async def test_an_approver_declines_and_the_nominator_reads_why(company: Company) -> None:
    await asked(company)
    await press(company, forms.DECLINE)
    await opened(company, "ruth", forms.DECLINE)
    blank = await company.slack.submit("ruth", {"comment": "   "})
    await company.slack.submit("ruth", {"comment": "It was her job."})
    await company.work()

    assert "Say why not" in blank.json["errors"]["comment"]
    assert (await kept(company)).state is NominationState.DECLINED
    [*_, read] = company.slack.workspace.direct(company.slack.workspace.user("owen").id).messages.values()
    assert "It was her job." in str(read["blocks"])


async def says_no_window(company: Company) -> None:
    await company.work()
    assert whispered(company, "owen") == ["This cannot be shown just now. Please try again in a minute."]


async def test_who_asks_for_a_window_that_slack_does_not_open_reads_so(company: Company) -> None:
    company.slack.faults.append(Fault(kind="server_error", method="views.open"))
    await company.slack.command("owen", "general", "/laurel", "nominate @maya")

    await eventually(partial(says_no_window, company))
