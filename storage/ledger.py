"""The ledger's rows: open a Book under locks, and write what its operations made.

Writers lock members before they open a Book, and a Book locks accounts in id order; lots change only under the lock of
their account. Everything is one statement per table and nothing is ever updated but balances, lots and holds.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ledger import (
    Account,
    Book,
    Hold,
    Lot,
    Pending,
    Policy,
    Transaction,
    held_account,
    member_account,
    pending_account,
)
from storage.hot_path import run, run_together
from storage.ids import new_id
from storage.sets import Rows, insert_all, texts
from storage.tables import accounts, conversions, entries, holds, lot_moves, lots, pendings, transactions, transfers

UNIT = "points"

_LOCK_ACCOUNTS = """SELECT id, unit, running, balance, version, debt, lifetime, closed_at FROM accounts
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[])) ORDER BY id FOR NO KEY UPDATE"""
# Which lots a Book needs: the lapsed ones of every account (a credit expires them first), every open one of the
# accounts that will be debited, those to which something will be given back, and those of what will be taken back.
_LOT_COLUMNS = "id, account_id, transaction_id, granted, expires_at, granted_at, allocated, expired, reversed"
_LOTS = f"""SELECT {_LOT_COLUMNS} FROM lots
    WHERE program_id = %(program_id)s AND account_id = ANY(CAST(%(ids)s AS text[])) AND remaining > 0
        AND expires_at <= %(at)s
    UNION SELECT {_LOT_COLUMNS} FROM lots
    WHERE program_id = %(program_id)s AND account_id = ANY(CAST(%(debited)s AS text[])) AND remaining > 0
    UNION SELECT {_LOT_COLUMNS} FROM lots
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(lots)s AS text[]))
    UNION SELECT {_LOT_COLUMNS} FROM lots
    WHERE program_id = %(program_id)s AND transaction_id = ANY(CAST(%(granted_by)s AS text[]))"""
_ACCOUNT_COLUMNS = (
    "id", "unit", "member_id", "running", "balance", "version", "debt", "lifetime",
)  # fmt: skip
# Summed accounts never change, so their rows are not locked either: everybody in the program posts to them.
_KEEP_ACCOUNTS = "ON CONFLICT (id) DO NOTHING"
_UPDATE_ACCOUNTS = """ON CONFLICT (id) DO UPDATE SET balance = excluded.balance, version = excluded.version,
    debt = excluded.debt, lifetime = excluded.lifetime"""
_UPDATE_LOTS = text(
    """UPDATE lots SET allocated = n.allocated, expired = n.expired, reversed = n.reversed,
        remaining = lots.granted - n.allocated - n.expired - n.reversed
    FROM unnest(CAST(:ids AS text[]), CAST(:allocated AS bigint[]), CAST(:expired AS bigint[]),
        CAST(:reversed AS bigint[])) AS n(id, allocated, expired, reversed)
    WHERE lots.program_id = :program_id AND lots.id = n.id"""
)


async def open_book(
    session: AsyncSession,
    program_id: str,
    member_ids: Collection[str],
    *,
    recorded_at: datetime,
    debited: Collection[str] = (),
    lot_ids: Collection[str] = (),
    granted_by: Collection[str] = (),
    units: Collection[str] = (UNIT,),
    pending: bool = False,
    policies: Mapping[str, Policy] | None = None,
) -> Book:
    """A Book of these members' accounts in these units, locked, new ones included.

    `debited` are the members from whom an operation will take; `lot_ids` the lots to which it will give back;
    `granted_by` the transactions whose grants it will take back. With `pending`, their accounts of promised value too.
    """
    kinds = (member_account, held_account, pending_account) if pending else (member_account, held_account)
    wanted = {account(member, unit): unit for member in member_ids for unit in units for account in kinds}
    query = {
        "program_id": program_id,
        "ids": texts(sorted(wanted)),
        "at": recorded_at,
        "debited": texts([member_account(member, unit) for member in debited for unit in units]),
        "lots": texts(list(lot_ids)),
        "granted_by": texts(list(granted_by)),
    }
    found, loaded = await run_together(session, (_LOCK_ACCOUNTS, query), (_LOTS, query))
    opened = [Account(*row) for row in found]
    known = {account.id for account in opened}
    opened += [Account(new, unit, running=True) for new, unit in sorted(wanted.items()) if new not in known]
    return Book(program_id, new_id, recorded_at, opened, [Lot(*row) for row in loaded], policies)


def rows(book: Book) -> list[Rows]:
    """What a Book's operations made, as rows to insert, parents first."""
    program = {"program_id": book.program_id}
    opened = program | {"created_at": book.recorded_at}
    return [
        Rows(accounts, _ACCOUNT_COLUMNS, _account_rows(book, running=False), _KEEP_ACCOUNTS, opened),
        Rows(accounts, _ACCOUNT_COLUMNS, _account_rows(book, running=True), _UPDATE_ACCOUNTS, opened),
        Rows(
            transactions,
            ("id", "kind", "business_key", "effective_at", "event_id", "order_id", "reverses_id", "actor", "reason"),
            book.transactions,
            fixed=program | {"recorded_at": book.recorded_at},
        ),
        Rows(
            transfers,
            ("transaction_id", "n", "unit", "from_account", "to_account", "amount"),
            book.transfers,
            fixed=program,
        ),
        Rows(
            entries,
            ("transaction_id", "n", "account_id", "amount", "balance", "version"),
            book.entries,
            fixed=program,
        ),
        Rows(
            lots,
            ("id", "account_id", "transaction_id", "granted", "allocated", "expired", "reversed", "remaining",
             "expires_at", "granted_at"),
            [(lot.id, lot.account_id, lot.transaction_id, lot.granted, lot.allocated, lot.expired, lot.reversed,
              lot.remaining, lot.expires_at, lot.granted_at) for lot in book.new_lots],
            fixed=program,
        ),
        Rows(
            lot_moves,
            ("transaction_id", "lot_id", "kind", "amount"),
            book.moves,
            fixed=program,
        ),
        Rows(
            conversions,
            ("transaction_id", "conversion", "from_unit", "to_unit", "from_amount", "to_amount", "rate_from",
             "rate_to"),
            book.conversions,
            fixed=program,
        ),
    ]  # fmt: skip


