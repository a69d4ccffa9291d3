"""Nominations while they wait: approvers are reminded in words that say so, and nominators take theirs back."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from connectors.slack import cards, forms
from connectors.slack.nominations import WITHDRAW
from domain.nominations import NominationState
from storage import nomination_levels, nominations
from storage.nomination_tables import nominations as table
from storage.tables import members
from tests.programs import NOW
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_walk import told
from tests.relay.slack.test_windows import opened

REASON = "Because she held the line all night long."


async def nominate(company: Company) -> str:
    """Owen has nominated Maya in the form, and her manager Ruth was asked; the nomination's id."""
    await company.slack.command("owen", "general", "/laurel", "nominate @maya")
    await opened(company, "owen", forms.NOMINATE)
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


async def state(company: Company, nomination_id: str) -> NominationState:
    async with company.database.begin() as session:
        return (await nominations.get(session, company.program_id, nomination_id)).state


async def press(company: Company, user: str, action: str) -> None:
    """The user presses this in the last message that has it."""
    direct = company.slack.workspace.direct(company.slack.workspace.user(user).id)
    ts = [ts for ts, one in direct.messages.items() if action in str(one["blocks"])][-1]
    await company.slack.press(user, direct.id, ts, action)
    await company.work()


async def test_a_nominator_withdraws_where_it_was_confirmed_and_nobody_decides_any_more(company: Company) -> None:
    nomination_id = await nominate(company)
    await company.slack.open_home("owen")
    await company.work()
    in_home = WITHDRAW in str(company.slack.view("owen"))
    await press(company, "owen", WITHDRAW)

    assert await state(company, nomination_id) is NominationState.WITHDRAWN
    [confirmed] = company.slack.workspace.direct(company.slack.workspace.user("owen").id).messages.values()
    assert "It was withdrawn." in str(confirmed["blocks"])
    assert WITHDRAW not in str(confirmed["blocks"])
    assert (in_home, WITHDRAW in str(company.slack.view("owen"))) == (True, False)
    assert cards.APPROVE not in str(company.slack.workspace.direct(company.slack.workspace.user("ruth").id).messages)


async def test_a_nominator_withdraws_at_home_and_what_confirmed_it_says_so(company: Company) -> None:
    nomination_id = await nominate(company)
    await company.slack.open_home("owen")
    await company.work()
    await company.slack.press_view("owen", WITHDRAW)
    await company.work()

    assert await state(company, nomination_id) is NominationState.WITHDRAWN
    assert "It was withdrawn." in str(last(company, "owen")["blocks"])
    assert WITHDRAW not in str(company.slack.view("owen"))


async def test_what_was_decided_has_no_button_and_what_was_pressed_meanwhile_says_why(company: Company) -> None:
    nomination_id = await nominate(company)
    direct = company.slack.workspace.direct(company.slack.workspace.user("owen").id)
    [(ts, confirmed)] = direct.messages.items()
    before = dict(confirmed)
    await press(company, "ruth", cards.APPROVE)
    direct.messages[ts] = before
    await press(company, "owen", WITHDRAW)

    assert await state(company, nomination_id) is NominationState.APPROVED
    assert "It was approved." in direct.ephemerals[-1]["text"]
    assert WITHDRAW not in str(direct.messages[ts]["blocks"])


async def test_nobody_takes_back_what_somebody_else_has_proposed(company: Company) -> None:
    nomination_id = await nominate(company)
    direct = company.slack.workspace.direct(company.slack.workspace.user("owen").id)
    theirs = company.slack.workspace.direct(company.slack.workspace.user("lena").id)
    theirs.messages |= direct.messages
    await press(company, "lena", WITHDRAW)

    assert await state(company, nomination_id) is NominationState.PENDING
    assert "Jemand anderes" in theirs.ephemerals[-1]["text"]
