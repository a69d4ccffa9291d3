"""A year of a company is lived through, day by day: whatever came late, in between or twice, the rows are the fold."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain import derived
from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.connections import Connection
from domain.derived import from_payload
from domain.events import Event, Identity, SourcePolicy
from domain.ledger import member_account
from domain.member_changes import read
from domain.time import zone
from storage import absences, intake, member_changes, outages, streak_verification, streaks
from storage.game_tables import grace_windows, streak_awards
from storage.ids import new_id
from storage.tables import accounts, connections, notifications, outbox
from tests.programs import make_member, make_program

pytestmark = pytest.mark.thorough

SEED = 20_270_101
FIRST, DAYS = date(2027, 1, 1), 365
# Twelve people: where they live, when they work, and how rarely they forget.
PEOPLE: Sequence[tuple[str, str | None, str, float]] = (
    ("Europe/Berlin", "DE", "", 0.97),
    ("America/New_York", "US", "", 0.93),
    ("Asia/Tokyo", "JP", "", 0.98),
    ("Australia/Sydney", "AU", "", 0.90),
    ("Europe/London", "GB", "mon,tue,wed", 0.95),
    ("America/Sao_Paulo", "BR", "", 0.85),
    ("Asia/Kolkata", "IN", "", 0.96),
    ("Pacific/Auckland", "NZ", "", 0.92),
    ("Africa/Cairo", "EG", "sun,mon,tue,wed,thu", 0.94),
    ("America/Los_Angeles", "US", "", 0.60),
    ("Europe/Madrid", "ES", "", 0.99),
    ("UTC", None, "", 0.95),
)
BODY: dict[str, Any] = {
    "event_types": {"course.completed": {"fields": {}}, "walk.done": {"fields": {}}},
    "rules": {"lengths": {"event_type": "streak.reached", "award": {"expression": "event.length * 10"}}},
    "streaks": {
        "learning": {
            "cadence": "daily",
            "qualifying": [{"event_type": "course.completed"}],
            "grace": {"missed": 1, "window": 10, "hours": 6},
            "freezes": {"granted": 1, "every": 30},
            "reached": [5, 20, 50],
            "reached_every": 100,
            "sources": ["lms"],
        },
        "walking": {
            "cadence": "weekly",
            "qualifying": [{"event_type": "walk.done"}],
            "at_least": "2",
            "grace": {"missed": 0},
            "reached_every": 8,
        },
        "months": {
            "cadence": "monthly",
            "qualifying": [{"event_type": "course.completed"}],
            "at_least": "12",
            "grace": {"missed": 0},
            "reached": [6],
        },
    },
}


class Told(NamedTuple):
    """Something that the company hears at an instant."""

    at: datetime
    what: Event | AbsenceChange


@dataclass
class Year:
    """What is told in the year, made from the seed alone."""

    random: Random = field(default_factory=lambda: Random(SEED))
    told: list[Told] = field(default_factory=list)

    def plan(self) -> list[Told]:
        for n, (time_zone, _, _, diligence) in enumerate(PEOPLE):
            self._plan_events(f"m{n}", time_zone, diligence)
            self._plan_absences(f"m{n}")
        return sorted(self.told, key=lambda one: one.at)

    def _plan_events(self, member: str, time_zone: str, diligence: float) -> None:
        away = {day for first, last in self._leave(member) for day in _days(first, last)}
        for day in _days(FIRST, FIRST + timedelta(days=DAYS - 1)):
            if day in away:
                continue
            if day.weekday() < 5 and self.random.random() < diligence:
                self._plan_event(member, time_zone, day, "course.completed")
            if day.weekday() in (1, 4) and self.random.random() < diligence:
                self._plan_event(member, time_zone, day, "walk.done")

    def _plan_event(self, member: str, time_zone: str, day: date, type_: str) -> None:
        local = datetime.combine(day, time(self.random.randrange(24), self.random.randrange(60)), zone(time_zone))
        at = local.astimezone(UTC)
        late = self.random.choices((0, 1, 4, 20, 45), (900, 60, 25, 10, 5))[0]
        event = Event("lms", f"{member}-{day}-{type_}", type_, Identity("crm", member), at, {})
        told_at = at + timedelta(days=late, minutes=1)
        self.told.append(Told(told_at, event))
        if self.random.random() < 0.01:
            self.told.append(Told(told_at + timedelta(days=self.random.randrange(30)), event))
        if self.random.random() < 0.01:
            taken_at = told_at + timedelta(days=self.random.randrange(1, 20))
            name = f"{event.external_id}/undo"
            undo = Event("lms", name, type_, event.member, taken_at, {}, retracts=event.external_id)
            self.told.append(Told(taken_at, undo))

    def _leave(self, member: str) -> list[tuple[date, date]]:
        """Two weeks in summer and four sicknesses; the same whenever it is asked."""
        own = Random(f"{SEED}/{member}")
        summer = date(2027, 7, 5) + timedelta(days=own.randrange(50))
        sick = [FIRST + timedelta(days=own.randrange(20, 340)) for _ in range(4)]
        return [(summer, summer + timedelta(days=13)), *((day, day + timedelta(days=own.randrange(4))) for day in sick)]

    def _plan_absences(self, member: str) -> None:
        (summer, *sicknesses), name = self._leave(member), Identity("crm", member)
        planned = Away(name, AbsenceKind.PTO, summer[0], summer[1] - timedelta(days=3))
        self._say(f"{member}-pto", planned, summer[0], -60)
        self._say(f"{member}-pto", Away(name, AbsenceKind.PTO, *summer), summer[0], 3)
        for n, (first, last) in enumerate(sicknesses):
            self._say(f"{member}-sick-{n}", Away(name, AbsenceKind.SICK, first, last), first, self.random.randrange(9))
        self._say(f"{member}-sick-3", None, sicknesses[3][0], 10)

    def _say(self, name: str, away: Away | None, day: date, after_days: int) -> None:
        at = datetime.combine(day + timedelta(days=after_days), time(10), UTC)
        self.told.append(Told(at, AbsenceChange("hr", name, away)))


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


class Company:
    """The program in the database, one step of the clock after the other."""

    def __init__(self, engine: AsyncEngine, program_id: str, connection: Connection) -> None:
        self._engine = engine
        self.id = program_id
        self._connection = connection

    async def step(self, told: Sequence[Told], as_of: datetime) -> None:
        """Hear what was told since the last step, do what follows, and settle what is due."""
        async with AsyncSession(self._engine) as session, session.begin():
            events = [one.what for one in told if isinstance(one.what, Event)]
            if events:
                await intake.record(session, self.id, events, SourcePolicy(), as_of=as_of)
            changes = [one.what for one in told if isinstance(one.what, AbsenceChange)]
            if changes:
                await absences.write(session, self.id, changes, as_of=as_of)
            await self._live(session, as_of)
            for policy in BODY["streaks"]:
                while await streaks.settle_page(session, self.id, policy, as_of=as_of, limit=500):
                    pass

    async def _live(self, session: AsyncSession, as_of: datetime) -> None:
        """Somebody moves, somebody leaves, and the LMS is down for three days, which is told afterwards."""
        match as_of.date():
            case date(year=2027, month=5, day=10):
                await self._change(session, {"external_id": "m0", "time_zone": "Asia/Tokyo", "country": "JP"}, as_of)
            case date(year=2027, month=10, day=1):
                await self._change(session, {"external_id": "m5", "status": "left"}, as_of)
            case date(year=2027, month=11, day=8):
                down = {"began_at": as_of - timedelta(days=4), "ended_at": as_of - timedelta(days=1)}
                await outages.tell(session, self._connection, **down, now=as_of)
            case date(year=2027, month=11, day=20):
                await outages.begin(session, self._connection, began_at=as_of - timedelta(hours=9), now=as_of)
            case date(year=2027, month=11, day=23):
                await outages.end(session, self._connection, ended_at=as_of, now=as_of)

    async def _change(self, session: AsyncSession, row: dict[str, Any], as_of: datetime) -> None:
        await member_changes.write(session, self.id, [read(row)], effective_at=as_of, now=as_of)

    async def pay(self, as_of: datetime) -> None:
        """Tell through the one door what was found of streaks, in the order in which it was found."""
        async with AsyncSession(self._engine) as session, session.begin():
            rows = select(outbox.c.payload).where(outbox.c.kind == "derived").order_by(outbox.c.id)
            found = [from_payload(payload) for payload in (await session.execute(rows)).scalars()]
            for start in range(0, len(found), 500):
                some = found[start : start + 500]
                await intake.record(session, self.id, some, derived.POLICY, as_of=as_of)


async def found_company(engine: AsyncEngine) -> Company:
    async with AsyncSession(engine) as session, session.begin():
        program_id = await make_program(session, BODY)
        for n, (time_zone, country, working_days, _) in enumerate(PEOPLE):
            custom = {"working_days": working_days} if working_days else {}
            await make_member(session, program_id, f"m{n}", time_zone=time_zone, country=country, custom=custom)
        connection = Connection(new_id("con"), program_id, "hubspot", "lms", datetime.combine(FIRST, time(), UTC))
        row = {name: getattr(connection, name) for name in ("id", "program_id", "kind", "name", "created_at")}
        await session.execute(insert(connections).values(row | {"secrets": b"", "key_id": "none"}))
    return Company(engine, program_id, connection)


async def test_after_a_year_the_rows_are_the_fold_and_what_was_told_is_what_was_reached(engine: AsyncEngine) -> None:
    company, told = await found_company(engine), Year().plan()

    at = datetime.combine(FIRST, time(), UTC)
    for _ in range(DAYS + 15):
        heard = [one for one in told if at < one.at <= at + timedelta(days=1)]
        at += timedelta(days=1)
        await company.step(heard, at)
    await company.pay(at)

    async with AsyncSession(engine) as session:
        verified = await streak_verification.verify_page(session, company.id, as_of=at)
        windows = Counter((await session.execute(select(grace_windows.c.state))).scalars())
        kinds = Counter((await session.execute(select(notifications.c.kind))).scalars())
        paid = select(streak_awards.c.member_id, func.sum(streak_awards.c.length * 10))
        owed = {
            member_account(member_id, "points"): int(points)
            for member_id, points in await session.execute(
                paid.where(streak_awards.c.state == "paid").group_by(streak_awards.c.member_id)
            )
        }
        balances = select(accounts.c.id, accounts.c.balance).where(accounts.c.member_id.is_not(None))
        has = {account: balance for account, balance in await session.execute(balances) if balance}
        taken_back = select(func.count()).where(streak_awards.c.state == "retracted")
        retracted = await session.scalar(taken_back)
        longest = max(streak.longest for _, streak in await streaks.list_page(session, company.id, limit=500))

    assert list(verified.differences) == []
    assert (verified.streaks, verified.due) == (len(PEOPLE) * 3, 0)
    assert has == owed
    # Or the year would prove little.
    assert min(windows[state] for state in ("kept", "broken", "restored")) > 0
    assert kinds["streak_broken"] > kinds["streak_restored"] > 0
    assert longest >= 100
    assert retracted
