"""Employment in the book: what dates say is told through the one door, put right after a correction, and paid once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from domain import derived
from domain.derived import WORK_ANNIVERSARY, from_payload
from domain.employment import Promotion
from domain.events import SourcePolicy
from domain.member_changes import read
from domain.merges import Merge
from domain.outbox import Kind
from storage import employment, intake, member_changes, members, merges, streaks, tables
from storage.database import Database
from tests.programs import SAMPLE, apply, course, make_member, make_program

NOW = datetime(2026, 3, 10, 6, tzinfo=UTC)
YEAR = timedelta(days=365)
RULES = {
    "anniversary": {"event_type": WORK_ANNIVERSARY, "award": {"expression": "event.years * 100"}},
    "five-years": {
        "event_type": WORK_ANNIVERSARY,
        "when": [{"name": "is the fifth", "expression": "event.years == 5"}],
        "reward": "card",
    },
    "probation": {"event_type": "probation.ended", "award": {"expression": "30"}},
    "promoted": {"event_type": "member.promoted", "award": {"expression": "70"}},
}


class Company:
    """A program whose clock can be put forward, and whose derived events are told as the relay tells them."""

    def __init__(self, database: Database, program_id: str) -> None:
        self.database = database
        self.id = program_id
        self.now = NOW

    async def member(self, name: str, **attributes: Any) -> str:
        """A member whom Laurel knows for a year."""
        async with self.database.begin() as session:
            member_id = await make_member(session, self.id, name, **attributes)
            own = update(tables.members).where(tables.members.c.id == member_id)
            await session.execute(own.values(created_at=NOW - YEAR))
        return member_id

    async def run(self, later: timedelta = timedelta()) -> int:
        """A run of all members: of how many something was said."""
        self.now += later
        done = 0
        after: str | None = ""
        while after is not None:
            async with self.database.begin() as session:
                page = await employment.settle_page(session, self.id, after=after, as_of=self.now)
            done, after = done + page.done, page.after
        await self.tell()
        return done

    async def change(self, **row: Any) -> None:
        async with self.database.begin() as session:
            [result] = await member_changes.write(session, self.id, [read(row)], effective_at=self.now, now=self.now)
            assert not result.faults

    async def tell(self) -> None:
        async with self.database.begin() as session:
            rows = select(tables.outbox).where(tables.outbox.c.kind == Kind.DERIVED).order_by(tables.outbox.c.id)
            found = (await session.execute(rows)).mappings().all()
            for row in found:
                told = [from_payload(row["payload"])]
                await intake.record(session, self.id, told, derived.POLICY, as_of=self.now)

    async def merge(self, source: str, destination: str) -> Merge:
        async with self.database.begin() as session:
            both = {"source": source, "destination": destination}
            merged = await merges.merge(session, self.id, **both, actor="hr", reason="the same person", as_of=self.now)
        assert isinstance(merged, Merge)
        return merged

    async def part(self, merged: Merge) -> None:
        async with self.database.begin() as session:
            undone = await merges.undo(session, self.id, merged.id, actor="hr", reason="two people", as_of=self.now)
        assert isinstance(undone, Merge)

    async def points(self, member_id: str) -> int:
        async with self.database.begin() as session:
            return (await members.balance(session, self.id, member_id, as_of=self.now)).available

    async def rewards(self) -> list[tuple[str, str, str | None]]:
        async with self.database.begin() as session:
            given = tables.rewards.c
            return list((await session.execute(select(given.reward, given.state, given.reason))).tuples())


@pytest.fixture
async def company(database_url: str) -> AsyncIterator[Company]:
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session, SAMPLE | {"rules": RULES, "milestones": {}})
    yield Company(database, program_id)
    await database.dispose()


async def test_an_anniversary_is_paid_once_however_often_somebody_looks(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2021, 3, 10))

    done = [await company.run(), await company.run(), await company.run(timedelta(days=1))]

    assert (done, await company.points(ada)) == ([1, 0, 0], 500)
    assert await company.rewards() == [("card", "unlocked", None)]


async def test_a_day_begins_where_the_member_is(company: Company) -> None:
    east = await company.member("eve", hired_on=date(2023, 3, 11), time_zone="Pacific/Kiritimati")
    west = await company.member("wes", hired_on=date(2023, 3, 10), time_zone="Pacific/Pago_Pago")

    await company.run(timedelta(hours=4))
    first = await company.points(east), await company.points(west)
    await company.run(timedelta(hours=1))

    assert first == (300, 0)
    assert (await company.points(east), await company.points(west)) == (300, 300)


async def test_a_corrected_day_of_hire_takes_the_points_back_and_gives_them_on_the_right_day(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2023, 3, 10))
    await company.run()

    await company.change(external_id="ada", hired_on="2023-03-20")
    await company.run(timedelta(days=1))
    between = await company.points(ada)
    await company.run(timedelta(days=10))

    assert (between, await company.points(ada)) == (0, 300)


async def test_a_correction_to_an_earlier_day_gives_the_right_one_at_once_and_once(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2023, 3, 10))
    await company.run()

    await company.change(external_id="ada", hired_on="2023-02-10")
    done = [await company.run(timedelta(days=1)), await company.run()]

    assert (done, await company.points(ada)) == ([1, 0], 300)


async def test_hired_on_a_leap_day(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2024, 2, 29))
    company.now = datetime(2026, 2, 27, 23, tzinfo=UTC)

    done = [await company.run(), await company.run(timedelta(hours=1))]

    assert (done, await company.points(ada)) == ([0, 1], 200)


async def test_the_end_of_probation_is_told(company: Company) -> None:
    ada = await company.member("ada", probation_ends_on=date(2026, 3, 11))

    done = [await company.run(), await company.run(timedelta(days=1)), await company.run(timedelta(days=1))]

    assert (done, await company.points(ada)) == ([0, 1, 0], 30)


async def test_a_promotion_is_told_once_and_taken_back_if_it_was_none(company: Company) -> None:
    ada = await company.member("ada")
    promotion = Promotion(date(2026, 3, 9), "Lead", "Engineer")

    for promotions in ([promotion], [promotion]):
        async with company.database.begin() as session:
            await employment.settle_promotions(session, company.id, {ada: promotions}, as_of=company.now)
        await company.tell()
    paid = await company.points(ada)
    async with company.database.begin() as session:
        await employment.settle_promotions(session, company.id, {ada: []}, as_of=company.now)
    await company.tell()

    assert (paid, await company.points(ada)) == (70, 0)


async def test_runs_at_once_tell_once(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2021, 3, 10))

    async def run() -> int:
        async with company.database.begin() as session:
            return (await employment.settle_page(session, company.id, after="", as_of=NOW)).done

    done = await asyncio.gather(*(run() for _ in range(4)))
    await company.tell()

    assert (sorted(done), await company.points(ada)) == ([0, 0, 0, 1], 500)


async def test_pages_go_on_after_one_another(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(employment, "PAGE", 2)
    for name in ("ada", "bob", "cem"):
        await company.member(name, hired_on=date(2024, 3, 10))

    assert await company.run() == 3


async def test_who_left_is_not_told_of_and_keeps_what_was_given(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2025, 3, 10))
    await company.run()

    await company.change(external_id="ada", status="left", hired_on="2025-01-01")
    done = await company.run(YEAR)

    assert (done, await company.points(ada)) == (0, 100)


async def test_who_is_hired_again_begins_anew(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2021, 3, 10))
    await company.run()
    await company.change(external_id="ada", status="left")

    await company.change(external_id="ada", status="active", hired_on="2026-06-01")
    again = await company.run(timedelta(days=90))
    company.now = datetime(2027, 6, 1, 1, tzinfo=UTC)
    anniversary = await company.run()

    assert (again, anniversary, await company.points(ada)) == (0, 1, 600)


async def test_what_waits_for_who_leaves_is_withdrawn_and_their_workflow_woken(company: Company) -> None:
    await company.member("ada", hired_on=date(2021, 3, 10))
    await company.run()

    await company.change(external_id="ada", status="left")

    assert await company.rewards() == [("card", "withdrawn", "member_left")]
    async with company.database.begin() as session:
        woken = select(tables.outbox.c.id).where(tables.outbox.c.kind == Kind.WAKE_REWARD)
        assert len((await session.execute(woken)).all()) == 1


async def test_the_streak_of_who_leaves_ends_without_grace(company: Company) -> None:
    daily = {"cadence": "daily", "qualifying": [{"event_type": "course.completed"}]}
    async with company.database.begin() as session:
        await apply(session, company.id, SAMPLE | {"streaks": {"learning": daily}})
    ada, bob = await company.member("ada"), await company.member("bob")
    for n, (name, day) in enumerate((name, day) for name in ("ada", "bob") for day in (1, 0)):
        async with company.database.begin() as session:
            taken = course(n, name, occurred_at=NOW - timedelta(days=day))
            await intake.record(session, company.id, [taken], SourcePolicy(), as_of=company.now)

    await company.change(external_id="ada", status="left")
    company.now += timedelta(days=2)
    async with company.database.begin() as session:
        await streaks.settle_page(session, company.id, "learning", as_of=company.now, limit=10)
        found = {one: dict(await streaks.list_of(session, company.id, one))["learning"] for one in (ada, bob)}

    assert (found[ada].state, found[bob].state, found[ada].longest) == ("broken", "at_risk", 2)


# -- Members who turn out to be one --------------------------------------------------------------------------------


@pytest.mark.parametrize("date_of_the_other", [date(2021, 3, 10), None])
async def test_what_was_told_of_whoever_turned_out_to_be_another_is_not_told_again(
    company: Company, date_of_the_other: date | None
) -> None:
    ada = await company.member("ada", hired_on=date(2021, 3, 10), probation_ends_on=date(2026, 3, 10))
    await company.run()
    twin = await company.member("twin", hired_on=date_of_the_other)

    await company.merge(ada, twin)
    again = await company.run(timedelta(hours=6))
    a_year_later = await company.run(YEAR)

    assert (again, a_year_later, await company.points(twin)) == (0, 1, 530 + 600)


async def test_what_both_were_told_counts_once_and_for_each_again_if_they_are_two(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2021, 3, 10))
    twin = await company.member("twin", hired_on=date(2021, 3, 10))
    await company.run()

    merged = await company.merge(ada, twin)
    together = [await company.run(), await company.run(), await company.points(twin)]
    await company.part(merged)
    apart = [await company.run(), await company.run()]

    assert (together, apart) == ([1, 0, 500], [1, 0])
    assert (await company.points(ada), await company.points(twin)) == (500, 500)


async def test_another_day_of_hire_of_who_they_are_now_takes_the_place_of_what_was_told(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2021, 3, 10))
    await company.run()
    twin = await company.member("twin", hired_on=date(2023, 3, 10))

    await company.merge(ada, twin)
    done = [await company.run(), await company.run()]

    assert (done, await company.points(twin)) == ([1, 0], 300)


async def test_a_promotion_that_was_told_before_a_merge_is_told_once_and_can_be_taken_back(company: Company) -> None:
    promotion = Promotion(date(2026, 3, 9), "Lead", "Engineer")
    ada, twin = await company.member("ada"), await company.member("twin")

    async def settle(member_id: str, *promotions: Promotion) -> int:
        async with company.database.begin() as session:
            await employment.settle_promotions(session, company.id, {member_id: promotions}, as_of=company.now)
        await company.tell()
        return await company.points(member_id)

    before = await settle(ada, promotion)
    await company.merge(ada, twin)

    assert (before, await settle(twin, promotion), await settle(twin)) == (70, 70, 0)


async def test_who_leaves_after_a_merge_keeps_what_the_alias_was_given(company: Company) -> None:
    ada = await company.member("ada", hired_on=date(2021, 3, 10))
    await company.run()
    twin = await company.member("twin", hired_on=date(2021, 3, 10))
    await company.merge(ada, twin)

    await company.change(external_id="twin", status="left")
    await company.change(external_id="twin", status="active", hired_on="2026-03-11")
    done = await company.run(timedelta(days=2))

    assert (done, await company.points(twin)) == (0, 500)
