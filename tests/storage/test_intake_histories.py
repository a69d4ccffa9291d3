"""Long histories by chance, of every kind of fact: a batch is its events one by one, and points are what a fold says.

What chance must have reached is counted and asserted, because a generator that misses a path proves nothing about it.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event, Identity, SourcePolicy
from domain.ledger import InsufficientPoints, held_account, member_account
from storage import intake, ledger, verification
from storage.sets import insert_all
from storage.tables import accounts, holds
from tests.programs import NOW, SAMPLE, course, deal, make_member, make_program, retraction
from tests.storage.test_intake import outline, snapshot

pytestmark = pytest.mark.thorough

POLICY = SourcePolicy(amendments="redecide")
HISTORIES = 12
LENGTH = 60  # steps of one history

LAPSING = {"expression": "40", "expires_after_days": 30}
# Smaller thresholds, so that a short history crosses them, falls below them and crosses them again; points that lapse.
EAGER = {
    **SAMPLE,
    "rules": {**SAMPLE["rules"], "course": {**SAMPLE["rules"]["course"], "award": LAPSING}},
    "milestones": {
        "every-500": {"reward": "card", "every": 300},
        "first-1000": {"reward": "card", "on": "balance", "at": 250},
    },
}
UNCAPPED = {
    "event_types": SAMPLE["event_types"],
    "rules": {
        "deal": {"event_type": "deal.won", "award": {"expression": "event.amount_minor / 100"}},
        "course": {"event_type": "course.completed", "award": {"expression": "40"}},
    },
}


@dataclass(frozen=True)
class Arrival:
    """A member becomes known, and what was parked for want of them is decided."""

    name: str


@dataclass(frozen=True)
class Spending:
    """An order sets points aside; the member's hold before it, if one is open, is released or settled first."""

    name: str
    amount: int
    end: str


@dataclass(frozen=True)
class Wait:
    """Time in which lots lapse."""

    days: int


Step = Event | Arrival | Spending | Wait


def history(chance: random.Random) -> list[Step]:
    """Facts of few names, so that they meet; in between, what else happens in a program."""
    told: list[Event] = []
    steps: list[Step] = []
    for _ in range(LENGTH):
        step = _other(chance) if chance.random() < 0.15 else _fact(chance, told)
        steps.append(step)
        if isinstance(step, Event):
            told.append(step)
    return steps


def _other(chance: random.Random) -> Step:
    others: list[Step] = [
        Arrival("cleo"),
        Spending("ada", chance.choice([30, 100]), chance.choice(["release", "settle"])),
        Spending("ben", chance.choice([30, 100]), chance.choice(["release", "settle"])),
        Wait(chance.choice([1, 31])),
    ]
    return chance.choice(others)


def _fact(chance: random.Random, told: Sequence[Event]) -> Event:
    if told and chance.random() < 0.4:
        earlier = chance.choice(told)
        return earlier if chance.random() < 0.5 else retraction(earlier, chance.randint(1, 2))
    at, member = NOW - timedelta(days=chance.randint(0, 20)), chance.choice(["ada", "ada", "ben", "cleo"])
    number = chance.randint(1, 12)
    match chance.randint(0, 11):
        case 11:
            return retraction(deal(number))
        case 0 | 1:
            return course(number, member, occurred_at=at)
        case 2:
            return Event("crm", f"survey-{number}", "survey.submitted", Identity("crm", member), at, {})
        case _:
            names = chance.choice([(), (Identity("email", "ben@example.com"),), (Identity("crm", "cleo"),)])
            return deal(
                number,
                chance.choice([member, "zed"]),
                chance.choice([100_00, 150_00, 10_000_00]),
                occurred_at=at,
                source_version=chance.choice([None, 1, 2, 3]),
                alternatives=names,
            )


