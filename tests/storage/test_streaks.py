"""Streaks as rows: they equal the fold whatever comes in whatever order, and lengths are told once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event, Identity, SourcePolicy
from domain.member_changes import read
from domain.merges import Merge
from domain.streak_book import Folded
from domain.streaks import Streak, StreakState
from domain.time import NEVER
from storage import configurations, intake, member_changes, merges, streak_verification, streaks
from storage.game_tables import absences, outages, streak_awards, streak_freezes, streak_marks
from storage.game_tables import streaks as table
from storage.ids import new_id
from storage.streak_policies import versions_of
from storage.streaks import Parked
from storage.tables import connections, member_versions, members, outbox
from tests.programs import apply, make_member, make_program

POLICY = SourcePolicy(amendments="redecide")
MONDAY = date(2027, 3, 1)
STREAKS: dict[str, Any] = {
    "event_types": {
        "course.completed": {"fields": {"minutes": {"type": "integer"}, "course": {"type": "string"}}},
        "walk.done": {"fields": {}},
    },
    "rules": {"lengths": {"event_type": "streak.reached", "award": {"expression": "event.length * 10"}}},
    "streaks": {
        "learning": {
            "cadence": "daily",
            "qualifying": [
                {
                    "event_type": "course.completed",
                    "when": [{"name": "takes a while", "expression": "event.minutes >= 10"}],
                }
            ],
            "grace": {"missed": 0},
            "holidays": False,
            "reached": [2, 5],
        },
        "minutes": {
            "cadence": "weekly",
            "qualifying": [{"event_type": "course.completed", "field": "minutes"}],
            "at_least": "60",
            "grace": {"missed": 0},
        },
    },
}


def at(day: int, hour: float = 12) -> datetime:
    return datetime(2027, 3, 1, tzinfo=UTC) + timedelta(days=day, hours=hour)


def course(day: int, minutes: int = 30, name: str = "", who: str = "ada", hour: float = 12) -> Event:
    data = {"course": "sql", "minutes": minutes}
    return Event("lms", name or f"{who}-{day}-{hour}", "course.completed", Identity("crm", who), at(day, hour), data)


class Program:
    """A program with two streaks, in which Ada learns."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str):
        self.session = session
        self.id = program_id
        self.ada = ada
        self.now = at(0)

    async def take(self, *taken: Event, as_of: datetime) -> None:
        self.now = as_of
        await intake.record(self.session, self.id, taken, POLICY, as_of=as_of)

    async def learn(self, *days: int) -> None:
        """On each day something, told an hour later."""
        for day in days:
            await self.take(course(day), as_of=at(day, 13))

    async def streak(self, policy: str = "learning", member_id: str = "") -> Streak:
        return dict(await streaks.list_of(self.session, self.id, member_id or self.ada))[policy]

    async def settle(self, as_of: datetime) -> None:
        self.now = as_of
        for policy in STREAKS["streaks"]:
            while await streaks.settle_page(self.session, self.id, policy, as_of=as_of, limit=2):
                pass

    async def told(self) -> list[tuple[str, bool]]:
        """What was left for the relay to tell: each name, and whether it is taken back."""
        rows = await self.session.execute(
            select(outbox.c.payload).where(outbox.c.kind == "derived").order_by(outbox.c.id)
        )
        return [
            (row["external_id"].removeprefix("streak.reached:").replace(self.ada, "ada"), row["retracts"] is not None)
            for (row,) in rows
        ]

    async def pending(self, kind: str) -> Sequence[dict[str, Any]]:
        """The payloads of what the relay is to do of this kind."""
        return (await self.session.scalars(select(outbox.c.payload).where(outbox.c.kind == kind))).all()

    async def be_away(self, first: int, last: int, *, recorded_at: datetime) -> None:
        row = {
            "id": new_id("abs"),
            "program_id": self.id,
            "member_id": self.ada,
            "source": "hris",
            "external_id": new_id("abs"),
            "kind": "sick",
            "starts_on": MONDAY + timedelta(days=first),
            "ends_on": MONDAY + timedelta(days=last),
            "state": "standing",
            "recorded_at": recorded_at,
        }
        self.now = recorded_at
        await self.session.execute(insert(absences).values(row))
        await streaks.refold(self.session, self.id, [self.ada], as_of=recorded_at)


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    program_id = await make_program(session, STREAKS)
    return Program(session, program_id, await make_member(session, program_id, "ada"))


