"""Nominations while they wait: approvers are reminded in words that say so, and nominators take theirs back."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from connectors.slack import cards, forms
from connectors.slack.nominations import WITHDRAW
from domain.nominations import NominationState, Proposal, Ruling, Verdict
from sandbox.slack.workspace import Conversation
from storage import nomination_commands, nomination_levels, nominations
from storage.tables import members
from tests.programs import NOW
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_walk import told, whispered
from tests.relay.slack.test_windows import opened

REASON = "Because she held the line all night long."


async def nominate(company: Company) -> str:
    """Owen has nominated Maya in the form, whose confirmation he has, and sees it at Home; the nomination's id."""
    await company.slack.command("owen", "general", "/laurel", "nominate @maya")
    await opened(company, "owen", forms.NOMINATE)
    await company.slack.submit("owen", {"reason": REASON})
    await company.slack.open_home("owen")
    await company.work()
    async with company.database.begin() as session:
        [nomination] = await nominations.list_page(session, company.program_id)
    assert WITHDRAW in str(company.slack.view("owen"))
    return nomination.id


async def ask(company: Company, nomination_id: str) -> None:
    """Maya's manager Ruth is asked, who works for Grace."""
    async with company.database.begin() as session:
        for name, manager in (("maya", "ruth"), ("ruth", "grace")):
            led = update(members).where(members.c.id == company.members[name])
            await session.execute(led.values(manager_id=company.members[manager]))
        await nomination_levels.ask(session, company.program_id, nomination_id, now=NOW)
    for name in ("ruth", "grace"):
        await company.slack.open_home(name)
    await company.work()


def direct(company: Company, user: str) -> Conversation:
    return company.slack.workspace.direct(company.slack.workspace.user(user).id)


def messages(company: Company, user: str) -> dict[str, Any]:
    """What the app says to this user directly, by its ts, as it reads now."""
    return direct(company, user).messages


async def press(company: Company, user: str, action: str) -> None:
    """The user presses this in the last message that has it."""
    ts = [ts for ts, one in messages(company, user).items() if action in str(one["blocks"])][-1]
    await company.slack.press(user, "app", ts, action)
    await company.work()


async def state(company: Company, nomination_id: str) -> NominationState:
    async with company.database.begin() as session:
        return (await nominations.get(session, company.program_id, nomination_id)).state


async def test_after_days_approvers_are_reminded_and_their_managers_asked_until_one_of_them_decides(
    company: Company,
) -> None:
    proposal = Proposal(company.members["owen"], company.members["maya"], "teamwork", REASON)
    long_ago = NOW - timedelta(days=5)
    async with company.database.begin() as session:
        nomination = await nomination_commands.nominate(session, company.program_id, proposal, now=long_ago)
    await ask(company, nomination.id)
    async with company.database.begin() as session:
        await nomination_levels.remind(session, company.program_id, nomination.id, now=NOW)
        await nomination_levels.escalate(session, company.program_id, nomination.id, now=NOW)
    await company.work()
    at_home = str(company.slack.view("grace"))

    assert told(company, "ruth")[-1].startswith("A reminder: ")
    assert "It has waited for 5 days." in str(messages(company, "ruth"))
    assert "has not decided in 5 days, so you are asked as well." in str(messages(company, "grace"))
    await press(company, "ruth", cards.APPROVE)
    assert (REASON in at_home, REASON in str(company.slack.view("grace"))) == (True, False)


async def test_only_the_nominator_withdraws_and_then_nobody_decides_any_more(company: Company) -> None:
    nomination_id = await nominate(company)
    await ask(company, nomination_id)
    messages(company, "lena").update(messages(company, "owen"))
    await press(company, "lena", WITHDRAW)
    before = await state(company, nomination_id)
    await press(company, "owen", WITHDRAW)

    assert before is NominationState.PENDING
    assert "Jemand anderes" in whispered(company, "lena", direct(company, "lena").id)[-1]
    assert await state(company, nomination_id) is NominationState.WITHDRAWN
    [confirmed] = messages(company, "owen").values()
    assert "It was withdrawn." in str(confirmed["blocks"])
    assert WITHDRAW not in str([confirmed, company.slack.view("owen")])
    assert cards.APPROVE not in str(messages(company, "ruth"))


async def test_who_would_take_back_what_was_decided_meanwhile_reads_so_and_has_no_button_any_more(
    company: Company,
) -> None:
    nomination_id = await nominate(company)
    await ask(company, nomination_id)
    approval = Ruling(Verdict.APPROVED, company.members["ruth"], "a test")
    async with company.database.begin() as session:
        await nomination_commands.decide(session, company.program_id, nomination_id, approval, now=NOW)
    await company.slack.press_view("owen", WITHDRAW)
    await company.work()

    assert await state(company, nomination_id) is NominationState.APPROVED
    confirmed, answer = messages(company, "owen").values()
    assert "It was approved." in str(confirmed["blocks"])
    assert answer["text"] == "It was approved."
    assert WITHDRAW not in str([confirmed, company.slack.view("owen")])


async def test_what_an_administrator_withdraws_says_so_to_its_nominator_and_has_no_button_any_more(
    company: Company,
) -> None:
    nomination_id = await nominate(company)
    async with company.database.begin() as session:
        await nomination_commands.withdraw(session, company.program_id, nomination_id, member_id=None, now=NOW)
    await company.work()

    confirmed, word = messages(company, "owen").values()
    assert "It was withdrawn." in str(confirmed["blocks"])
    assert WITHDRAW not in str([confirmed, company.slack.view("owen")])
    assert word["text"] == "Your nomination of maya was withdrawn"
    assert "an administrator has withdrawn it." in str(word["blocks"])
