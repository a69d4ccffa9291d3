"""Milestones explained: which threshold a crossing stands for, what carried the member over it, and what it gave.

A crossing by an event shows what the event's decision had read; one by a command or a merge, what the ledger held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import Milestone
from domain.deciding import UNIT
from domain.ledger import member_account
from domain.rewards import RewardState
from storage import configurations, rewards
from storage.earned_days import EARNED
from storage.hot_path import run
from storage.tables import crossings

_TICK = timedelta(microseconds=1)  # of PostgreSQL's clock: just before an instant

_DECIDED = text(
    """SELECT points, verdict -> 'others' AS others, inputs FROM decisions
    WHERE program_id = :program_id AND event_id = :event_id AND recorded_at = :crossed_at
    ORDER BY n DESC LIMIT 1"""
)
_MOVED = text(
    """SELECT DISTINCT t.id FROM transactions t JOIN entries e ON e.transaction_id = t.id
    WHERE t.program_id = :program_id AND t.recorded_at = :crossed_at AND e.account_id = :account_id
        AND t.event_id IS NOT DISTINCT FROM :event_id ORDER BY t.id"""
)
_LIFETIME = f"""SELECT coalesce(sum(e.amount), 0)::bigint
    FROM ({EARNED} AND f.unit = %(unit)s AND coalesce(m.merged_into, m.id) = %(member_id)s) AS e"""


@dataclass(frozen=True, slots=True)
class CrossingExplained:
    """A milestone that a member crossed for the n-th time.

    `after` what came, of lifetime or balance of `unit`, was at or above the `threshold` for the first time; `before` it
    was below. Both are None where what was held then cannot be told any more. It came by the event, and in the
    `transactions`.
    """

    id: str
    member_id: str
    milestone: str
    version: int
    title: str
    on: str
    unit: str
    threshold: int
    n: int
    before: int | None
    after: int | None
    state: str
    configuration: int
    event_id: str | None
    transactions: Sequence[str]
    crossed_at: datetime


@dataclass(frozen=True, slots=True)
class RewardExplained:
    """What a member was given: by a rule for the event, or for the crossing."""

    id: str
    member_id: str
    reward: str
    title: str
    state: RewardState
    reason: str | None
    configuration: int
    event_id: str | None
    rule: str | None
    order_id: str | None
    created_at: datetime
    crossing: CrossingExplained | None


async def explain_reward(session: AsyncSession, program_id: str, reward_id: str) -> RewardExplained:
    """By what the reward was given; raises LookupError."""
    given = await rewards.get(session, program_id, reward_id)
    kept = {name: getattr(given, name) for name in RewardExplained.__dataclass_fields__ if hasattr(given, name)}
    crossing = await explain_crossing(session, program_id, given.crossing_id) if given.crossing_id else None
    return RewardExplained(**kept, title=(await rewards.get_definition(session, given)).title, crossing=crossing)


async def explain_crossing(session: AsyncSession, program_id: str, crossing_id: str) -> CrossingExplained:
    """What carried a member over the milestone; raises LookupError."""
    own = select(crossings).where(crossings.c.program_id == program_id, crossings.c.id == crossing_id)
    row = (await session.execute(own)).mappings().one_or_none()
    if row is None:
        raise LookupError(f"no crossing {crossing_id}")
    configuration = await configurations.get(session, program_id, row["configuration"])
    milestone = next(one for one in configuration.milestones if one.mark == row["milestone"])
    before, after = await _held(session, row, milestone)
    return CrossingExplained(
        id=row["id"],
        member_id=row["member_id"],
        milestone=milestone.key,
        version=milestone.version,
        title=milestone.title,
        on=milestone.on,
        unit=milestone.unit,
        threshold=milestone.every * row["n"] if milestone.every else milestone.at or 0,
        n=row["n"],
        before=before,
        after=after,
        state=row["state"],
        configuration=row["configuration"],
        event_id=row["event_id"],
        transactions=await _transactions(session, row, milestone),
        crossed_at=row["crossed_at"],
    )


async def _held(session: AsyncSession, crossed: RowMapping, milestone: Milestone) -> tuple[int | None, int | None]:
    """Before and after."""
    if crossed["event_id"] is not None:
        return await _decided(session, crossed, milestone)
    if milestone.on != "lifetime":
        return None, None
    at: datetime = crossed["crossed_at"]
    before, after = [await _lifetime(session, crossed, milestone, known_at) for known_at in (at - _TICK, at)]
    # What moved in by a merge counts for the member at all times: then the ledger does not show the step.
    threshold = milestone.every * crossed["n"] if milestone.every else milestone.at or 0
    return (before, after) if before < threshold <= after else (None, None)


async def _decided(session: AsyncSession, crossed: RowMapping, milestone: Milestone) -> tuple[int | None, int | None]:
    named = {name: crossed[name] for name in ("program_id", "event_id", "crossed_at")}
    found = (await session.execute(_DECIDED, named)).mappings().first()
    if found is None or "lifetime" not in found["inputs"]:
        return None, None
    before, gained = _read(found, milestone)
    return before, before + gained


def _read(decided: Mapping[Any, Any], milestone: Milestone) -> tuple[int, int]:
    """What the decision found of the milestone's unit, and what it gave of it."""
    inputs, others = decided["inputs"], decided["others"] or {}
    of_unit = (inputs["lifetime"], inputs["balance"])
    if milestone.unit != UNIT:
        of_unit = inputs.get("others", {}).get(milestone.unit, (0, 0))
    gained = decided["points"] if milestone.unit == UNIT else others.get(milestone.unit, 0)
    return of_unit[0 if milestone.on == "lifetime" else 1], gained


async def _lifetime(session: AsyncSession, crossed: RowMapping, milestone: Milestone, known_at: datetime) -> int:
    asked = {"program_id": crossed["program_id"], "member_id": crossed["member_id"], "unit": milestone.unit}
    [(lifetime,)] = await run(session, _LIFETIME, asked | {"known_at": known_at})
    return int(lifetime)


async def _transactions(session: AsyncSession, crossed: RowMapping, milestone: Milestone) -> list[str]:
    """What was booked on the member's account for it; several commands may have come at one instant."""
    account_id = member_account(crossed["member_id"], milestone.unit)
    named = {name: crossed[name] for name in ("program_id", "event_id", "crossed_at")}
    return list((await session.execute(_MOVED, named | {"account_id": account_id})).scalars())