@dataclass
class Living:
    """A program in which a history happens, in batches of at most `most` events."""

    session: AsyncSession
    id: str
    most: int
    members: dict[str, str]
    now: datetime = NOW
    waiting: list[Event] = field(default_factory=list)
    outcomes: list[Any] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)

    async def live(self, steps: Sequence[Step], chance: random.Random) -> None:
        for step in steps:
            if isinstance(step, Event):
                self.waiting.append(step)
                if len(self.waiting) >= chance.randint(1, self.most):
                    await self.flush()
                continue
            await self.flush()
            match step:
                case Arrival(name):
                    await self.arrive(name)
                case Spending():
                    await self.spend(step)
                case Wait(days):
                    self.now += timedelta(days=days)
        await self.flush()

    async def flush(self) -> None:
        if self.waiting:
            taken = await intake.record(self.session, self.id, self.waiting, POLICY, as_of=self.now)
            self.outcomes += outline(taken)
            self.reached.update(f"{outcome.status} {outcome.state}" for outcome in taken)
        self.waiting = []

    async def arrive(self, name: str) -> None:
        if name not in self.members:
            self.members[name] = await make_member(self.session, self.id, name)
        found = [event for program, event in await intake.find_decidable(self.session) if program == self.id]
        decided = await intake.decide_parked(self.session, self.id, found, as_of=self.now) if found else []
        self.reached["decided on arrival"] += len(decided)

    async def spend(self, spending: Spending) -> None:
        member = self.members[spending.name]
        held, n = held_account(member, "points"), sum(self.reached.values())
        own = select(holds.c.id).where(holds.c.held_account_id == held, holds.c.state == "open")
        open_holds = (await self.session.execute(own)).scalars().all()
        for hold_id in open_holds:
            hold = await ledger.find_hold(self.session, self.id, hold_id)
            assert hold is not None
            book = await ledger.open_book(
                self.session, self.id, [member], recorded_at=self.now, debited=[member], lot_ids=hold.lots
            )
            end = book.release if spending.end == "release" else book.settle
            end(hold, business_key=f"{spending.end}:{hold_id}", effective_at=self.now)
            await ledger.write(self.session, book)
            await ledger.close_hold(self.session, self.id, hold)
            self.reached[spending.end] += 1
        book = await ledger.open_book(self.session, self.id, [member], recorded_at=self.now, debited=[member])
        try:
            hold = book.hold(
                member=member_account(member, "points"),
                held=held,
                amount=spending.amount,
                business_key=f"hold:{self.now}:{n}:{len(open_holds)}:{len(self.outcomes)}",
                effective_at=self.now,
                order_id="",
            )
        except InsufficientPoints:
            self.reached["insufficient"] += 1
            return
        await ledger.write(self.session, book)
        kept = replace(hold, order_id=None)
        await insert_all(self.session, [ledger.hold_rows(self.id, [kept], created_at=self.now)])
        self.reached["hold"] += 1


async def born(session: AsyncSession, body: Any, most: int) -> Living:
    program_id = await make_program(session, body)
    members = {name: await make_member(session, program_id, name) for name in ("ada", "ben")}
    return Living(session, program_id, most, members)


async def count_rows(session: AsyncSession, program_id: str) -> Counter[str]:
    """How often what can be told from the tables has happened."""
    told = """
        SELECT 'crossing ' || milestone || ' ' || state, count(*) FROM crossings WHERE program_id = :p GROUP BY 1
        UNION ALL SELECT 'reward by ' || (CASE WHEN rule IS NULL THEN 'crossing ' ELSE 'rule ' END) || state, count(*)
            FROM rewards WHERE program_id = :p GROUP BY 1
        UNION ALL SELECT 'lot ' || kind, count(*) FROM lot_moves WHERE program_id = :p GROUP BY 1
        UNION ALL SELECT 'took back ' || (verdict ->> 'was'), count(*)
            FROM decisions WHERE program_id = :p AND kind = 'retraction' GROUP BY 1
        UNION ALL SELECT 'retracted a retraction', count(*) FROM events r JOIN events t ON t.program_id = r.program_id
            AND t.source = r.source AND t.external_id = r.retracts
            WHERE r.program_id = :p AND t.retracts IS NOT NULL
        UNION ALL SELECT 'cap bit', count(*) FROM decisions WHERE program_id = :p
            AND jsonb_path_exists(verdict, '$.rules[*].caps')
        UNION ALL SELECT 'owner changed', count(*) FROM (SELECT event_id FROM decisions WHERE program_id = :p
            AND kind <> 'retraction' GROUP BY event_id HAVING count(DISTINCT member_id) > 1) moved"""
    rows = await session.execute(text(told), {"p": program_id})
    return Counter(dict(rows.tuples().all()))


