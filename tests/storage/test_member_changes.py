"""Members set by set: what goes in, what is told of what does not, and that a race with their events loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event, Identity, SourcePolicy
from domain.member_changes import ChangeStatus, MemberChange, MemberResult, read
from domain.members import Member
from domain.outbox import Kind
from storage import intake, member_changes, members, people, tables
from storage.database import Database
from tests.programs import NOW, deal, make_program

CREATED, UPDATED, UNCHANGED, FAILED = ChangeStatus
LATER = NOW + timedelta(days=1)


class Program:
    """A program without members, changed in the test's own transaction."""

    def __init__(self, session: AsyncSession, program_id: str):
        self.session = session
        self.id = program_id

    async def write(self, *rows: dict[str, Any], at: Any = NOW) -> list[MemberResult]:
        changes = [read(row) for row in rows]
        return await member_changes.write(self.session, self.id, changes, effective_at=at, now=at)

    async def member(self, external_id: str) -> Member:
        found = await members.find_by_identity(self.session, self.id, Identity("laurel.external_id", external_id))
        assert found
        return found

    async def versions(self, external_id: str) -> list[Any]:
        member = await self.member(external_id)
        versions = select(tables.member_versions).where(tables.member_versions.c.member_id == member.id)
        return list((await self.session.execute(versions.order_by(tables.member_versions.c.version))).all())

    async def outbox(self, kind: Kind) -> list[Any]:
        rows = select(tables.outbox.c.payload).where(tables.outbox.c.kind == kind).order_by(tables.outbox.c.id)
        return list((await self.session.execute(rows)).scalars())


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    return Program(session, await make_program(session))


def _row(external_id: str, **values: Any) -> dict[str, Any]:
    return {"external_id": external_id, "name": external_id.title(), **values}


def _faults(results: Sequence[MemberResult]) -> list[list[str]]:
    return [[str(fault) for fault in result.faults] for result in results]


async def test_rows_become_members_that_every_name_finds(program: Program) -> None:
    [result] = await program.write(
        _row("ada", email="Ada@example.com", department="Sales", custom={"level": 3},
             identities=[{"source": "crm", "external_id": "77"}])
    )  # fmt: skip

    assert result.status is CREATED
    member = await members.get(program.session, program.id, result.member_id or "")
    assert (member.name, member.department, member.custom) == ("Ada", "Sales", {"level": 3})
    for name in (
        Identity("laurel.id", member.id),
        Identity("laurel.external_id", "ada"),
        Identity("email", "ada@example.com"),
        Identity("mbox_sha1sum", "72ac10875be5a7770a4f31058ea797edb8e55020"),
        Identity("crm", "77"),
    ):
        assert await members.find_by_identity(program.session, program.id, name) == member


async def test_a_second_row_of_the_same_member_changes_what_it_names(program: Program) -> None:
    await program.write(_row("ada", department="Sales", country="DE"))

    [changed] = await program.write({"external_id": "ada", "department": "Legal"}, at=LATER)
    [unchanged] = await program.write({"external_id": "ada", "department": "Legal"}, at=LATER)

    member = await program.member("ada")
    assert (changed.status, unchanged.status) == (UPDATED, UNCHANGED)
    assert (member.department, member.country, member.version, member.updated_at) == ("Legal", "DE", 2, LATER)


async def test_attributes_are_kept_in_dated_versions_and_names_are_not(program: Program) -> None:
    await program.write(_row("ada", department="Sales"))
    await program.write({"external_id": "ada", "name": "Ada B."}, at=LATER)
    await program.write({"external_id": "ada", "department": "Legal"}, at=LATER)

    first, second = await program.versions("ada")

    assert (first.version, first.attributes["department"], first.effective_at) == (1, "Sales", NOW)
    assert (second.version, second.attributes["department"], second.recorded_at) == (2, "Legal", LATER)
    assert "name" not in second.attributes


async def test_deciding_sees_the_attributes_that_were_written(program: Program) -> None:
    await program.write(
        _row("boss"), _row("ada", manager="boss", hired_on="2020-02-29", custom={"d": {"date": "2021-01-01"}})
    )
    member = await program.member("ada")
    [(_, now)] = (await people.lock(program.session, program.id, [member.id]))[0][member.id]
    await program.write({"external_id": "ada", "department": "Legal"}, at=LATER)
    [(_, first), (_, second)] = (await people.lock(program.session, program.id, [member.id]))[0][member.id]

    assert now.attributes == first.attributes
    assert second.attributes == {**first.attributes, "department": "Legal"}
    assert first.attributes["custom"] == {"d": "2021-01-01"}
    assert first.attributes["manager_id"] == (await program.member("boss")).id