@pytest.fixture(autouse=True)
async def every_streak_is_the_fold(program: Program):
    """Whatever a test did, each stored streak is what its facts give, and each length that they owe is told."""
    yield
    found = await streak_verification.verify_page(program.session, program.id, as_of=program.now)
    assert not found.differences


async def test_an_event_that_qualifies_marks_the_day_and_the_row_follows(program: Program):
    await program.learn(0, 1)

    streak = await program.streak()

    assert (streak.state, streak.current, streak.started_on) == (StreakState.ACTIVE, 2, MONDAY)
    assert (streak.last_qualifying_at, streak.next_deadline_at) == (at(1), at(2, 0))


async def test_what_does_not_qualify_marks_nothing(program: Program):
    await program.take(course(0, minutes=5), as_of=at(0, 13))

    marked = await program.session.execute(select(streak_marks.c.policy, streak_marks.c.amount))
    assert marked.all() == [("minutes", 5)]


async def test_a_sum_is_of_all_that_came_in_the_period(program: Program):
    await program.learn(0)
    assert (await program.streak("minutes")).current == 0

    await program.learn(1)

    assert (await program.streak("minutes")).current == 1


async def test_one_event_told_again_counts_once(program: Program):
    await program.learn(0, 0)

    assert await program.session.scalar(select(func.count()).select_from(streak_marks)) == 2


async def test_time_alone_breaks_a_streak_when_it_is_settled(program: Program):
    await program.learn(0)

    await program.settle(at(2, 0))

    assert (await program.streak()).state is StreakState.BROKEN


async def test_settling_does_nothing_before_the_deadline_and_nothing_twice(program: Program):
    await program.learn(0)
    program.now = at(1, 0)

    assert await streaks.settle_page(program.session, program.id, "learning", as_of=at(0, 23), limit=10) == []
    assert len(await streaks.settle_page(program.session, program.id, "learning", as_of=at(1, 0), limit=10)) == 1
    assert await streaks.settle_page(program.session, program.id, "learning", as_of=at(1, 0), limit=10) == []


async def test_a_policy_that_is_not_in_force_is_not_settled(program: Program):
    await program.learn(0)
    await apply(program.session, program.id, {**STREAKS, "streaks": {}})

    assert await streaks.settle_page(program.session, program.id, "learning", as_of=at(9), limit=10) == []
    await apply(program.session, program.id, STREAKS)


async def test_lengths_are_told_once_as_events(program: Program):
    await program.learn(0, 1)
    await program.settle(at(2, 0))

    assert await program.told() == [("learning:ada:2:1", False)]
    row = (await program.session.execute(select(outbox.c.payload).where(outbox.c.kind == "derived"))).scalar_one()
    assert (row["occurred_at"], row["data"]["reached_on"]) == (at(1).isoformat(), "2027-03-02")


async def test_an_event_that_is_taken_back_takes_back_the_length(program: Program):
    await program.learn(0, 1)
    back = replace(course(1, name="back"), data={}, retracts=course(1).external_id)

    await program.take(back, as_of=at(1, 14))

    assert (await program.streak()).current == 1
    assert await program.told() == [("learning:ada:2:1", False), ("learning:ada:2:1:gone", True)]


async def test_a_length_that_holds_again_is_told_under_another_name(program: Program):
    await program.learn(0, 1)
    await program.take(replace(course(1, name="back"), data={}, retracts=course(1).external_id), as_of=at(1, 14))

    await program.take(course(1, name="again"), as_of=at(1, 15))

    assert [name for name, _ in await program.told()][2:] == ["learning:ada:2:2"]


async def test_an_amendment_that_changes_nothing_leaves_the_mark(program: Program):
    await program.learn(0)
    await program.take(replace(course(0), data={"course": "python", "minutes": 30}), as_of=at(40))

    marks = (await program.session.execute(select(streak_marks).where(streak_marks.c.policy == "learning"))).all()
    assert len(marks) == 1
    assert marks[0].ended_at is None


