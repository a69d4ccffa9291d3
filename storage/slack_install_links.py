"""Links by which a workspace is connected: each for one program, once, within minutes. Only digests are kept."""

from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain import sign_ins
from domain.sign_ins import LinkSpent
from domain.slack_workspaces import InstallLink, link_ends
from storage.slack_tables import slack_install_links

_COLUMNS = slack_install_links.c.program_id, slack_install_links.c.actor


async def make(session: AsyncSession, program_id: str, *, actor: str, now: datetime) -> str:
    """The text of a new link, which nobody can be told again; `actor` is who lets the workspace in."""
    token = sign_ins.write_token()
    row = {
        "digest": sign_ins.digest(token),
        "program_id": program_id,
        "actor": actor,
        "created_at": now,
        "expires_at": link_ends(now),
    }
    await session.execute(slack_install_links.insert().values(row))
    return token


async def find(session: AsyncSession, token: str, *, now: datetime) -> InstallLink | None:
    """The link of this text while it works."""
    found = (await session.execute(select(*_COLUMNS).where(*_works(token, now)))).first()
    return InstallLink(*found) if found else None


async def spend(session: AsyncSession, token: str, *, now: datetime) -> InstallLink:
    """The link of this text, which works no more, whoever races for it. Raises LinkSpent."""
    used = update(slack_install_links).where(*_works(token, now)).values(used_at=now)
    found = (await session.execute(used.returning(*_COLUMNS))).first()
    if found is None:
        raise LinkSpent
    return InstallLink(*found)


def _works(token: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    # A digest is looked up, not compared: how long that takes says nothing of the text.
    digest = slack_install_links.c.digest == sign_ins.digest(token)
    return digest, slack_install_links.c.used_at.is_(None), slack_install_links.c.expires_at > now