async def test_a_name_of_another_member_is_a_fault_of_that_row_alone(program: Program) -> None:
    await program.write(_row("ada", email="ada@example.com", identities=[{"source": "crm", "external_id": "1"}]))

    results = await program.write(
        _row("bob", email="ADA@example.com"),
        _row("cyd", identities=[{"source": "crm", "external_id": "1"}]),
        _row("dan", identities=[{"source": "crm", "external_id": "2"}]),
        _row("eve", identities=[{"source": "crm", "external_id": "2"}]),
    )

    assert [result.status for result in results] == [FAILED, FAILED, CREATED, FAILED]
    assert _faults(results)[0][0] == "email: email 'ada@example.com' belongs to another member"
    assert _faults(results)[3] == ["identities: crm '2' belongs to another member"]
    assert await members.find_by_identity(program.session, program.id, Identity("laurel.external_id", "bob")) is None


async def test_a_member_keeps_an_old_address_when_it_gets_a_new_one(program: Program) -> None:
    await program.write(_row("ada", email="ada@example.com"))
    await program.write({"external_id": "ada", "email": "ada.b@example.com"})

    member = await program.member("ada")
    names = (await members.list_identities(program.session, program.id, [member.id]))[member.id]

    assert member.email == "ada.b@example.com"
    assert {name.external_id for name in names if name.source == "email"} == {"ada@example.com", "ada.b@example.com"}


async def test_managers_are_found_wherever_their_row_stands(program: Program) -> None:
    await program.write(_row("ada", manager="boss"), _row("boss", manager="chief"), _row("chief"))

    ada, boss, chief = [await program.member(one) for one in ("ada", "boss", "chief")]

    assert (ada.manager_id, boss.manager_id, chief.manager_id) == (boss.id, chief.id, None)
    assert [member.version for member in (ada, boss, chief)] == [1, 1, 1]


async def test_a_manager_who_is_not_known_is_told_and_the_rest_is_taken(program: Program) -> None:
    results = await program.write(_row("ada", manager="nobody"), _row("a", manager="b"), _row("b", manager="a"))

    assert [result.status for result in results] == [CREATED, CREATED, CREATED]
    assert _faults(results)[0] == ["manager: 'nobody' is not known; the rest was taken"]
    assert "comes back to this member" in _faults(results)[1][0]
    assert (await program.member("ada")).manager_id is None


async def test_a_manager_can_be_taken_away(program: Program) -> None:
    await program.write(_row("boss"), _row("ada", manager="boss"))
    await program.write({"external_id": "ada", "manager": None})

    assert (await program.member("ada")).manager_id is None


async def test_of_two_rows_of_one_member_the_first_counts(program: Program) -> None:
    results = await program.write(_row("ada", department="Sales"), _row("ada", department="Legal"))

    assert [result.status for result in results] == [CREATED, FAILED]
    assert "is there twice" in _faults(results)[1][0]
    assert (await program.member("ada")).department == "Sales"


async def test_programs_do_not_know_each_others_members(program: Program) -> None:
    other = Program(program.session, await make_program(program.session))
    [first] = await program.write(_row("ada", email="ada@example.com"))
    [second] = await other.write(_row("ada", email="ada@example.com"))

    assert (first.status, second.status) == (CREATED, CREATED)
    assert await members.find(program.session, other.id, first.member_id or "") is None


async def test_new_names_leave_word_for_parked_events_and_repeats_do_not(program: Program) -> None:
    await program.write(_row("ada", email="ada@example.com"))
    await program.write(_row("ada", email="ada@example.com"))

    [payload] = await program.outbox(Kind.IDENTITY_ARRIVED)

    assert ["email", "ada@example.com"] in payload["identities"]
    assert ["laurel.external_id", "ada"] in payload["identities"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"department": "Legal"}, True),
        ({"role": "manager"}, True),
        ({"performance_tier": "high"}, True),
        ({"location": "Berlin"}, True),
        ({"country": "DE"}, True),
        ({"hired_on": "2020-01-31"}, True),
        ({"status": "left"}, True),
        ({"name": "Ada"}, False),
    ],
)
async def test_whatever_makes_cohorts_is_told_to_the_boards(
    program: Program, changed: dict[str, Any], *, told: bool
) -> None:
    await program.write(_row("ada"))

    [result] = await program.write({"external_id": "ada", **changed}, at=LATER)

    assert await program.outbox(Kind.SCORE) == ([{"member_id": result.member_id}] if told else [])


