"""Who takes no part in Slack, or not any more, is told so, and nothing of what they do is done."""

from functools import partial
from typing import Any

import orjson

from connectors.slack import forms, redeem
from domain.commands import Earn
from domain.member_changes import read
from storage import commands, member_changes
from tests.eventually import eventually
from tests.programs import NOW, apply, make_member
from tests.relay.slack.conftest import COMPANY, Company
from tests.relay.slack.test_redeeming import grant, open_shop, placed, shows, words
from tests.relay.slack.test_walk import has, place, whispered

THANKS = "thanks @maya +20 for the demo that saved the day"


async def let_outsiders(company: Company, take_part: bool) -> None:
    thanks: dict[str, Any] = COMPANY["recognition"]["thanks"]
    channel = company.slack.workspace.conversation("general").id
    recognition = {"thanks": {**thanks, "channels": [channel], "external": take_part}}
    async with company.database.begin() as session:
        await apply(session, company.program_id, {**COMPANY, "recognition": recognition})


async def become_guest(company: Company, user: str) -> None:
    """A guest who takes part, until guests do no more."""
    await let_outsiders(company, True)
    await company.slack.change(user, is_restricted=True)
    await company.slack.command(user, "general", "/laurel", "balance")
    await company.work()


async def leave(company: Company, user: str) -> None:
    async with company.database.begin() as session:
        change = read({"external_id": user, "status": "left"})
        await member_changes.write(session, company.program_id, [change], effective_at=NOW, now=NOW)


async def test_guests_take_no_part_from_when_they_may_not(company: Company) -> None:
    await become_guest(company, "owen")
    await let_outsiders(company, False)
    await company.slack.command("owen", "general", "/laurel", THANKS)
    await company.work()
    await company.slack.command("maya", "general", "/laurel", "thanks @owen +20 for the demo that saved the day")
    await company.work()

    assert "Guests" in whispered(company, "owen")[-1]
    assert "I do not know everybody" in whispered(company, "maya")[-1]
    assert (await has(company, "maya"), await has(company, "owen"), await has(company, "owen", "kudos")) == (0, 0, 100)


async def test_what_a_guest_gave_is_taken_back_though_they_take_no_part_any_more(company: Company) -> None:
    await become_guest(company, "owen")
    ts = await company.slack.say("maya", "general", "The demo works again.")
    await company.slack.react("owen", "general", ts, "laurel")
    await company.work()
    given = await has(company, "maya")
    await let_outsiders(company, False)
    await company.slack.unreact("owen", "general", ts, "laurel")
    await company.work()

    assert (given, await has(company, "maya")) == (5, 0)


async def share(company: Company) -> None:
    """Kim of another company is in #general, which both share, and is a member by an identity."""
    kim, general = await company.slack.join("kim", team_id="T0PARTNER"), place(company, "general")
    general.is_ext_shared = True
    general.members.append(kim)
    async with company.database.begin() as session:
        member_id = await make_member(session, company.program_id, "kim")
        change = read({"external_id": "kim", "identities": [{"source": "slack", "external_id": kim}]})
        await member_changes.write(session, company.program_id, [change], effective_at=NOW, now=NOW)
        kudos = Earn(reference="kudos:kim", actor="tests", member_id=member_id, unit="kudos", amount=100)
        await commands.execute(session, company.program_id, [kudos], as_of=NOW)


async def test_in_a_shared_channel_people_of_other_companies_give_only_while_they_may(company: Company) -> None:
    await share(company)
    given = []
    for allowed in (True, False):
        await let_outsiders(company, allowed)
        ts = await company.slack.say("maya", "general", "The demo works again.")
        await company.slack.react("kim", "general", ts, "laurel")
        await company.work()
        given.append(await has(company, "maya"))

    assert orjson.loads(company.slack.webhook.sent[-1].body)["team_id"] == "T0PARTNER"
    assert given == [5, 5]


async def test_whoever_has_left_is_told_so_at_whatever_they_do(company: Company) -> None:
    await grant(company, "owen", 600)
    await open_shop(company, "owen")
    await company.slack.submit("owen", {redeem.SELECT: "mug|500"})
    for name in ("owen", "grace"):
        await leave(company, name)
    await company.slack.submit("owen", {"email": "owen@home.example"})
    at_submit = words(company, "owen")
    await company.slack.command("owen", "general", "/laurel", THANKS)
    await company.work()
    at_command = whispered(company, "owen")[-1]
    await company.slack.shortcut("owen", forms.OPEN_NOMINATION)
    await eventually(partial(shows, company, "owen", forms.EXCUSE))
    await company.slack.open_home("grace")
    await company.work()

    told = "You do not take part any more"
    assert [told in one for one in (at_submit, at_command, words(company, "owen"), words(company, "grace"))] == [
        True
    ] * 4
    assert await placed(company) == []
    assert (await has(company, "maya"), await has(company, "owen", "kudos")) == (0, 100)


async def test_a_form_of_somebody_unknown_says_what_to_do(company: Company) -> None:
    await company.slack.join("zoe", "zoe@elsewhere.example")
    await company.slack.shortcut("zoe", forms.OPEN_THANKS)
    await eventually(partial(shows, company, "zoe", forms.THANK))
    maya = company.slack.workspace.user("maya").id
    await company.slack.submit("zoe", {"receivers": [maya], "reason": "For the demo that saved the day"})

    assert "I do not know you yet" in words(company, "zoe")


async def test_who_is_unknown_has_no_settings(company: Company) -> None:
    await company.slack.join("zoe", "zoe@elsewhere.example")
    await company.slack.command("zoe", "general", "/laurel", "settings")
    await eventually(partial(shows, company, "zoe", forms.EXCUSE))

    assert "I do not know you yet" in words(company, "zoe")
