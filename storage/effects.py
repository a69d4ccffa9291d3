"""Effects: what the ledger did, by the names under which callers asked for it; to be compared with what they were told.

A command's name is its reference, an event's its external id. What nobody asked for is named by its business key.
"""

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import events, transactions, transfers


class Effect(NamedTuple):
    """One transaction, with all that it moved."""

    name: str
    transaction_id: str
    event_id: str | None
    amount: int


async def list_all(session: AsyncSession, program_id: str) -> list[Effect]:
    """Every transaction of the program: a tool's question, not one of a running deployment."""
    reference = func.regexp_replace(transactions.c.business_key, "^command:", "")
    moved = select(func.sum(transfers.c.amount)).where(
        transfers.c.program_id == program_id, transfers.c.transaction_id == transactions.c.id
    )
    named = (
        select(
            func.coalesce(events.c.external_id, reference),
            transactions.c.id,
            transactions.c.event_id,
            moved.scalar_subquery(),
        )
        .select_from(
            transactions.outerjoin(
                events,
                (events.c.program_id == transactions.c.program_id) & (events.c.id == transactions.c.event_id),
            )
        )
        .where(transactions.c.program_id == program_id)
    )
    return [Effect(name, id, event_id, int(amount)) for name, id, event_id, amount in await session.execute(named)]
