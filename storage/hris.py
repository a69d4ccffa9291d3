"""Employees of an HRIS: whom each of them is known as here."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.absences import AbsenceState
from domain.events import Identity
from storage.game_tables import absences
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
    found = (
        select(identities.c.source, identities.c.external_id, members.c.id, members.c.external_id)
        .join(members, members.c.id == identities.c.member_id)
        .where(identities.c.program_id == program_id, _is_one_of(names))
    )
    return {Identity(source, name): KnownMember(*own) for source, name, *own in await session.execute(found)}


async def list_records(session: AsyncSession, program_id: str, source: str, names: Collection[Identity]) -> set[str]:
    """Every id that the source has for the members whom these names belong to: a person may have several records."""
    theirs = identities.alias()
    found = (
        select(theirs.c.external_id)
        .join(identities, identities.c.member_id == theirs.c.member_id)
        .where(identities.c.program_id == program_id, _is_one_of(names))
        .where(theirs.c.program_id == program_id, theirs.c.source == source)
    )
    return set((await session.execute(found)).scalars())


def _is_one_of(names: Collection[Identity]) -> ColumnElement[bool]:
    name = tuple_(identities.c.source, identities.c.external_id)
    return name.in_(sorted((one.source, one.external_id) for one in names))


async def list_employee_ids(
    session: AsyncSession, program_id: str, source: str, *, after: str, limit: int
) -> list[str]:
    """Ids of employees in the source who are members, in their order, after the one given."""
    own = select(identities.c.external_id).where(
        identities.c.program_id == program_id, identities.c.source == source, identities.c.external_id > after
    )
    return list((await session.execute(own.order_by(identities.c.external_id).limit(limit))).scalars())


async def list_absences(
    session: AsyncSession,
    program_id: str,
    source: str,
    prefix: str,
    employee_ids: Collection[str],
    days: tuple[date, date],
) -> set[str]:
    """External ids of the source's absences that stand, touch these days, begin with the prefix and end with an id."""
    of = absences.c
    own = select(of.external_id).where(
        of.program_id == program_id,
        of.source == source,
        of.state == AbsenceState.STANDING,
        of.external_id.startswith(prefix, autoescape=True),
        func.split_part(of.external_id, ":", -1).in_(employee_ids),
        of.starts_on <= days[1],
        of.ends_on >= days[0],
    )
    return set((await session.execute(own)).scalars())
