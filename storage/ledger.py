"""The ledger's rows: open a Book under locks, and write what its operations made.

Writers lock members before they open a Book, and a Book locks accounts in id order; lots change only under the lock of
their account. Each time that a Book is written, what it has made since goes into all tables by one statement, and
nothing is ever updated but balances, lots, holds and promises.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Required, TypedDict, TypeVar, Unpack

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ledger import (
    Account,
    Book,
    Entry,
    Hold,
    Lot,
    LotMove,
    Pending,
    Policy,
    Posted,
    Transaction,
    Transfer,
    held_account,
    member_account,
    member_of,
    pending_account,
    unit_of,
)
from storage import balance_changes, measures
from storage.hot_path import Found, Query, run, run_together, send
from storage.ids import new_id
from storage.sets import Rows, array, inserting, texts
from storage.tables import accounts, conversions, entries, holds, lot_moves, lots, pendings, transactions, transfers

UNIT = "points"

_LOCK_ACCOUNTS = """SELECT id, unit, running, balance, version, debt, lifetime, closed_at FROM accounts
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[])) ORDER BY id FOR NO KEY UPDATE"""
# Which lots a Book needs: the lapsed ones of every account (a credit expires them first); of the accounts that will be
# debited the first open ones, as many as there is to take, for none holds less than one; and those to which something
# will be given back. Each is asked for where there is any: to plan one statement for all costs more than to run it.
_LOT_COLUMNS = "id, account_id, transaction_id, granted, expires_at, granted_at, allocated, expired, reversed"
_LAPSED = f"""SELECT {_LOT_COLUMNS} FROM lots
    WHERE program_id = %(program_id)s AND account_id = ANY(CAST(%(ids)s AS text[])) AND remaining > 0
        AND expires_at <= %(at)s"""
_FIRST_OPEN = f"""SELECT first.* FROM unnest(CAST(%(debited)s AS text[]), CAST(%(needed)s AS bigint[])) AS d(id, needed)
    CROSS JOIN LATERAL (SELECT {_LOT_COLUMNS} FROM lots
        WHERE program_id = %(program_id)s AND account_id = d.id AND remaining > 0
            AND (expires_at > %(at)s OR expires_at IS NULL)
        ORDER BY expires_at, id LIMIT d.needed) AS first"""
_GIVEN_BACK = f"""SELECT {_LOT_COLUMNS} FROM lots
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(lots)s AS text[]))"""
# The lots of what will be taken back, with the transaction that granted it, and those that carry it on. A merge and a
# renewal take from some lots and grant as many, both in the order of expiry: the first carries on the first.
_CARRYING = f"""WITH RECURSIVE carrying(id, origin) AS (
    SELECT id, transaction_id FROM lots
    WHERE program_id = %(program_id)s AND transaction_id = ANY(CAST(%(granted_by)s AS text[]))
    UNION ALL SELECT next.id, c.origin FROM carrying c
    JOIN lot_moves m ON m.lot_id = c.id AND m.kind IN ('merge', 'renew')
    CROSS JOIN LATERAL (
        SELECT granted.id FROM (SELECT l.id, row_number() OVER (ORDER BY l.expires_at NULLS LAST, l.id) AS place
            FROM lot_moves t JOIN lots l ON l.id = t.lot_id
            WHERE t.transaction_id = m.transaction_id AND t.kind = m.kind) AS taken
        JOIN (SELECT id, row_number() OVER (ORDER BY expires_at NULLS LAST, id) AS place FROM lots
            WHERE transaction_id = m.transaction_id) AS granted USING (place)
        WHERE taken.id = c.id) AS next)
    SELECT {_LOT_COLUMNS}, origin FROM lots JOIN carrying USING (id)"""
_ACCOUNT_COLUMNS = (
    "id", "unit", "member_id", "running", "balance", "version", "debt", "lifetime", "closed_at",
)  # fmt: skip
# Summed accounts never change, so their rows are not locked either: everybody in the program posts to them.
_KEEP_ACCOUNTS = "ON CONFLICT (id) DO NOTHING"
_UPDATE_ACCOUNTS = """ON CONFLICT (id) DO UPDATE SET balance = excluded.balance, version = excluded.version,
    debt = excluded.debt, lifetime = excluded.lifetime, closed_at = excluded.closed_at"""
_UPDATE_LOTS = """UPDATE lots SET allocated = n.allocated, expired = n.expired, reversed = n.reversed,
        remaining = lots.granted - n.allocated - n.expired - n.reversed
    FROM unnest(CAST(%(ids)s AS text[]), CAST(%(allocated)s AS bigint[]), CAST(%(expired)s AS bigint[]),
        CAST(%(reversed)s AS bigint[])) AS n(id, allocated, expired, reversed)
    WHERE lots.program_id = %(program_id)s AND lots.id = n.id"""


_TAKEN = ("allocated", "expired", "reversed")

Grown = TypeVar("Grown")


class Asked(TypedDict, total=False):
    """What else is said of a Book that is opened, as `Opening` has it."""

    recorded_at: Required[datetime]
    lot_ids: Collection[str]
    granted_by: Collection[str]
    policies: Mapping[str, Policy] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A Book to be opened of just these members' accounts, new ones included.

    `debited` says how much will be taken from accounts at most (None is whatever there is), `lot_ids` to which lots it
    will be given back, and `granted_by` of which transactions the grants will be taken back. Who asks more in the same
    round trip runs the `queries` beside its own, and has the `book` of what they found.
    """

    program_id: str
    account_ids: Collection[str]
    recorded_at: datetime
    debited: Mapping[str, int | None]
    lot_ids: Collection[str] = ()
    granted_by: Collection[str] = ()
    policies: Mapping[str, Policy] | None = None

    def queries(self) -> list[Query]:
        """The accounts, locked, and what is needed of their lots."""
        parameters = {
            "program_id": self.program_id,
            "ids": texts(sorted(self.account_ids)),
            "at": self.recorded_at,
            "debited": texts(list(self.debited)),
            "needed": array(lots.c.granted, list(self.debited.values())),
            "lots": texts(list(self.lot_ids)),
            "granted_by": texts(list(self.granted_by)),
        }
        asked = (_FIRST_OPEN, self.debited), (_GIVEN_BACK, self.lot_ids), (_CARRYING, self.granted_by)
        statements = (_LOCK_ACCOUNTS, _LAPSED, *(statement for statement, those in asked if those))
        return [(statement, parameters) for statement in statements]

    def book(self, found: Sequence[Found]) -> Book:
        """The Book of what the queries found."""
        accounts_found, *loaded = found
        opened = {row[0]: Account(*row) for row in accounts_found}
        new = (one for one in sorted(self.account_ids) if one not in opened)
        opened |= {one: Account(one, unit_of(one), running=True) for one in new}
        # A lot may be found several times; that it carries what will be taken back is only said by the last.
        known = {row[0]: Lot(*row) for rows in loaded for row in rows}
        return Book(self.program_id, new_id, self.recorded_at, opened.values(), known.values(), self.policies)


