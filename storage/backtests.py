"""Back-tests read what was recorded, in the order in which it was decided, and write nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.backtest_badges import GivenBadge
from domain.backtest_outcomes import Outcome
from domain.backtest_streaks import lengths
from domain.backtest_tiers import GivenTier, OtherGain
from domain.backtests import Candidate, Recorded, Replay, Step
from domain.badges import EarnedBadge
from domain.configuration import Configuration
from domain.deciding import Person, person_at
from domain.definitions import Definitions, definitions_of, keep_commanded, number_versions, snapshot
from domain.events import MEMBER_ID, Event, Identity
from domain.streak_book import StreakKey
from domain.tiers import Tier
from domain.time import ALWAYS, NEVER
from storage import configurations, people, streaks
from storage.database import Database

PAGE = 1_000  # steps
MAX_PERSONS = 50_000  # versions of members that are remembered

# The type, data and time of an event at an earlier revision are kept apart.
_STEPS = """SELECT d.event_id, d.revision, d.kind, d.member_id, d.points, d.verdict, d.inputs,
        d.recorded_at AS decided_at, e.recorded_at AS told_at, e.source, e.external_id, e.retracts,
        CASE WHEN d.revision = e.revision THEN e.type ELSE r.type END AS type,
        CASE WHEN d.revision = e.revision THEN e.data ELSE r.data END AS data,
        CASE WHEN d.revision = e.revision THEN e.occurred_at ELSE r.occurred_at END AS occurred_at,
        e.retracted_by IS NOT NULL OR EXISTS (SELECT FROM decisions l
            WHERE l.program_id = d.program_id AND l.event_id = d.event_id AND l.n > d.n) AS again
    FROM decisions d JOIN events e ON e.program_id = d.program_id AND e.id = d.event_id
        LEFT JOIN event_revisions r ON r.program_id = d.program_id AND r.event_id = d.event_id
            AND r.revision = d.revision AND d.revision < e.revision
    WHERE d.program_id = :program_id AND d.recorded_at >= :since AND d.recorded_at < :until {of_types}
    ORDER BY d.position"""
_OF_TYPES = "AND e.type = ANY(CAST(:types AS text[]))"
_COUNT = text(
    """SELECT count(*) FROM (SELECT FROM decisions d JOIN events e ON e.program_id = d.program_id AND e.id = d.event_id
        WHERE d.program_id = :program_id AND d.recorded_at >= :since AND d.recorded_at < :until
            AND e.type = ANY(CAST(:types AS text[]))
        LIMIT :limit) AS found"""
)
_PERSONS = text(
    """SELECT v.member_id, v.version, v.attributes FROM member_versions v
    JOIN unnest(CAST(:members AS text[]), CAST(:versions AS int[])) AS k(member_id, version) USING (member_id, version)
    WHERE v.program_id = :program_id"""
)
_PLACED = text(
    """SELECT c.member_id, c.milestone, c.n, o.created_at FROM crossings c
    JOIN rewards r ON r.program_id = c.program_id AND r.crossing_id = c.id AND r.state = 'ordered'
    JOIN orders o ON o.program_id = r.program_id AND o.id = r.order_id
    WHERE c.program_id = :program_id AND c.state = 'standing'"""
)
_TIERS = text(
    """SELECT member_id, ladder, tier, n, before, event_id, silent, recorded_at FROM tier_changes
    WHERE program_id = :program_id AND recorded_at < :until"""
)
_BADGES = text(
    """SELECT member_id, badge, n, event_id, earned_at, recorded_at, withdrawn_at FROM member_badges
    WHERE program_id = :program_id AND recorded_at < :until"""
)
# What no decision tells of what members earned: by commands; taken back by commands; and, silently, what somebody had
# earned who turned out to be the member.
_GAINS = text(
    """WITH earned AS (
        SELECT t.id, a.member_id, f.unit, sum(f.amount)::bigint AS amount, t.effective_at, t.recorded_at,
            t.business_key LIKE 'event:%' AS by_event
        FROM transactions t JOIN transfers f ON f.transaction_id = t.id JOIN accounts a ON a.id = f.to_account
        WHERE t.program_id = :program_id AND t.kind IN ('earn', 'confirm') AND a.member_id IS NOT NULL
        GROUP BY t.id, a.member_id, f.unit)
    SELECT member_id, unit, amount, effective_at, silent, at FROM (
        SELECT member_id, unit, amount, effective_at, false AS silent, recorded_at AS at FROM earned WHERE NOT by_event
        UNION ALL SELECT e.member_id, e.unit, -sum(b.amount)::bigint, e.effective_at, false, o.recorded_at
        FROM earned e JOIN transactions o ON o.program_id = :program_id AND o.reverses_id = e.id
                AND o.business_key NOT LIKE 'reverse:%'
            JOIN transfers b ON b.transaction_id = o.id AND b.unit = e.unit
        GROUP BY o.id, e.id, e.member_id, e.unit, e.effective_at, o.recorded_at
        UNION ALL SELECT m.to_member_id, e.unit, e.amount - coalesce((SELECT sum(b.amount)::bigint
                FROM transactions o JOIN transfers b ON b.transaction_id = o.id AND b.unit = e.unit
                WHERE o.program_id = :program_id AND o.reverses_id = e.id AND o.recorded_at <= m.recorded_at), 0),
            e.effective_at, true, m.recorded_at
        FROM merges m JOIN earned e ON e.member_id = m.from_member_id AND e.recorded_at <= m.recorded_at
        WHERE m.program_id = :program_id AND m.undoes IS NULL
            AND NOT EXISTS (SELECT FROM merges u WHERE u.program_id = m.program_id AND u.undoes = m.id)) AS found
    WHERE at >= :since AND at < :until ORDER BY at"""
)


async def run(
    database: Database,
    program_id: str,
    candidate: Candidate,
    *,
    begins_at: datetime,
    until: datetime,
    by: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """What the candidate would have given for all that was decided in [begins_at, until), beside what was given.

    What was decided before is read as well, for what it means to what came later.
    """
    async with database.snapshot() as session:
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        return await replay(session, program_id, candidate, begins_at=begins_at, until=until, by=by, progress=progress)


async def replay(
    session: AsyncSession,
    program_id: str,
    candidate: Candidate,
    *,
    begins_at: datetime,
    until: datetime,
    by: Sequence[str] = (),
    types: Collection[str] | None = None,
    since: datetime = ALWAYS,
    progress: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """`run` in a session: of events of these types only, if they are named, and of what was decided `since` only."""
    recorded = await _recorded(session, program_id, until, whole=types is None)
    replaying = Replay(candidate, begins_at=begins_at, recorded=recorded, by=by)
    if types is None and candidate(await configurations.read_active(session, program_id)).tiers:
        replaying.hear_gains(await _other_gains(session, program_id, since, until))
    known: dict[int, Configuration | None] = {}
    async for page in steps(session, program_id, until=until, types=types, since=since):
        for number in {step.inputs["configuration"] for step in page if step.inputs} - known.keys():
            known[number] = await configurations.get(session, program_id, number)
        # Deciding takes the processor; whoever else is served by this process goes on meanwhile.
        await asyncio.to_thread(_take_all, replaying, page, known)
        progress(len(page))
    await _tell_lengths(session, program_id, replaying, since=begins_at, until=until)
    await asyncio.to_thread(replaying.close, until)
    return replaying.outcome


def _take_all(replaying: Replay, steps: Sequence[Step], known: Mapping[int, Configuration | None]) -> None:
    for step in steps:
        replaying.take(step, known[step.inputs["configuration"]] if step.inputs else None)


async def count(
    session: AsyncSession, program_id: str, types: Collection[str], *, since: datetime, until: datetime, at_most: int
) -> int:
    """How many decisions there are about events of these types; above `at_most` they are not counted."""
    asked = {"program_id": program_id, "since": since, "until": until, "types": list(types), "limit": at_most + 1}
    return int(await session.scalar(_COUNT, asked) or 0)


async def in_place_of_live(session: AsyncSession, program_id: str, wanted: Definitions) -> Candidate:
    """The definitions of a folder, as they would be if they were applied now, in place of whatever was live."""
    active = await configurations.read_active(session, program_id)
    before = definitions_of(active)
    versioned = number_versions(before, keep_commanded(before, wanted), active.number + 1)
    candidate = snapshot(program_id, active.number + 1, versioned, active.time_zone)
    return lambda _: candidate


def as_it_was(live: Configuration) -> Configuration:
    """The candidate that changes nothing."""
    return live


# -- Streaks of policies that were not live -------------------------------------------------------------------------


async def _tell_lengths(
    session: AsyncSession, program_id: str, replaying: Replay, *, since: datetime, until: datetime
) -> None:
    """Fold the streaks whose policies were not live, member by member, and take up the lengths that they reach."""
    of_member: dict[str, list[StreakKey]] = {}
    for key in sorted(replaying.streaks):
        of_member.setdefault(key[0], []).append(key)
    for member_id, keys in of_member.items():
        everybody = {member_id: await people.known(session, program_id, member_id, until)}
        policies = {policy: [(ALWAYS, replaying.policy(policy))] for _, policy in keys}
        book = await streaks.read_facts(session, program_id, policies, everybody, keys, known_at=until)
        for key in keys:
            book.kept[key].marks = dict(replaying.streaks[key])
            for length in lengths(key, book.facts(key).until(until), since=since, until=until):
                replaying.tell_length(length, person_at(everybody[member_id], length.occurred_at))


# -- What was recorded ---------------------------------------------------------------------------------------------


async def _recorded(session: AsyncSession, program_id: str, until: datetime, *, whole: bool) -> Recorded:
    asked = {"program_id": program_id, "until": until}
    return Recorded(
        await _placed(session, program_id),
        [
            GivenBadge(EarnedBadge(*earned), at, withdrawn_at)
            for *earned, at, withdrawn_at in await session.execute(_BADGES, asked)
        ],
        await _tiers(session, asked) if whole else None,
    )


async def _tiers(session: AsyncSession, asked: Mapping[str, Any]) -> list[GivenTier]:
    return [
        GivenTier(member_id, ladder, Tier(tier, n), before, event_id, silent, at)
        for member_id, ladder, tier, n, before, event_id, silent, at in await session.execute(_TIERS, asked)
    ]


async def _other_gains(session: AsyncSession, program_id: str, since: datetime, until: datetime) -> list[OtherGain]:
    """What members earned by no decision, in order."""
    found = await session.execute(_GAINS, {"program_id": program_id, "since": since, "until": until})
    return [OtherGain(*row) for row in found]


async def _placed(session: AsyncSession, program_id: str) -> dict[tuple[str, str, int], datetime]:
    found = await session.execute(_PLACED, {"program_id": program_id})
    return {(member_id, mark, n): at for member_id, mark, n, at in found}


async def steps(
    session: AsyncSession,
    program_id: str,
    *,
    until: datetime = NEVER,
    types: Collection[str] | None = None,
    since: datetime = ALWAYS,
) -> AsyncIterator[list[Step]]:
    """What was decided in [since, until), of events of these types if they are named, page by page in its order."""
    statement = text(_STEPS.format(of_types="" if types is None else _OF_TYPES))
    asked: dict[str, Any] = {"program_id": program_id, "since": since, "until": until}
    asked |= {} if types is None else {"types": list(types)}
    persons = _Persons(session, program_id)
    found = await session.stream(statement, asked, execution_options={"yield_per": PAGE})
    async for rows in found.mappings().partitions():
        await persons.learn(rows)
        yield [_step(row, persons) for row in rows]


def _step(row: RowMapping, persons: "_Persons") -> Step:
    event = Event(
        source=row["source"],
        external_id=row["external_id"],
        type=row["type"],
        member=Identity(MEMBER_ID, row["member_id"] or ""),
        occurred_at=row["occurred_at"],
        data=row["data"],
        retracts=row["retracts"],
    )
    return Step(
        event_id=row["event_id"],
        event=event,
        revision=row["revision"],
        kind=row["kind"],
        member_id=row["member_id"],
        points=row["points"],
        verdict=row["verdict"],
        inputs=row["inputs"],
        told_at=row["told_at"],
        decided_at=row["decided_at"],
        person=persons.of(row),
        again=row["again"],
    )


class _Persons:
    """The versions of members that decisions have read."""

    def __init__(self, session: AsyncSession, program_id: str) -> None:
        self._session = session
        self._program_id = program_id
        self._known: dict[tuple[str, int], Person] = {}

    async def learn(self, rows: Iterable[RowMapping]) -> None:
        """Read those that these decisions name and that are not remembered."""
        if len(self._known) > MAX_PERSONS:
            self._known.clear()
        wanted = {key for row in rows if (key := _read_by(row)) is not None} - self._known.keys()
        if not wanted:
            return
        asked = {"program_id": self._program_id}
        names = {"members": [member for member, _ in wanted], "versions": [version for _, version in wanted]}
        for member_id, version, attributes in await self._session.execute(_PERSONS, asked | names):
            person = Person(member_id, version, attributes["time_zone"], attributes)
            self._known[member_id, version] = person

    def of(self, row: RowMapping) -> Person | None:
        key = _read_by(row)
        return None if key is None else self._known.get(key)


def _read_by(row: RowMapping) -> tuple[str, int] | None:
    version = row["inputs"].get("member_version")
    return None if version is None or row["member_id"] is None else (row["member_id"], version)
