"""Changes to members, set by set.

Writers of one program's members take turns by an advisory lock, taken before any row: what each row may do is decided
on what is read under it. Only then member rows are locked, in id order, as intake does. New names of members leave an
outbox row in the same transaction, so that events which were parked for want of them are decided.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.calendars import WORKING_DAYS
from domain.events import Identity
from domain.member_changes import (
    ChangeStatus,
    Fault,
    InvalidMember,
    MemberChange,
    MemberResult,
    apply,
    circular,
    create,
    dated,
    identities_named,
    managers_first,
)
from domain.members import EMAIL, MBOX_SHA1SUM, Member, MemberStatus, attributes, custom_as_json
from domain.outbox import Kind, Lane, OutboxRow
from storage import leaderboards, leavers, members, outbox, sets, streaks
from storage.database import Database
from storage.failures import retry
from storage.ids import new_id
from storage.sets import Rows
from storage.tables import identities, member_versions
from storage.tables import members as table

MAX_ROWS = 500  # of one transaction
MAX_IMPORT = 10_000  # rows of one import
IDENTITIES_PER_OUTBOX_ROW = 500


@dataclass(frozen=True, slots=True)
class _Work:
    """What one import does: for whom, since when its attributes hold, and whose managers go round in a circle."""

    program_id: str
    changes: Sequence[MemberChange]
    repeats: frozenset[int]
    circles: frozenset[str]
    effective_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class _Known:
    """What the program has of the members and names that some changes concern."""

    members: dict[str, Member]
    owners: dict[Identity, str]


@dataclass(slots=True)
class _Taken:
    """One change that can be taken: the member before (None: new) and after it, and the names that are new."""

    change: MemberChange
    before: Member | None
    after: Member
    names: tuple[Identity, ...]
    faults: list[Fault] = field(default_factory=list)

    @property
    def has_new_version(self) -> bool:
        return self.before is None or self.before.version != self.after.version

    @property
    def has_other_days(self) -> bool:
        """Streaks follow from all that is known of a member: zone, working days, country, status, what is asked."""
        return self.before is not None and self.has_new_version

    @property
    def moves_on_boards(self) -> bool:
        return self.before is not None and _placement(self.before) != _placement(self.after)

    @property
    def has_left(self) -> bool:
        return self.before is not None and (self.before.status, self.after.status) in _LEAVING

    @property
    def result(self) -> MemberResult:
        changed = self.names or self.after is not self.before
        status = ChangeStatus.UPDATED if changed else ChangeStatus.UNCHANGED
        return MemberResult(
            self.change.external_id, status if self.before else ChangeStatus.CREATED, self.after.id, tuple(self.faults)
        )


_LEAVING = {(before, MemberStatus.LEFT) for before in MemberStatus if before is not MemberStatus.LEFT}


def _placement(member: Member) -> tuple[object, ...]:
    """What decides on which boards a member is."""
    cohorts = member.department, member.role, member.performance_tier, member.location, member.country, member.hired_on
    return *cohorts, member.custom.get(WORKING_DAYS), member.status is MemberStatus.LEFT


async def import_all(
    database: Database,
    program_id: str,
    changes: Sequence[MemberChange],
    *,
    effective_at: datetime,
    now: datetime,
    dry_run: bool = False,
) -> list[MemberResult]:
    """Write up to MAX_IMPORT changes in transactions of MAX_ROWS; the results are in the order of the changes.

    Managers go in before those who report to them. A dry run answers the same and keeps nothing.
    """
    if len(changes) > MAX_IMPORT:
        raise ValueError(f"{len(changes)} rows, at most {MAX_IMPORT} are imported at once")
    work = _work(program_id, changes, effective_at, now)
    taken: dict[str, MemberResult] = {}
    if dry_run:
        async with database.begin() as session:
            for chunk in _chunks(work):
                taken |= await _write_chunk(session, work, chunk)
            await session.rollback()
        return _results(work, taken)
    for chunk in _chunks(work):
        taken |= await retry(partial(_keep_chunk, database, work, chunk))
    return _results(work, taken)


async def _keep_chunk(database: Database, work: _Work, chunk: Sequence[MemberChange]) -> dict[str, MemberResult]:
    async with database.begin() as session:
        return await _write_chunk(session, work, chunk)


async def write(
    session: AsyncSession, program_id: str, changes: Sequence[MemberChange], *, effective_at: datetime, now: datetime
) -> list[MemberResult]:
    """Create or change up to MAX_ROWS members; a row with a fault is left out, the others go in.

    Attributes that change hold from `effective_at`. A manager who is not known is a fault of a row that is taken.
    """
    if len(changes) > MAX_ROWS:
        raise ValueError(f"{len(changes)} rows, at most {MAX_ROWS} go into one transaction")
    work = _work(program_id, changes, effective_at, now)
    taken: dict[str, MemberResult] = {}
    for chunk in _chunks(work):
        taken |= await _write_chunk(session, work, chunk)
    return _results(work, taken)


def _work(program_id: str, changes: Sequence[MemberChange], effective_at: datetime, now: datetime) -> _Work:
    first = {change.external_id: n for n, change in reversed(list(enumerate(changes)))}
    repeats = frozenset(range(len(changes))).difference(first.values())
    circles = frozenset(circular([changes[n] for n in first.values()]))
    return _Work(program_id, changes, repeats, circles, effective_at, now)


def _chunks(work: _Work) -> Iterator[list[MemberChange]]:
    ordered = managers_first([change for n, change in enumerate(work.changes) if n not in work.repeats])
    return (ordered[start : start + MAX_ROWS] for start in range(0, len(ordered), MAX_ROWS))


def _results(work: _Work, taken: dict[str, MemberResult]) -> list[MemberResult]:
    return [
        _failed(change, [Fault("external_id", f"{change.external_id!r} is there twice; the first row counts")])
        if n in work.repeats
        else taken[change.external_id]
        for n, change in enumerate(work.changes)
    ]


def _failed(change: MemberChange, faults: Sequence[Fault]) -> MemberResult:
    return MemberResult(change.external_id, ChangeStatus.FAILED, None, tuple(faults))


async def _write_chunk(session: AsyncSession, work: _Work, chunk: Sequence[MemberChange]) -> dict[str, MemberResult]:
    known = await _lock(session, work.program_id, chunk)
    managers = await _managers(session, work.program_id, chunk)
    failed: dict[str, MemberResult] = {}
    taken: list[_Taken] = []
    for change in chunk:
        try:
            taken.append(_take(work, known, change))
        except InvalidMember as error:
            failed[change.external_id] = _failed(change, error.faults)
    managers |= {one.change.external_id: one.after.id for one in taken}
    for one in taken:
        _settle(work, managers, one)
    await _write(session, work, taken)
    return failed | {one.change.external_id: one.result for one in taken}


async def take_turn(session: AsyncSession, program_id: str) -> None:
    """Nobody else writes members of the program until this transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"members:{program_id}", 0))))