REACHED = {
    *("recorded decided", "recorded parked", "recorded retracted", "replayed decided", "replayed closed"),
    *("replayed parked", "replayed retracted", "amended decided", "amended parked", "amended retracted"),
    *("decided on arrival", "hold", "insufficient", "release", "settle", "cap bit", "owner changed"),
    *("crossing every-500:300 standing", "crossing every-500:300 withdrawn", "crossing first-1000:250 withdrawn"),
    *("reward by rule unlocked", "reward by rule withdrawn", "reward by crossing withdrawn"),
    *("lot hold", "lot release", "lot reverse", "lot debt", "lot expire"),
    *("took back decided", "took back parked", "took back awaited", "took back retracted", "took back closed"),
    "retracted a retraction",
}


async def test_a_history_in_batches_equals_the_same_history_one_by_one(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(intake, "SLICE", 3)
    reached: Counter[str] = Counter()
    for seed in range(HISTORIES):
        steps = history(random.Random(seed))
        alone, batched = await born(session, EAGER, 1), await born(session, EAGER, 12)

        await alone.live(steps, random.Random(seed))
        await batched.live(steps, random.Random(seed))

        assert batched.outcomes == alone.outcomes, seed
        assert await snapshot(session, batched.id) == await snapshot(session, alone.id), seed
        assert [check for check in await verification.verify(session, batched.id) if check.violations] == [], seed
        reached += batched.reached + await count_rows(session, batched.id)
    assert {path for path in REACHED if reached[path] < 3} == set(), reached


# -- An independent fold -------------------------------------------------------------------------------------------


@dataclass
class Known:
    """A fact as the fold has it."""

    event: Event | None = None
    owner: str | None = None
    taken_back: bool = False


def fold(steps: Sequence[Step]) -> dict[str, int]:
    """Points by member's name under rules without caps: every fact counts once, as it was last told, if it stands."""
    known: dict[str, Known] = {}
    retractions: set[str] = set()
    people = {"ada": "ada", "ben": "ben", "ben@example.com": "ben"}
    for step in steps:
        match step:
            case Arrival(name):
                people[name] = name
                for fact in known.values():
                    if fact.owner is None and not fact.taken_back and fact.event is not None:
                        fact.owner = _owner(people, fact.event)
            case Event(retracts=str() as target):
                if step.external_id not in retractions:
                    retractions.add(step.external_id)
                    if target not in retractions:
                        known.setdefault(target, Known()).taken_back = True
            case Event():
                _tell(people, known.setdefault(step.external_id, Known()), step)
            case _:
                pass
    totals = dict.fromkeys(("ada", "ben", "cleo"), 0)
    for fact in known.values():
        if fact.owner is not None and not fact.taken_back and fact.event is not None:
            totals[fact.owner] += _points(fact.event)
    return totals


def _tell(people: dict[str, str], fact: Known, event: Event) -> None:
    before = fact.event.source_version if fact.event is not None else None
    if before is not None and event.source_version is not None and event.source_version < before:
        return
    same = fact.event is not None and _content(fact.event) == _content(event)
    version = before if event.source_version is None else event.source_version
    names = event.alternatives or (fact.event.alternatives if same and fact.event else ())
    fact.event = replace(event, source_version=version, alternatives=names)
    if not same or fact.owner is None:
        fact.owner = _owner(people, event) or fact.owner


def _content(event: Event) -> Any:
    return event.type, event.member, event.occurred_at, event.data


def _owner(people: dict[str, str], event: Event) -> str | None:
    names = (event.member, *event.alternatives)
    return next((people[name.external_id] for name in names if name.external_id in people), None)


def _points(event: Event) -> int:
    if event.type == "deal.won":
        return int(event.data["amount_minor"]) // 100
    return 40 if event.type == "course.completed" else 0


async def test_points_are_what_an_independent_fold_over_the_history_says(session: AsyncSession):
    for seed in range(1_000, 1_000 + HISTORIES):
        steps = [step for step in history(random.Random(seed)) if not isinstance(step, Spending | Wait)]
        living = await born(session, UNCAPPED, 6)

        await living.live(steps, random.Random(seed))

        earned = select(func.coalesce(func.max(accounts.c.lifetime), 0), func.coalesce(func.max(accounts.c.balance), 0))
        for name, points in fold(steps).items():
            account = member_account(living.members.get(name, "mem_none"), "points")
            row = (await session.execute(earned.where(accounts.c.id == account))).one()
            assert tuple(row) == (points, points), (seed, name)
