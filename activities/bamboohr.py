"""What BambooHR says of employees and their time off becomes members, absences and promotions, page by page.

An employee is fetched as they are now, however many notices there are; managers who are not known yet are fetched with
those who report to them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.outside import retried
from connectors import bamboohr
from connectors.bamboohr import BambooHRs, Employee, Wanted
from connectors.errors import AnswerTooLong
from domain.absences import AbsenceChange, AbsenceResult, AbsenceStatus
from domain.connections import Connection
from domain.employment import Promotion
from domain.events import Identity
from domain.member_changes import MemberChange, MemberResult
from domain.members import EMAIL
from domain.notices import ObjectToFetch
from domain.syncs import PageSynced, Place, Stage, Sync, SyncPlan, Window
from domain.time import Clock
from storage import absences, connections, employment, hris, member_changes, notices
from storage.database import Database
from storage.failures import retry
from storage.hris import KnownMember
from storage.keyring import Keyring

# Times that one activity asks again because more notices came meanwhile.
ROUNDS_MAX = 20
# Time off is asked for from so long ago to so far ahead, by windows.
BEHIND, AHEAD = timedelta(days=100), timedelta(days=365)
# Employees whose holidays one page writes.
HOLIDAYS_PAGE = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answers:
    """Employees as BambooHR shows them, and the ids of those whom it does not know any more."""

    employees: Sequence[Employee]
    gone: Sequence[str] = ()


class BambooHRActivities:
    """Reads companies; registered on BambooHR's task queue."""

    def __init__(self, database: Database, keyring: Keyring, bamboohrs: BambooHRs, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._bamboohrs = bamboohrs
        self._clock = clock

    @activity.defn(name="fetch_object")
    async def fetch_object(self, target: ObjectToFetch) -> None:
        """No notice of the employee is open afterwards, and what BambooHR says of them is known."""
        for _ in range(ROUNDS_MAX):
            async with self._database.begin() as session:
                highest = await notices.find_highest_open(session, target.connection_id, target.object_id)
                connection = await connections.get(session, self._keyring, target.program_id, target.connection_id)
            if highest is None:
                return
            with retried():
                answers = await self._fetch(connection, [target.object_id])
            await self._take(connection, answers, handled=(target.object_id, highest))
        raise ApplicationError(f"notices of employee {target.object_id} come faster than they can be fetched")

    @activity.defn
    async def sync_page(self, plan: SyncPlan) -> PageSynced:
        """One page of the plan is known here."""
        connection = await self._connection(plan.sync)
        assert plan.place is not None, "a run that is over has no page"
        pages = {
            Stage.EVERYBODY: self._everybody,
            Stage.CHANGED: self._changed,
            Stage.TIME_OFF: self._time_off,
            Stage.HOLIDAYS: self._holidays,
        }
        with retried():
            return await pages[plan.place.stage](connection, plan, plan.place.after)

    async def _connection(self, sync: Sync) -> Connection:
        async with self._database.begin() as session:
            return await connections.get(session, self._keyring, sync.program_id, sync.connection_id)

    # -- Pages -----------------------------------------------------------------------------------------------------

    async def _everybody(self, connection: Connection, plan: SyncPlan, after: str | None) -> PageSynced:
        client = await self._bamboohrs.of(connection)
        page = await client.list_employees(after)
        await self._take(connection, await self._fetch(connection, page.ids))
        place = Place(Stage.EVERYBODY, page.after) if page.after else Place(Stage.TIME_OFF)
        return PageSynced(len(page.ids), place)

    async def _changed(self, connection: Connection, plan: SyncPlan, after: str | None) -> PageSynced:
        """Those who change while pages are read are in the next run's list, if not in this one's."""
        assert plan.since is not None, "only a run of changes has this stage"
        client = await self._bamboohrs.of(connection)
        changes = await client.list_changed(plan.since)
        left = [one for one in changes.ids if after is None or int(one) > int(after)]
        ids = left[: bamboohr.PAGE]
        await self._take(connection, await self._fetch(connection, ids))
        place = Place(Stage.CHANGED, ids[-1]) if len(left) > len(ids) else Place(Stage.TIME_OFF)
        # What the first page was told is what all pages have read.
        return PageSynced(len(ids), place, changes.latest if after is None else None)

    async def _time_off(self, connection: Connection, plan: SyncPlan, after: str | None) -> PageSynced:
        today = plan.as_of.date()
        window = Window.at(after or str(today - BEHIND))
        client = await self._bamboohrs.of(connection)
        try:
            requests = await client.list_time_off(window.first, window.last)
        except AnswerTooLong as error:
            if window.days > 1:
                return PageSynced(0, Place(Stage.TIME_OFF, str(window.shorter)))
            # What is known of that day stays, and the next run asks again.
            log.error("time off left out", connection=connection.id, day=str(window.first), reason=str(error))
            requests = []
        found = [bamboohr.absence(connection.name, one) for one in requests]
        await self._keep(connection, [one for one in found if one is not None])
        if window.following.first <= today + AHEAD:
            return PageSynced(len(requests), Place(Stage.TIME_OFF, str(window.following)))
        return PageSynced(len(requests), Place(Stage.HOLIDAYS) if plan.is_full else None)

    async def _holidays(self, connection: Connection, plan: SyncPlan, after: str | None) -> PageSynced:
        """A company that shows no holiday at all says nothing of those that were known."""
        days = plan.as_of.date() - BEHIND, plan.as_of.date() + AHEAD
        client = await self._bamboohrs.of(connection)
        days_off = await client.list_holidays(*days)
        if not days_off:
            return PageSynced(0, None)
        of = connection.program_id, connection.name
        async with self._database.begin() as session:
            ids = await hris.list_employee_ids(session, *of, after=after or "", limit=HOLIDAYS_PAGE)
            known = await hris.list_absences(session, *of, bamboohr.HOLIDAY, ids, days)
        found = [bamboohr.holiday(connection.name, day_off, one) for one in ids for day_off in days_off]
        told = {one.external_id: one for one in found if one is not None}
        gone = (AbsenceChange(connection.name, one, None) for one in sorted(known - told.keys()))
        await self._keep(connection, [*told.values(), *gone])
        return PageSynced(len(ids), Place(Stage.HOLIDAYS, ids[-1]) if len(ids) == HOLIDAYS_PAGE else None)

    # -- Employees -------------------------------------------------------------------------------------------------

    async def _fetch(self, connection: Connection, ids: Collection[str]) -> Answers:
        """These employees, with them their other records, and whoever they report to and is not known here."""
        client, wanted = await self._bamboohrs.of(connection), Wanted.by(connection)
        found: dict[str, Employee | None] = {}
        asked = list(ids)
        while asked:
            for one in asked:
                found[one] = await client.get_employee(one, wanted)
            asked = await self._left_to_ask(connection, found)
        employees = [one for one in found.values() if one is not None]
        return Answers(employees, [one for one, employee in found.items() if employee is None])

    async def _left_to_ask(self, connection: Connection, found: Mapping[str, Employee | None]) -> list[str]:
        employees = [one for one in found.values() if one is not None]
        managers = {bamboohr.identity(connection.name, one.manager_id) for one in employees if one.manager_id}
        names = {bamboohr.identity(connection.name, one) for one in found}
        names |= {name for one in employees for name in bamboohr.names_of(connection.name, one)}
        async with self._database.begin() as session:
            known = await hris.find_known(session, connection.program_id, managers)
            records = await hris.list_records(session, connection.program_id, connection.name, names)
        unknown = {name.external_id for name in managers - known.keys()}
        return sorted(one for one in (unknown | records) - found.keys() if one.isdecimal())

    async def _take(self, connection: Connection, answers: Answers, handled: tuple[str, int] | None = None) -> None:
        """What was answered is known here, and the notices that asked for it are handled, in one transaction."""
        now = self._clock()

        async def take() -> list[MemberResult]:
            async with self._database.begin() as session:
                results = await _write(session, connection, answers, now)
                if handled is not None:
                    await notices.handle(session, connection, *handled, now=now)
            return results

        for result in await retry(take):
            if result.faults:
                fields = sorted({fault.field for fault in result.faults})
                log.warning("employee has faults", connection=connection.id, member=result.external_id, fields=fields)

    async def _keep(self, connection: Connection, changes: Sequence[AbsenceChange]) -> None:
        now = self._clock()
        results: list[AbsenceResult] = []
        for start in range(0, len(changes), absences.MAX_IMPORT):
            some = changes[start : start + absences.MAX_IMPORT]
            results += await absences.import_all(self._database, connection.program_id, some, as_of=now)
        failed = sum(result.status is AbsenceStatus.FAILED for result in results)
        log.info("absences read", connection=connection.id, count=len(results), of_nobody_known=failed)


# -- Members -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Translation:
    """The changes that answers come to, and the promotions of those who are concerned, by external id."""

    changes: Sequence[MemberChange]
    promotions: Mapping[str, Sequence[Promotion]]


async def _write(session: AsyncSession, connection: Connection, answers: Answers, now: datetime) -> list[MemberResult]:
    await member_changes.take_turn(session, connection.program_id)
    names = {name for one in answers.employees for name in _names(connection.name, one)}
    names |= {bamboohr.identity(connection.name, one) for one in answers.gone}
    known = await hris.find_known(session, connection.program_id, names)
    translated = _translate(connection, answers, known)
    results = await member_changes.write(session, connection.program_id, translated.changes, effective_at=now, now=now)
    await _settle_promotions(session, connection, translated, results, now)
    return results


def _names(connection: str, employee: Employee) -> list[Identity]:
    manager = employee.manager_id
    return [*bamboohr.names_of(connection, employee), *([bamboohr.identity(connection, manager)] if manager else [])]


def _translate(connection: Connection, answers: Answers, known: Mapping[Identity, KnownMember]) -> _Translation:
    """Of a person's records the newest that has not left says who they are, else the newest."""
    whose = {name.external_id: one.external_id for name, one in known.items() if name.source == connection.name}
    people = _people(connection.name, answers.employees, known)
    whose |= {record.id: external_id for external_id, records in people.items() for record in records}
    owners = {name: one.external_id for name, one in known.items() if name.source == EMAIL}
    changes = []
    for external_id, records in people.items():
        one = _with_own_address(connection, max(records, key=_counts), external_id, owners)
        manager = whose.get(one.manager_id) if one.manager_id else None
        translated = bamboohr.translate(connection.name, one, external_id, manager, Wanted.by(connection))
        if translated.faults:
            log.warning("fields left out", connection=connection.id, employee=one.id, fields=translated.faults)
        changes.append(translated.change)
    gone = {whose[one] for one in answers.gone if one in whose} - people.keys()
    promotions = {one: [told for record in records for told in record.promotions] for one, records in people.items()}
    return _Translation([*changes, *(bamboohr.left(one) for one in sorted(gone))], promotions)


def _people(
    connection: str, employees: Sequence[Employee], known: Mapping[Identity, KnownMember]
) -> dict[str, list[Employee]]:
    """The records of each member, by external id; whoever left before anybody knew them is no member.

    A record that is new belongs to who has its address, unless they are employed by another record: two may share one.
    """
    found: dict[str, list[Employee]] = {}
    for one in sorted(employees, key=lambda one: bamboohr.identity(connection, one.id) not in known):
        name = bamboohr.identity(connection, one.id)
        sharing = known.get(bamboohr.address(one) or name)
        if name in known:
            external_id = known[name].external_id
        elif sharing and all(record.has_left for record in found.get(sharing.external_id, ())):
            external_id = sharing.external_id
        elif not one.has_left:
            external_id = bamboohr.external_id_of_new(connection, one.id)
        else:
            continue
        found.setdefault(external_id, []).append(one)
    return found


def _counts(record: Employee) -> tuple[bool, int]:
    return not record.has_left, int(record.id)


def _with_own_address(
    connection: Connection, employee: Employee, external_id: str, owners: dict[Identity, str]
) -> Employee:
    """An address that is somebody else's must not keep the employee out."""
    name = bamboohr.address(employee)
    if name is None or owners.setdefault(name, external_id) == external_id:
        return employee
    log.warning("fields left out", connection=connection.id, employee=employee.id, fields=("email",))
    return bamboohr.without_address(employee)


async def _settle_promotions(
    session: AsyncSession,
    connection: Connection,
    translated: _Translation,
    results: Sequence[MemberResult],
    now: datetime,
) -> None:
    if Wanted.by(connection).promotion_reason is None:
        return
    of = translated.promotions
    found = {one.member_id: of[one.external_id] for one in results if one.member_id and one.external_id in of}
    if found:
        await employment.settle_promotions(session, connection.program_id, found, as_of=now)