async def test_an_amendment_that_changes_the_amount_ends_the_mark_and_begins_another(program: Program):
    await program.learn(0)
    await program.take(course(0, minutes=70), as_of=at(0, 14))

    query = select(streak_marks.c.amount, streak_marks.c.ended_at).where(streak_marks.c.policy == "minutes")
    assert (await program.session.execute(query.order_by(streak_marks.c.amount))).all() == [(30, at(0, 14)), (70, None)]
    assert (await program.streak("minutes")).current == 1


async def test_sick_leave_told_on_thursday_restores_and_pays_the_remainder_once(program: Program):
    """Both halves of the run were paid for two days; the whole owes two and five: one is kept, one is taken back."""
    await program.learn(-4, -3, 1, 2, 3)
    await program.settle(at(3, 14))
    assert (await program.streak()).current == 3

    await program.be_away(0, 0, recorded_at=at(3, 15))

    assert ((await program.streak()).current, (await program.streak()).longest) == (5, 5)
    assert sorted(await program.told()) == [
        ("learning:ada:2:1", False),
        ("learning:ada:2:2", False),
        ("learning:ada:2:2:gone", True),
        ("learning:ada:5:1", False),
    ]


async def test_what_an_absorbed_run_was_paid_may_be_kept(program: Program):
    body = {**STREAKS, "streaks": {"learning": {**STREAKS["streaks"]["learning"], "absorbed": "keep"}}}
    await apply(program.session, program.id, body)
    await program.learn(-4, -3, 1, 2, 3)
    await program.settle(at(3, 14))

    await program.be_away(0, 0, recorded_at=at(3, 15))

    assert [name for name, taken_back in await program.told() if taken_back] == []


async def test_a_freeze_given_for_a_past_day_restores(program: Program):
    await program.learn(0, 2)
    await program.settle(at(2, 14))

    given = streaks.Freeze(program.ada, "learning", MONDAY + timedelta(days=1), 1, "the lift was stuck", "hr")
    await streaks.grant_freeze(program.session, program.id, given, as_of=at(2, 15))

    assert (await program.streak()).current == 2
    assert await program.session.scalar(select(streak_freezes.c.reason)) == "the lift was stuck"


async def test_an_outage_protects_until_it_is_over_and_then_its_own_days(program: Program):
    connection = {
        "id": new_id("con"),
        "program_id": program.id,
        "kind": "xapi",
        "name": "lms",
        "secrets": b"",
        "key_id": "1",
    }
    await program.session.execute(insert(connections).values(**connection, created_at=at(0)))
    await program.learn(0)
    row = {"id": new_id("out"), "program_id": program.id, "connection_id": connection["id"], "source": "lms"}
    await program.session.execute(insert(outages).values(**row, began_at=at(0, 20), recorded_at=at(1)))
    await program.settle(at(3))
    assert ((await program.streak()).state, (await program.streak()).current) == (StreakState.PROTECTED, 1)

    await program.session.execute(update(outages).values(ended_at=at(1, 9)))
    await streaks.make_all_due(program.session, program.id, as_of=at(3, 1))
    await program.settle(at(3, 1))

    assert (await program.streak()).state is StreakState.BROKEN


async def test_who_has_moved_is_folded_anew_by_the_days_of_the_new_zone(program: Program):
    await program.learn(0)
    await program.settle(at(1, 1))
    version = {"version": 2, "attributes": {"time_zone": "America/Los_Angeles", "status": "active"}}
    row = {"program_id": program.id, "member_id": program.ada, "effective_at": at(1, 2), "recorded_at": at(1, 2)}
    await program.session.execute(insert(member_versions).values(**row, **version))
    await program.session.execute(update(members).values(version=2, time_zone="America/Los_Angeles"))

    await streaks.make_due(program.session, program.id, [program.ada], as_of=at(1, 2))
    await program.settle(at(1, 3))

    assert (await program.streak()).next_deadline_at == at(1, 8)


