"""Amendments that could not be decided: kept as they were told until they can be, or until newer content stands.

What stood before stands until then. The event of each is locked by whoever keeps, takes or forgets it.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event, Identity, SourcePolicy, Told, fingerprint
from storage.tables import quarantined_amendments

_columns = quarantined_amendments.c


async def keep(
    session: AsyncSession, program_id: str, event_id: str, told: Told, error: str, *, recorded_at: datetime
) -> None:
    """Keep what an event would have become, and why it could not; the same content is kept once, as told last."""
    values = {
        "source_version": told.event.source_version,
        "told": _document(told),
        "error": error,
        "recorded_at": recorded_at,
    }
    named = {"program_id": program_id, "event_id": event_id, "fingerprint": fingerprint(*told)}
    statement = upsert(quarantined_amendments).values(named | values)
    await session.execute(
        statement.on_conflict_do_update(index_elements=(_columns.event_id, _columns.fingerprint), set_=values)
    )


async def take(session: AsyncSession, program_id: str, event_ids: Collection[str]) -> list[Told]:
    """Take out what is kept of these events, in the order in which it was told."""
    taken = delete(quarantined_amendments).where(_columns.program_id == program_id, _columns.event_id.in_(event_ids))
    found = await session.execute(taken.returning(_columns.recorded_at, _columns.source_version, _columns.told))
    return [_told(row.told) for row in sorted(found, key=lambda row: (row.recorded_at, row.source_version or 0))]


async def forget(session: AsyncSession, program_id: str, versions: Mapping[str, int | None]) -> None:
    """Forget what is overtaken: content of these events that is no newer than the version in which each now stands."""
    for event_id, version in versions.items():
        older: ColumnElement[bool] = _columns.source_version.is_(None)
        if version is not None:
            older |= _columns.source_version <= version
        of_event = _columns.program_id == program_id, _columns.event_id == event_id
        await session.execute(delete(quarantined_amendments).where(*of_event, older))


def _document(told: Told) -> dict[str, Any]:
    event, policy = told
    return {
        "source": event.source,
        "external_id": event.external_id,
        "type": event.type,
        "names": [[name.source, name.external_id] for name in (event.member, *event.alternatives)],
        "occurred_at": event.occurred_at,
        "data": dict(event.data),
        "source_version": event.source_version,
        "fingerprint_fields": policy.fingerprint_fields,
        "amendments": policy.amendments,
    }


def _told(document: Mapping[str, Any]) -> Told:
    member, *alternatives = (Identity(*name) for name in document["names"])
    fields = document["fingerprint_fields"]
    event = Event(
        source=document["source"],
        external_id=document["external_id"],
        type=document["type"],
        member=member,
        occurred_at=datetime.fromisoformat(document["occurred_at"]),
        data=document["data"],
        source_version=document["source_version"],
        alternatives=tuple(alternatives),
    )
    return Told(event, SourcePolicy(document["amendments"], None if fields is None else tuple(fields)))
