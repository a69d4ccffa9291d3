"""Whoever is told something is looked for in Slack by their address: once, and again after a while."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connectors.errors import Unavailable
from connectors.slack.web import Slacks
from domain.outbox import ClaimedRow, Kind, Lane
from domain.sentences import alone
from relay.slack.meeting import MISSED_FOR, Meeting
from sandbox.slack.faults import Fault
from settings import Settings
from storage import notifications, slack_users
from storage.keyring import Keyring
from storage.tables import notifications as rows
from tests.programs import NOW, make_member
from tests.relay.slack.conftest import Clock, Company

SECOND = timedelta(seconds=1)
LOOKED_UP = "/api/users.lookupByEmail"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def meeting(company: Company, settings: Settings, clock: Clock) -> AsyncIterator[Meeting]:
    slacks = Slacks(settings.slack_api_url)
    yield Meeting(company.database, Keyring.from_setting(settings.laurel_secret_keys), slacks, clock=clock)
    await slacks.aclose()


async def telling(company: Company, member_id: str | None, kind: Kind = Kind.NOTIFICATION) -> ClaimedRow:
    """A row of the lane "notify" about something that is told to them."""
    said: dict[str, Any] = {
        "kind": "badge",
        "subject": alone("A badge"),
        "body": alone("Closer"),
        "reference": member_id or "all",
    }
    async with company.database.begin() as session:
        await notifications.tell(session, company.program_id, member_id=member_id, **said, now=NOW)
        own = select(rows.c.id).where(rows.c.kind == "badge", rows.c.member_id.is_not_distinct_from(member_id))
        told = (await session.execute(own)).scalar_one()
    return ClaimedRow(1, company.program_id, Lane.NOTIFY, kind, {"notification_id": told}, 0)


async def accounts(company: Company, member_id: str) -> list[str]:
    """The names of the member's accounts in Slack, as far as they are known."""
    async with company.database.begin() as session:
        found = await slack_users.list_of_member(session, company.program_id, member_id)
    return [one.name for one in found]


async def test_whoever_was_never_in_slack_is_found_there_by_their_address_once(
    company: Company, meeting: Meeting
) -> None:
    ruth = company.members["ruth"]
    row = await telling(company, ruth)
    before = await accounts(company, ruth)
    for _ in range(2):
        await meeting(row)

    assert before == []
    assert await accounts(company, ruth) == [company.slack.workspace.user("ruth").real_name]
    assert company.slack.requests[LOOKED_UP] == 1


async def test_who_is_not_in_slack_is_looked_for_again_only_after_a_while(
    company: Company, meeting: Meeting, clock: Clock
) -> None:
    async with company.database.begin() as session:
        zoe = await make_member(session, company.program_id, "zoe")
    row = await telling(company, zoe)
    await meeting(row)
    await company.slack.join("zoe", "zoe@example.com")
    clock.now = NOW + MISSED_FOR - SECOND
    await meeting(row)
    too_early = await accounts(company, zoe)
    clock.now = NOW + MISSED_FOR
    await meeting(row)

    assert too_early == []
    assert await accounts(company, zoe) == ["Zoe"]
    assert company.slack.requests[LOOKED_UP] == 2


async def test_while_slack_does_not_say_the_row_waits_and_nobody_is_missed(company: Company, meeting: Meeting) -> None:
    ruth = company.members["ruth"]
    row = await telling(company, ruth)
    company.slack.faults.append(Fault(kind="server_error", method="users.lookupByEmail", times=1_000))
    with pytest.raises(Unavailable):
        await meeting(row)
    company.slack.faults.clear()
    await meeting(row)

    assert len(await accounts(company, ruth)) == 1


async def test_nobody_is_looked_for_who_is_not_told_something_themselves(company: Company, meeting: Meeting) -> None:
    await meeting(await telling(company, company.members["ruth"], Kind.RETELL))
    await meeting(await telling(company, None))

    assert company.slack.requests[LOOKED_UP] == 0