# -- Deciding under the lock ---------------------------------------------------------------------------------------

_OWNERS = text("""
    SELECT i.source, i.external_id, i.member_id FROM identities i
    JOIN unnest(CAST(:sources AS text[]), CAST(:external_ids AS text[])) AS k(source, external_id)
        ON i.source = k.source AND i.external_id = k.external_id
    WHERE i.program_id = :program_id
""")


async def _lock(session: AsyncSession, program_id: str, changes: Sequence[MemberChange]) -> _Known:
    # A foreign key's check keeps the plan that it was given while its table was empty: measured seven times slower.
    await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    await take_turn(session, program_id)
    concerned = table.c.external_id.in_([change.external_id for change in changes])
    own = select(table).where(table.c.program_id == program_id, concerned).order_by(table.c.id)
    locked = (await session.execute(own.with_for_update(key_share=True))).mappings()
    found = {row["external_id"]: members.from_row(row) for row in locked}
    names = sorted({(name.source, name.external_id) for change in changes for name in identities_named(change)})
    columns = {"sources": [source for source, _ in names], "external_ids": [external_id for _, external_id in names]}
    owners = await session.execute(_OWNERS, {"program_id": program_id, **columns})
    return _Known(found, {Identity(source, external_id): member_id for source, external_id, member_id in owners})


async def _managers(session: AsyncSession, program_id: str, changes: Sequence[MemberChange]) -> dict[str, str]:
    wanted = table.c.external_id.in_({change.manager for change in changes if change.manager is not None})
    found = select(table.c.external_id, table.c.id).where(table.c.program_id == program_id, wanted)
    return dict((await session.execute(found)).tuples().all())


