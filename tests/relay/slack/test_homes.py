"""A Home that was opened once follows what changes about its member."""

from domain.sentences import alone
from storage import notifications
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
