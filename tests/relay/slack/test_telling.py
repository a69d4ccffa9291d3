"""What people are told of in Slack: they ask there why, and add their words, by Slack's own ways."""

from functools import partial

from sqlalchemy import update

from connectors.slack import cards
from storage import employment
from storage.tables import members
from tests.eventually import eventually
from tests.programs import NOW, apply
from tests.relay.slack.conftest import COMPANY, Company
from tests.relay.slack.test_walk import place, said


async def test_whoever_is_thanked_asks_beneath_it_why(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "thanks @maya +20 for the demo that saved the day")
    await company.work()
    direct = company.slack.workspace.direct(company.slack.workspace.user("maya").id)
    [ts] = direct.messages
    await company.slack.press("maya", direct.id, ts, cards.WHY)
    await company.work()

    [answer] = direct.ephemerals
    assert "earned you 20 points" in str(answer["text"])


async def celebrate(company: Company, name: str) -> str:
    """It is this member's birthday, and everybody reads it in #general; the post's ts."""
    posted = {"slack": {"celebrations": {"channel": place(company, "general").id}}}
    async with company.database.begin() as session:
        await apply(session, company.program_id, {**COMPANY, "notifications": posted})
        own = update(members).where(members.c.id == company.members[name])
        await session.execute(own.values(birthday=f"{NOW:%m-%d}", created_at=NOW.replace(year=NOW.year - 2)))
        await employment.settle_page(session, company.program_id, after="", as_of=NOW)
    await company.work()
    [ts] = place(company, "general").messages
    return str(ts)


async def has_words_form(company: Company, user: str) -> None:
    assert company.slack.view(user)["callback_id"] == cards.WORDS


async def test_colleagues_add_their_words_in_a_form_and_the_post_has_them(company: Company) -> None:
    ts = await celebrate(company, "maya")
    await company.slack.press("owen", "general", ts, cards.WRITE_WORDS)
    await eventually(partial(has_words_form, company, "owen"))
    blank = await company.slack.submit("owen", {"words": "   "})
    added = await company.slack.submit("owen", {"words": "All the best!"})
    await company.slack.send_again()
    await company.work()

    assert "words" in blank.json["errors"]
    assert added.json == {}
    assert len(said(company)) == 1
    shown = [str(block.get("text", {}).get("text")) for block in place(company, "general").messages[ts]["blocks"]]
    assert sum("All the best!" in text for text in shown) == 1