async def update_lots(session: AsyncSession, book: Book) -> None:
    """Bring the lots that were there before to what the Book says."""
    new = {lot.id for lot in book.new_lots}
    changed = [lot for lot in book.changed_lots.values() if lot.id not in new]
    if changed:
        columns: dict[str, Any] = {
            "program_id": book.program_id,
            "ids": [lot.id for lot in changed],
            "allocated": [lot.allocated for lot in changed],
            "expired": [lot.expired for lot in changed],
            "reversed": [lot.reversed for lot in changed],
        }
        await session.execute(_UPDATE_LOTS, columns)


async def write(session: AsyncSession, book: Book) -> None:
    """Write all that the Book's operations made, holds excepted."""
    await insert_all(session, rows(book))
    await update_lots(session, book)


def _account_rows(book: Book, *, running: bool) -> list[tuple[Any, ...]]:
    touched = {entry.account_id for entry in book.entries} | book.changed_accounts.keys()
    found = (book.accounts[account_id] for account_id in sorted(touched))
    return [_account_row(account) for account in found if account.running is running]


def _account_row(account: Account) -> tuple[Any, ...]:
    member = f"mem_{account.id[4:].split('.')[0]}" if account.running else None
    state = (account.balance, account.version, account.debt, account.lifetime)
    return (account.id, account.unit, member, account.running, *state)


# -- Holds ---------------------------------------------------------------------------------------------------------


async def insert_hold(session: AsyncSession, program_id: str, hold: Hold, *, created_at: datetime) -> None:
    """Keep a hold that a Book has just made; its Book is written first."""
    values = {
        "id": hold.id,
        "program_id": program_id,
        "account_id": hold.account_id,
        "held_account_id": hold.held_account_id,
        "transaction_id": hold.transaction_id,
        "order_id": hold.order_id,
        "amount": hold.amount,
        "state": hold.state,
        "expires_at": hold.expires_at,
        "created_at": created_at,
    }
    await session.execute(holds.insert().values(values))


