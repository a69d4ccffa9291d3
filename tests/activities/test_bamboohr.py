"""Reading BambooHR: what its records say is what members, absences and the book say, however it was told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from structlog.testing import capture_logs
from temporalio.exceptions import ApplicationError

from activities.bamboohr import BambooHRActivities
from connectors import bamboohr
from connectors.bamboohr import BambooHRs
from connectors.http import Bounds
from domain import syncs as sync_rules
from domain.connections import Connection
from domain.events import Identity
from domain.members import Member
from domain.merges import Merge
from domain.notices import Matters, Notice, ObjectToFetch
from domain.outbox import ClaimedRow
from domain.syncs import Stage, Sync, SyncPlan
from relay.intake import IntakeLane
from sandbox.bamboohr import create_app
from sandbox.bamboohr.app import API_KEY
from sandbox.bamboohr.company import Employee
from sandbox.bamboohr.control import Promotion, promoted
from sandbox.bamboohr.faults import Fault
from storage import absences as storage_absences
from storage import connections, members, merges, notices, programs, syncs, tables
from storage.database import Database
from storage.game_tables import absences
from storage.keyring import Keyring
from tests.programs import SAMPLE, make_member, make_program
from tests.sandboxes import running

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEYRING = Keyring({"a": bytes(32)}, "a")
CONFIGURATION = SAMPLE | {
    "rules": {"promoted": {"event_type": "member.promoted", "award": {"expression": "70"}}},
    "milestones": {},
}
OWN = {
    "probation_end_field": "customProbationEnd",
    "time_zone_field": "customTimeZone",
    "promotion_reason": "Promotion",
}
ADA = {
    "firstName": "Ada",
    "lastName": "Example",
    "workEmail": "ada@example.com",
    "jobTitle": "Engineer",
    "department": "Research",
    "location": "Berlin",
    "country": "Germany",
    "hireDate": "2024-02-29",
    "customProbationEnd": "2024-08-31",
    "customTimeZone": "Europe/Berlin",
}


class World:
    """A company at BambooHR, and a program that reads it."""

    def __init__(self, app: FastAPI, database: Database, connection: Connection, bamboohrs: BambooHRs) -> None:
        self.app = app
        self.company = app.state.company
        self.database = database
        self.connection = connection
        self.now = NOW
        self.activities = BambooHRActivities(database, KEYRING, bamboohrs, lambda: self.now)
        self.sync = Sync(connection.program_id, connection.id, "bamboohr")

    def hire(self, **fields: str | None) -> Employee:
        employee: Employee = self.company.hire(ADA | fields)
        return employee

    async def fetch(self, employee: Employee) -> None:
        """A notice of the employee arrives, and what it asks for is fetched."""
        self.now += timedelta(seconds=1)
        key = f"{employee.id}:{self.now.isoformat()}"
        told = Notice(key, employee.id, "employee.updated", self.now, Matters.ALWAYS, {})
        async with self.database.begin() as session:
            await notices.insert_new(session, self.connection, [told], now=self.now)
        await self.activities.fetch_object(
            ObjectToFetch(self.connection.program_id, self.connection.id, employee.id, "bamboohr")
        )

    async def read(self, full: bool = False) -> SyncPlan:
        """A run of a sync, as its workflow goes."""
        async with self.database.begin() as session:
            cursor = await syncs.find_cursor(session, self.sync)
        plan = sync_rules.begin(self.sync, cursor, full=full, as_of=self.now)
        while plan.place is not None:
            plan = plan.after(await self.activities.sync_page(plan))
        async with self.database.begin() as session:
            await syncs.keep_cursor(session, self.sync, sync_rules.end(plan, cursor))
        return plan

    async def merge(self, source: Employee, destination: Employee) -> None:
        """HR says that two records are one person's."""
        both = {"source": (await self.member(source)).id, "destination": (await self.member(destination)).id}
        async with self.database.begin() as session:
            why = "the same person"
            done = await merges.merge(
                session, self.connection.program_id, **both, actor="hr", reason=why, as_of=self.now
            )
        assert isinstance(done, Merge)

    async def find(self, employee: Employee) -> Member | None:
        name = Identity(self.connection.name, employee.id)
        async with self.database.begin() as session:
            return await members.find_by_identity(session, self.connection.program_id, name)

    async def member(self, employee: Employee) -> Member:
        found = await self.find(employee)
        assert found is not None
        return found

    async def away(self) -> list[tuple[str, str, str, str]]:
        """The absences that stand: kind, first day, last day, and what BambooHR calls them."""
        own = absences.c
        async with self.database.begin() as session:
            rows = select(own.kind, own.starts_on, own.ends_on, own.external_id).where(own.state == "standing")
            return [(k, str(a), str(b), n) for k, a, b, n in await session.execute(rows.order_by(own.starts_on))]

    async def points(self, employee: Employee) -> int:
        """What the employee's member has once the relay has told everything."""
        lane = IntakeLane(self.database, clock=lambda: self.now)
        async with self.database.begin() as session:
            rows = select(tables.outbox).where(tables.outbox.c.lane == "intake").order_by(tables.outbox.c.id)
            waiting = [dict(row) for row in (await session.execute(rows)).mappings()]
        for row in waiting:
            names = ClaimedRow.__dataclass_fields__
            await lane(ClaimedRow(**{name: row[name] for name in names}))
        member = await self.member(employee)
        async with self.database.begin() as session:
            return (await members.balance(session, self.connection.program_id, member.id, as_of=self.now)).available


