"""What happens to a workspace and its people is followed: an app that goes, an account that ends or is renamed."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from domain.members import MemberStatus
from domain.slack_users import SlackUser
from domain.slack_workspaces import Workspace, WorkspaceState
from sandbox.slack.driver import Driver
from storage import members, slack_users, slack_workspaces
from storage.tables import notifications
from tests.programs import make_member
from tests.relay.slack.conftest import Company


async def kinds(company: Company) -> list[str]:
    """What administrators were told."""
    async with company.database.begin() as session:
        own = select(notifications.c.kind).where(notifications.c.member_id.is_(None)).order_by(notifications.c.id)
        return list((await session.execute(own)).scalars())


async def workspace(company: Company) -> Workspace:
    async with company.database.begin() as session:
        found = await slack_workspaces.find(session, company.workspace.team_id)
    assert found is not None
    return found


async def account(company: Company, user: str) -> SlackUser:
    user_id = company.slack.workspace.user(user).id
    async with company.database.begin() as session:
        found = await slack_users.find(session, company.program_id, company.workspace.connection_id, user_id)
    assert found is not None
    return found


@pytest.mark.parametrize("go", [Driver.uninstall, Driver.revoke])
async def test_an_app_that_is_uninstalled_or_has_its_token_revoked_is_forgotten_and_administrators_are_told_once(
    company: Company, go: Callable[[Driver], Awaitable[None]]
) -> None:
    await go(company.slack)
    await company.work()

    assert (await workspace(company)).state is WorkspaceState.REMOVED
    assert (await kinds(company)).count("slack_removed") == 1


async def test_a_token_of_somebody_that_is_revoked_leaves_the_app_where_it_is(company: Company) -> None:
    tokens = {"oauth": [company.slack.workspace.user("owen").id], "bot": []}
    company.slack.workspace.tell({"type": "tokens_revoked", "tokens": tokens})
    await company.slack.webhook.changed()
    await company.work()

    assert (await workspace(company)).state is WorkspaceState.INSTALLED


async def test_whose_account_is_deactivated_has_left(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "balance")
    await company.work()
    await company.slack.change("owen", deleted=True)
    await company.work()

    assert (await account(company, "owen")).deleted
    async with company.database.begin() as session:
        owen = await members.get(session, company.program_id, company.members["owen"])
    assert owen.status is MemberStatus.LEFT


async def test_whoever_was_unknown_is_a_member_once_their_account_has_the_members_address(company: Company) -> None:
    await company.slack.join("zoe", "zoe@elsewhere.example")
    async with company.database.begin() as session:
        zoe = await make_member(session, company.program_id, "zoe")
    await company.work()
    before = await account(company, "zoe")
    await company.slack.change("zoe", email="zoe@example.com")
    await company.work()

    assert (before.member_id, (await account(company, "zoe")).member_id) == (None, zoe)
