"""Events as they stand, for reading; what happens to them is intake's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Identity
from domain.intake import DECIDED, PARKED, QUARANTINED
from storage.tables import decisions, events, quarantined_amendments


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event: the fact, its state, and the points that it earns as it stands: a retraction's are below zero."""

    id: str
    source: str
    external_id: str
    type: str
    state: str
    member_id: str | None
    identity_source: str
    identity_external_id: str
    occurred_at: datetime
    recorded_at: datetime
    data: Mapping[str, Any]
    revision: int
    source_version: int | None
    retracts: str | None
    retracted_by: str | None
    error: str | None
    points: int


_COLUMNS = tuple(name for name in RecordedEvent.__dataclass_fields__ if name != "points")


# Why the newest amendment of the event that waits could not be decided.
_undecided = (
    select(quarantined_amendments.c.error)
    .where(quarantined_amendments.c.program_id == events.c.program_id, quarantined_amendments.c.event_id == events.c.id)
    .order_by(quarantined_amendments.c.recorded_at.desc())
    .limit(1)
    .scalar_subquery()
)


def _select(program_id: str) -> Select[Any]:
    last = (
        select(decisions.c.points)
        .where(decisions.c.program_id == program_id, decisions.c.event_id == events.c.id)
        .order_by(decisions.c.n.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = [events.c[name] for name in _COLUMNS if name != "error"]
    points = case((events.c.state == DECIDED, func.coalesce(last, 0)), else_=0)
    error = func.coalesce(events.c.error, _undecided).label("error")
    return select(*columns, error, points.label("points")).where(events.c.program_id == program_id)


async def find(session: AsyncSession, program_id: str, event_id: str) -> RecordedEvent | None:
    """The program's event of this id; None if it has none."""
    row = (await session.execute(_select(program_id).where(events.c.id == event_id))).mappings().one_or_none()
    return RecordedEvent(**row) if row else None


async def find_id(session: AsyncSession, program_id: str, source: str, external_id: str) -> str | None:
    """The id of the program's event of this name; None if it has none."""
    own = events.c.program_id == program_id, events.c.source == source, events.c.external_id == external_id
    return (await session.execute(select(events.c.id).where(*own))).scalar()


async def list_waiting(
    session: AsyncSession, program_id: str, name: Identity, *, limit: int
) -> Sequence[RecordedEvent]:
    """The program's newest events that wait for a member of this name."""
    whose = events.c.identity_source == name.source, events.c.identity_external_id == name.external_id
    query = _select(program_id).where(events.c.state == PARKED, *whose)
    result = await session.execute(query.order_by(events.c.id.desc()).limit(limit))
    return [RecordedEvent(**row) for row in result.mappings()]


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    state: str | None = None,
    member_id: str | None = None,
    before: str | None = None,
    limit: int,
) -> Sequence[RecordedEvent]:
    """The program's events, newest first, those before the event `before` only.

    Those in the state quarantined are joined by those of which an amendment is.
    """
    query = _select(program_id)
    if state is not None:
        query = query.where(_in_state(program_id, state))
    if member_id is not None:
        query = query.where(events.c.member_id == member_id)
    if before is not None:
        query = query.where(events.c.id < before)
    result = await session.execute(query.order_by(events.c.id.desc()).limit(limit))
    return [RecordedEvent(**row) for row in result.mappings()]


def _in_state(program_id: str, state: str) -> ColumnElement[bool]:
    if state != QUARANTINED:
        return events.c.state == state
    waiting = select(quarantined_amendments.c.event_id).where(quarantined_amendments.c.program_id == program_id)
    return or_(events.c.state == state, events.c.id.in_(waiting))
