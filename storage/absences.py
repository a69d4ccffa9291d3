"""Absences, set by set: what is said of them ends versions and begins others, and nothing is changed or deleted.

Writers of one program's absences take turns by an advisory lock, so that each sees the versions that stand; then the
members concerned are locked in id order, and their streaks are folded again in the same transaction.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.absences import (
    Absence,
    AbsenceChange,
    AbsenceKey,
    AbsenceKind,
    AbsenceResult,
    AbsenceState,
    AbsenceStatus,
    Revision,
    revise,
)
from domain.events import Identity
from domain.member_changes import Fault
from storage import configurations, leaderboards, members, outbox, people, sets, streaks
from storage.database import Database
from storage.failures import retry
from storage.game_tables import absences
from storage.hot_path import savepoint
from storage.ids import new_id
from storage.isolation import MAX_RACES, Overtaken
from storage.sets import Rows

MAX_ROWS = 500  # changes of one transaction
MAX_IMPORT = 10_000  # changes of one import
MAX_PAGE = 101  # absences: a page, and one more that tells whether another follows

_NAMES = tuple(Absence.__dataclass_fields__)
_COLUMNS = tuple(absences.c[name] for name in _NAMES)
_ENDED = "ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at"


async def import_all(
    database: Database, program_id: str, changes: Sequence[AbsenceChange], *, as_of: datetime
) -> list[AbsenceResult]:
    """Write up to MAX_IMPORT changes in transactions of MAX_ROWS; one result each, in order."""
    if len(changes) > MAX_IMPORT:
        raise ValueError(f"{len(changes)} absences, at most {MAX_IMPORT} are imported at once")
    results: list[AbsenceResult] = []
    for start in range(0, len(changes), MAX_ROWS):
        results += await retry(partial(_keep, database, program_id, changes[start : start + MAX_ROWS], as_of))
    return results


async def _keep(
    database: Database, program_id: str, changes: Sequence[AbsenceChange], as_of: datetime
) -> list[AbsenceResult]:
    async with database.begin() as session:
        return await write(session, program_id, changes, as_of=as_of)


async def write(
    session: AsyncSession, program_id: str, changes: Sequence[AbsenceChange], *, as_of: datetime
) -> list[AbsenceResult]:
    """Take up to MAX_ROWS changes in order; one result each. Streaks that they concern are what they would have been.

    A change that names an unknown member fails, the others go in.
    """
    if len(changes) > MAX_ROWS:
        raise ValueError(f"{len(changes)} absences, at most {MAX_ROWS} go into one transaction")
    await configurations.get_active(session, program_id)  # its lock comes before all others
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"absences:{program_id}", 0))))
    whose = await members.find_named(session, program_id, _names(changes))
    standing = await _list_standing(session, program_id, {change.key for change in changes})
    into = await _lock(session, program_id, {*whose.values(), *(one.member_id for one in standing.values())})
    taken = _Register(standing, {name: into.get(one, one) for name, one in whose.items()}, as_of)
    results = [taken.take(change) for change in changes]
    await _write(session, program_id, taken.written.values())
    concerned = sorted({one.member_id for one in taken.written.values()})
    for some in _pages(concerned):
        await streaks.refold(session, program_id, some, as_of=as_of)
    # Boards count the days on which members were there.
    await outbox.add(session, [leaderboards.outbox_row(program_id, one) for one in concerned], now=as_of)
    return results


def _pages(member_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (member_ids[n : n + streaks.MAX_PAGE] for n in range(0, len(member_ids), streaks.MAX_PAGE))


async def withdraw(
    session: AsyncSession, program_id: str, member_id: str, absence_id: str, *, as_of: datetime
) -> Absence:
    """End the member's absence of which this is a version, and answer its last one; raises LookupError.

    One that does not stand stays as it is.
    """
    found = await get(session, program_id, member_id, absence_id)
    [result] = await write(session, program_id, [AbsenceChange(*found.key, None)], as_of=as_of)
    return result.absence or found


async def get(session: AsyncSession, program_id: str, member_id: str, absence_id: str) -> Absence:
    """The version of this id of an absence of the member; raises LookupError."""
    own = select(*_COLUMNS).where(
        absences.c.program_id == program_id, absences.c.member_id == member_id, absences.c.id == absence_id
    )
    row = (await session.execute(own)).mappings().first()
    if row is None:
        raise LookupError(f"no absence {absence_id} of {member_id}")
    return _absence(row)


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    member_id: str | None = None,
    ended: bool = False,
    before: str | None = None,
    limit: int,
) -> list[Absence]:
    """The member's absences, or everybody's, told last first, below the id `before`; with `ended` every version."""
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} absences")
    page = select(*_COLUMNS).where(absences.c.program_id == program_id)
    if member_id is not None:
        page = page.where(absences.c.member_id == member_id)
    if not ended:
        page = page.where(absences.c.state == AbsenceState.STANDING)
    if before is not None:
        page = page.where(absences.c.id < before)
    rows = await session.execute(page.order_by(absences.c.id.desc()).limit(limit))
    return [_absence(row) for row in rows.mappings()]


async def count_older(session: AsyncSession, program_id: str, member_id: str, before: str) -> int:
    """How many of the member's absences that stand were told before the one of this id."""
    own = absences.c.program_id == program_id, absences.c.member_id == member_id, absences.c.id < before
    standing = absences.c.state == AbsenceState.STANDING
    return int(await session.scalar(select(func.count()).where(*own, standing)) or 0)


