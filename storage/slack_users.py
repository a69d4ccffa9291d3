"""Slack users: what Slack says of each person, and which member that is.

Whoever links a user takes the turn of those who write the program's members. What is older than what is known, by
Slack's clock, changes nothing, so it does not matter in which order Slack tells of changes.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection
from domain.events import Identity
from domain.member_changes import read
from domain.members import Member, MemberStatus
from domain.recognitions import policy_of
from domain.sentences import sentence
from domain.slack_users import Apart, Deactivation, SlackUser, UserFacts, UserKind, may_take_part, names_of
from domain.slack_workspaces import WorkspaceState
from storage import configurations, member_changes, members, notifications
from storage.slack_tables import slack_users, slack_workspaces
from storage.tables import connections

DEACTIVATED = "slack_user_deactivated"

_COLUMNS = [slack_users.c[name] for name in SlackUser.__dataclass_fields__]


async def find(session: AsyncSession, program_id: str, connection_id: str, user_id: str) -> SlackUser | None:
    """The user as they are known, or None."""
    return (await find_all(session, program_id, connection_id, [user_id])).get(user_id)


async def find_all(
    session: AsyncSession, program_id: str, connection_id: str, user_ids: Collection[str]
) -> dict[str, SlackUser]:
    """Those of these users who are known, by id."""
    own = slack_users.c.program_id == program_id, slack_users.c.connection_id == connection_id
    found = await session.execute(select(*_COLUMNS).where(*own, slack_users.c.user_id.in_(sorted(set(user_ids)))))
    return {row["user_id"]: _user(row) for row in found.mappings()}


async def read_apart(session: AsyncSession, program_id: str, user: SlackUser | None) -> Apart | None:
    """Why the user takes no part as things are now; None if they do."""
    if user is None:
        return Apart.UNKNOWN
    if not may_take_part(user.kind, outsiders=await read_outsiders(session, program_id)):
        return Apart.OUTSIDE
    if user.member_id is None:
        return Apart.UNKNOWN
    member = await members.get(session, program_id, user.member_id)
    return Apart.LEFT if member.status is MemberStatus.LEFT else None


async def read_outsiders(session: AsyncSession, program_id: str) -> bool:
    """Whether guests and people of other companies take part now."""
    policy = policy_of(await configurations.read_active(session, program_id))
    return policy is not None and policy.external


async def list_of_member(session: AsyncSession, program_id: str, member_id: str) -> list[SlackUser]:
    """The member's accounts at which something can be said now, the one last heard of first."""
    installed = slack_workspaces.c.state == WorkspaceState.INSTALLED
    own = (
        select(*_COLUMNS)
        .join(slack_workspaces, slack_workspaces.c.connection_id == slack_users.c.connection_id)
        .where(slack_users.c.program_id == program_id, slack_users.c.member_id == member_id, installed)
        .where(~slack_users.c.deleted)
        .order_by(slack_users.c.seen_at.desc(), slack_users.c.connection_id, slack_users.c.user_id)
    )
    return [_user(row) for row in (await session.execute(own)).mappings()]


async def locale_of(session: AsyncSession, program_id: str, connection_id: str, conversation: str) -> str | None:
    """In which language to speak there: a person's locale; in a channel, that of most colleagues in the workspace.

    None while nobody is known who has any.
    """
    person = await find(session, program_id, connection_id, conversation)
    if person is not None:
        return person.locale
    language = func.split_part(slack_users.c.locale, "-", 1)
    spoken: Select[tuple[str]] = (
        select(func.mode().within_group(slack_users.c.locale))
        .where(
            slack_users.c.program_id == program_id,
            slack_users.c.connection_id == connection_id,
            slack_users.c.locale.is_not(None),
            slack_users.c.kind == UserKind.PERSON,
            ~slack_users.c.deleted,
        )
        .group_by(language)
        .order_by(func.count().desc(), language)
        .limit(1)
    )
    found: str | None = await session.scalar(spoken)
    return found