@pytest.fixture
def app() -> FastAPI:
    return create_app(clock=lambda: NOW)


@pytest.fixture
def base_url(app: FastAPI) -> Iterator[str]:
    with running(app) as base_url:
        yield base_url


@pytest.fixture
async def world(database_url: str, app: FastAPI, base_url: str) -> AsyncIterator[World]:
    database, bamboohrs = Database(database_url), BambooHRs()
    async with database.begin() as session:
        program = await programs.get(session, await make_program(session, CONFIGURATION))
        connection = await connections.insert(
            session,
            KEYRING,
            program,
            kind="bamboohr",
            name="people",
            config={"company": "acme", "base_url": base_url, **OWN},
            secrets={"api_key": API_KEY},
            now=NOW - timedelta(days=1),
        )
    yield World(app, database, connection, bamboohrs)
    await bamboohrs.aclose()
    await database.dispose()


# -- Employees -----------------------------------------------------------------------------------------------------


async def test_an_employee_becomes_a_member(world: World) -> None:
    ada = world.hire()

    await world.fetch(ada)

    member = await world.member(ada)
    assert (member.external_id, member.name, member.email) == (f"people:{ada.id}", "Ada Example", "ada@example.com")
    assert (member.role, member.department, member.location) == ("Engineer", "Research", "Berlin")
    assert (member.country, member.time_zone, member.status) == ("DE", "Europe/Berlin", "active")
    assert (str(member.hired_on), str(member.probation_ends_on)) == ("2024-02-29", "2024-08-31")


async def test_a_change_reaches_the_member_and_what_bamboohr_clears_is_cleared(world: World) -> None:
    ada = world.hire()
    await world.fetch(ada)

    world.company.edit(ada, {"customProbationEnd": None, "hireDate": "2024-03-01", "preferredName": "Addie"})
    world.company.add_row(ada, "jobInfo", {"date": "2026-03-01", "department": "Sales"})
    await world.fetch(ada)

    member = await world.member(ada)
    assert (member.name, member.department, str(member.hired_on)) == ("Addie Example", "Sales", "2024-03-01")
    assert member.probation_ends_on is None


async def test_who_is_known_by_their_address_is_the_same_member(world: World) -> None:
    async with world.database.begin() as session:
        known = await make_member(session, world.connection.program_id, "ada")
    ada = world.hire(workEmail="Ada@Example.com")

    await world.fetch(ada)

    member = await world.member(ada)
    assert (member.id, member.external_id, member.department) == (known, "ada", "Research")


async def test_a_manager_who_is_not_known_yet_is_fetched_too(world: World) -> None:
    world.hire(firstName="Cleo", workEmail="cleo@example.com")
    world.hire(firstName="Bob", workEmail="bob@example.com", supervisor="Cleo Example")
    ada = world.hire(supervisor="Bob Example")

    await world.fetch(ada)

    member = await world.member(ada)
    async with world.database.begin() as session:
        bob = await members.get(session, world.connection.program_id, member.manager_id or "")
        cleo = await members.get(session, world.connection.program_id, bob.manager_id or "")
    assert (bob.name, cleo.name) == ("Bob Example", "Cleo Example")


async def test_a_field_that_cannot_be_read_is_left_out_and_the_rest_is_taken(world: World) -> None:
    ada = world.hire(workEmail="nobody at example", country="Atlantis", customTimeZone="Berlin")

    await world.fetch(ada)

    member = await world.member(ada)
    assert (member.email, member.country, member.time_zone, member.department) == (None, None, "UTC", "Research")