async def test_streaks_of_two_who_turn_out_to_be_one_are_one_and_part_again(program: Program):
    bea = await make_member(program.session, program.id, "bea")
    await program.learn(0, 1)
    await program.take(course(2, who="bea"), course(3, who="bea"), as_of=at(3, 13))
    merged = await merges.merge(
        program.session, program.id, source=bea, destination=program.ada, actor="hr", reason="twins", as_of=at(3, 14)
    )

    assert (await program.streak()).current == 4
    assert await streaks.list_of(program.session, program.id, bea) == []
    assert [name for name, gone in await program.told() if gone] == [f"learning:{bea}:2:1:gone"]
    await program.take(course(4, who="bea"), as_of=at(4, 13))
    assert (await program.streak()).current == 5

    assert isinstance(merged, Merge)
    await merges.undo(program.session, program.id, merged.id, actor="hr", reason="no twins", as_of=at(4, 14))
    assert ((await program.streak()).longest, (await program.streak(member_id=bea)).current) == (2, 2)


async def test_a_streak_is_read_as_it_was_and_as_it_was_known(program: Program):
    await program.learn(-4, -3, 1, 2, 3)
    await program.be_away(0, 0, recorded_at=at(3, 15))

    async def current(as_of: datetime, known_at: datetime = NEVER) -> int:
        streak = await streaks.read_at(
            program.session, program.id, program.ada, "learning", as_of=as_of, known_at=known_at
        )
        return streak.current

    assert await current(at(3, 16)) == 5
    assert await current(at(3, 16), known_at=at(3, 14)) == 3
    assert await current(at(0, 12)) == 2
    assert await current(at(1, 0), known_at=at(1, 0)) == 0


async def test_verifying_finds_what_was_changed_behind_its_back(program: Program):
    await program.learn(0)
    await program.session.execute(update(table).where(table.c.policy == "learning").values(current=3, longest=3))

    found = await streak_verification.verify_page(program.session, program.id, as_of=at(0, 14))

    assert found.streaks == 2
    assert [one.split(": ")[1] for one in found.differences] == [
        "current is 3, its facts give 1",
        "longest is 3, its facts give 1",
    ]
    await streaks.refold(program.session, program.id, [program.ada], as_of=at(0, 14))


TELLINGS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["learn", "learn late", "take back", "be away", "settle"])),
    min_size=1,
    max_size=14,
)


class Company:
    """Members of the program who live through what is drawn, one after the other, on one clock."""

    def __init__(self, program: Program):
        self.program = program
        self.clock = at(0)
        self.told: list[Event] = []

    async def join(self) -> None:
        self.program.ada = await make_member(self.program.session, self.program.id, new_id("mem"))
        named = select(members.c.external_id).where(members.c.id == self.program.ada)
        self.name = str(await self.program.session.scalar(named))
        self.told = []
        self.first = (self.clock - at(0)).days + 1

    async def live(self, day: int, kind: str) -> None:
        self.clock += timedelta(hours=7)
        if kind.startswith("learn"):
            await self._learn(self.first + day, timedelta(days=3) if kind == "learn late" else timedelta(hours=1))
        elif kind == "take back" and self.told:
            gone = self.told[day % len(self.told)]
            name = f"{gone.external_id}-back-{self.clock}"
            back = replace(gone, external_id=name, data={}, retracts=gone.external_id)
            await self.program.take(back, as_of=self.clock)
        elif kind == "be away":
            await self.program.be_away(self.first + day, self.first + day + 1, recorded_at=self.clock)
        elif kind == "settle":
            await self.program.settle(self.clock)

    async def _learn(self, day: int, later: timedelta) -> None:
        self.told.append(course(day, who=self.name, hour=len(self.told) / 10))
        self.clock = max(self.clock, self.told[-1].occurred_at + later)
        await self.program.take(self.told[-1], as_of=self.clock)


@pytest.fixture
def company(program: Program) -> Company:
    return Company(program)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(tellings=TELLINGS)
async def test_whatever_comes_the_rows_are_the_fold_and_what_is_owed_is_told(
    company: Company, tellings: Sequence[tuple[int, str]]
):
    program = company.program
    await company.join()
    for day, kind in tellings:
        await company.live(day, kind)
        page = await streak_verification.verify_page(program.session, program.id, as_of=company.clock)
        assert not page.differences

    await program.settle(company.clock)
    standing = streak_awards.c.member_id == program.ada, streak_awards.c.state == "paid"
    paid = await program.session.scalar(select(func.count()).select_from(streak_awards).where(*standing))
    streak = await streaks.read_at(program.session, program.id, program.ada, "learning", as_of=company.clock)
    assert paid == len(streak.reached)


