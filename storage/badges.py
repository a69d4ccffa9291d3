"""Members' badges as rows: earned and withdrawn with the facts that do it, told as derived events and to the member.

Whoever changes a member's badges holds the member's lock. A badge that is introduced is given silently to whoever has
achieved it already: nobody is told, and no rule sees it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.badges import Badges, EarnedBadge, counter_of
from domain.configuration import Configuration
from domain.game import Badge
from domain.notifications import Telling
from domain.sentences import alone, sentence
from domain.time import LIFETIME_ON
from storage import notifications, outbox, sets
from storage.game_tables import member_badges
from storage.hot_path import run
from storage.sets import Rows, texts

NOTIFICATION = "badge"

_LAST = """SELECT DISTINCT ON (member_id, badge) member_id, badge, n, event_id, earned_at, state = 'standing'
    FROM member_badges WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(members)s AS text[]))
    ORDER BY member_id, badge, n DESC"""


@dataclass(frozen=True, slots=True)
class MemberBadge:
    """A badge that a member has; without an event, from before it was introduced."""

    badge: str
    earned_at: datetime
    event_id: str | None


async def load(session: AsyncSession, configuration: Configuration, member_ids: Collection[str]) -> Badges:
    """The badges of these members, who are locked, if the program has any."""
    if not configuration.badges or not member_ids:
        return Badges(configuration)
    asked = {"program_id": configuration.program_id, "members": texts(list(member_ids))}
    found = [EarnedBadge(*row) for row in await run(session, _LAST, asked)]
    return Badges(configuration, {(one.member_id, one.badge): one for one in found})


async def keep(session: AsyncSession, badges: Badges, *, as_of: datetime) -> None:
    """Write what was earned and what was withdrawn, and tell it; what came and went at once is told to nobody."""
    changed = [*(one for one in badges.withdrawn if one not in badges.new), *badges.new]
    if not changed:
        return
    program_id = badges.configuration.program_id
    await sets.insert(session, _rows(badges.configuration, changed, as_of))
    new = [one for one in badges.new if one.standing]
    gone = [one for one in badges.withdrawn if one not in badges.new]
    facts = [*(one.retraction for one in gone), *(one.fact for one in new)]
    await outbox.add(session, [derived.outbox_row(program_id, fact) for fact in facts], now=as_of)
    told = [_telling(badges.configuration.badges[one.badge], one) for one in new]
    await notifications.tell_all(session, program_id, NOTIFICATION, told, now=as_of)


def _rows(configuration: Configuration, changed: Collection[EarnedBadge], as_of: datetime) -> Rows:
    columns = ("member_id", "badge", "n", "event_id", "earned_at", "state", "withdrawn_at")
    values = [
        (one.member_id, one.badge, one.n, one.event_id, one.earned_at,
         "standing" if one.standing else "withdrawn", None if one.standing else as_of)
        for one in changed
    ]  # fmt: skip
    update = """ON CONFLICT (member_id, badge, n) DO UPDATE SET state = excluded.state,
        withdrawn_at = excluded.withdrawn_at"""
    fixed = {"program_id": configuration.program_id, "configuration": configuration.number, "recorded_at": as_of}
    return Rows(member_badges, columns, values, update, fixed)


def _telling(badge: Badge, one: EarnedBadge) -> Telling:
    subject = sentence("You have earned {badge}", badge=badge.title or badge.key)
    body = alone(badge.description) if badge.description else sentence("Well done.")
    return Telling(one.member_id, subject, body, f"{one.badge}/{one.member_id}/{one.n}")


# -- Introducing badges --------------------------------------------------------------------------------------------

_GIVE = """INSERT INTO member_badges
        (program_id, member_id, badge, n, state, configuration, earned_at, recorded_at)
    SELECT %(program_id)s, m.id, %(badge)s,
        1 + coalesce((SELECT max(n) FROM member_badges b WHERE b.member_id = m.id AND b.badge = %(badge)s), 0),
        'standing', %(number)s, %(as_of)s, %(as_of)s
    FROM members m WHERE m.program_id = %(program_id)s AND m.merged_into IS NULL AND NOT EXISTS (
        SELECT FROM member_badges b WHERE b.member_id = m.id AND b.badge = %(badge)s AND b.state = 'standing')
        AND """
_ACHIEVED = {
    "aggregate": """EXISTS (SELECT FROM counters c WHERE c.member_id = m.id AND c.name = %(counter)s
        AND c.period = 'lifetime' AND c.period_on = %(lifetime_on)s AND c.total >= %(at_least)s)""",
    "streak": """EXISTS (SELECT FROM streaks s WHERE s.member_id = m.id AND s.policy = %(streak)s
        AND s.longest >= %(at_least)s)""",
    "challenge": """EXISTS (SELECT FROM events e WHERE e.program_id = m.program_id AND e.member_id = m.id
        AND e.type = %(prize)s AND e.state = 'decided' AND e.retracts IS NULL
        AND e.data ->> 'challenge' = %(challenge)s)""",
    "badges": """NOT EXISTS (SELECT FROM unnest(CAST(%(parts)s AS text[])) AS part WHERE NOT EXISTS (
        SELECT FROM member_badges b WHERE b.member_id = m.id AND b.badge = part AND b.state = 'standing'))""",
}


async def fill(session: AsyncSession, configuration: Configuration, *, as_of: datetime) -> None:
    """Give badges that are new or have changed to whoever achieved them before; nobody may decide meanwhile.

    Composites come after what they are made of.
    """
    waiting = [badge for badge in configuration.badges.values() if badge.version == configuration.number]
    while waiting:
        keys = {badge.key for badge in waiting}
        ready = [badge for badge in waiting if not keys.intersection(badge.badges)]
        for badge in ready:
            await _give(session, configuration, badge, as_of)
        waiting = [badge for badge in waiting if badge not in ready]


async def _give(session: AsyncSession, configuration: Configuration, badge: Badge, as_of: datetime) -> None:
    kind = next(name for name in _ACHIEVED if getattr(badge, name))
    facts: Mapping[str, Mapping[str, Any]] = {
        "aggregate": {
            "counter": counter_of(configuration.aggregates, badge),
            "lifetime_on": LIFETIME_ON,
            "at_least": badge.at_least,
        },
        "streak": {"streak": badge.streak, "at_least": badge.at_least},
        "challenge": {"challenge": badge.challenge, "prize": derived.CHALLENGE_PRIZE},
        "badges": {"parts": texts(badge.badges)},
    }
    asked = {"program_id": configuration.program_id, "badge": badge.key, "number": configuration.number}
    await run(session, _GIVE + _ACHIEVED[kind], asked | {"as_of": as_of, **facts[kind]})


# -- Reading -------------------------------------------------------------------------------------------------------


async def list_of(session: AsyncSession, program_id: str, member_id: str) -> list[MemberBadge]:
    """The badges that the member has, in the order in which they were earned."""
    columns = member_badges.c.badge, member_badges.c.earned_at, member_badges.c.event_id
    mine = _standing(program_id), member_badges.c.member_id == member_id
    query = select(*columns).where(*mine).order_by(member_badges.c.earned_at, member_badges.c.badge)
    return [MemberBadge(*row) for row in await session.execute(query)]


async def count_holders(session: AsyncSession, program_id: str) -> dict[str, int]:
    """By badge, how many members have it."""
    query = select(member_badges.c.badge, func.count()).where(_standing(program_id)).group_by(member_badges.c.badge)
    return dict((await session.execute(query)).tuples().all())


def _standing(program_id: str) -> Any:
    return (member_badges.c.program_id == program_id) & (member_badges.c.state == "standing")


_TAKE_ALONG = """INSERT INTO member_badges
        (program_id, member_id, badge, n, state, event_id, configuration, earned_at, recorded_at)
    SELECT t.program_id, %(to)s, t.badge,
        1 + coalesce((SELECT max(n) FROM member_badges b WHERE b.member_id = %(to)s AND b.badge = t.badge), 0),
        'standing', t.event_id, t.configuration, t.earned_at, %(as_of)s
    FROM member_badges t WHERE t.program_id = %(program_id)s AND t.member_id = %(from)s AND t.state = 'standing'
        AND NOT EXISTS (SELECT FROM member_badges b
            WHERE b.member_id = %(to)s AND b.badge = t.badge AND b.state = 'standing')"""


async def take_along(session: AsyncSession, program_id: str, source: str, destination: str, *, as_of: datetime) -> None:
    """Give a member silently what another who turned out to be the same person has earned; both are locked.

    It stays when the merge is undone: what was shown once is not taken away.
    """
    await run(session, _TAKE_ALONG, {"program_id": program_id, "from": source, "to": destination, "as_of": as_of})
