"""The company's records: employees with their dated tables, time off and holidays, and a notice for every change."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

Json = dict[str, Any]

COMPANY_ID = "4242"
NO_DATE = "0000-00-00"

# Each table with its column that says from when a row holds.
TABLES = {"jobInfo": "date", "employmentStatus": "date", "compensation": "startDate"}
_ROWS = {
    "jobInfo": ("location", "department", "division", "jobTitle", "reportsTo"),
    "employmentStatus": ("employmentStatus", "comment"),
    "compensation": ("rate", "type", "reason", "comment", "paidPer", "paySchedule"),
}
# What an employee's fields show of the row that holds today.
_CURRENT = {
    "location": ("jobInfo", "location"),
    "department": ("jobInfo", "department"),
    "division": ("jobInfo", "division"),
    "jobTitle": ("jobInfo", "jobTitle"),
    "supervisor": ("jobInfo", "reportsTo"),
    "employmentHistoryStatus": ("employmentStatus", "employmentStatus"),
    "payChangeReason": ("compensation", "reason"),
    "payRateEffectiveDate": ("compensation", "startDate"),
}
_DATES = {"hireDate", "originalHireDate", "terminationDate", "dateOfBirth"}
_TEXTS = {
    "employeeNumber", "firstName", "lastName", "middleName", "preferredName", "workEmail", "homeEmail", "workPhone",
    "mobilePhone", "country", "state", "city", "status",
}  # fmt: skip
CUSTOM = "custom"


def iso(instant: datetime) -> str:
    """As BambooHR writes instants: whole seconds of UTC, with the offset."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")


@dataclass(slots=True)
class Employee:
    """One employee; a deleted one is remembered by its last change alone."""

    id: str
    last_changed: datetime
    fields: dict[str, str | None] = field(default_factory=dict)
    tables: dict[str, list[Json]] = field(default_factory=lambda: {name: [] for name in TABLES})
    action: str = "Inserted"

    @property
    def is_deleted(self) -> bool:
        return self.action == "Deleted"

    @property
    def name(self) -> str:
        return f"{self.fields.get('firstName') or ''} {self.fields.get('lastName') or ''}".strip()

    def row_at(self, table: str, day: date) -> Json:
        """The row that holds on the day, of which none may be."""
        dated = TABLES[table]
        begun = [row for row in self.tables[table] if row[dated] <= day.isoformat()]
        return max(begun, key=lambda row: str(row[dated]), default={})

    def change_as_json(self) -> Json:
        return {"id": self.id, "action": self.action, "lastChanged": iso(self.last_changed)}


@dataclass(slots=True)
class TimeOff:
    """One request for time off."""

    id: int
    employee_id: str
    start: str
    end: str
    type: str
    status: str
    created: str
    last_changed: str
    unit: str = "days"

    def as_json(self, name: str) -> Json:
        """The request as BambooHR lists it; a day counts 1, a Saturday or Sunday 0."""
        first, last = date.fromisoformat(self.start), date.fromisoformat(self.end)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        worth = 1 if self.unit == "days" else 8
        amounts = {day.isoformat(): worth * (day.weekday() < 5) for day in days}
        may = {"view": True, "edit": True, "cancel": True, "approve": False, "deny": False, "bypass": False}
        return {
            "id": self.id,
            "employeeId": int(self.employee_id),
            "name": name,
            "status": {"lastChanged": self.last_changed, "lastChangedByUserId": 2369, "status": self.status},
            "start": self.start,
            "end": self.end,
            "created": self.created,
            "type": {"id": _type_id(self.type), "name": self.type, "icon": "palm-trees"},
            "amount": {"unit": self.unit, "amount": sum(amounts.values())},
            "actions": may,
            "dates": amounts,
            "notes": {"employee": "", "manager": ""},
        }


def _type_id(name: str) -> int:
    return 70 + sum(name.encode()) % 20