def _absence(row: Mapping[Any, Any]) -> Absence:
    return Absence(**{**row, "kind": AbsenceKind(row["kind"]), "state": AbsenceState(row["state"])})


# -- What changes say, in order ------------------------------------------------------------------------------------


class _Register:
    """The versions that stand while changes are taken one after the other, and those that were begun or ended."""

    def __init__(self, standing: dict[AbsenceKey, Absence], whose: Mapping[Identity, str], as_of: datetime) -> None:
        self._standing = standing
        self._whose = whose
        self._as_of = as_of
        self.written: dict[str, Absence] = {}

    def take(self, change: AbsenceChange) -> AbsenceResult:
        """What the change comes to; a member who is not known is a fault."""
        member_id = self._whose.get(change.away.member) if change.away else None
        if change.away and member_id is None:
            return AbsenceResult(AbsenceStatus.FAILED, faults=(Fault("member", "is not known"),))
        known = self._standing.get(change.key)
        revision = revise(known, change, id=new_id("abs"), member_id=member_id, recorded_at=self._as_of)
        self._keep(change.key, revision)
        return AbsenceResult(revision.status, revision.standing or revision.ended)

    def _keep(self, key: AbsenceKey, revision: Revision) -> None:
        if revision.standing is None:
            self._standing.pop(key, None)
        else:
            self._standing[key] = revision.standing
        if revision.status is not AbsenceStatus.UNCHANGED:
            self.written |= {one.id: one for one in revision[1:] if one is not None}


def _names(changes: Sequence[AbsenceChange]) -> set[Identity]:
    return {change.away.member for change in changes if change.away}


async def _list_standing(
    session: AsyncSession, program_id: str, keys: Collection[AbsenceKey]
) -> dict[AbsenceKey, Absence]:
    named = tuple_(absences.c.source, absences.c.external_id).in_(sorted(keys))
    own = select(*_COLUMNS).where(absences.c.program_id == program_id, absences.c.state == AbsenceState.STANDING, named)
    found = [_absence(row) for row in (await session.execute(own)).mappings()]
    return {one.key: one for one in found}


async def _lock(session: AsyncSession, program_id: str, member_ids: Collection[str]) -> dict[str, str]:
    """Lock these members; who became whom. Raises Overtaken if somebody is merged again and again meanwhile."""
    for _ in range(MAX_RACES):
        with suppress(Overtaken):
            async with savepoint(session):
                _, into = await people.follow(session, program_id, sorted(member_ids))
                return into
    raise Overtaken


async def _write(session: AsyncSession, program_id: str, written: Collection[Absence]) -> None:
    # Ended ones first: of each absence one version stands at most.
    ordered = sorted(written, key=lambda one: one.state is AbsenceState.STANDING)
    values = [tuple(getattr(one, name) for name in _NAMES) for one in ordered]
    fixed = {"program_id": program_id}
    await sets.insert(session, Rows(absences, _NAMES, values, _ENDED, fixed))
