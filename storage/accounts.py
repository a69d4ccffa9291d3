"""Members' accounts as they are read: balances of every unit, lots, holds and promises. Nothing is locked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ledger import Lot, held_account, member_account, member_of, pending_account, unit_of
from domain.members import Balance
from storage import configurations, members
from storage.tables import accounts, holds, lots, pendings

MAX_PAGE = 101  # a page, and one more that tells whether another follows


@dataclass(frozen=True, slots=True)
class StoredHold:
    """A hold as it stands."""

    id: str
    account_id: str
    transaction_id: str
    order_id: str | None
    amount: int
    settled: int
    released: int
    state: str
    expires_at: datetime | None
    created_at: datetime

    @property
    def member_id(self) -> str:
        return member_of(self.account_id)

    @property
    def unit(self) -> str:
        return unit_of(self.account_id)


@dataclass(frozen=True, slots=True)
class StoredPending:
    """Promised value as it stands."""

    id: str
    account_id: str
    transaction_id: str
    amount: int
    available_at: datetime | None
    expires_at: datetime | None
    state: str
    created_at: datetime

    @property
    def member_id(self) -> str:
        return member_of(self.account_id)

    @property
    def unit(self) -> str:
        return unit_of(self.account_id)


async def list_balances(session: AsyncSession, program_id: str, member_id: str, *, as_of: datetime) -> list[Balance]:
    """What the member has of every unit that the program declares or the member ever had, by unit."""
    declared = (await configurations.read_active(session, program_id)).units
    had = select(accounts.c.unit).where(accounts.c.program_id == program_id, accounts.c.member_id == member_id)
    units = {"points", *declared, *(await session.execute(had)).scalars()}
    return [await members.balance(session, program_id, member_id, as_of=as_of, unit=unit) for unit in sorted(units)]


async def list_lots(
    session: AsyncSession, program_id: str, member_id: str, unit: str, *, after: str = "", limit: int
) -> list[Lot]:
    """The member's open lots in the order in which they were granted, those that have lapsed included."""
    query = select(*(lots.c[name] for name in ("id", "account_id", "transaction_id", "granted", "expires_at",
                                               "granted_at", "allocated", "expired", "reversed")))  # fmt: skip
    mine = query.where(lots.c.program_id == program_id, lots.c.account_id == member_account(member_id, unit))
    page = mine.where(lots.c.remaining > 0, lots.c.id > after).order_by(lots.c.id).limit(min(limit, MAX_PAGE))
    return [Lot(*row) for row in await session.execute(page)]


async def list_holds(
    session: AsyncSession, program_id: str, *, member_id: str | None, state: str, before: str | None, limit: int
) -> list[StoredHold]:
    """Holds in this state, newest first: a member's, or everybody's."""
    page = _page(StoredHold, holds, program_id, state, before, limit)
    if member_id is not None:
        units = await _units(session, program_id, member_id)
        page = page.where(holds.c.held_account_id.in_([held_account(member_id, unit) for unit in units]))
    return [StoredHold(*row) for row in await session.execute(page)]


async def find_hold(session: AsyncSession, program_id: str, hold_id: str) -> StoredHold | None:
    """The program's hold of this id, or None."""
    query = _of(StoredHold, holds).where(holds.c.program_id == program_id, holds.c.id == hold_id)
    row = (await session.execute(query)).one_or_none()
    return StoredHold(*row) if row else None


async def list_pendings(
    session: AsyncSession, program_id: str, *, member_id: str | None, state: str, before: str | None, limit: int
) -> list[StoredPending]:
    """Promised value in this state, newest first: a member's, or everybody's."""
    page = _page(StoredPending, pendings, program_id, state, before, limit)
    if member_id is not None:
        units = await _units(session, program_id, member_id)
        page = page.where(pendings.c.pending_account_id.in_([pending_account(member_id, unit) for unit in units]))
    return [StoredPending(*row) for row in await session.execute(page)]


def _of(kind: type[Any], table: Table) -> Select[Any]:
    return select(*(table.c[name] for name in kind.__dataclass_fields__))


def _page(kind: type[Any], table: Table, program_id: str, state: str, before: str | None, limit: int) -> Select[Any]:
    found = _of(kind, table).where(table.c.program_id == program_id, table.c.state == state)
    below = found.where(table.c.id < before) if before else found
    return below.order_by(table.c.id.desc()).limit(min(limit, MAX_PAGE))


async def _units(session: AsyncSession, program_id: str, member_id: str) -> Sequence[str]:
    had = select(accounts.c.unit).where(accounts.c.program_id == program_id, accounts.c.member_id == member_id)
    return (await session.execute(had.distinct())).scalars().all()
