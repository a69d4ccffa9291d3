"""The seals of a program's chain: what waits for one, and sealing it.

A row waits until no transaction that could have been before it is still open: its xid is below the snapshot's xmin. A
row of another cluster, known by an xid that this one has not reached, comes from a restore and waits for nobody. So
records are sealed in the order of their xids, late committers are sealed later, and none is skipped.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from domain.chain import SALT_BYTES, VERSION, Record, commit, digest, first_link, link
from storage import records, sets
from storage.hot_path import run
from storage.records import REFUSAL_COUNT, Subject
from storage.sets import Rows, texts
from storage.tables import commitments, seals

# Rows that one turn looks at, and seals if they are not sealed.
TURN_ROWS = 2_000
# A count of refusals is sealed once it has been open for so long.
COUNT_OPEN = timedelta(minutes=1)
COUNTS_AT_ONCE = 100
# Above every xid.
_NO_XID = 2**64 - 1


class Cursor(NamedTuple):
    """Up to where a program's rows are known to be sealed: an optimisation, which may be forgotten at any time.

    From the beginning it goes over everything; from then on, over what this cluster wrote since.
    """

    xid: int = 0
    id: str = ""
    sweeping: bool = True


class Seal(NamedTuple):
    """One link of a chain, as it is kept."""

    position: int
    kind: str
    subject_id: str
    version: int
    salt: bytes
    digest: bytes
    link: bytes


class Window(NamedTuple):
    """What one look at the rows after a cursor found; `ended` says that nothing more is ready to be sealed."""

    unsealed: Sequence[Subject]
    cursor: Cursor
    ended: bool


_XID = "CAST(CAST(%({})s AS text) AS xid8)"
# Below the horizon every transaction has ended. What can be read although this cluster is not so far is another's.
_HORIZON = "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
_READY = f"(xid < {_XID.format('horizon')} OR xid >= pg_snapshot_xmax(pg_current_snapshot()))"
_AFTER = f"""SELECT CAST('{{kind}}' AS text) AS kind, id, xid FROM {{table}}
    WHERE program_id = %(program_id)s AND (xid, id) > ({_XID.format("xid")}, %(id)s)
        AND xid < {_XID.format("below")} AND {_READY}
    ORDER BY xid, id LIMIT %(limit)s"""
# A look at so many rows in the order of an index, sealed or not: no statement takes long, however much is sealed.
_WINDOW = f"""SELECT w.kind, w.id, CAST(CAST(w.xid AS text) AS bigint),
        (SELECT s.subject_id FROM seals s WHERE s.subject_id = w.id) IS NULL
    FROM (({_AFTER.format(kind=records.TRANSACTION, table="transactions")})
        UNION ALL ({_AFTER.format(kind=records.REFUSAL, table="refusals")}) ORDER BY xid, id LIMIT %(limit)s) AS w
    ORDER BY w.xid, w.id"""
_CLOSE_COUNTS = """UPDATE refusal_counts SET open = false WHERE id IN (SELECT id FROM refusal_counts
    WHERE program_id = %(program_id)s AND open AND from_at <= %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING id"""
_FIRST = """SELECT recorded_at FROM {} WHERE program_id = p.id AND xid >= p.xid
    AND xid < pg_snapshot_xmax(pg_current_snapshot()) ORDER BY xid LIMIT 1"""
_WAITING = f"""SELECT p.id, least(({_FIRST.format("transactions")}), ({_FIRST.format("refusals")}),
        (SELECT min(from_at) + CAST(%(open)s AS interval) FROM refusal_counts
            WHERE program_id = p.id AND open)) AS since
    FROM unnest(CAST(%(ids)s AS text[]), CAST(%(xids)s AS xid8[])) AS p(id, xid)"""
_WAITING = f"SELECT * FROM ({_WAITING}) AS w WHERE since IS NOT NULL"
_HEAD = "SELECT position, link FROM seals WHERE program_id = %(program_id)s ORDER BY position DESC LIMIT 1"


async def take_turn(session: AsyncSession, program_id: str) -> bool:
    """Whether this transaction may seal for the program; one may at a time."""
    await records.go_by_index(session)
    lock = "SELECT pg_try_advisory_xact_lock(hashtextextended(%(name)s, 0))"
    ((mine,),) = await run(session, lock, {"name": f"laurel seals of {program_id}"})
    return bool(mine)


async def look(session: AsyncSession, program_id: str, after: Cursor) -> Window:
    """The next TURN_ROWS rows after the cursor that are ready, and which of them are not sealed; in the turn."""
    ((horizon,),) = await run(session, _HORIZON, {})
    if horizon < after.xid and not after.sweeping:  # the database was set back under our feet
        after = Cursor()
    below = _NO_XID if after.sweeping else horizon
    query = {"xid": str(after.xid), "id": after.id, "below": str(below), "horizon": str(horizon)}
    rows = await run(session, _WINDOW, query | {"program_id": program_id, "limit": TURN_ROWS})
    unsealed = [Subject(kind, subject_id) for kind, subject_id, _, waits in rows if waits]
    if len(rows) < TURN_ROWS:
        return Window(unsealed, Cursor(horizon, sweeping=False), ended=True)
    _, last_id, last_xid, _ = rows[-1]
    return Window(unsealed, Cursor(last_xid, last_id, after.sweeping), ended=False)


async def list_waiting(session: AsyncSession, cursors: Mapping[str, Cursor]) -> dict[str, datetime]:
    """Of these programs, those with something after their cursor, ready or not; since when the first of it waits.

    A count of refusals waits from when it can be sealed.
    """
    programs = [(program_id, cursor.xid) for program_id, cursor in cursors.items()]
    query = {
        "ids": texts([one for one, _ in programs]),
        "xids": texts([str(xid) for _, xid in programs]),
        "open": COUNT_OPEN,
    }
    return {row[0]: row[1] for row in await run(session, _WAITING, query)}


async def close_counts(session: AsyncSession, program_id: str, *, now: datetime) -> list[Subject]:
    """End the counts of refusals that have been open for long enough, to be sealed in this transaction."""
    query = {"program_id": program_id, "before": now - COUNT_OPEN, "limit": COUNTS_AT_ONCE}
    return [Subject(REFUSAL_COUNT, count_id) for (count_id,) in await run(session, _CLOSE_COUNTS, query)]


async def seal(session: AsyncSession, program_id: str, subjects: Sequence[Subject], *, now: datetime) -> None:
    """Append the subjects to the program's chain in this order; in the turn."""
    if not subjects:
        return
    found = await records.load(session, program_id, subjects)
    committed = {subject.id: both for subject in subjects if (both := _commitment(found[subject.id]))}
    head = await run(session, _HEAD, {"program_id": program_id})
    position, previous = head[0] if head else (-1, first_link(program_id))
    made: list[Seal] = []
    for subject in subjects:
        position += 1
        salt = os.urandom(SALT_BYTES)
        commitment, _ = committed.get(subject.id, (None, None))
        sealed = digest(found[subject.id].parts(program_id, commitment), salt)
        previous = link(previous, position, sealed)
        made.append(Seal(position, *subject, VERSION, salt, sealed, previous))
    fixed = {"program_id": program_id}
    await sets.insert_all(
        session,
        [
            Rows(commitments, ("subject_id", "digest", "salt"), [(i, *b) for i, b in committed.items()], fixed=fixed),
            Rows(seals, Seal._fields, made, fixed=fixed | {"sealed_at": now}),
        ],
    )


def _commitment(record: Record) -> tuple[bytes, bytes] | None:
    """What stands for a record's personal texts, with its salt; None where there are none."""
    if not any(record.personal):
        return None
    salt = os.urandom(SALT_BYTES)
    return commit(salt, record.personal), salt