async def test_who_leaves_has_left_and_who_comes_back_is_the_same_member(world: World) -> None:
    ada = world.hire()
    await world.fetch(ada)

    world.company.terminate(ada, "2026-03-09")
    await world.fetch(ada)
    left = await world.member(ada)
    world.company.rehire(ada, "2026-03-10")
    await world.fetch(ada)

    back = await world.member(ada)
    assert (left.status, back.status, str(back.hired_on), back.id) == ("left", "active", "2026-03-10", left.id)


async def test_whose_record_is_deleted_has_left(world: World) -> None:
    ada = world.hire()
    await world.fetch(ada)

    world.company.delete(ada)
    await world.fetch(ada)

    assert (await world.member(ada)).status == "left"


async def test_who_left_before_anybody_knew_them_is_no_member(world: World) -> None:
    ada = world.hire(status="Inactive", terminationDate="2020-01-01")

    await world.fetch(ada)

    assert await world.find(ada) is None


async def test_the_same_employee_read_at_once_is_one_member(world: World) -> None:
    ada = world.hire()

    await asyncio.gather(world.read(full=True), world.fetch(ada), world.read(full=True))

    async with world.database.begin() as session:
        found = (await session.execute(select(tables.members.c.external_id))).scalars().all()
    assert found == [f"people:{ada.id}"]


# -- Several records of one person ---------------------------------------------------------------------------------


async def test_who_is_deleted_and_created_again_stays_however_late_the_deletion_is_told(world: World) -> None:
    ada = world.hire()
    await world.fetch(ada)
    world.company.delete(ada)
    again = world.hire(hireDate="2026-03-10")

    await world.fetch(again)
    await world.fetch(ada)

    member = await world.member(again)
    assert (member.id, member.status, str(member.hired_on)) == ((await world.member(ada)).id, "active", "2026-03-10")


async def test_who_has_two_records_is_who_the_one_says_that_has_not_left(world: World) -> None:
    old, new = world.hire(), world.hire(firstName="Addie", workEmail="addie@example.com", hireDate="2026-03-02")
    await world.read()
    await world.merge(old, new)
    world.company.terminate(old, "2026-03-09")

    for read in (world.fetch(old), world.fetch(new), world.read(full=True)):
        await read

    member = await world.member(old)
    assert (member.name, member.status, str(member.hired_on)) == ("Addie Example", "active", "2026-03-02")
    assert member.id == (await world.member(new)).id


async def test_promotions_of_all_records_of_a_person_are_theirs(world: World) -> None:
    old, new = world.hire(), world.hire(firstName="Addie", workEmail="addie@example.com")
    await world.read()
    promoted(world.company, old.id, Promotion(on=NOW.date(), title="Lead"))
    await world.fetch(old)
    await world.merge(old, new)

    await world.fetch(new)
    await world.read(full=True)

    assert await world.points(new) == 70


async def test_an_address_that_is_somebody_elses_is_left_out_and_the_rest_is_taken(world: World) -> None:
    ada, bob = world.hire(), world.hire(firstName="Bob", workEmail="bob@example.com")
    await world.read()

    world.company.edit(bob, {"workEmail": "ada@example.com"})
    world.company.terminate(bob, "2026-03-09")
    await world.fetch(bob)

    assert (await world.member(bob)).status == "left"
    assert ((await world.member(ada)).email, (await world.member(ada)).status) == ("ada@example.com", "active")


@pytest.mark.parametrize("at_once", [True, False])
async def test_two_who_share_an_address_are_two_members(world: World, at_once: bool) -> None:
    ada, bob = world.hire(), world.hire(firstName="Bob")

    for read in (world.read(),) if at_once else (world.fetch(ada), world.fetch(bob), world.fetch(ada)):
        await read

    both = await world.member(ada), await world.member(bob)
    assert [(one.name, one.email) for one in both] == [("Ada Example", "ada@example.com"), ("Bob Example", None)]


async def test_managers_who_manage_each_other_are_members_all_the_same(world: World) -> None:
    ada = world.hire(supervisor="Bob Example")
    bob = world.hire(firstName="Bob", workEmail="bob@example.com", supervisor="Ada Example")
    own = world.hire(firstName="Own", workEmail="own@example.com", supervisor="Own Example")

    await world.read()
    await world.fetch(bob)

    assert all([await world.find(one) for one in (ada, bob, own)])
    assert (await world.member(own)).manager_id is None