class Company:
    """Every change is told to `notify` as BambooHR's event-based notice."""

    def __init__(self, clock: Callable[[], datetime], notify: Callable[[Json], None]) -> None:
        self._clock = clock
        self._notify = notify
        self.last_id = 100
        self.employees: dict[str, Employee] = {}
        self.time_off: dict[int, TimeOff] = {}
        self.holidays: list[Json] = []

    def now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def find(self, employee_id: str) -> Employee | None:
        """The employee, unless there is none or it was deleted."""
        employee = self.employees.get(employee_id)
        return None if employee is None or employee.is_deleted else employee

    def list_current(self) -> list[Employee]:
        return [one for one in self.employees.values() if not one.is_deleted]

    # -- What users do ---------------------------------------------------------------------------------------------

    def hire(self, fields: Mapping[str, str | None], employee_id: str | None = None) -> Employee:
        """A new employee; creation is told before the first update, as BambooHR does."""
        employee = Employee(employee_id or self._next_id(), self.now())
        self.employees[employee.id] = employee
        self._tell("employee.created", employee)
        self._set(employee, {"status": "Active", **fields})
        self._tell("employee.updated", employee, changedFields=sorted(fields))
        return employee

    def edit(self, employee: Employee, fields: Mapping[str, str | None]) -> None:
        self._set(employee, fields)
        self._changed(employee, sorted(fields))

    def add_row(self, employee: Employee, table: str, row: Mapping[str, str | None]) -> Json:
        """A row of a dated table; columns that are not given carry on from the row that held before."""
        dated = TABLES[table]
        before = employee.row_at(table, date.fromisoformat(str(row[dated])))
        added = {"id": self._next_id(), "employeeId": employee.id, dated: row[dated]}
        added |= {name: row.get(name, before.get(name)) for name in _ROWS[table]}
        employee.tables[table].append(added)
        self._changed(employee, [shown for shown, (of, _) in _CURRENT.items() if of == table])
        return added

    def delete_row(self, employee: Employee, table: str, row_id: str) -> bool:
        kept = [row for row in employee.tables[table] if row["id"] != row_id]
        found = len(kept) < len(employee.tables[table])
        employee.tables[table] = kept
        self._changed(employee, [shown for shown, (of, _) in _CURRENT.items() if of == table])
        return found

    def terminate(self, employee: Employee, on: str) -> None:
        employee.fields["terminationDate"] = on
        employee.fields["status"] = "Inactive"
        self.add_row(employee, "employmentStatus", {"date": on, "employmentStatus": "Terminated"})

    def rehire(self, employee: Employee, on: str) -> None:
        """Employed anew: the hire date is the new one, the original stays."""
        original = employee.fields.get("originalHireDate") or employee.fields.get("hireDate")
        employee.fields |= {"status": "Active", "hireDate": on, "originalHireDate": original, "terminationDate": None}
        self.add_row(employee, "employmentStatus", {"date": on, "employmentStatus": "Full-Time"})

    def delete(self, employee: Employee) -> None:
        employee.action, employee.last_changed = "Deleted", self.now()
        employee.fields, employee.tables = {}, {name: [] for name in TABLES}
        self._tell("employee.deleted", employee)

    def request_time_off(self, employee: Employee, **given: str) -> TimeOff:
        """BambooHR tells no webhook of it."""
        today = self.now().date().isoformat()
        request = TimeOff(int(self._next_id()), employee.id, created=today, last_changed=today, **given)
        self.time_off[request.id] = request
        return request

    # -- What the API shows ----------------------------------------------------------------------------------------

    def shown(self, employee: Employee, names: Iterable[str], *, only_current: bool = True) -> Json:
        """These fields of the employee as texts; one that BambooHR does not know is left out."""
        found = {name: self._field(employee, name, only_current) for name in names}
        return {name: value for name, value in found.items() if value is not ...} | {"id": employee.id}

    def _field(self, employee: Employee, name: str, only_current: bool) -> Any:
        day = self.now().date() if only_current else date.max
        if name in _CURRENT:
            table, column = _CURRENT[name]
            return employee.row_at(table, day).get(column)
        if name in ("supervisorEId", "supervisorId", "supervisorEmail"):
            return self._of_supervisor(employee.row_at("jobInfo", day).get("reportsTo"), name)
        if name in ("displayName", "fullName1"):
            return employee.name
        if name == "lastChanged":
            return iso(employee.last_changed)
        if name in _DATES:
            return employee.fields.get(name) or NO_DATE
        return employee.fields.get(name) if name in _TEXTS or name.startswith(CUSTOM) else ...

    def _of_supervisor(self, name: str | None, wanted: str) -> str | None:
        """What the list of fields calls supervisorEId is the record's id, supervisorId the number on the badge."""
        found = next((one for one in self.list_current() if name and one.name == name), None)
        if found is None:
            return None
        by_name = {"supervisorEId": found.id, "supervisorId": found.fields.get("employeeNumber")}
        return by_name.get(wanted, found.fields.get("workEmail"))

    # -- Changes ---------------------------------------------------------------------------------------------------

    def _set(self, employee: Employee, fields: Mapping[str, str | None]) -> None:
        """Set fields; those that a dated table shows become its row from the day of hire."""
        own = {name: value for name, value in fields.items() if name not in _CURRENT}
        employee.fields |= own
        dated = {name: value for name, value in fields.items() if name in _CURRENT}
        for table in {_CURRENT[name][0] for name in dated}:
            since = employee.fields.get("hireDate") or self.now().date().isoformat()
            row = {_CURRENT[name][1]: value for name, value in dated.items() if _CURRENT[name][0] == table}
            blank = dict.fromkeys(_ROWS[table])
            row = {"id": self._next_id(), "employeeId": employee.id, TABLES[table]: since, **blank, **row}
            employee.tables[table].append(row)
        employee.last_changed = self.now()

    def _changed(self, employee: Employee, names: list[str]) -> None:
        employee.last_changed = self.now()
        employee.action = "Updated"
        self._tell("employee.updated", employee, changedFields=names)

    def _tell(self, kind: str, employee: Employee, **more: Any) -> None:
        data = {"companyId": COMPANY_ID, "employeeId": employee.id, **more}
        timestamp = f"{self.now():%Y-%m-%dT%H:%M:%SZ}"
        self._notify({"type": kind, "timestamp": timestamp, "data": data})

    def _next_id(self) -> str:
        self.last_id += 1
        return str(self.last_id)
