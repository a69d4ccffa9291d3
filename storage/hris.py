"""Employees of an HRIS: whom each of them is known as here."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Identity
from storage.tables import identities, members


@dataclass(frozen=True, slots=True)
class KnownMember:
    """A member whom a name belongs to."""

    id: str
    external_id: str


async def find_known(
    session: AsyncSession, program_id: str, names: Collection[Identity]
) -> dict[Identity, KnownMember]:
    """Whose these names are."""
    wanted = tuple_(identities.c.source, identities.c.external_id)
    found = (
        select(identities.c.source, identities.c.external_id, members.c.id, members.c.external_id)
        .join(members, members.c.id == identities.c.member_id)
        .where(identities.c.program_id == program_id)
        .where(wanted.in_(sorted((name.source, name.external_id) for name in names)))
    )
    return {Identity(source, name): KnownMember(*own) for source, name, *own in await session.execute(found)}


async def list_employee_ids(
    session: AsyncSession, program_id: str, source: str, *, after: str, limit: int
) -> list[str]:
    """Ids of employees in the source who are members, in their order, after the one given."""
    own = select(identities.c.external_id).where(
        identities.c.program_id == program_id, identities.c.source == source, identities.c.external_id > after
    )
    return list((await session.execute(own.order_by(identities.c.external_id).limit(limit))).scalars())
