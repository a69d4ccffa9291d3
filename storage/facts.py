"""Facts as rows: the events of intake with what their last decision did, counters, marks, crossings and rewards.

Everything here is locked FOR NO KEY UPDATE where it will be changed; FOR UPDATE would deadlock with foreign keys.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import update as sql_update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import as_claimed
from domain.counters import CounterKey, counts_from_json
from domain.events import Event, Identity
from domain.intake import RETRACTED, Fact, FactKey
from storage import challenges, ledger, sets
from storage.hot_path import Found, Query, run
from storage.sets import Rows
from storage.tables import events

# Between source and external id where both are one text: ASCII's unit separator, which no name holds.
_BETWEEN = "\x1f"

_COLUMNS = (
    "id", "source", "external_id", "state", "type", "member_id", "identity_source",
    "identity_external_id", "alternatives", "data", "fingerprint", "source_version", "retracts", "retracted_by",
    "occurred_at", "recorded_at", "error",
)  # fmt: skip
_SELECTED = (
    "id", "source", "external_id", "state", "type", "member_id", "identity_source", "identity_external_id",
    "alternatives", "data", "fingerprint", "source_version", "revision", "retracts", "retracted_by", "occurred_at",
    "recorded_at", "error",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_SELECTED)} FROM events"
_LOCK = f"""{_SELECT} WHERE program_id = %(program_id)s AND (source, external_id) IN
        (SELECT * FROM unnest(CAST(%(sources)s AS text[]), CAST(%(external_ids)s AS text[])))
    ORDER BY source COLLATE "C", external_id COLLATE "C" FOR NO KEY UPDATE"""
_LOCK_BY_ID = f"""{_SELECT}
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[])) AND state = %(state)s
    ORDER BY source COLLATE "C", external_id COLLATE "C" FOR NO KEY UPDATE"""
_LOCK_IDS = """SELECT id FROM events WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[]))
    ORDER BY source COLLATE "C", external_id COLLATE "C" FOR NO KEY UPDATE"""
_LAST_DECISIONS = """SELECT DISTINCT ON (event_id) event_id, n, points, verdict FROM decisions
    WHERE program_id = %(program_id)s AND event_id = ANY(CAST(%(ids)s AS text[])) ORDER BY event_id, n DESC"""
_UPDATE = """UPDATE events SET state = n.state, type = n.type, member_id = n.member_id,
        identity_source = n.identity_source,
        identity_external_id = n.identity_external_id, alternatives = n.alternatives, data = n.data,
        fingerprint = n.fingerprint, source_version = n.source_version, revision = n.revision, retracts = n.retracts,
        retracted_by = n.retracted_by, occurred_at = n.occurred_at, error = n.error
    FROM unnest(CAST(%(id)s AS text[]), CAST(%(state)s AS text[]), CAST(%(type)s AS text[]),
        CAST(%(member_id)s AS text[]), CAST(%(identity_source)s AS text[]),
        CAST(%(identity_external_id)s AS text[]), CAST(%(alternatives)s AS jsonb[]),
        CAST(%(data)s AS jsonb[]), CAST(%(fingerprint)s AS bytea[]), CAST(%(source_version)s AS bigint[]),
        CAST(%(revision)s AS int[]), CAST(%(retracts)s AS text[]), CAST(%(retracted_by)s AS text[]),
        CAST(%(occurred_at)s AS timestamptz[]),
        CAST(%(error)s AS text[]))
        AS n(id, state, type, member_id, identity_source, identity_external_id, alternatives, data, fingerprint,
            source_version, revision, retracts, retracted_by, occurred_at, error)
    WHERE events.program_id = %(program_id)s AND events.id = n.id"""


async def insert(session: AsyncSession, program_id: str, new: Sequence[Fact]) -> set[str]:
    """Insert facts in the given order, which must be sorted by key; the ids of those that were not there yet."""
    values = [_row(fact) for fact in new]
    suffix = "ON CONFLICT (program_id, source, external_id) DO NOTHING RETURNING id"
    rows = Rows(events, _COLUMNS, values, suffix, {"program_id": program_id})
    return {event_id for (event_id,) in await sets.insert(session, rows)}


async def lock(session: AsyncSession, program_id: str, keys: Sequence[FactKey]) -> dict[FactKey, Fact]:
    """The facts under these keys, locked in the order of their keys, with what their last decision did."""
    columns = {"sources": sets.texts([key[0] for key in keys]), "external_ids": sets.texts([key[1] for key in keys])}
    locked = [_fact(row) for row in await run(session, _LOCK, {"program_id": program_id, **columns})]
    await _add_decisions(session, program_id, locked)
    return {fact.key: fact for fact in locked}


async def lock_by_id(session: AsyncSession, program_id: str, ids: Collection[str], state: str) -> list[Fact]:
    """Those of these events that are in the state, locked in the order of their keys, given back in recorded order."""
    parameters = {"program_id": program_id, "ids": sets.texts(list(ids)), "state": state}
    return sorted((_fact(row) for row in await run(session, _LOCK_BY_ID, parameters)), key=lambda fact: fact.event_id)


async def lock_ids(session: AsyncSession, program_id: str, ids: Collection[str]) -> None:
    """Lock these events in the order of their keys, whatever their state."""
    await run(session, _LOCK_IDS, {"program_id": program_id, "ids": sets.texts(list(ids))})


async def update(session: AsyncSession, program_id: str, changed: Sequence[Fact]) -> None:
    """Bring the rows of these facts to what they are now."""
    columns = zip(_COLUMNS, zip(*(_row(fact) for fact in changed), strict=True), strict=True)
    arrays = {name: sets.array(events.c[name], values) for name, values in columns}
    arrays["revision"] = sets.array(events.c.revision, [fact.revision for fact in changed])
    arrays["program_id"] = program_id
    await run(session, _UPDATE, arrays)


async def quarantine(session: AsyncSession, program_id: str, event_id: str, error: str) -> None:
    """Keep that this event could not be decided, and why."""
    statement = sql_update(events).where(events.c.program_id == program_id, events.c.id == event_id)
    await session.execute(statement.values(state="quarantined", error=error))


async def find_parked(session: AsyncSession, program_id: str, names: Collection[Identity], limit: int) -> list[str]:
    """Parked events that name one of these people, by any of the names they carry, oldest first."""
    statement = """SELECT id FROM events WHERE program_id = %(program_id)s AND state = 'parked' AND (
            (identity_source, identity_external_id) IN
                (SELECT * FROM unnest(CAST(%(sources)s AS text[]), CAST(%(external_ids)s AS text[])))
            OR alternatives ?| CAST(%(pairs)s AS text[]))
        ORDER BY id LIMIT %(limit)s"""
    parameters = {
        "program_id": program_id,
        "sources": sets.texts([name.source for name in names]),
        "external_ids": sets.texts([name.external_id for name in names]),
        "pairs": sets.texts([_pair(name) for name in names]),
        "limit": limit,
    }
    return [event_id for (event_id,) in await run(session, statement, parameters)]


async def find_decidable(session: AsyncSession, limit: int) -> list[tuple[str, str]]:
    """(program, event) of parked events whose member has become known, of all programs, oldest first."""
    statement = """SELECT DISTINCT e.program_id, e.id FROM events e CROSS JOIN LATERAL (
            SELECT e.identity_source, e.identity_external_id UNION ALL
            SELECT split_part(a, chr(31), 1), split_part(a, chr(31), 2) FROM jsonb_array_elements_text(e.alternatives) a
        ) AS k(source, external_id)
        JOIN identities i ON i.program_id = e.program_id AND i.source = k.source AND i.external_id = k.external_id
        WHERE e.state = 'parked' ORDER BY e.id LIMIT %(limit)s"""
    return [(program, event) for program, event in await run(session, statement, {"limit": limit})]


# -- What deciding reads -------------------------------------------------------------------------------------------


_COUNTERS = """SELECT c.member_id, c.name, c.period, c.period_on, c.uses, c.total FROM counters c
    JOIN unnest(CAST(%(members)s AS text[]), CAST(%(names)s AS text[]), CAST(%(periods)s AS text[]),
        CAST(%(days)s AS date[]))
        AS k(member_id, name, period, period_on)
        ON c.member_id = k.member_id AND c.name = k.name AND c.period = k.period AND c.period_on = k.period_on
    WHERE c.program_id = %(program_id)s"""

Counts = dict[tuple[str, CounterKey], tuple[int, int]]


async def counters_of(session: AsyncSession, program_id: str, keys: Collection[tuple[str, CounterKey]]) -> Counts:
    """By member and key, (uses, total) of the counters that exist."""
    return counted(await run(session, *counting(program_id, keys))) if keys else {}


def counting(program_id: str, keys: Collection[tuple[str, CounterKey]]) -> Query:
    """The statement of `counters_of`, for whoever asks more in the same round trip; `counted` takes its rows."""
    columns = {
        "members": sets.texts([member for member, _ in keys]),
        "names": sets.texts([key[0] for _, key in keys]),
        "periods": sets.texts([key[1] for _, key in keys]),
        "days": sets.texts([key[2].isoformat() for _, key in keys]),
    }
    return _COUNTERS, {"program_id": program_id, **columns}


def counted(found: Found) -> Counts:
    """What `counters_of` tells, of its statement's rows."""
    return {(member, (name, period, on)): (uses, total) for member, name, period, on, uses, total in found}


