"""streaks: a hundred thousand daily streaks settled for one new period, against raw SQL that writes the same rows.

Nine in ten members have done what was asked on the day that is over; of the others grace forgives it. The yardstick is
one statement in one transaction, entirely in the server: the rows as we made them lie ready in a table beside it.
"""

import time
from datetime import timedelta
from typing import Any

import psycopg

from bench.pairs import Compared, compare
from bench.programs import CONFIGURATION, NOW, Databases, databases
from domain.definitions import read_definitions
from storage import configurations, streaks
from storage.database import Database

STREAKS = 100_000
POLICY = "deals"
DAYS = 12  # of the streak so far

_POLICIES: dict[str, Any] = {
    POLICY: {
        "cadence": "daily",
        "qualifying": [{"event_type": "deal.won"}],
        "working_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "reached_every": 30,
    }
}
MIDNIGHT = NOW.replace(hour=0)
# Members, and of each a deal a day until yesterday, which every tenth has left out.
_SEED = (
    """CREATE TEMP TABLE seed AS SELECT m, d, lpad(to_hex(m), 26, '0') AS member,
        lpad(to_hex(m::bigint * %(days)s + d), 26, '0') AS id,
        %(midnight)s - make_interval(days => d) + interval '9 hours' AS at
        FROM generate_series(1, %(streaks)s) m, generate_series(1, %(days)s) d WHERE d > 1 OR m %% 10 > 0""",
    """INSERT INTO members (id, program_id, external_id, name, created_at, updated_at)
        SELECT 'mem_' || member, %(program)s, 'seed-' || m, 'Seed', %(midnight)s, %(midnight)s FROM seed WHERE d = 2""",
    """INSERT INTO events (id, program_id, source, external_id, state, type, member_id, identity_source,
            identity_external_id, data, fingerprint, occurred_at, recorded_at)
        SELECT 'evt_' || id, %(program)s, 'seed', id, 'decided', 'deal.won', 'mem_' || member, 'crm', 'seed', '{}',
            '', at, at FROM seed""",
    """INSERT INTO streak_marks (id, program_id, member_id, policy, event_id, occurred_at, amount, arrived_at,
            recorded_at)
        SELECT 'mrk_' || id, %(program)s, 'mem_' || member, %(policy)s, 'evt_' || id, at, 1, at, at FROM seed""",
    """INSERT INTO streaks (program_id, member_id, policy, state, "current", longest, next_deadline_at, freezes,
            folded_at)
        SELECT %(program)s, 'mem_' || member, %(policy)s, 'broken', 0, 0, at, 0, at FROM seed WHERE d = 2""",
)
_COLUMNS = ("state", "grace_period_until", "next_deadline_at", "tally", "folded_at")
_SET = ", ".join(f"{name} = r.{name}" for name in _COLUMNS)
_READY = f"SELECT member_id, policy, {', '.join(_COLUMNS)} FROM streaks"
_WRITE = f"UPDATE streaks s SET {_SET} FROM ready r WHERE (s.member_id, s.policy) = (r.member_id, r.policy)"
# What both must have made.
_MADE = """SELECT count(*), sum("current"), count(*) FILTER (WHERE state = 'at_risk'), min(next_deadline_at)
    FROM streaks"""


async def run() -> Compared:
    """Streaks a second, both."""
    async with databases() as servers:
        await _seed(servers)
        settled = servers.fresh()
        await _settle(settled, servers.program_id)
        made = {_made(settled)}
        rows = _dump(settled)

        async def ours() -> float:
            url = servers.fresh()
            seconds = await _settle(url, servers.program_id)
            made.add(_made(url))
            return STREAKS / seconds

        async def yardstick() -> float:
            url = servers.fresh()
            _lay_ready(servers.as_owner(url), rows)
            with psycopg.connect(url) as connection:
                began = time.perf_counter()
                connection.execute(_WRITE)
                connection.commit()
                seconds = time.perf_counter() - began
            made.add(_made(url))
            return STREAKS / seconds

        compared = await compare("streaks", "streaks/s", ours, yardstick, detail={"streaks": STREAKS})
        assert len(made) == 1, made
        return compared


async def _seed(servers: Databases) -> None:
    """The streaks as they stood a day ago, in the template."""
    names = {
        "program": servers.program_id,
        "policy": POLICY,
        "streaks": STREAKS,
        "days": DAYS,
        "midnight": MIDNIGHT,
    }
    database = Database(servers.template)
    async with database.begin() as session:
        definitions = read_definitions(CONFIGURATION | {"streaks": _POLICIES}, [])
        earlier = MIDNIGHT - timedelta(days=2 * DAYS)
        await configurations.apply(session, servers.program_id, definitions, applied_by="bench", applied_at=earlier)
    with psycopg.connect(servers.template) as connection:
        for statement in _SEED:
            connection.execute(statement, names)
    servers.analyze()
    await _settle_all(database, servers.program_id, MIDNIGHT - timedelta(minutes=1))
    await database.dispose()
    servers.analyze()


async def _settle(url: str, program_id: str) -> float:
    database = Database(url)
    async with database.begin() as session:
        await session.connection()  # made before the clock runs, as the yardstick's is
    began = time.perf_counter()
    assert await _settle_all(database, program_id, MIDNIGHT) == STREAKS
    seconds = time.perf_counter() - began
    await database.dispose()
    return seconds


async def _settle_all(database: Database, program_id: str, as_of: Any) -> int:
    settled = 0
    while True:
        async with database.begin() as session:
            page = await streaks.settle_page(session, program_id, POLICY, as_of=as_of, limit=streaks.MAX_SETTLED)
        if not page:
            return settled
        settled += len(page)


def _dump(url: str) -> bytes:
    with psycopg.connect(url) as connection, connection.cursor().copy(f"COPY ({_READY}) TO STDOUT") as out:
        return b"".join(bytes(block) for block in out)


def _lay_ready(url: str, rows: bytes) -> None:
    with psycopg.connect(url) as owner:
        owner.execute(f"CREATE TABLE ready AS {_READY} LIMIT 0")
        with owner.cursor().copy("COPY ready FROM STDIN") as into:
            into.write(rows)
        owner.execute("ANALYZE ready")


def _made(url: str) -> tuple[Any, ...]:
    with psycopg.connect(url) as connection:
        [found] = connection.execute(_MADE).fetchall()
        return tuple(found)