def opening(
    program_id: str,
    member_ids: Collection[str],
    *,
    debited: Collection[str] = (),
    units: Collection[str] = (UNIT,),
    pending: bool = False,
    **asked: Unpack[Asked],
) -> Opening:
    """A Book to be opened of these members' accounts in these units.

    `debited` are the members from whom an operation will take. With `pending`, their accounts of promised value too.
    """
    kinds = (member_account, held_account, pending_account) if pending else (member_account, held_account)
    return Opening(
        program_id=program_id,
        account_ids={account(member, unit) for member in member_ids for unit in units for account in kinds},
        debited={member_account(member, unit): None for member in debited for unit in units},
        **asked,
    )


async def open_book(
    session: AsyncSession,
    program_id: str,
    member_ids: Collection[str],
    *,
    debited: Collection[str] = (),
    units: Collection[str] = (UNIT,),
    pending: bool = False,
    **asked: Unpack[Asked],
) -> Book:
    """The Book of an `opening`, its accounts locked."""
    return await _open(session, opening(program_id, member_ids, debited=debited, units=units, pending=pending, **asked))


async def open_accounts(
    session: AsyncSession,
    program_id: str,
    account_ids: Collection[str],
    *,
    debited: Mapping[str, int | None],
    **asked: Unpack[Asked],
) -> Book:
    """A Book of just these members' accounts, locked, new ones included."""
    return await _open(session, Opening(program_id=program_id, account_ids=account_ids, debited=debited, **asked))