async def test_who_changes_is_settled_anew_by_what_is_known_of_them_now(program: Program):
    await program.learn(0)
    moved = read({"external_id": "ada", "name": "Ada", "time_zone": "America/Los_Angeles"})
    await member_changes.write(program.session, program.id, [moved], effective_at=at(0, 14), now=at(0, 14))

    await program.settle(at(0, 15))

    assert (await program.streak()).next_deadline_at == at(1, 8)


async def test_the_mark_of_a_policy_that_is_gone_ends_with_its_event(program: Program):
    await program.learn(0)
    await apply(program.session, program.id, {**STREAKS, "streaks": {"minutes": STREAKS["streaks"]["minutes"]}})

    await program.take(replace(course(0, name="back"), data={}, retracts=course(0).external_id), as_of=at(0, 14))

    ended = await program.session.scalars(select(streak_marks.c.ended_at))
    assert set(ended) == {at(0, 14)}
    assert (await program.streak("minutes")).current == 0


async def test_who_moves_wakes_the_clocks_as_a_deadline_may_come_earlier(program: Program):
    await program.learn(0)
    east = read({"external_id": "ada", "name": "Ada", "time_zone": "Asia/Tokyo"})

    await member_changes.write(program.session, program.id, [east], effective_at=at(0, 14), now=at(0, 14))

    assert sorted(woken["policy"] for woken in await program.pending("wake_clock")) == ["learning", "minutes"]
    await program.settle(at(0, 14))
    assert (await program.streak()).next_deadline_at == at(0, 15)


async def test_all_are_made_due_page_by_page_and_the_relay_goes_on(program: Program):
    await make_member(program.session, program.id, "bea")
    await program.learn(0)
    await program.take(course(0, who="bea"), as_of=at(0, 13))
    due = select(func.count()).where(table.c.next_deadline_at == at(0, 14))

    await streaks.make_all_due(program.session, program.id, as_of=at(0, 14), limit=3)
    first = await program.session.scalar(due)
    [left] = await program.pending("streaks_due")
    member_id, policy = left["after"]
    await streaks.make_all_due(program.session, program.id, as_of=at(0, 14), after=(member_id, policy), limit=3)

    assert (first, await program.session.scalar(due)) == (3, 4)
    assert len(await program.pending("streaks_due")) == 1
    await program.settle(at(0, 14))


async def test_a_streak_that_cannot_be_folded_holds_up_no_other_and_is_shown(program: Program):
    bea = await make_member(program.session, program.id, "bea")
    await program.learn(0)
    await program.take(course(0, who="bea"), as_of=at(0, 13))
    lost = update(members).where(members.c.id == program.ada)
    await program.session.execute(lost.values(time_zone="Nowhere/Land"))

    page = await streaks.settle_page(program.session, program.id, "learning", as_of=at(2), limit=10)
    again = await streaks.settle_page(program.session, program.id, "learning", as_of=at(2), limit=10)
    found = await streak_verification.verify_page(program.session, program.id, as_of=at(2))

    assert [one for one in page if isinstance(one, Parked)] == [
        Parked((program.ada, "learning"), "ZoneInfoNotFoundError")
    ]
    assert [one.key for one in page if isinstance(one, Folded)] == [(bea, "learning")]
    assert again == []
    assert f"{program.ada} learning: cannot be folded: ZoneInfoNotFoundError" in found.differences
    await program.session.execute(lost.values(time_zone="UTC"))
    await program.settle(at(2, 13))
    assert (await program.streak()).state is StreakState.BROKEN


async def test_versions_of_policies_are_those_of_snapshots_that_were_kept(program: Program):
    """A snapshot that was rolled back leaves its number to another; each is read once, so it must not be mistaken."""

    async def versions(*reached: int) -> list[tuple[int, ...]]:
        learning = {**STREAKS["streaks"]["learning"], "reached": list(reached)}
        await apply(program.session, program.id, {**STREAKS, "streaks": {"learning": learning}})
        configuration = await configurations.get_active(program.session, program.id)
        return [policy.reached for _, policy in (await versions_of(program.session, configuration))["learning"]]

    async with program.session.begin_nested() as lost:
        assert await versions(3) == [(2, 5), (3,)]
        await lost.rollback()

    assert await versions(4) == [(2, 5), (4,)]
    assert await versions(6) == [(2, 5), (4,), (6,)]