async def keep(
    session: AsyncSession,
    connection: Connection,
    facts: UserFacts,
    *,
    outsiders: bool,
    is_change: bool = False,
    now: datetime,
) -> SlackUser:
    """What Slack says of the user is known: the member they are, None if nobody is known by their names.

    An account that was deactivated, or is active again, changes its member as the connection says. Of one that is heard
    of for the first time that is known only where Slack tells it as a change: it may have ended years ago. Takes the
    members' turn, so it comes first in its transaction.
    """
    await member_changes.take_turn(session, connection.program_id)
    before = await find(session, connection.program_id, connection.id, facts.user_id)
    if before is not None and facts.updated_at < before.updated_at:
        return before
    facts = facts.completed(before) if before else facts
    member = await _link(session, connection, facts, outsiders, now)
    told = {name: value for name, value in asdict(facts).items() if name != "email"}
    user = SlackUser(connection_id=connection.id, member_id=member.id if member else None, seen_at=now, **told)
    row = {name: getattr(user, name) for name in SlackUser.__dataclass_fields__} | {"program_id": connection.program_id}
    kept = insert(slack_users).values(row)
    await session.execute(kept.on_conflict_do_update(index_elements=["connection_id", "user_id"], set_=row))
    was_deleted = before.deleted if before else not is_change and facts.deleted
    if member is not None and facts.deleted != was_deleted:
        await _follow(session, connection, facts, member, now)
    return user


async def rename(session: AsyncSession, program_id: str, names: Sequence[tuple[str, str]], member_id: str) -> None:
    """Those of these names (source, external id) that are users of Slack who take part are this member's."""
    known = slack_users.c.program_id == program_id, slack_users.c.member_id.is_not(None)
    of_it = connections.c.program_id == program_id, connections.c.id == slack_users.c.connection_id
    named = tuple_(connections.c.name, slack_users.c.user_id).in_(names)
    await session.execute(update(slack_users).where(*known, *of_it, named).values(member_id=member_id))


async def _link(
    session: AsyncSession, connection: Connection, facts: UserFacts, outsiders: bool, now: datetime
) -> Member | None:
    """The member whom the first of the names that is known names; from now on they have the user's identity."""
    own = Identity(connection.name, facts.user_id)
    for name in names_of(connection, facts, outsiders=outsiders):
        member = await members.find_by_identity(session, connection.program_id, name)
        if member is None:
            continue
        if name != own:
            identity = {"source": own.source, "external_id": own.external_id}
            await _change(session, member, now, identities=[identity])
        return member
    return None


async def _follow(
    session: AsyncSession, connection: Connection, facts: UserFacts, member: Member, now: datetime
) -> None:
    own = select(connections.c.kind).where(connections.c.program_id == connection.program_id)
    if Deactivation.of(connection, (await session.scalars(own)).all()) is Deactivation.IGNORE:
        if facts.deleted and member.status is not MemberStatus.LEFT:
            await _tell(session, connection, facts, member, now)
    elif facts.deleted:
        if not await list_of_member(session, connection.program_id, member.id):
            await _change(session, member, now, status=MemberStatus.LEFT.value)
    elif member.status is MemberStatus.LEFT:
        await _change(session, member, now, status=MemberStatus.ACTIVE.value)


async def _change(session: AsyncSession, member: Member, now: datetime, **values: Any) -> None:
    change = read({"external_id": member.external_id, **values})
    await member_changes.write(session, member.program_id, [change], effective_at=now, now=now)


async def _tell(session: AsyncSession, connection: Connection, facts: UserFacts, member: Member, now: datetime) -> None:
    await notifications.tell(
        session,
        connection.program_id,
        member_id=None,
        kind=DEACTIVATED,
        subject=sentence("{name}'s Slack account was deactivated", name=member.name),
        body=sentence(
            "{name} ({id}) still works here by all that Laurel is told, and nothing was changed. If they have left, "
            "say so where your members come from.",
            name=member.name,
            id=member.external_id,
        ),
        reference=f"{connection.id}/{facts.user_id}@{facts.updated_at.isoformat()}",
        now=now,
    )


def _user(row: RowMapping) -> SlackUser:
    return SlackUser(**{**row, "kind": UserKind(row["kind"])})