async def _open(session: AsyncSession, opening: Opening) -> Book:
    return opening.book(await run_together(session, *opening.queries()))


class Written:
    """What has been written of lists that grow and of rows that change, so that they can be written while they do."""

    def __init__(self) -> None:
        self._grown: dict[str, int] = {}
        self._last: dict[str, tuple[Any, ...]] = {}

    def grown(self, name: str, rows: Sequence[Grown]) -> Sequence[Grown]:
        """The rows that the list of this name has more than last time."""
        first, self._grown[name] = self._grown.get(name, 0), len(rows)
        return rows[first:] if first else rows

    def changed(self, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows, each led by its id, that are not as they were last time."""
        found = [row for row in rows if self._last.get(row[0]) != row]
        self._last.update((row[0], row) for row in found)
        return found


def writing(book: Book, written: Written, *beside: Rows) -> list[Query]:
    """What writes all that a Book's operations made since it was written last, holds excepted; now it is written.

    One statement inserts, what stands beside it too; another, where lots have changed that were there, updates them.
    """
    insert = inserting([*_rows(book, written), *beside])
    return [query for query in (insert, _updating_lots(book, written)) if query]


def _rows(book: Book, written: Written) -> list[Rows]:
    """What is new, parents first."""
    program = {"program_id": book.program_id}
    opened = program | {"created_at": book.recorded_at}
    new_entries = written.grown("entries", book.entries)
    new_lots = written.grown("lots", book.new_lots)
    written.changed(_lot_state(lot) for lot in new_lots)
    return [
        Rows(accounts, _ACCOUNT_COLUMNS, written.changed(_summed_rows(book, new_entries)), _KEEP_ACCOUNTS, opened),
        Rows(accounts, _ACCOUNT_COLUMNS, written.changed(_running_rows(book)), _UPDATE_ACCOUNTS, opened),
        Rows(
            transactions,
            ("id", "kind", "business_key", "effective_at", "event_id", "order_id", "reverses_id", "actor", "reason"),
            written.grown("transactions", book.transactions),
            fixed=program | {"recorded_at": book.recorded_at},
        ),
        Rows(
            transfers,
            ("transaction_id", "n", "unit", "from_account", "to_account", "amount"),
            written.grown("transfers", book.transfers),
            fixed=program,
        ),
        Rows(
            entries,
            ("transaction_id", "n", "account_id", "amount", "balance", "version"),
            new_entries,
            fixed=program,
        ),
        Rows(
            lots,
            ("id", "account_id", "transaction_id", "granted", "allocated", "expired", "reversed", "remaining",
             "expires_at", "granted_at"),
            [_lot_row(lot) for lot in new_lots],
            fixed=program,
        ),
        Rows(
            lot_moves,
            ("transaction_id", "lot_id", "kind", "amount"),
            written.grown("moves", book.moves),
            fixed=program,
        ),
        Rows(
            conversions,
            ("transaction_id", "conversion", "from_unit", "to_unit", "from_amount", "to_amount", "rate_from",
             "rate_to"),
            written.grown("conversions", book.conversions),
            fixed=program,
        ),
    ]  # fmt: skip


def _updating_lots(book: Book, written: Written) -> Query | None:
    """What brings lots that were written before to what the Book says; None if none has changed since."""
    changed = written.changed(_lot_state(lot) for lot in book.changed_lots.values())
    if not changed:
        return None
    ids, *columns = zip(*changed, strict=True)
    arrays = {name: array(lots.c[name], list(values)) for name, values in zip(_TAKEN, columns, strict=True)}
    return _UPDATE_LOTS, {"program_id": book.program_id, "ids": texts(list(ids)), **arrays}


async def write(session: AsyncSession, book: Book, *beside: Rows) -> None:
    """Write all that the Book's operations made, holds excepted, and what stands beside it."""
    await write_on(session, book, Written(), *beside)
    note(session, book)


async def write_on(session: AsyncSession, book: Book, written: Written, *beside: Rows) -> None:
    """Write what the Book's operations made since it was written last; to be noted once, at the end."""
    for query in writing(book, written, *beside):
        await send(session, *query)


def note(session: AsyncSession, book: Book) -> None:
    """Count what the Book posted, and tell whoever watches its balances, once the session's transaction commits."""
    measures.note_postings(session, book)
    balance_changes.note(session, book)


def _summed_rows(book: Book, new_entries: Iterable[Entry]) -> Iterator[tuple[Any, ...]]:
    found = (book.accounts[account_id] for account_id in sorted({entry.account_id for entry in new_entries}))
    return (_account_row(account) for account in found if not account.running)


def _running_rows(book: Book) -> Iterator[tuple[Any, ...]]:
    found = (book.accounts[account_id] for account_id in sorted(book.changed_accounts))
    return (_account_row(account) for account in found if account.running)


def _lot_row(lot: Lot) -> tuple[Any, ...]:
    taken = (lot.allocated, lot.expired, lot.reversed)
    return (
        lot.id,
        lot.account_id,
        lot.transaction_id,
        lot.granted,
        *taken,
        lot.remaining,
        lot.expires_at,
        lot.granted_at,
    )


def _lot_state(lot: Lot) -> tuple[Any, ...]:
    return lot.id, lot.allocated, lot.expired, lot.reversed


def _account_row(account: Account) -> tuple[Any, ...]:
    member = member_of(account.id) if account.running else None
    state = (account.balance, account.version, account.debt, account.lifetime, account.closed_at)
    return (account.id, account.unit, member, account.running, *state)


# -- Holds ---------------------------------------------------------------------------------------------------------


_HOLD_COLUMNS = (
    "id", "account_id", "held_account_id", "transaction_id", "amount", "state", "closed_by", "order_id", "expires_at",
    "settled", "released",
)  # fmt: skip
_FIND_HOLDS = f"""SELECT {", ".join(_HOLD_COLUMNS)} FROM holds
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[]))"""
# In the order in which they were taken.
_HELD_LOTS = """SELECT m.transaction_id, m.lot_id, m.amount FROM holds h
    JOIN lot_moves m ON m.transaction_id = h.transaction_id AND m.kind = 'hold'
    JOIN lots l ON l.id = m.lot_id
    WHERE h.program_id = %(program_id)s AND h.id = ANY(CAST(%(ids)s AS text[]))
    ORDER BY l.expires_at NULLS LAST, l.id"""
_CLOSE_HOLDS = """UPDATE holds
    SET state = n.state, closed_by = nullif(n.closed_by, ''), settled = n.settled, released = n.released
    FROM unnest(CAST(%(ids)s AS text[]), CAST(%(states)s AS text[]), CAST(%(closers)s AS text[]),
        CAST(%(settled)s AS bigint[]), CAST(%(released)s AS bigint[])) AS n(id, state, closed_by, settled, released)
    WHERE holds.program_id = %(program_id)s AND holds.id = n.id AND holds.state = 'open'"""


def hold_rows(program_id: str, new: Sequence[Hold], *, created_at: datetime) -> Rows:
    """Holds that a Book has just made, to be written after its rows."""
    values = [tuple(getattr(hold, name) for name in _HOLD_COLUMNS) for hold in new]
    return Rows(holds, _HOLD_COLUMNS, values, fixed={"program_id": program_id, "created_at": created_at})


async def find_holds(session: AsyncSession, program_id: str, hold_ids: Collection[str]) -> dict[str, Hold]:
    """By id, the holds with the lots they came from; not locked: their members' accounts are."""
    if not hold_ids:
        return {}
    query = {"program_id": program_id, "ids": texts(list(hold_ids))}
    found, taken = await run_together(session, (_FIND_HOLDS, query), (_HELD_LOTS, query))
    by_transaction: dict[str, dict[str, int]] = {}
    for transaction_id, lot_id, amount in taken:
        by_transaction.setdefault(transaction_id, {})[lot_id] = amount
    known = (Hold(*row) for row in found)
    return {hold.id: replace(hold, lots=by_transaction.get(hold.transaction_id, {})) for hold in known}


async def find_hold(session: AsyncSession, program_id: str, hold_id: str) -> Hold | None:
    """The hold with the lots it came from; not locked: its member's accounts are."""
    return (await find_holds(session, program_id, [hold_id])).get(hold_id)


def closing_holds(program_id: str, changed: Collection[Hold]) -> Query | None:
    """The statement that keeps what of these holds was settled or released; None if there are none."""
    if not changed:
        return None
    columns = {
        "ids": texts([hold.id for hold in changed]),
        "states": texts([hold.state for hold in changed]),
        "closers": texts([hold.closed_by or "" for hold in changed]),
        "settled": array(holds.c.settled, [hold.settled for hold in changed]),
        "released": array(holds.c.released, [hold.released for hold in changed]),
    }
    return _CLOSE_HOLDS, {"program_id": program_id, **columns}


async def close_hold(session: AsyncSession, program_id: str, hold: Hold) -> None:
    """Keep what of a hold was settled or released; its Book is written first."""
    if query := closing_holds(program_id, [hold]):
        await run(session, *query)


# -- Promises ------------------------------------------------------------------------------------------------------

_CLOSE_PENDINGS = """UPDATE pendings SET state = n.state, closed_by = n.closed_by
    FROM unnest(CAST(%(ids)s AS text[]), CAST(%(states)s AS text[]), CAST(%(closers)s AS text[]))
        AS n(id, state, closed_by)
    WHERE pendings.program_id = %(program_id)s AND pendings.id = n.id AND pendings.state = 'open'"""


_PENDING_COLUMNS = (
    "id", "account_id", "pending_account_id", "transaction_id", "amount", "available_at", "expires_at", "state",
    "closed_by",
)  # fmt: skip
_FIND_PENDINGS = f"""SELECT {", ".join(_PENDING_COLUMNS)} FROM pendings
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[]))"""


def pending_rows(program_id: str, new: Sequence[Pending], *, created_at: datetime) -> Rows:
    """Promises that a Book has just made, to be written after its rows."""
    values = [tuple(getattr(pending, name) for name in _PENDING_COLUMNS) for pending in new]
    return Rows(pendings, _PENDING_COLUMNS, values, fixed={"program_id": program_id, "created_at": created_at})


async def find_pendings(session: AsyncSession, program_id: str, pending_ids: Collection[str]) -> dict[str, Pending]:
    """By id, the promises; not locked: their members' accounts are."""
    if not pending_ids:
        return {}
    found = await run(session, _FIND_PENDINGS, {"program_id": program_id, "ids": texts(list(pending_ids))})
    return {row[0]: Pending(*row) for row in found}


def closing_pendings(program_id: str, closed: Sequence[Pending]) -> Query | None:
    """The statement that keeps that these promises were confirmed or cancelled; None if there are none."""
    if not closed:
        return None
    columns = {
        "ids": texts([p.id for p in closed]),
        "states": texts([p.state for p in closed]),
        "closers": texts([p.closed_by or "" for p in closed]),
    }
    return _CLOSE_PENDINGS, {"program_id": program_id, **columns}


# -- What was posted -----------------------------------------------------------------------------------------------


async def earnings_of_events(
    session: AsyncSession, program_id: str, event_ids: Iterable[str]
) -> tuple[dict[str, dict[str, tuple[Transaction, int]]], set[str]]:
    """By event and unit, points first, its earn that has not been reversed, with the amount granted to its member.

    And the events of which something was reversed in part, by hand.
    """
    statement = text(
        """SELECT t.id, t.kind, t.business_key, t.effective_at, t.event_id, f.unit, sum(f.amount)::bigint, r.amount
        FROM transactions t JOIN transfers f ON f.transaction_id = t.id
        LEFT JOIN LATERAL (SELECT sum(b.amount) AS amount
            FROM transactions o JOIN transfers b ON b.transaction_id = o.id
            WHERE o.program_id = t.program_id AND o.reverses_id = t.id) r ON true
        WHERE t.program_id = :program_id AND t.event_id = ANY(:ids) AND t.kind = 'earn'
        GROUP BY t.id, f.unit, r.amount HAVING r.amount IS NULL OR sum(f.amount) > r.amount
        ORDER BY f.unit <> :first, f.unit"""
    )
    earnings: dict[str, dict[str, tuple[Transaction, int]]] = {}
    in_part = set()
    for row in await session.execute(statement, {"program_id": program_id, "ids": list(event_ids), "first": UNIT}):
        if row.amount is None:
            earnings.setdefault(row.event_id, {})[row.unit] = Transaction(*row[:5]), row[6]
        else:
            in_part.add(row.event_id)
    return earnings, in_part


_POSTED = """SELECT recorded_at, id, kind, business_key, effective_at, event_id, order_id, reverses_id, actor, reason
    FROM transactions WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[]))"""
_POSTED_TRANSFERS = """SELECT transaction_id, n, unit, from_account, to_account, amount FROM transfers
    WHERE program_id = %(program_id)s AND transaction_id = ANY(CAST(%(ids)s AS text[])) ORDER BY transaction_id, n"""
_POSTED_MOVES = """SELECT transaction_id, lot_id, kind, amount FROM lot_moves
    WHERE program_id = %(program_id)s AND transaction_id = ANY(CAST(%(ids)s AS text[]))"""
_REVERSED = """SELECT reverses_id FROM transactions
    WHERE program_id = %(program_id)s AND reverses_id = ANY(CAST(%(ids)s AS text[]))"""


async def find_posted(
    session: AsyncSession, program_id: str, transaction_ids: Collection[str]
) -> tuple[dict[str, Posted], set[str]]:
    """By id, the transactions with all that they moved; and which of them were reversed already."""
    if not transaction_ids:
        return {}, set()
    query = {"program_id": program_id, "ids": texts(list(transaction_ids))}
    statements = (_POSTED, _POSTED_TRANSFERS, _POSTED_MOVES, _REVERSED)
    found, moved, taken, reversed_ = await run_together(session, *((one, query) for one in statements))
    transfers_of: dict[str, list[Transfer]] = {}
    for row in moved:
        transfers_of.setdefault(row[0], []).append(Transfer(*row))
    moves_of: dict[str, list[LotMove]] = {}
    for row in taken:
        moves_of.setdefault(row[0], []).append(LotMove(*row))
    known = ((Transaction(*row), at) for at, *row in found)
    posted = {one.id: Posted(one, at, transfers_of.get(one.id, []), moves_of.get(one.id, [])) for one, at in known}
    return posted, {one for (one,) in reversed_}