async def find_hold(session: AsyncSession, program_id: str, hold_id: str) -> Hold | None:
    """The hold with the lots it came from; not locked: its member's accounts are."""
    row = (
        await session.execute(select(holds).where(holds.c.program_id == program_id, holds.c.id == hold_id))
    ).one_or_none()
    if row is None:
        return None
    moves = await session.execute(
        select(lot_moves.c.lot_id, lot_moves.c.amount)
        .join(lots, lots.c.id == lot_moves.c.lot_id)
        .where(
            lot_moves.c.program_id == program_id,
            lot_moves.c.transaction_id == row.transaction_id,
            lot_moves.c.kind == "hold",
        )
        .order_by(lots.c.expires_at.nulls_last(), lots.c.id)  # as they were taken
    )
    return Hold(
        id=row.id,
        account_id=row.account_id,
        held_account_id=row.held_account_id,
        transaction_id=row.transaction_id,
        amount=row.amount,
        state=row.state,
        closed_by=row.closed_by,
        order_id=row.order_id,
        expires_at=row.expires_at,
        settled=row.settled,
        released=row.released,
        lots=dict(moves.tuples().all()),
    )


async def close_hold(session: AsyncSession, program_id: str, hold: Hold) -> None:
    """Keep what of a hold was settled or released; its Book is written first."""
    await session.execute(
        update(holds)
        .where(holds.c.program_id == program_id, holds.c.id == hold.id, holds.c.state == "open")
        .values(state=hold.state, closed_by=hold.closed_by, settled=hold.settled, released=hold.released)
    )


# -- Promises ------------------------------------------------------------------------------------------------------

_CLOSE_PENDINGS = """UPDATE pendings SET state = n.state, closed_by = n.closed_by
    FROM unnest(CAST(%(ids)s AS text[]), CAST(%(states)s AS text[]), CAST(%(closers)s AS text[]))
        AS n(id, state, closed_by)
    WHERE pendings.program_id = %(program_id)s AND pendings.id = n.id AND pendings.state = 'open'"""


def pending_rows(program_id: str, new: Sequence[Pending], *, created_at: datetime) -> Rows:
    """Promises that a Book has just made, to be written after its rows."""
    columns = ("id", "account_id", "pending_account_id", "transaction_id", "amount", "available_at", "expires_at",
               "state", "closed_by")  # fmt: skip
    values = [
        (p.id, p.account_id, p.pending_account_id, p.transaction_id, p.amount, p.available_at, p.expires_at, p.state,
         p.closed_by)
        for p in new
    ]  # fmt: skip
    return Rows(pendings, columns, values, fixed={"program_id": program_id, "created_at": created_at})


async def close_pendings(session: AsyncSession, program_id: str, closed: Sequence[Pending]) -> None:
    """Keep that these promises were confirmed or cancelled; their Book is written first."""
    if closed:
        columns = {
            "ids": texts([p.id for p in closed]),
            "states": texts([p.state for p in closed]),
            "closers": texts([p.closed_by or "" for p in closed]),
        }
        await run(session, _CLOSE_PENDINGS, {"program_id": program_id, **columns})


# -- What was posted -----------------------------------------------------------------------------------------------


async def transactions_of_events(
    session: AsyncSession, program_id: str, event_ids: Iterable[str]
) -> dict[str, tuple[Transaction, int]]:
    """By event, its earn that has not been reversed, with the amount granted to its member."""
    statement = text(
        """SELECT t.id, t.kind, t.business_key, t.effective_at, t.event_id, sum(f.amount)::bigint
        FROM transactions t JOIN transfers f ON f.transaction_id = t.id
        WHERE t.program_id = :program_id AND t.event_id = ANY(:ids) AND t.kind = 'earn'
            AND NOT EXISTS (SELECT FROM transactions r WHERE r.program_id = t.program_id AND r.reverses_id = t.id)
        GROUP BY t.id"""
    )
    found = await session.execute(statement, {"program_id": program_id, "ids": list(event_ids)})
    return {row[4]: (Transaction(*row[:5]), row[5]) for row in found}
