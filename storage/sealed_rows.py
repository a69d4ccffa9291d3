"""Every row that holds something sealed, so that all of it can be sealed again under the current key."""

from typing import NamedTuple

from sqlalchemy import Column, Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.keyring import Keyring, binding
from storage.tables import connections, orders

PAGE = 500  # rows of one transaction


class SealedColumn(NamedTuple):
    """A column of ciphertexts; the row's key_id names the key, and each is bound to its program and row."""

    table: Table
    column: Column[bytes]


COLUMNS = (SealedColumn(connections, connections.c.secrets), SealedColumn(orders, orders.c.link))


async def reseal(session: AsyncSession, keyring: Keyring, sealed: SealedColumn) -> int:
    """Seal up to PAGE rows again that another key has sealed; how many there were, 0 when all is done."""
    table, column = sealed
    stale = select(table.c.id, table.c.program_id, table.c.key_id, column.label("ciphertext"))
    stale = stale.where(table.c.key_id != keyring.current, column.is_not(None)).order_by(table.c.id).limit(PAGE)
    rows = (await session.execute(stale.with_for_update(key_share=True))).all()
    for row in rows:
        bound_to = binding(row.program_id, row.id)
        again = keyring.seal(keyring.open(row.key_id, row.ciphertext, bound_to), bound_to)
        own = update(table).where(table.c.program_id == row.program_id, table.c.id == row.id)
        await session.execute(own.values({column.name: again.ciphertext, "key_id": again.key_id}))
    return len(rows)