async def test_a_row_that_cannot_be_read_does_not_keep_its_employee_out(world: World) -> None:
    ada = world.hire()
    ada.tables["jobInfo"].append({"id": "7", "employeeId": ada.id, "date": "0000-00-00", "jobTitle": "Trainee"})
    ada.tables["compensation"].append({"id": "8", "employeeId": ada.id, "startDate": "", "reason": "Promotion"})
    promoted(world.company, ada.id, Promotion(on=NOW.date(), title="Lead"))

    await world.fetch(ada)

    assert await world.points(ada) == 70


# -- Promotions ----------------------------------------------------------------------------------------------------


async def test_a_promotion_earns_once(world: World) -> None:
    ada = world.hire()
    await world.fetch(ada)
    promoted(world.company, ada.id, Promotion(on=NOW.date(), title="Lead"))

    await world.fetch(ada)
    await world.read(full=True)

    assert await world.points(ada) == 70


@pytest.mark.parametrize("reason", ["Annual review", "Market adjustment"])
async def test_a_title_that_changes_for_another_reason_is_no_promotion(world: World, reason: str) -> None:
    ada = world.hire()
    await world.fetch(ada)
    promoted(world.company, ada.id, Promotion(on=NOW.date(), title="Lead", reason=reason))

    await world.fetch(ada)

    assert await world.points(ada) == 0


async def test_a_promotion_that_is_taken_back_is_paid_back(world: World) -> None:
    ada = world.hire()
    await world.fetch(ada)
    row, _ = promoted(world.company, ada.id, Promotion(on=NOW.date(), title="Lead"))
    await world.fetch(ada)
    paid = await world.points(ada)

    world.company.delete_row(ada, "jobInfo", row["id"])
    await world.fetch(ada)

    assert (paid, await world.points(ada)) == (70, 0)


async def test_a_promotion_to_come_is_told_when_it_comes(world: World) -> None:
    ada = world.hire()
    await world.fetch(ada)
    promoted(world.company, ada.id, Promotion(on=(NOW + timedelta(days=2)).date(), title="Lead"))
    await world.fetch(ada)
    before = await world.points(ada)

    world.now += timedelta(days=2)
    await world.read(full=True)

    assert (before, await world.points(ada)) == (0, 70)


# -- Syncs ---------------------------------------------------------------------------------------------------------


async def test_a_full_run_reads_everybody_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bamboohr, "PAGE", 2)
    everybody = [world.hire(firstName=f"E{n}", workEmail=f"e{n}@example.com") for n in range(5)]

    await world.read()

    assert all([await world.find(one) for one in everybody])


async def test_a_run_reads_what_changed_since_the_last_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bamboohr, "PAGE", 1)
    everybody = [world.hire(firstName=f"E{n}", workEmail=f"e{n}@example.com") for n in range(3)]
    for one in everybody:
        one.last_changed = NOW - timedelta(hours=2)
    await world.read()
    for one in everybody[:2]:
        world.company.edit(one, {"lastName": "Other"})
    before = dict(world.app.state.requests)

    plan = await world.read()

    asked = {path for path, count in world.app.state.requests.items() if count > before.get(path, 0)}
    assert [(await world.member(one)).name for one in everybody] == ["E0 Other", "E1 Other", "E2 Example"]
    assert (plan.is_full, f"/api/v1/employees/{everybody[2].id}" in asked) == (False, False)


async def test_a_company_of_which_nothing_changed_costs_no_employee(world: World) -> None:
    world.hire().last_changed = NOW - timedelta(hours=2)
    await world.read()

    plan = await world.read()

    assert (plan.is_full, plan.latest) == (False, None)


async def test_a_day_later_everything_is_read_again(world: World) -> None:
    ada = world.hire()
    await world.read()
    ada.fields["firstName"] = "Changed"  # and BambooHR does not say so
    world.now += timedelta(days=1)

    plan = await world.read()

    assert (plan.is_full, (await world.member(ada)).name) == (True, "Changed Example")


async def test_a_deleted_record_is_listed_as_changed(world: World) -> None:
    ada = world.hire()
    await world.read()

    world.company.delete(ada)
    await world.read()

    assert (await world.member(ada)).status == "left"


async def test_who_is_deleted_between_two_runs_has_left_even_if_the_second_reads_everything(world: World) -> None:
    ada = world.hire()
    ada.last_changed = NOW - timedelta(hours=2)
    await world.read()
    world.company.delete(ada)
    ada.last_changed = NOW + timedelta(minutes=30)

    world.now += timedelta(days=1)
    full = await world.read()
    world.now += timedelta(hours=1)
    await world.read()

    assert (full.is_full, (await world.member(ada)).status) == (True, "left")


