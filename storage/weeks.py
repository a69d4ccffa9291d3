"""Weeks: what members in Slack are told on Mondays of the week that has ended, if it has brought anything."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain.answers import Places
from domain.asks import Board
from domain.cards import Week
from domain.challenges import ChallengeState
from domain.configuration import Configuration, Unit, UnitKind
from domain.ledger import member_account
from domain.members import Member
from domain.notifications import WEEKLY_DIGEST, Notification, Telling
from domain.sentences import Amount, Listed, Sentence, sentence
from domain.time import zone
from storage import asks, challenges, configurations, notifications, streaks
from storage.hot_path import run
from storage.sets import texts

PAGE = 200  # members of one transaction
MAX_ENTRIES = 1_000  # of one account, the last ones, that are looked at for what a week has brought
MAX_LISTED = 5  # streaks, and challenges, in one digest
WEEK = timedelta(days=7)

_MONDAYS = """SELECT m.id, m.time_zone, CAST(CAST(%(now)s AS timestamptz) AT TIME ZONE m.time_zone AS date)
    FROM members m
    WHERE m.program_id = %(program_id)s AND m.id > %(after)s AND m.status <> 'left' AND m.merged_into IS NULL
        AND extract(isodow FROM CAST(%(now)s AS timestamptz) AT TIME ZONE m.time_zone) = 1
        AND EXISTS (SELECT FROM slack_users u
            WHERE u.program_id = m.program_id AND u.member_id = m.id AND NOT u.deleted)
    ORDER BY m.id LIMIT %(limit)s"""
_EARNED = """SELECT w.n, CAST(sum(x.amount) AS bigint) FROM unnest(
        CAST(%(accounts)s AS text[]), CAST(%(begins)s AS timestamptz[]), CAST(%(ends)s AS timestamptz[])
    ) WITH ORDINALITY AS w(account_id, begins_at, ends_at, n)
    CROSS JOIN LATERAL (SELECT e.amount, t.kind, t.recorded_at FROM entries e
        JOIN transactions t ON t.program_id = e.program_id AND t.id = e.transaction_id
        WHERE e.program_id = %(program_id)s AND e.account_id = w.account_id
        ORDER BY e.version DESC LIMIT %(limit)s) x
    WHERE x.kind IN ('earn', 'confirm', 'reverse') AND x.recorded_at >= w.begins_at AND x.recorded_at < w.ends_at
    GROUP BY w.n HAVING sum(x.amount) > 0"""


class Ended(NamedTuple):
    """The week before a Monday, of a member in their zone."""

    member_id: str
    time_zone: str
    monday: date

    @property
    def begins_at(self) -> datetime:
        return _midnight(self.monday - WEEK, self.time_zone)

    @property
    def ends_at(self) -> datetime:
        return _midnight(self.monday, self.time_zone)

    @property
    def reference(self) -> str:
        """What its digest is known by, so that it is told once."""
        return f"{self.member_id}/{self.monday.isoformat()}"


def _midnight(day: date, time_zone: str) -> datetime:
    return datetime.combine(day, time(), zone(time_zone)).astimezone(UTC)


async def tell_page(session: AsyncSession, program_id: str, *, after: str, now: datetime) -> str | None:
    """Of the next PAGE members for whom it is Monday, those who have earned anything are told; the last one's id."""
    asked = {"program_id": program_id, "after": after, "now": now, "limit": PAGE}
    page = [Ended(*row) for row in await run(session, _MONDAYS, asked)]
    units = (await configurations.read_active(session, program_id)).every_unit
    brought = await _earned(session, program_id, page, units)
    tellings = [
        Telling(one.member_id, sentence("Your week"), _brought(brought[one.member_id]), one.reference)
        for one in page
        if one.member_id in brought
    ]
    await notifications.tell_all(session, program_id, WEEKLY_DIGEST, tellings, now=now)
    return page[-1].member_id if len(page) == PAGE else None


def _brought(earned: Sequence[tuple[Unit, int]]) -> Sentence:
    return sentence("You earned {earned}.", earned=Listed([Amount(amount, unit) for unit, amount in earned]))


async def read(session: AsyncSession, told: Notification, member: Member, *, now: datetime, boards: Redis) -> Week:
    """What the week that the notification tells of has brought, and what goes on; no place while Redis is away."""
    configuration = await configurations.read_active(session, told.program_id)
    ended = Ended(member.id, member.time_zone, date.fromisoformat(told.reference.partition("/")[2]))
    earned = await _earned(session, told.program_id, [ended], configuration.every_unit)
    placed = await asks.read_board(session, member, Board(), now, boards)
    return Week(
        ended.monday - WEEK,
        ended.monday - timedelta(days=1),
        earned.get(member.id, []),
        await _streaks(session, configuration, member.id),
        await _ending(session, told.program_id, now),
        member.time_zone,
        placed if isinstance(placed, Places) else None,
    )


async def _earned(
    session: AsyncSession, program_id: str, weeks: Sequence[Ended], units: Mapping[str, Unit]
) -> dict[str, list[tuple[Unit, int]]]:
    """By member, what was earned of which unit and not taken back within the week; nobody who earned nothing."""
    counted = [unit for _, unit in sorted(units.items()) if unit.kind is not UnitKind.ALLOWANCE]
    asked = [(week, unit) for week in weeks for unit in counted]
    query = {
        "program_id": program_id,
        "accounts": texts([member_account(week.member_id, unit.key) for week, unit in asked]),
        "begins": texts([week.begins_at.isoformat() for week, _ in asked]),
        "ends": texts([week.ends_at.isoformat() for week, _ in asked]),
        "limit": MAX_ENTRIES,
    }
    found: dict[str, list[tuple[Unit, int]]] = {}
    for n, amount in sorted(await run(session, _EARNED, query)):
        week, unit = asked[n - 1]
        found.setdefault(week.member_id, []).append((unit, amount))
    return found


async def _streaks(session: AsyncSession, configuration: Configuration, member_id: str) -> list[tuple[str, int]]:
    """The longest of those that go on."""
    found = dict(await streaks.list_of(session, configuration.program_id, member_id))
    going = [
        (policy.title or key, found[key].current)
        for key, policy in configuration.streaks.items()
        if key in found and found[key].current
    ]
    return sorted(going, key=lambda one: (-one[1], one[0]))[:MAX_LISTED]


async def _ending(session: AsyncSession, program_id: str, now: datetime) -> list[tuple[str, datetime]]:
    """Open challenges that end within a week, the first to end first."""
    opened = await challenges.list_page(session, program_id, state=ChallengeState.OPEN)
    ending = [(one.definition.title or one.key, one.definition.until) for one in opened]
    return sorted((one for one in ending if now < one[1] <= now + WEEK), key=lambda one: one[1])[:MAX_LISTED]
