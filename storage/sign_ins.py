"""Sign-ins: links and sessions as digests. A link opens one session, once, whoever races for it."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain import sign_ins
from domain.sign_ins import AdminSession, LinkSpent
from storage.ids import new_id
from storage.tables import admin_sessions, sign_in_links


async def make_link(session: AsyncSession, program_id: str, *, name: str, minutes: int, now: datetime) -> str:
    """A link for this person, which nobody can be told again. Raises ValueError for a name or time that is none."""
    token = sign_ins.write_token()
    row = {
        "id": new_id("lnk"),
        "program_id": program_id,
        "name": sign_ins.check_link(name, minutes),
        "digest": sign_ins.digest(token),
        "created_at": now,
        "expires_at": sign_ins.link_ends(now, minutes),
    }
    await session.execute(sign_in_links.insert().values(row))
    return token


async def open_session(session: AsyncSession, link: str, *, now: datetime) -> tuple[AdminSession, str]:
    """The session that the link opens, and its text. Raises LinkSpent for a link that opens none."""
    unused = update(sign_in_links).where(
        sign_in_links.c.digest == sign_ins.digest(link),
        sign_in_links.c.used_at.is_(None),
        sign_in_links.c.expires_at > now,
    )
    kept = sign_in_links.c.id, sign_in_links.c.program_id, sign_in_links.c.name
    found = (await session.execute(unused.values(used_at=now).returning(*kept))).first()
    if found is None:
        raise LinkSpent
    link_id, program_id, name = found
    token, opened = sign_ins.write_token(), AdminSession(new_id("ses"), program_id, name, sign_ins.session_ends(now))
    row = {
        "id": opened.id,
        "program_id": program_id,
        "link_id": link_id,
        "digest": sign_ins.digest(token),
        "created_at": now,
        "expires_at": opened.expires_at,
    }
    await session.execute(admin_sessions.insert().values(row))
    return opened, token


async def find_session(session: AsyncSession, token: str, *, now: datetime) -> AdminSession | None:
    """The session with this text, of whichever program, while it lasts."""
    asked = (
        select(admin_sessions.c.id, admin_sessions.c.program_id, sign_in_links.c.name, admin_sessions.c.expires_at)
        .join(sign_in_links, sign_in_links.c.id == admin_sessions.c.link_id)
        .where(
            admin_sessions.c.digest == sign_ins.digest(token),
            admin_sessions.c.ended_at.is_(None),
            admin_sessions.c.expires_at > now,
        )
    )
    found = (await session.execute(asked)).first()
    return AdminSession(*found) if found else None


async def end_session(session: AsyncSession, program_id: str, session_id: str, *, now: datetime) -> None:
    """Nobody is signed in by it any more."""
    own = admin_sessions.c.program_id == program_id, admin_sessions.c.id == session_id
    await session.execute(update(admin_sessions).where(*own, admin_sessions.c.ended_at.is_(None)).values(ended_at=now))