async def test_a_page_that_is_read_twice_changes_nothing(world: World) -> None:
    ada = world.hire()
    plan = sync_rules.begin(world.sync, None, full=True, as_of=NOW)
    first = await world.activities.sync_page(plan)
    member = await world.member(ada)

    world.now += timedelta(hours=1)
    again = await world.activities.sync_page(plan)

    assert (first, await world.member(ada)) == (again, member)


@pytest.mark.parametrize("kind", ["rate_limited", "unavailable", "server_error", "garbled", "unauthorized"])
async def test_while_bamboohr_has_a_bad_day_nothing_is_lost(world: World, kind: Any) -> None:
    ada = world.hire()
    world.app.state.faults.append(Fault(kind=kind, times=5, retry_after_seconds=40))

    with pytest.raises(ApplicationError) as failed:
        await world.fetch(ada)
    world.app.state.faults.clear()
    async with world.database.begin() as session:
        highest = await notices.find_highest_open(session, world.connection.id, ada.id)

    wait = failed.value.next_retry_delay
    assert wait == (timedelta(seconds=40) if kind in ("rate_limited", "unavailable") else None)
    assert (highest is not None, await world.find(ada)) == (True, None)


# -- Time off ------------------------------------------------------------------------------------------------------


async def test_approved_time_off_becomes_absences(world: World) -> None:
    ada = world.hire()
    for start, end, kind in (
        ("2026-03-02", "2026-03-03", "Sick Leave"),
        ("2026-04-06", "2026-04-10", "Vacation"),
        ("2026-06-01", "2026-12-01", "Parental Leave"),
        ("2026-03-20", "2026-03-20", "Jury Duty"),
    ):
        world.company.request_time_off(ada, start=start, end=end, type=kind, status="approved")
    world.company.request_time_off(ada, start="2026-05-01", end="2026-05-02", type="Vacation", status="requested")

    await world.read()

    assert [one[:3] for one in await world.away()] == [
        ("sick", "2026-03-02", "2026-03-03"),
        ("other", "2026-03-20", "2026-03-20"),
        ("pto", "2026-04-06", "2026-04-10"),
        ("parental", "2026-06-01", "2026-12-01"),
    ]


async def test_time_off_that_is_moved_or_canceled_moves_or_ends_the_absence(world: World) -> None:
    ada = world.hire()
    given = {"type": "Vacation", "status": "approved"}
    moved = world.company.request_time_off(ada, start="2026-04-06", end="2026-04-10", **given)
    canceled = world.company.request_time_off(ada, start="2026-05-06", end="2026-05-10", **given)
    await world.read()

    moved.end, canceled.status = "2026-04-08", "canceled"
    await world.read()

    assert await world.away() == [("pto", "2026-04-06", "2026-04-08", str(moved.id))]


async def test_time_off_that_was_taken_and_is_canceled_then_is_none(world: World) -> None:
    ada = world.hire()
    taken = world.company.request_time_off(ada, start="2026-03-02", end="2026-03-04", type="PTO", status="approved")
    await world.read()

    taken.status = "canceled"
    await world.read()

    assert await world.away() == []


async def test_time_off_that_overlaps_another_or_lasts_for_hours_is_an_absence_of_its_own(world: World) -> None:
    ada = world.hire()
    for start, end, unit in (("2026-04-06", "2026-04-10", "days"), ("2026-04-08", "2026-04-08", "hours")):
        world.company.request_time_off(ada, start=start, end=end, unit=unit, type="PTO", status="approved")

    await world.read()

    assert [one[1:3] for one in await world.away()] == [("2026-04-06", "2026-04-10"), ("2026-04-08", "2026-04-08")]


async def test_more_requests_than_one_import_takes_are_taken_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_absences, "MAX_IMPORT", 2)
    monkeypatch.setattr(storage_absences, "MAX_ROWS", 2)
    ada = world.hire()
    for day in range(1, 6):
        on = f"2026-04-0{day}"
        world.company.request_time_off(ada, start=on, end=on, type="PTO", status="approved")

    await world.read()

    assert len(await world.away()) == 5


async def test_more_time_off_than_an_answer_carries_is_read_in_shorter_windows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bamboohr, "BOUNDS", Bounds(answer_bytes=2_000))
    ada = world.hire()
    days = [f"2026-{month:02}-{day:02}" for month in (1, 4, 8) for day in (1, 2, 3, 10, 20)]
    for day in days:
        world.company.request_time_off(ada, start=day, end=day, type="PTO", status="approved")

    await world.read()

    assert [one[1] for one in await world.away()] == days


