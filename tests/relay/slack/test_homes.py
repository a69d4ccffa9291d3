"""A Home that was opened once follows what changes about its member."""

from domain.commands import PlaceHold, Spend
from domain.outbox import Lane
from domain.sentences import alone
from storage import commands, notifications
from tests.programs import NOW
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_redeeming import grant
from tests.relay.slack.test_walk import has


async def test_points_that_come_are_shown_in_a_home_that_was_opened(company: Company) -> None:
    await company.slack.open_home("owen")
    await company.work()
    await grant(company, "owen", 700)
    await company.work()

    assert await has(company, "owen") == 700
    assert "700 points" in str(company.slack.view("owen")["blocks"])


async def test_what_only_spends_is_shown_in_homes_that_were_opened_and_leaves_nothing_to_do_for_others(
    company: Company,
) -> None:
    await grant(company, "owen", 700)
    await grant(company, "maya", 700)
    await company.slack.open_home("owen")
    await company.work()
    shown = []
    for name in ("owen", "maya"):
        spend = Spend(reference=name, actor="tests", member_id=company.members[name], unit="points", amount=200)
        async with company.database.begin() as session:
            await commands.execute(session, company.program_id, [spend], as_of=NOW)
        shown.append(len(await company.relay.work(Lane.REDIS)))
    await company.work()
    hold = PlaceHold(reference="hold", actor="tests", member_id=company.members["owen"], unit="points", amount=100)
    spent = str(company.slack.view("owen")["blocks"])
    async with company.database.begin() as session:
        await commands.execute(session, company.program_id, [hold], as_of=NOW)
    await company.work()

    assert shown == [1, 0]
    assert "500 points" in spent
    assert "400 points" in str(company.slack.view("owen")["blocks"])


async def test_a_notification_shows_the_homes_that_were_opened_and_no_others(company: Company) -> None:
    await company.slack.open_home("owen")
    await company.work()
    before = published(company)
    for name in ("owen", "maya"):
        async with company.database.begin() as session:
            await notifications.tell(
                session,
                company.program_id,
                member_id=company.members[name],
                kind="tier_reached",
                subject=alone("Gold"),
                body=alone("You are gold now."),
                reference="gold",
                now=NOW,
            )
    await company.work()

    assert published(company) == before + 1


def published(company: Company) -> int:
    return company.slack.requests["/api/views.publish"]
