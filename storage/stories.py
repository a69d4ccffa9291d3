"""Stories, as the tables tell them: complete without Temporal, whose histories end with their retention."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.stories import Cast, Moment, Teller
from storage.nomination_tables import nomination_approvers, nomination_decisions, nominations
from storage.tables import (
    crossings,
    decisions,
    events,
    members,
    notifications,
    order_steps,
    orders,
    rewards,
    transactions,
    transfers,
)

# The latest of each kind in a member's story.
MEMBER_ROWS = 50
# Moments of one kind in any story.
MOMENTS = 1_000


async def find_cast(session: AsyncSession, program_id: str, subject: str) -> Cast | None:
    """Who takes part in the story of an evt_, nom_, rwd_, ord_ or mem_; None if the program does not know it."""
    match subject.split("_")[0]:
        case "evt":
            found = await _ids(session, events, program_id, events.c.id == subject)
            return await _cast_of_events(session, program_id, found) if found else None
        case "nom":
            found = await _ids(session, nominations, program_id, nominations.c.id == subject)
            return await _cast_of_nominations(session, program_id, found) if found else None
        case "rwd":
            found = await _ids(session, rewards, program_id, rewards.c.id == subject)
            return await _cast_of_rewards(session, program_id, found) if found else None
        case "ord":
            found = await _ids(session, orders, program_id, orders.c.id == subject)
            return await _cast_of_orders(session, program_id, found) if found else None
        case "mem":
            found = await _ids(session, members, program_id, members.c.id == subject)
            return await _cast_of_member(session, program_id, subject) if found else None
    return None


async def _cast_of_events(session: AsyncSession, program_id: str, found: frozenset[str]) -> Cast:
    retractions = await _ids(session, events, program_id, events.c.id.in_(found), column="retracted_by")
    given = await _ids(session, rewards, program_id, rewards.c.event_id.in_(found))
    placed = await _ids(session, orders, program_id, orders.c.reward_id.in_(given))
    led = await _ids(session, nominations, program_id, nominations.c.event_id.in_(found))
    return Cast(program_id, found | retractions, given, placed, led)


async def _cast_of_nominations(session: AsyncSession, program_id: str, found: frozenset[str]) -> Cast:
    approved = await _ids(session, nominations, program_id, nominations.c.id.in_(found), column="event_id")
    return replace(await _cast_of_events(session, program_id, approved), nominations=found)


async def _cast_of_rewards(session: AsyncSession, program_id: str, found: frozenset[str]) -> Cast:
    causes = await _ids(session, rewards, program_id, rewards.c.id.in_(found), column="event_id")
    placed = await _ids(session, orders, program_id, orders.c.reward_id.in_(found))
    return Cast(program_id, causes, found, placed)


async def _cast_of_orders(session: AsyncSession, program_id: str, found: frozenset[str]) -> Cast:
    given = await _ids(session, orders, program_id, orders.c.id.in_(found), column="reward_id")
    cast = await _cast_of_rewards(session, program_id, given)
    return Cast(program_id, cast.events, given, cast.orders | found)


async def _cast_of_member(session: AsyncSession, program_id: str, member_id: str) -> Cast:
    latest = [
        await _ids(session, table, program_id, table.c.member_id == member_id, latest=MEMBER_ROWS)
        for table in (events, rewards, orders)
    ]
    nominated = nominations.c.nominee_id == member_id
    proposed = await _ids(session, nominations, program_id, nominated, latest=MEMBER_ROWS)
    return replace(Cast(program_id, *latest), nominations=proposed)


async def _ids(
    session: AsyncSession,
    table: Table,
    program_id: str,
    where: ColumnElement[bool],
    *,
    column: str = "id",
    latest: int = MOMENTS,
) -> frozenset[str]:
    chosen = select(table.c[column]).where(table.c.program_id == program_id, where, table.c[column].is_not(None))
    return frozenset((await session.execute(chosen.order_by(table.c.id.desc()).limit(latest))).scalars())


async def list_moments(session: AsyncSession, cast: Cast) -> list[Moment]:
    """All that the tables know of the cast, in the order of time; what was committed together, causes first."""
    told: list[Moment] = []
    for query, tell in _tellers(cast):
        rows = (await session.execute(query.limit(MOMENTS))).mappings()
        told.extend(tell(row) for row in rows)
    return sorted(told, key=lambda moment: moment.at)


Row = Mapping[Any, Any]


def _tellers(cast: Cast) -> Iterable[tuple[Select[Any], Callable[[Row], Moment]]]:
    """In the order in which things follow from each other."""
    yield _of(nominations, cast, nominations.c.id.in_(cast.nominations)).order_by(nominations.c.id), _nomination
    asked = nomination_approvers.c.nomination_id.in_(cast.nominations) & nomination_approvers.c.asked_at.is_not(None)
    yield _of(nomination_approvers, cast, asked).order_by(nomination_approvers.c.asked_at), _asked
    ruled = _of(nomination_decisions, cast, nomination_decisions.c.nomination_id.in_(cast.nominations))
    yield ruled.order_by(nomination_decisions.c.nomination_id, nomination_decisions.c.n), _ruling
    yield _of(events, cast, events.c.id.in_(cast.events)).order_by(events.c.id), _event
    yield _of(decisions, cast, decisions.c.event_id.in_(cast.events)).order_by(decisions.c.recorded_at), _decision
    yield _postings(cast), _posting
    yield _of(crossings, cast, crossings.c.event_id.in_(cast.events)).order_by(crossings.c.id), _crossing
    yield _of(rewards, cast, rewards.c.id.in_(cast.rewards)).order_by(rewards.c.id), _reward
    yield _of(order_steps, cast, order_steps.c.order_id.in_(cast.orders)).order_by(order_steps.c.id), _step
    about = func.split_part(notifications.c.reference, "/", 1)
    told = _of(notifications, cast, about.in_(cast.events | cast.rewards | cast.orders | cast.nominations))
    yield told.order_by(notifications.c.id), _notification


def _of(table: Table, cast: Cast, where: ColumnElement[bool]) -> Select[Any]:
    return select(table).where(table.c.program_id == cast.program_id, where)


def _postings(cast: Cast) -> Select[Any]:
    amount = select(func.sum(transfers.c.amount)).where(transfers.c.transaction_id == transactions.c.id)
    of_cast = or_(transactions.c.event_id.in_(cast.events), transactions.c.order_id.in_(cast.orders))
    own = select(transactions, amount.scalar_subquery().label("amount"))
    return own.where(transactions.c.program_id == cast.program_id, of_cast).order_by(transactions.c.id)


def _nomination(row: Row) -> Moment:
    text = f"{row['nominator_id']} nominated {row['nominee_id']}: {row['category']}, {row['proposed_amount']}"
    return Moment(row["created_at"], Teller.NOMINATION, row["id"], text, {"state": row["state"]})


def _asked(row: Row) -> Moment:
    text = f"asked {row['member_id']} on level {row['level']}"
    detail = {} if row["member_id"] == row["approver_id"] else {"for": row["approver_id"], "because": row["because"]}
    return Moment(row["asked_at"], Teller.NOMINATION, row["nomination_id"], text, detail)


def _ruling(row: Row) -> Moment:
    text = f"{row['verdict']} by {row['decided_by'] or row['actor']} on level {row['level']}"
    return Moment(row["decided_at"], Teller.NOMINATION, row["nomination_id"], text, {"amount": row["amount"]})


def _event(row: Row) -> Moment:
    text = f"{row['type']} from {row['source']}: {row['external_id']}, occurred {row['occurred_at']:%Y-%m-%d %H:%M}"
    return Moment(row["recorded_at"], Teller.EVENT, row["id"], text, {"state": row["state"]})


def _decision(row: Row) -> Moment:
    rules: Sequence[Row] = row["verdict"].get("rules", ())
    parts = [f"{rule['rule']} {rule.get('points', 0):+}" for rule in rules]
    text = f"{row['kind']}: {row['points']:+} points" + (f" ({', '.join(parts)})" if parts else "")
    return Moment(row["recorded_at"], Teller.DECISION, row["event_id"], text, {"n": row["n"]})


def _posting(row: Row) -> Moment:
    detail = {"business_key": row["business_key"]}
    return Moment(row["recorded_at"], Teller.LEDGER, row["id"], f"{row['kind']} {row['amount']} points", detail)


def _crossing(row: Row) -> Moment:
    text = f"crossed {row['milestone']} for time {row['n']}"
    return Moment(row["crossed_at"], Teller.MILESTONE, row["id"], text, {"state": row["state"]})


def _reward(row: Row) -> Moment:
    given_by = f"rule {row['rule']}" if row["rule"] else "a milestone"
    detail = {name: row[name] for name in ("state", "reason", "order_id") if row[name] is not None}
    return Moment(row["created_at"], Teller.REWARD, row["id"], f"{row['reward']} given by {given_by}", detail)


def _step(row: Row) -> Moment:
    text = f"{row['step']} by {row['actor']}: now {row['state']}"
    return Moment(row["recorded_at"], Teller.ORDER, row["order_id"], text, row["detail"])


def _notification(row: Row) -> Moment:
    whom = "member" if row["member_id"] else "administrators"
    return Moment(row["created_at"], Teller.NOTIFICATION, row["id"], f"told the {whom}: {row['subject']}")