async def test_a_day_whose_time_off_no_answer_carries_is_named_and_the_rest_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bamboohr, "BOUNDS", Bounds(answer_bytes=2_000))
    ada = world.hire()
    for day in ("2026-04-01", "2026-04-03", "2026-09-01", *["2026-04-02"] * 9):
        world.company.request_time_off(ada, start=day, end=day, type="PTO", status="approved")

    with capture_logs() as lines:
        plan = await world.read()

    assert (plan.place, [one[1] for one in await world.away()]) == (None, ["2026-04-01", "2026-04-03", "2026-09-01"])
    assert [(line["day"], line["log_level"]) for line in lines if line["event"] == "time off left out"] == [
        ("2026-04-02", "error")
    ]


async def test_a_request_that_cannot_be_read_does_not_keep_the_others_out(world: World) -> None:
    ada = world.hire()
    for start in ("2026-04-01", "2026-04-02"):
        world.company.request_time_off(ada, start=start, end="2026-04-02", type="PTO", status="approved")
    unreadable = world.company.request_time_off(
        ada, start="2026-04-03", end="2026-04-03", type="PTO", status="approved"
    )
    unreadable.status = None

    await world.read()

    assert len(await world.away()) == 2


async def test_sick_leave_that_is_entered_late_is_read_by_the_next_run(world: World) -> None:
    ada = world.hire()
    await world.read()

    world.company.request_time_off(ada, start="2026-03-04", end="2026-03-05", type="Sick", status="approved")
    plan = await world.read()

    assert (plan.is_full, [one[0] for one in await world.away()]) == (False, ["sick"])


async def test_holidays_of_the_company_are_absences_of_its_members(world: World) -> None:
    ada, bob = world.hire(), world.hire(firstName="Bob", workEmail="bob@example.com")
    holiday = {"id": 7, "type": "holiday", "name": "Founders' day", "start": "2026-05-04", "end": "2026-05-04"}
    world.company.holidays.append(holiday)

    await world.read()
    await world.read(full=True)

    assert await world.away() == [
        ("holiday", "2026-05-04", "2026-05-04", f"holiday:7:2026-05-04:{one.id}") for one in (ada, bob)
    ]


async def test_holidays_are_read_in_parts_if_one_answer_cannot_carry_who_is_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = world.hire()
    for day in ("2026-04-01", "2026-05-04", "2026-09-01"):
        world.company.holidays.append({"id": 7, "type": "holiday", "name": "Day", "start": day, "end": day})
    for n in range(40):
        on = (NOW + timedelta(days=5 * n)).date().isoformat()
        world.company.request_time_off(ada, start=on, end=on, type="PTO", status="requested")
        world.company.time_off[max(world.company.time_off)].status = "approved"
    monkeypatch.setattr(bamboohr, "BOUNDS", Bounds(answer_bytes=3_000))

    await world.read()

    assert [one[1] for one in await world.away() if one[0] == "holiday"] == ["2026-04-01", "2026-05-04", "2026-09-01"]


async def test_a_holiday_is_where_it_was_moved_to_and_stays_if_none_is_shown(world: World) -> None:
    world.hire()
    holiday = {"id": 7, "type": "holiday", "name": "Founders' day", "start": "2026-05-04", "end": "2026-05-04"}
    world.company.holidays.append(holiday)
    await world.read()

    world.company.holidays[:] = [holiday | {"start": "2026-05-05", "end": "2026-05-05"}]
    await world.read(full=True)
    moved = [one[1] for one in await world.away()]
    world.company.holidays.clear()
    await world.read(full=True)

    assert (moved, [one[1] for one in await world.away()]) == (["2026-05-05"], ["2026-05-05"])


# -- Cursors -------------------------------------------------------------------------------------------------------


def test_a_cursor_never_goes_back() -> None:
    sync = Sync("prg_1", "con_1", "bamboohr")
    later = sync_rules.end(sync_rules.begin(sync, None, full=True, as_of=NOW), None)
    changes = sync_rules.begin(sync, later, full=False, as_of=NOW - timedelta(hours=1))

    ended = sync_rules.end(replace(changes, latest=NOW - timedelta(days=3), place=None), later)

    assert changes.place is not None
    assert changes.place.stage is Stage.CHANGED
    assert ended == later
