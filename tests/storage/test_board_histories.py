"""Histories by chance with boards of every cohort and window: what is live equals a rebuild, whatever happened.

Each step leaves outbox rows. Now and then the relay reads where those members stand, and what it read is written late,
twice and in any order. In the end everything that was left is told, and a rebuild must find nothing to change.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.commands import Accepted, Earn, Reverse
from domain.events import Event, Identity, SourcePolicy
from domain.leaderboards import Standing
from domain.member_changes import read
from domain.merges import Merge
from domain.outbox import Kind
from storage import (
    absences,
    board_builds,
    board_opt_outs,
    commands,
    earned_days,
    intake,
    leaderboards,
    member_changes,
    merges,
    standings,
)
from storage.leaderboards import Scheme
from storage.tables import members, outbox
from tests.programs import NOW, SAMPLE, apply, deal, make_program, retraction
from tests.storage.test_leaderboards import dump

pytestmark = pytest.mark.thorough

POLICY = SourcePolicy(amendments="redecide")
HISTORIES = 8
LENGTH = 30  # steps of each half of one history
PEOPLE = ("ada", "bob", "cyd", "dan", "eve")
EVERY = {
    "all-weeks": {"window": "week", "least_members": 1},
    "months-of-departments": {"window": "month", "by": ["department"], "least_members": 1},
    "roles": {"by": ["role"], "least_members": 1},
    "tenure": {"by": ["tenure"], "window": "month", "least_members": 1},
    "both": {"by": ["department", "country"], "least_members": 1},
    "fair": {"window": "week", "per_working_day": True, "by": ["location"], "least_members": 1},
    "ratings": {"by": ["performance_tier"], "least_members": 1},
}
FEWER = {key: EVERY[key] for key in ("roles", "fair")}


@dataclass
class Company:
    """A program that things happen to, its clock, and what the relay has read and not written yet."""

    session: AsyncSession
    redis: Redis
    id: str
    chance: random.Random
    now: datetime = NOW
    events: list[Event] = field(default_factory=list)
    earned: list[str] = field(default_factory=list)
    read: list[tuple[Scheme, Sequence[Standing]]] = field(default_factory=list)

    # -- What may happen -------------------------------------------------------------------------------------------

    async def hire(self, name: str, **values: Any) -> None:
        row = {"external_id": name, "name": name, "identities": [{"source": "crm", "external_id": name}], **values}
        await member_changes.write(self.session, self.id, [read(row)], effective_at=self.now, now=self.now)

    async def move(self) -> None:
        values = {
            "department": self.chance.choice(["Sales", "Legal", None]),
            "country": self.chance.choice(["DE", "US"]),
            "role": self.chance.choice(["rep", "manager"]),
            "location": self.chance.choice(["Berlin", "Austin"]),
            "performance_tier": self.chance.choice(["high", None]),
            "hired_on": self.chance.choice(["2026-01-15", "2019-05-01"]),
            "status": self.chance.choice(["active"] * 7 + ["left"]),
        }
        await self.hire(self.chance.choice(PEOPLE), **values)

    async def come_back(self) -> None:
        await self.hire("ada", status="active", department="Sales", country="US")
        await self.record(deal(10_000 + len(self.events), "ada", occurred_at=self.now))

    async def win(self) -> None:
        occurred_at = self.now - timedelta(hours=self.chance.randint(0, 24 * 20))
        one = deal(len(self.events), self.chance.choice(PEOPLE), occurred_at=occurred_at)
        self.events.append(one)
        await self.record(one)

    async def amend(self) -> None:
        if self.events:
            one = self.chance.choice(self.events)
            await self.record(deal(int(one.external_id[5:]), one.member.external_id, occurred_at=self.now))

    async def retract(self) -> None:
        if self.events:
            await self.record(retraction(self.chance.choice(self.events)))

    async def record(self, *told: Event) -> None:
        await intake.record(self.session, self.id, told, POLICY, as_of=self.now)

    async def grant(self) -> None:
        command = Earn(
            reference=f"g{self.chance.random()}", actor="key_hr", unit="points",
            member_id=self.chance.choice(await self.members()), amount=self.chance.randint(1, 90),
            effective_at=self.now - timedelta(days=self.chance.randint(0, 9)),
        )  # fmt: skip
        [done] = await commands.execute(self.session, self.id, [command], as_of=self.now)
        if isinstance(done, Accepted):
            self.earned.append(done.transaction_id or "")

    async def reverse(self) -> None:
        if self.earned:
            of = self.earned.pop()
            command = Reverse(reference=f"r{of}", actor="key_hr", transaction_id=of, amount=None)
            await commands.execute(self.session, self.id, [command], as_of=self.now)

    async def hide(self) -> None:
        member, shown = self.chance.choice(await self.members()), self.chance.random() < 0.7
        await board_opt_outs.set_shown(self.session, self.id, member, shown=shown, now=self.now)

    async def be_away(self) -> None:
        """Or not, by the same absence told anew."""
        day = (self.now - timedelta(days=self.chance.randint(0, 6))).date()
        away = Away(Identity("crm", self.chance.choice(PEOPLE)), AbsenceKind.SICK, day, day)
        change = AbsenceChange("hris", f"a{self.chance.randint(1, 5)}", away)
        await absences.write(self.session, self.id, [change], as_of=self.now)

    async def merge(self) -> None:
        """Half of them are undone, with something earned in between."""
        source, destination = self.chance.sample(await self.members(), 2)
        named: dict[str, Any] = {"actor": "hr", "reason": "one person", "as_of": self.now}
        merged = await merges.merge(self.session, self.id, source=source, destination=destination, **named)
        if isinstance(merged, Merge) and self.chance.random() < 0.5:
            await self.win()
            await merges.undo(self.session, self.id, merged.id, **named)

    async def define(self) -> None:
        await apply(self.session, self.id, SAMPLE | {"boards": self.chance.choice([EVERY, FEWER])})

    async def sleep(self) -> None:
        self.now += timedelta(hours=self.chance.choice([7, 30, 24 * 7]))

    # -- The relay -------------------------------------------------------------------------------------------------

    async def read_rows(self) -> None:
        """Read where the members of the open rows stand, as the relay does when it has claimed them."""
        open_ = select(outbox.c.id, outbox.c.payload).where(outbox.c.state == "open", outbox.c.kind == Kind.SCORE)
        rows = (await self.session.execute(open_)).all()
        on = await leaderboards.scheme(self.session, self.id, as_of=self.now)
        told = {row.payload["member_id"] for row in rows}
        self.read.append((on, await standings.list_of(self.session, on, told)))
        done = {"ids": [row.id for row in rows]}
        await self.session.execute(text("UPDATE outbox SET state = 'done', done_at = now() WHERE id = ANY(:ids)"), done)

    async def write_some(self) -> None:
        self.chance.shuffle(self.read)
        for on, read_then in self.read[:3]:
            await leaderboards.write(self.redis, on, read_then)
        del self.read[: self.chance.randint(0, 2)]

    async def heal(self) -> None:
        on = await leaderboards.scheme(self.session, self.id, as_of=self.now)
        if not await board_builds.is_built(self.redis, on):
            await board_builds.refresh(self.session, self.redis, on)

    async def live(self, steps: Mapping[str, int]) -> None:
        for step in self.chance.choices(list(steps), list(steps.values()), k=LENGTH):
            await getattr(self, step)()
            await self.session.commit()

    async def members(self) -> list[str]:
        query = select(members.c.id).where(members.c.program_id == self.id)
        return list((await self.session.execute(query)).scalars())


# How often each happens.
STEPS = {"win": 8, "move": 3, "amend": 2, "retract": 2, "grant": 2, "reverse": 1, "hide": 1, "merge": 1, "come_back": 1,
         "be_away": 2, "define": 1, "sleep": 2, "read_rows": 5, "write_some": 4, "heal": 2}  # fmt: skip


# What never leads to a refresh: whoever moved or earned something must have been told.
WITHIN_A_DAY = {name: often for name, often in STEPS.items() if name not in ("define", "sleep", "heal")}


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_boards_live_are_what_a_rebuild_makes(engine: AsyncEngine, redis: Redis, seed: int) -> None:
    chance = random.Random(seed)
    async with AsyncSession(engine) as session:
        company = Company(session, redis, await make_program(session, SAMPLE | {"boards": EVERY}), chance)
        for name in PEOPLE:
            await company.hire(name, department="Sales", country="DE", location="Berlin", hired_on="2025-11-01")
        await session.commit()
        await company.live(STEPS)
        await company.heal()
        await company.live(WITHIN_A_DAY)
        await company.read_rows()
        for on, read_then in [*company.read, *company.read[::-1]]:
            await leaderboards.write(redis, on, read_then)
        live = await dump(redis)

        await board_builds.rebuild(session, redis, company.id, as_of=company.now)

        assert await dump(redis) == live
        assert live
        await days_are_the_ledgers(company)


async def days_are_the_ledgers(company: Company) -> None:
    """What was counted day by day is what the ledger says, and sums to every lifetime."""
    rows = "SELECT member_id, unit, day, amount, changed_at FROM earned_days WHERE amount <> 0 ORDER BY 1, 2, 3"
    kept = (await company.session.execute(text(rows))).all()
    await earned_days.recount(company.session, company.id, ["points"])
    sums = """SELECT a.lifetime, coalesce(sum(d.amount), 0) FROM accounts a
        LEFT JOIN earned_days d ON d.member_id = a.member_id AND d.unit = a.unit
        WHERE a.id LIKE '%.points' GROUP BY a.id"""

    assert (await company.session.execute(text(rows))).all() == kept
    assert [row for row in await company.session.execute(text(sums)) if row[0] != row[1]] == []