# -- Rows and facts ------------------------------------------------------------------------------------------------


def _pair(name: Identity) -> str:
    return f"{name.source}{_BETWEEN}{name.external_id}"


def _row(fact: Fact) -> tuple[Any, ...]:
    event = fact.event
    return (
        fact.event_id, event.source, event.external_id, fact.state, event.type, fact.member_id,
        event.member.source, event.member.external_id, [_pair(name) for name in event.alternatives], dict(event.data),
        fact.fingerprint, event.source_version, event.retracts, fact.retracted_by, event.occurred_at, fact.recorded_at,
        fact.error,
    )  # fmt: skip


def _fact(values: Sequence[Any]) -> Fact:
    row = dict(zip(_SELECTED, values, strict=True))
    event = Event(
        source=row["source"],
        external_id=row["external_id"],
        type=row["type"],
        member=Identity(row["identity_source"], row["identity_external_id"]),
        occurred_at=row["occurred_at"],
        data=row["data"],
        source_version=row["source_version"],
        retracts=row["retracts"],
        alternatives=tuple(Identity(*pair.split(_BETWEEN, 1)) for pair in row["alternatives"]),
    )
    return Fact(
        event_id=row["id"],
        event=event,
        fingerprint=row["fingerprint"],
        state=row["state"],
        recorded_at=row["recorded_at"],
        member_id=row["member_id"],
        revision=row["revision"],
        retracted_by=row["retracted_by"],
        error=row["error"],
    )