async def test_more_rows_than_a_transaction_takes_are_refused(program: Program) -> None:
    with pytest.raises(ValueError, match="501 rows, at most 500"):
        await program.write(*(_row(f"m{n}") for n in range(501)))


# -- In transactions of its own ------------------------------------------------------------------------------------


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Database]:
    pool = Database(database_url, pool_size=4)
    yield pool
    await pool.dispose()


@pytest.fixture
async def program_id(pool: Database) -> str:
    async with pool.begin() as session:
        return await make_program(session)


async def _import(pool: Database, program_id: str, changes: Sequence[MemberChange], **how: Any) -> list[MemberResult]:
    return await member_changes.import_all(pool, program_id, changes, effective_at=NOW, now=NOW, **how)


async def _count(pool: Database, table: Any) -> int:
    async with pool.begin() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


async def test_an_import_beyond_one_transaction_answers_in_the_order_of_its_rows(
    pool: Database, program_id: str
) -> None:
    changes = [read(_row(f"m{n}", manager=f"m{n + 1}" if n < 1_199 else None)) for n in range(1_200)]

    results = await _import(pool, program_id, changes)

    assert [result.external_id for result in results] == [f"m{n}" for n in range(1_200)]
    assert {(result.status, result.faults) for result in results} == {(CREATED, ())}


async def test_a_dry_run_answers_like_an_import_and_keeps_nothing(pool: Database, program_id: str) -> None:
    changes = [read(_row(f"m{n}", manager="m0" if n else None)) for n in range(600)]

    tried = await _import(pool, program_id, changes, dry_run=True)
    kept = await _count(pool, tables.members)
    imported = await _import(pool, program_id, changes)

    assert kept == 0
    assert [(r.status, r.faults) for r in tried] == [(r.status, r.faults) for r in imported]


async def test_imports_of_the_same_members_at_once_do_not_hurt_each_other(pool: Database, program_id: str) -> None:
    changes = [read(_row(f"m{n}", email=f"m{n}@example.com")) for n in range(300)]

    outcomes = await asyncio.gather(
        *(_import(pool, program_id, list(reversed(changes)) if n % 2 else changes) for n in range(4))
    )

    statuses = [result.status for results in outcomes for result in results]
    assert statuses.count(CREATED) == 300
    assert statuses.count(UNCHANGED) == 900


async def test_an_import_that_races_its_members_events_loses_none(pool: Database, program_id: str) -> None:
    changes = [
        read(_row(f"m{n}", identities=[{"source": "crm", "external_id": f"m{n}"}], department="Sales"))
        for n in range(200)
    ]
    events = [deal(n * 10 + k, f"m{n}") for n in range(200) for k in range(2)]

    await asyncio.gather(
        _import(pool, program_id, changes),
        *(_record(pool, program_id, events[start : start + 50]) for start in range(0, 400, 50)),
        _import(pool, program_id, changes),
    )
    await _decide_all(pool, program_id)

    async with pool.begin() as session:
        states = await session.execute(select(tables.events.c.state, func.count()).group_by(tables.events.c.state))
        assert dict(states.tuples().all()) == {"decided": 400}


async def _record(pool: Database, program_id: str, events: Sequence[Event]) -> None:
    await intake.record_batch(pool, program_id, events, SourcePolicy(), as_of=NOW)


async def _decide_all(pool: Database, program_id: str) -> None:
    """What the relay does with each arrival, and the sweep behind it."""
    async with pool.begin() as session:
        rows = await session.execute(
            select(tables.outbox.c.payload).where(tables.outbox.c.kind == Kind.IDENTITY_ARRIVED)
        )
        arrived = [Identity(*pair) for payload in rows.scalars() for pair in payload["identities"]]
    async with pool.begin() as session:
        parked = await intake.find_parked(session, program_id, arrived)
        await intake.decide_parked(session, program_id, parked, as_of=NOW)
    async with pool.begin() as session:
        late = [event for _, event in await intake.find_decidable(session)]
        await intake.decide_parked(session, program_id, late, as_of=NOW)
