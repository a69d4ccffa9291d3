"""Findings read from what was recorded when a tier changed or a badge was earned."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.badges import counter_key
from domain.configuration import Configuration
from domain.counters import NOTHING, counts_from_json
from domain.findings import Finding, of_badge, of_tier
from domain.game import Badge
from domain.notifications import Notification
from storage import badges, configurations, tiers
from storage.events import RecordedEvent
from storage.game_tables import member_badges, tier_changes
from storage.tables import decisions, events


async def find(session: AsyncSession, program_id: str, event: RecordedEvent) -> Finding | None:
    """Why Laurel told this event of a tier or a badge; None of every other event."""
    if event.source != derived.SOURCE or event.retracts is not None or event.type not in _FINDING:
        return None
    _, member_id, n = event.external_id.rsplit(":", 2)
    return await _FINDING[event.type](session, program_id, event.data, member_id, int(n))


_TOLD = {badges.NOTIFICATION: (member_badges, "badge"), tiers.NOTIFICATION: (tier_changes, "ladder")}
AWARDS = tuple(_TOLD)  # kinds of notifications


async def find_event(session: AsyncSession, told: Notification) -> str | None:
    """The event by which the member came to the tier or the badge that they are told of, if one did it."""
    table, named = _TOLD[told.kind]
    key, member_id, n = told.reference.split("/")
    this = table.c.program_id == told.program_id, table.c.member_id == member_id, table.c[named] == key
    found: str | None = await session.scalar(select(table.c.event_id).where(*this, table.c.n == int(n)))
    return found


async def _of_tier(
    session: AsyncSession, program_id: str, data: Mapping[str, Any], member_id: str, n: int
) -> Finding | None:
    c = tier_changes.c
    this = c.program_id == program_id, c.member_id == member_id, c.ladder == data["ladder"], c.n == n
    row = (await session.execute(select(tier_changes).where(*this))).one_or_none()
    if row is None:
        return None
    ladder = (await configurations.get(session, program_id, row.configuration)).tiers[row.ladder]
    return of_tier(ladder, (row.before, row.tier), row.amount, row.event_id, row.configuration)


async def _of_badge(
    session: AsyncSession, program_id: str, data: Mapping[str, Any], member_id: str, n: int
) -> Finding | None:
    c = member_badges.c
    this = c.program_id == program_id, c.member_id == member_id, c.badge == data["badge"], c.n == n
    row = (await session.execute(select(member_badges).where(*this))).one_or_none()
    if row is None:
        return None
    configuration = await configurations.get(session, program_id, row.configuration)
    badge = configuration.badges[row.badge]
    decided = decisions.c.program_id == program_id, decisions.c.event_id == row.event_id
    by = (
        select(decisions.c.inputs, decisions.c.verdict, events.c.data)
        .join(events, (events.c.program_id == decisions.c.program_id) & (events.c.id == decisions.c.event_id))
        .where(*decided, decisions.c.recorded_at <= row.recorded_at)
        .order_by(decisions.c.n.desc())
        .limit(1)
    )
    completed = (await session.execute(by)).one_or_none()
    counted = _counted(configuration, badge, *completed) if completed else badge.at_least
    return of_badge(badge, configuration, row.event_id, counted)


def _counted(
    configuration: Configuration,
    badge: Badge,
    inputs: Mapping[str, Any],
    verdict: Mapping[str, Any],
    data: Mapping[str, Any],
) -> int:
    """What the badge counts, the event included."""
    if badge.aggregate is None:
        return int(data.get("length", 1))
    key = counter_key(configuration.aggregates, badge)
    read, moved = counts_from_json(inputs.get("counters", ())), counts_from_json(verdict.get("moved", ()))
    return read.get(key, NOTHING)[1] + moved.get(key, NOTHING)[1]


_FINDING: Mapping[str, Callable[[AsyncSession, str, Mapping[str, Any], str, int], Awaitable[Finding | None]]] = {
    derived.TIER_CHANGED: _of_tier,
    derived.BADGE_EARNED: _of_badge,
}
