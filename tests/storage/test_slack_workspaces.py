"""Workspaces are connected to one program each, by links that work once, and lose their token when they go."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.sign_ins import LinkSpent
from domain.slack import Outgoing
from domain.slack_workspaces import BelongsToAnother, Installation, InstallLink, Workspace, WorkspaceState
from storage import connections, notifications, slack_install_links, slack_messages, slack_workspaces, tables
from storage.database import Database
from storage.keyring import Keyring
from storage.slack_tables import slack_conversations
from tests.eventually import eventually
from tests.programs import NOW, make_program

KEYRING = Keyring({"a": bytes(32)}, "a")
ACME = Installation("T1", "Acme", "A1", "UBOT", ["commands", "chat:write"], "xoxb-canary-1")
SECONDS = timedelta(seconds=1)


@pytest.fixture
async def program_id(session: AsyncSession) -> str:
    return await make_program(session)


async def install(session: AsyncSession, program_id: str, installation: Installation = ACME, now=NOW) -> Workspace:
    link = InstallLink(program_id, "admin:Anna")
    return await slack_workspaces.install(session, KEYRING, link, installation, now=now)


async def remove(session: AsyncSession, now=NOW + SECONDS):
    return await slack_workspaces.remove(session, KEYRING, "T1", told_at=now, now=now)


async def token(session: AsyncSession, program_id: str, connection_id: str) -> str | None:
    connection = await connections.get(session, KEYRING, program_id, connection_id)
    return connection.secrets.get("bot_token")


async def test_a_workspace_has_a_connection_with_its_token_sealed(session: AsyncSession, program_id: str) -> None:
    workspace = await install(session, program_id)

    connection = await connections.get(session, KEYRING, program_id, workspace.connection_id)
    rows = (await session.execute(select(tables.connections))).mappings().all()
    assert await slack_workspaces.find(session, "T1") == workspace
    assert (connection.kind, connection.name, connection.config["team_id"]) == ("slack", "slack", "T1")
    assert connection.secrets == {"bot_token": "xoxb-canary-1"}
    assert "canary" not in str(rows) + repr(ACME)


async def test_connected_again_it_keeps_its_connection_and_gets_the_new_token(
    session: AsyncSession, program_id: str
) -> None:
    first = await install(session, program_id)
    made = await connections.get(session, KEYRING, program_id, first.connection_id)
    await connections.rotate(session, KEYRING, made, secrets={}, config={"deactivation": "leave"}, now=NOW)
    renamed = replace(ACME, team_name="Acme Inc", bot_token="xoxb-2", scopes=["commands"])

    again = await install(session, program_id, renamed, NOW + SECONDS)

    connection = await connections.get(session, KEYRING, program_id, again.connection_id)
    assert (again.connection_id, again.name, again.scopes) == (first.connection_id, "Acme Inc", ["commands"])
    assert connection.secrets == {"bot_token": "xoxb-2"}
    assert (connection.config["team_name"], connection.config["deactivation"]) == ("Acme Inc", "leave")


async def test_a_program_has_several_workspaces(session: AsyncSession, program_id: str) -> None:
    await install(session, program_id, replace(ACME, team_id="T2", team_name="Beta"))
    await install(session, program_id)

    found = await slack_workspaces.list_of(session, program_id)
    names = [one.name for one in await connections.list_of(session, program_id)]
    assert [one.name for one in found] == ["Acme", "Beta"]
    assert names == ["slack", "slack-t1"]


async def test_another_program_cannot_have_it_until_it_is_removed(session: AsyncSession, program_id: str) -> None:
    other = await make_program(session)
    first = await install(session, program_id)

    with pytest.raises(BelongsToAnother, match="'Acme' is connected to another program"):
        await install(session, other)
    await remove(session)
    moved = await install(session, other, now=NOW + 2 * SECONDS)

    assert (moved.program_id, moved.state) == (other, WorkspaceState.INSTALLED)
    assert await slack_workspaces.list_of(session, program_id) == []
    assert await token(session, program_id, first.connection_id) is None


async def test_two_programs_that_race_for_a_workspace_do_not_both_get_it(database_url: str) -> None:
    database = Database(database_url, pool_size=4)
    async with database.begin() as session:
        programs = [await make_program(session) for _ in range(2)]

    async def connect(program_id: str) -> str:
        async with database.begin() as session:
            return (await install(session, program_id)).program_id

    got = await asyncio.gather(*map(connect, programs), return_exceptions=True)

    await database.dispose()
    assert sorted(type(one).__name__ for one in got) == ["BelongsToAnother", "str"]


async def test_a_removal_locks_conversations_in_the_order_in_which_messages_are_added(database_url: str) -> None:
    database = Database(database_url, pool_size=4)
    async with database.begin() as session:
        program_id = await make_program(session)
        workspace = await install(session, program_id)
    first, last = (Outgoing(channel, workspace.connection_id, channel) for channel in ("C1", "C2"))
    for one in (last, first):
        async with database.begin() as session:
            await slack_messages.send(session, program_id, [one], now=NOW)

    async def is_locked() -> None:
        async with database.begin() as session:
            own = select(slack_conversations.c.id).where(slack_conversations.c.target == "C1")
            assert (await session.execute(own.with_for_update(skip_locked=True))).all() == []

    async def close_all() -> None:
        async with database.begin() as session:
            await slack_messages.close_all(session, program_id, workspace.connection_id, "removed", now=NOW)

    async with asyncio.TaskGroup() as tasks, database.begin() as session:
        await slack_messages.send(session, program_id, [replace(last, key="another")], now=NOW)
        tasks.create_task(close_all())
        await eventually(is_locked)
    await database.dispose()


async def test_removed_it_has_no_token_nothing_waits_and_administrators_are_told_once(
    session: AsyncSession, program_id: str
) -> None:
    workspace = await install(session, program_id)
    await slack_messages.send(session, program_id, [Outgoing("hello", workspace.connection_id, "C1")], now=NOW)

    removed, again = await remove(session), await remove(session)

    told = await notifications.list_page(session, program_id, member_id=None, limit=10)
    found = await slack_workspaces.find(session, "T1")
    assert removed is not None
    assert again is None
    assert found is not None
    assert (found.state, found.removed_at) == (WorkspaceState.REMOVED, NOW + SECONDS)
    assert await token(session, program_id, workspace.connection_id) is None
    assert await slack_messages.find_place(session, program_id, "hello") is None
    assert [one.subject for one in told] == [
        "Laurel was removed from the Slack workspace Acme",
        "The Slack workspace Acme was connected",
    ]


async def test_a_removal_that_is_told_late_does_not_undo_a_new_installation(
    session: AsyncSession, program_id: str
) -> None:
    await install(session, program_id)
    told_at = NOW + SECONDS
    workspace = await install(session, program_id, now=NOW + 5 * SECONDS)

    late = await slack_workspaces.remove(session, KEYRING, "T1", told_at=told_at, now=NOW + 6 * SECONDS)

    assert late is None
    assert await token(session, program_id, workspace.connection_id) == "xoxb-canary-1"


async def test_what_is_told_in_the_second_of_the_installation_counts(session: AsyncSession, program_id: str) -> None:
    await install(session, program_id, now=NOW.replace(microsecond=900_000))

    removed = await slack_workspaces.remove(session, KEYRING, "T1", told_at=NOW, now=NOW + SECONDS)

    assert removed is not None


async def test_a_link_is_for_one_program_and_works_once_within_ten_minutes(
    session: AsyncSession, program_id: str
) -> None:
    link = await slack_install_links.make(session, program_id, actor="admin:Anna", now=NOW)
    minutes, made = timedelta(minutes=10), InstallLink(program_id, "admin:Anna")

    assert await slack_install_links.find(session, link, now=NOW + minutes - SECONDS) == made
    assert await slack_install_links.find(session, link, now=NOW + minutes) is None
    assert await slack_install_links.spend(session, link, now=NOW) == made
    for spent in (link, "never-made"):
        with pytest.raises(LinkSpent):
            await slack_install_links.spend(session, spent, now=NOW)