def _take(work: _Work, known: _Known, change: MemberChange) -> _Taken:
    before = known.members.get(change.external_id)
    after = apply(before, change) if before else create(change, new_id("mem"), work.program_id, work.now)
    named = identities_named(change)
    if others := [name for name in named if known.owners.get(name, after.id) != after.id]:
        raise InvalidMember([_belongs_to_another(name) for name in others])
    new = tuple(name for name in named if name not in known.owners)
    known.owners.update(dict.fromkeys(new, after.id))
    return _Taken(change, before, after, new)


def _belongs_to_another(name: Identity) -> Fault:
    where = EMAIL if name.source in (EMAIL, MBOX_SHA1SUM) else "identities"
    return Fault(where, f"{name.source} {name.external_id!r} belongs to another member")


def _settle(work: _Work, managers: dict[str, str], one: _Taken) -> None:
    """Give the member its manager, and its version."""
    after = replace(one.after, manager_id=_manager_id(work, managers, one))
    one.after = dated(one.before, after, work.now) if one.before else after


def _manager_id(work: _Work, managers: dict[str, str], one: _Taken) -> str | None:
    wanted = one.change.manager
    if wanted is None:
        return None if "manager" in one.change.names else one.after.manager_id
    if one.change.external_id in work.circles:
        one.faults.append(Fault("manager", "the chain of managers comes back to this member; the rest was taken"))
        return one.after.manager_id
    if wanted not in managers:
        one.faults.append(Fault("manager", f"{wanted!r} is not known; the rest was taken"))
        return one.after.manager_id
    return managers[wanted]


# -- Writing -------------------------------------------------------------------------------------------------------

_COLUMNS = (
    "id", "program_id", "external_id", "name", "email", "time_zone", "country", "location", "department", "role",
    "hired_on", "probation_ends_on", "birthday", "manager_id", "performance_tier", "status", "custom", "version",
    "created_at", "updated_at",
)  # fmt: skip
_SET = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[3:])


async def _write(session: AsyncSession, work: _Work, taken: Sequence[_Taken]) -> None:
    changed = [one.after for one in taken if one.after is not one.before]
    await sets.insert(
        session, Rows(table, _COLUMNS, [_row(member) for member in changed], f"ON CONFLICT (id) DO UPDATE SET {_SET}")
    )
    versions = [one.after for one in taken if one.has_new_version]
    await sets.insert(session, _version_rows(work, versions))
    await sets.insert(session, _identity_rows(work, taken))
    if others := [one.after.id for one in taken if one.has_other_days]:
        await streaks.make_due(session, work.program_id, others, as_of=work.now)
    moved = [one.after.id for one in taken if one.moves_on_boards]
    await leavers.close(session, work.program_id, [one.after.id for one in taken if one.has_left], now=work.now)
    effects = [*_arrivals(work, taken), *(leaderboards.outbox_row(work.program_id, one) for one in moved)]
    await outbox.add(session, effects, now=work.now)


def _row(member: Member) -> tuple[object, ...]:
    stored = {"custom": custom_as_json(member.custom), "status": member.status.value}
    return tuple(stored.get(name, getattr(member, name)) for name in _COLUMNS)


def _version_rows(work: _Work, versions: Sequence[Member]) -> Rows:
    columns = ("program_id", "member_id", "version", "attributes", "effective_at", "recorded_at")
    values = [
        (work.program_id, member.id, member.version, attributes(member), work.effective_at, work.now)
        for member in versions
    ]
    return Rows(member_versions, columns, values)


def _identity_rows(work: _Work, taken: Sequence[_Taken]) -> Rows:
    columns = ("program_id", "source", "external_id", "member_id", "created_at")
    values = [
        (work.program_id, name.source, name.external_id, one.after.id, work.now) for one in taken for name in one.names
    ]
    return Rows(identities, columns, values)


def _arrivals(work: _Work, taken: Sequence[_Taken]) -> Iterator[OutboxRow]:
    names = [[name.source, name.external_id] for one in taken for name in one.names]
    for start in range(0, len(names), IDENTITIES_PER_OUTBOX_ROW):
        payload = {"identities": names[start : start + IDENTITIES_PER_OUTBOX_ROW]}
        yield OutboxRow(work.program_id, Lane.INTAKE, Kind.IDENTITY_ARRIVED, payload)
