"""What happens to a workspace and its people is followed: an app that goes, an account that ends."""

from sqlalchemy import select

from domain.slack_workspaces import WorkspaceState
from storage import slack_users, slack_workspaces
from storage.tables import notifications
from tests.relay.slack.conftest import Company


async def kinds(company: Company) -> list[str]:
    """What administrators were told."""
    async with company.database.begin() as session:
        own = select(notifications.c.kind).where(notifications.c.member_id.is_(None)).order_by(notifications.c.id)
        return list((await session.execute(own)).scalars())


async def test_an_app_that_is_uninstalled_is_forgotten_and_administrators_are_told_once(company: Company) -> None:
    await company.slack.uninstall()
    await company.work()

    async with company.database.begin() as session:
        workspace = await slack_workspaces.find(session, company.workspace.team_id)
    assert workspace is not None
    assert workspace.state is WorkspaceState.REMOVED
    assert (await kinds(company)).count("slack_removed") == 1


async def test_an_account_that_is_deactivated_is_followed_and_told(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "balance")
    await company.work()
    await company.slack.change("owen", deleted=True)
    await company.work()

    user_id = company.slack.workspace.user("owen").id
    async with company.database.begin() as session:
        user = await slack_users.find(session, company.program_id, company.workspace.connection_id, user_id)
    assert user is not None
    assert user.deleted
    assert (await kinds(company)).count("slack_user_deactivated") == 1
