"""Transactions of the ledger explained: what each moved, and what it came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import transactions, transfers

MAX_MOVES = 500  # of one transaction that are shown


@dataclass(frozen=True, slots=True)
class Move:
    """An amount of a unit from one account to another."""

    unit: str
    amount: int
    from_account: str
    to_account: str


@dataclass(frozen=True, slots=True)
class PostingExplained:
    """A transaction with what it moved. Its business key names what it came from, and `actor` and `reason` whoever
    ordered it and why, where a person or an integration did; `reversed_by` is what took it back."""

    id: str
    kind: str
    business_key: str
    event_id: str | None
    order_id: str | None
    reverses_id: str | None
    reversed_by: str | None
    actor: str | None
    reason: str | None
    effective_at: datetime
    recorded_at: datetime
    moves: Sequence[Move]

    @property
    def origin(self) -> str:
        """What it came from, in words."""
        what, _, name = self.business_key.partition(":")
        told = {
            "event": f"the event {self.event_id}",
            "reverse": f"what took {self.reverses_id} back",
            "command": f"the command {name}",
            "merge": f"the merge {name.partition(':')[0]}",
            "follow": f"{name.partition(':')[0]}, which was booked for a member who was merged",
            "expire": "the expiry of what was not spent",
        }
        return told.get(what) or (f"the order {self.order_id}" if self.order_id else self.business_key)


async def explain(session: AsyncSession, program_id: str, transaction_id: str) -> PostingExplained:
    """The program's transaction of this id; raises LookupError."""
    own = select(transactions).where(transactions.c.program_id == program_id, transactions.c.id == transaction_id)
    row = (await session.execute(own)).mappings().one_or_none()
    if row is None:
        raise LookupError(f"no transaction {transaction_id}")
    back = transactions.c.program_id == program_id, transactions.c.reverses_id == transaction_id
    reversed_by = (await session.execute(select(transactions.c.id).where(*back))).scalar_one_or_none()
    shown = {name: row[name] for name in PostingExplained.__dataclass_fields__ if name in row}
    return PostingExplained(**shown, reversed_by=reversed_by, moves=await _moves(session, program_id, transaction_id))


async def _moves(session: AsyncSession, program_id: str, transaction_id: str) -> list[Move]:
    columns = [transfers.c[name] for name in Move.__dataclass_fields__]
    own = transfers.c.program_id == program_id, transfers.c.transaction_id == transaction_id
    found = await session.execute(select(*columns).where(*own).order_by(transfers.c.n).limit(MAX_MOVES))
    return [Move(*row) for row in found]
