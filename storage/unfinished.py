"""What a workflow or an activity should be working on, over all programs: rows that are not in a final state.

Pages go by id, so that a reader can go on where it stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Table, exists, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.grace import GraceState, GraceWindow
from domain.grace import about as about_grace
from domain.nominations import about as about_nomination
from domain.notifications import CHALLENGE_SETTLED
from domain.orders import ENDED
from domain.orders import about as about_order
from domain.rewards import about as about_reward
from domain.slack import Delivery
from domain.vendors import Money
from storage.game_tables import challenges, grace_windows
from storage.nomination_tables import nominations
from storage.slack_tables import slack_conversations
from storage.tables import connections, notices, notifications, orders, rewards

# For so long after its settlement it is looked whether everybody knows how a challenge has ended.
TELLING = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A row that something must still happen to, and what it is in a line for people."""

    program_id: str
    id: str
    about: str


@dataclass(frozen=True, slots=True)
class UnfetchedObject:
    """An object of an outside system with notices that nobody has handled; `kind` is the connection's."""

    program_id: str
    connection_id: str
    object_id: str
    kind: str


async def list_deliveries(
    session: AsyncSession, *, before: datetime, after: Delivery | None, limit: int
) -> Sequence[Delivery]:
    """Conversations of Slack whose messages are being delivered since before the instant, by id."""
    table = slack_conversations.c
    rows = select(table.program_id, table.connection_id, table.id, table.turn)
    rows = rows.where(table.delivering, table.turned_at < before)
    if after:
        rows = rows.where(table.id > after.conversation_id)
    return [Delivery(*row) for row in await session.execute(rows.order_by(table.id).limit(limit))]


async def list_orders(
    session: AsyncSession, *, before: datetime, after: Unfinished | None, limit: int
) -> Sequence[Unfinished]:
    """Orders that have not ended and were made before the instant, by id from the one after `after`."""
    columns = (orders.c.program_id, orders.c.item_name, orders.c.value_minor, orders.c.currency, orders.c.member_id)
    found = await _page(session, orders, columns, orders.c.state.not_in(sorted(ENDED)), before, after, limit)
    return [
        Unfinished(
            row.program_id,
            row.id,
            about_order(row.id, row.item_name, Money(row.value_minor, row.currency), row.member_id),
        )
        for row in found
    ]


async def list_rewards(
    session: AsyncSession, *, before: datetime, after: Unfinished | None, limit: int
) -> Sequence[Unfinished]:
    """Rewards that wait for their workflow or their member's choice, made before the instant, by id."""
    columns = (rewards.c.program_id, rewards.c.reward, rewards.c.member_id)
    waiting = rewards.c.state.in_(("unlocked", "offered"))
    found = await _page(session, rewards, columns, waiting, before, after, limit)
    return [Unfinished(row.program_id, row.id, about_reward(row.id, row.reward, row.member_id)) for row in found]


async def list_nominations(
    session: AsyncSession, *, before: datetime, after: Unfinished | None, limit: int
) -> Sequence[Unfinished]:
    """Nominations that wait for decisions, or to be given, made before the instant, by id."""
    columns = (nominations.c.program_id, nominations.c.category, nominations.c.nominee_id)
    waiting = nominations.c.state.in_(("pending", "approved"))
    found = await _page(session, nominations, columns, waiting, before, after, limit)
    return [Unfinished(row.program_id, row.id, about_nomination(row.id, row.category, row.nominee_id)) for row in found]


async def list_challenges(
    session: AsyncSession, *, before: datetime, after: Unfinished | None, limit: int
) -> Sequence[Unfinished]:
    """Challenges that run, or of whose end not everybody was told yet, made before the instant, by id."""
    columns = (challenges.c.program_id, challenges.c.key)
    running = challenges.c.state.in_(("scheduled", "open", "closed"))
    of_it = notifications.c.program_id == challenges.c.program_id, notifications.c.reference == challenges.c.id
    everybody_knows = exists().where(*of_it, notifications.c.kind == CHALLENGE_SETTLED)
    lately = challenges.c.settled_at > before - TELLING
    found = await _page(session, challenges, columns, running | (lately & ~everybody_knows), before, after, limit)
    return [Unfinished(row.program_id, row.id, f"Challenge {row.key}") for row in found]


async def list_grace_windows(
    session: AsyncSession, *, before: datetime, after: Unfinished | None, limit: int
) -> Sequence[Unfinished]:
    """Grace windows that are open and were opened before the instant, by id."""
    columns = [grace_windows.c[name] for name in GraceWindow.__dataclass_fields__]
    rows = select(*columns).where(grace_windows.c.state == GraceState.OPEN, grace_windows.c.opened_at < before)
    if after:
        rows = rows.where(grace_windows.c.id > after.id)
    found = [GraceWindow(*row) for row in await session.execute(rows.order_by(grace_windows.c.id).limit(limit))]
    return [Unfinished(window.program_id, window.id, about_grace(window)) for window in found]


_CLOCKS = text("""
    SELECT p.program_id, policy FROM programs p
    JOIN configurations c ON c.program_id = p.program_id AND c.number = p.configuration
    CROSS JOIN LATERAL jsonb_object_keys(COALESCE(c.body -> 'streaks', '{}')) AS policy
    WHERE c.applied_at < :before AND (p.program_id, policy) > (:program_id, :policy)
    ORDER BY p.program_id, policy LIMIT :limit
""")


async def list_clocks(
    session: AsyncSession, *, before: datetime, after: Unfinished | None, limit: int
) -> Sequence[Unfinished]:
    """Streak policies that were in force before the instant, by program and key: each has a clock."""
    last = (after.program_id, after.id) if after else ("", "")
    asked = {"before": before, "program_id": last[0], "policy": last[1], "limit": limit}
    found = (await session.execute(_CLOCKS, asked)).all()
    return [Unfinished(row.program_id, row.policy, row.policy) for row in found]


async def _page(
    session: AsyncSession,
    table: Table,
    columns: Sequence[Column[Any]],
    unfinished: ColumnElement[bool],
    before: datetime,
    after: Unfinished | None,
    limit: int,
) -> Sequence[Row[Any]]:
    rows = select(table.c.id, *columns).where(unfinished, table.c.created_at < before)
    if after:
        rows = rows.where(table.c.id > after.id)
    return (await session.execute(rows.order_by(table.c.id).limit(limit))).all()


async def list_objects(
    session: AsyncSession, *, before: datetime, after: UnfetchedObject | None, limit: int
) -> Sequence[UnfetchedObject]:
    """Objects with open notices from before the instant, by connection and object."""
    key = (notices.c.connection_id, notices.c.object_id)
    rows = select(notices.c.program_id, *key, connections.c.kind).distinct()
    rows = rows.join(connections, connections.c.id == notices.c.connection_id)
    rows = rows.where(notices.c.state == "open", notices.c.recorded_at < before)
    if after:
        rows = rows.where(tuple_(*key) > tuple_(after.connection_id, after.object_id))
    result = await session.execute(rows.order_by(*key).limit(limit))
    return [UnfetchedObject(*row) for row in result]
