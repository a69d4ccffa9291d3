"""Ladders as rows: crossings and rewards, locked as they stand, and whatever became of them written back."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import Configuration
from domain.ladders import Crossing, GivenReward, Ladders
from domain.outbox import Kind, Lane, OutboxRow
from domain.rewards import about
from storage import sets
from storage.hot_path import run
from storage.ids import new_id
from storage.sets import Rows
from storage.tables import crossings, rewards


async def lock(
    session: AsyncSession,
    configuration: Configuration,
    *,
    counting: Collection[str],
    falling: Collection[str],
    event_ids: Sequence[str] = (),
) -> Ladders:
    """The marks of `counting`, the standing crossings and open rewards of `falling`, and what these events gave."""
    program_id, milestones = configuration.program_id, configuration.milestones
    return Ladders(
        milestones,
        new_id,
        await marks(session, program_id, counting) if milestones and counting else {},
        await lock_crossings(session, program_id, falling) if falling else [],
        await lock_rewards(session, program_id, event_ids, falling) if falling else [],
    )


async def marks(session: AsyncSession, program_id: str, member_ids: Collection[str]) -> dict[tuple[str, str], int]:
    """By member and milestone, the highest crossing that stands."""
    statement = """SELECT member_id, milestone, max(n) FROM crossings
        WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(ids)s AS text[])) AND state = 'standing'
        GROUP BY member_id, milestone"""
    found = await run(session, statement, {"program_id": program_id, "ids": sets.texts(list(member_ids))})
    return {(member, mark): n for member, mark, n in found}


async def lock_crossings(session: AsyncSession, program_id: str, member_ids: Collection[str]) -> list[Crossing]:
    """These members' crossings that stand, locked in id order; placed once their reward was ordered."""
    statement = """SELECT c.id, c.member_id, c.milestone, c.n, c.event_id, c.state,
            EXISTS (SELECT FROM rewards r
                WHERE r.program_id = c.program_id AND r.crossing_id = c.id AND r.state = 'ordered')
        FROM crossings c WHERE c.program_id = %(program_id)s AND c.member_id = ANY(CAST(%(ids)s AS text[]))
            AND c.state = 'standing' ORDER BY c.id FOR NO KEY UPDATE OF c"""
    found = await run(session, statement, {"program_id": program_id, "ids": sets.texts(list(member_ids))})
    return [Crossing(*row) for row in found]


async def lock_rewards(
    session: AsyncSession, program_id: str, event_ids: Sequence[str], member_ids: Collection[str]
) -> list[GivenReward]:
    """What these events gave, and what is still open of these members' rewards, locked in id order."""
    statement = """SELECT id, member_id, reward, event_id, crossing_id, rule, state FROM rewards
        WHERE program_id = %(program_id)s AND (event_id = ANY(CAST(%(events)s AS text[]))
            OR (member_id = ANY(CAST(%(members)s AS text[])) AND state IN ('unlocked', 'offered')))
        ORDER BY id FOR NO KEY UPDATE"""
    parameters = {
        "program_id": program_id,
        "events": sets.texts(event_ids),
        "members": sets.texts(list(member_ids)),
    }
    return [GivenReward(*row) for row in await run(session, statement, parameters)]


async def withdraw(session: AsyncSession, program_id: str, ladders: Ladders, *, as_of: datetime) -> None:
    """Let what was withdrawn stand no longer; what of it is new as well is yet to be inserted."""
    for table, gone in ((crossings, ladders.withdrawn_crossings), (rewards, ladders.withdrawn_rewards)):
        if gone:
            stamp = {"updated_at": as_of} if table is rewards else {}
            these = table.c.program_id == program_id, table.c.id.in_([row.id for row in gone])
            await session.execute(update(table).where(*these).values(state="withdrawn", **stamp))


def rows(program_id: str, ladders: Ladders, number: int, *, as_of: datetime) -> list[Rows]:
    """What is new, under the configuration of this number."""
    crossed = [(c.id, c.member_id, c.mark, c.n, c.state, c.event_id) for c in ladders.new_crossings]
    given = [(r.id, r.member_id, r.reward, r.crossing_id, r.event_id, r.rule, r.state) for r in ladders.new_rewards]
    fixed = {"program_id": program_id, "configuration": number}
    return [
        Rows(
            crossings,
            ("id", "member_id", "milestone", "n", "state", "event_id"),
            crossed,
            fixed=fixed | {"crossed_at": as_of},
        ),
        Rows(
            rewards,
            ("id", "member_id", "reward", "crossing_id", "event_id", "rule", "state"),
            given,
            fixed=fixed | {"created_at": as_of, "updated_at": as_of},
        ),
    ]


def effects(program_id: str, ladders: Ladders) -> list[OutboxRow]:
    """New rewards start their workflows, those that were withdrawn wake theirs."""
    new = {reward.id for reward in ladders.new_rewards}
    started = [reward for reward in ladders.new_rewards if reward.state != "withdrawn"]
    woken = [reward for reward in ladders.withdrawn_rewards if reward.id not in new]
    starts = [{"reward_id": given.id, "about": about(given.id, given.reward, given.member_id)} for given in started]
    wakes = [{"reward_id": reward.id} for reward in woken]
    return [
        OutboxRow(program_id, Lane.TEMPORAL, kind, payload)
        for kind, payloads in ((Kind.START_REWARD, starts), (Kind.WAKE_REWARD, wakes))
        for payload in payloads
    ]