async def _add_claims(
    session: AsyncSession, program_id: str, by_id: Mapping[str, Fact], event_ids: Sequence[str]
) -> None:
    found = await challenges.claims_of(session, program_id, event_ids) if event_ids else ()
    for claim, is_settled in found:
        fact = by_id[claim.event_id]
        fact.claims[claim.challenge] = claim
        if is_settled:
            fact.settled.add(claim.challenge)
    for event_id in event_ids:
        fact = by_id[event_id]
        fact.shared = as_claimed(fact.shared, fact.claims.values())


async def _add_decisions(session: AsyncSession, program_id: str, locked: Sequence[Fact]) -> None:
    by_id = {fact.event_id: fact for fact in locked}
    found = await run(session, _LAST_DECISIONS, {"program_id": program_id, "ids": sets.texts(list(by_id))})
    for event_id, n, points, verdict in found:
        fact = by_id[event_id]
        fact.decisions = n
        if fact.state != RETRACTED:
            fact.points, fact.moved = points, counts_from_json(verdict.get("moved", ()))
            fact.shared = counts_from_json(verdict.get("shared", ()))
    claimed = [event_id for event_id, n, _, verdict in found if n > 1 or verdict.get("challenges")]
    await _add_claims(session, program_id, by_id, claimed)
    earnings, in_part = await ledger.earnings_of_events(session, program_id, by_id)
    for fact in locked:
        fact.earnings, fact.reversed_in_part = earnings.get(fact.event_id, {}), fact.event_id in in_part
