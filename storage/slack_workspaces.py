"""Workspaces: each is connected to one program, by a connection that has its bot's token.

Whoever connects or removes a workspace takes a turn by its id, so that two programs never get the same. A workspace
that is removed keeps its rows and loses its token.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection
from domain.notifications import Telling
from domain.sentences import Sentence, sentence
from domain.slack_workspaces import (
    BelongsToAnother,
    Installation,
    InstallLink,
    Workspace,
    WorkspaceState,
    connection_names,
)
from storage import connections, notifications, programs, slack_messages
from storage.keyring import Keyring
from storage.slack_tables import slack_workspaces

KIND = "slack"
INSTALLED = "slack_installed"
REMOVED = "slack_removed"
MAX_LISTED = 1_000  # workspaces of one program


async def install(
    session: AsyncSession, keyring: Keyring, link: InstallLink, installation: Installation, *, now: datetime
) -> Workspace:
    """The workspace belongs to the link's program and has this token, and administrators are told who let it in.

    Raises BelongsToAnother.
    """
    await _take_turn(session, installation.team_id)
    known = await find(session, installation.team_id)
    if known and known.state is WorkspaceState.INSTALLED and known.program_id != link.program_id:
        raise BelongsToAnother(f"the workspace {installation.team_name!r} is connected to another program")
    connection = await _connect(session, keyring, link.program_id, installation, now)
    workspace = Workspace(
        installation.team_id,
        link.program_id,
        connection.id,
        installation.team_name,
        installation.app_id,
        installation.bot_user_id,
        list(installation.scopes),
        WorkspaceState.INSTALLED,
        now,
        enterprise_id=installation.enterprise_id,
    )
    row = {name: getattr(workspace, name) for name in Workspace.__dataclass_fields__}
    kept = insert(slack_workspaces).values(row)
    await session.execute(kept.on_conflict_do_update(index_elements=["team_id"], set_=row))
    subject = sentence("The Slack workspace {workspace} was connected", workspace=workspace.name)
    body = sentence(
        "{name} let it in. Whoever there has the e-mail address of a member is that member.", name=link.actor
    )
    await _tell(session, workspace, INSTALLED, subject, body, now)
    return workspace


async def find(session: AsyncSession, team_id: str) -> Workspace | None:
    """The workspace of this id, of whichever program (an envelope names nothing else), installed or removed."""
    own = _select().where(slack_workspaces.c.team_id == team_id)
    row = (await session.execute(own)).mappings().one_or_none()
    return _workspace(row) if row else None


async def list_of(session: AsyncSession, program_id: str) -> list[Workspace]:
    """The program's workspaces, by name, at most MAX_LISTED."""
    own = _select().where(slack_workspaces.c.program_id == program_id)
    rows = await session.execute(own.order_by(slack_workspaces.c.name, slack_workspaces.c.team_id).limit(MAX_LISTED))
    return [_workspace(row) for row in rows.mappings()]


async def remove(
    session: AsyncSession, keyring: Keyring, team_id: str, *, told_at: datetime, now: datetime
) -> Workspace | None:
    """The workspace as it is removed: its token is forgotten, what waits for it ends, administrators are told.

    None if it is not installed, or was installed again since that was told.
    """
    await _take_turn(session, team_id)
    workspace = await find(session, team_id)
    if workspace is None or workspace.state is WorkspaceState.REMOVED or workspace.outlives(told_at):
        return None
    gone = update(slack_workspaces).where(
        slack_workspaces.c.program_id == workspace.program_id, slack_workspaces.c.team_id == team_id
    )
    await session.execute(gone.values(state=WorkspaceState.REMOVED, removed_at=now))
    connection = await connections.get(session, keyring, workspace.program_id, workspace.connection_id)
    await connections.forget_secrets(session, keyring, connection, now=now)
    subject = sentence("Laurel was removed from the Slack workspace {workspace}", workspace=workspace.name)
    body = sentence("Nobody there can use Laurel, and nothing is told there. Points stay. Connect it again to go on.")
    await _tell(session, workspace, REMOVED, subject, body, now)
    await slack_messages.close_all(session, workspace.program_id, workspace.connection_id, REMOVED, now=now)
    return workspace


async def _connect(
    session: AsyncSession, keyring: Keyring, program_id: str, installation: Installation, now: datetime
) -> Connection:
    """The program's connection of this workspace with the token, made under the first name that is free."""
    secrets = {"bot_token": installation.bot_token}
    for name in connection_names(installation.team_id):
        found = await connections.find_by_name(session, keyring, program_id, name)
        if found is None:
            break
        if found.kind == KIND and found.config["team_id"] == installation.team_id:
            return await connections.rotate(
                session, keyring, found, secrets=secrets, config=installation.config, now=now
            )
    program = await programs.get(session, program_id)
    return await connections.insert(
        session, keyring, program, kind=KIND, name=name, config=installation.config, secrets=secrets, now=now
    )


async def _take_turn(session: AsyncSession, team_id: str) -> None:
    key = func.hashtextextended(f"slack_workspace:{team_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def _tell(
    session: AsyncSession, workspace: Workspace, kind: str, subject: Sentence, body: Sentence, now: datetime
) -> None:
    """Administrators hear of it, once for each time that it was installed."""
    told = Telling(None, subject, body, f"{workspace.team_id}@{workspace.installed_at.isoformat()}")
    await notifications.tell_all(session, workspace.program_id, kind, [told], now=now)


def _select() -> Select[Any]:
    return select(*(slack_workspaces.c[name] for name in Workspace.__dataclass_fields__))


def _workspace(row: RowMapping) -> Workspace:
    return Workspace(**{**row, "state": WorkspaceState(row["state"])})
