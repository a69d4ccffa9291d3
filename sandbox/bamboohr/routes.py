"""BambooHR's HTTP API as far as employees, their tables, time off and who is out go."""

import base64
import binascii
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request

from sandbox.bamboohr.company import TABLES, Company, Employee, Json, iso
from sandbox.bamboohr.errors import Refused

FIELDS_MAX = 400
PAGE_MAX = 100
WHOS_OUT = timedelta(days=14)
DIRECTORY = (
    "displayName", "firstName", "lastName", "preferredName", "jobTitle", "workPhone", "mobilePhone", "workEmail",
    "department", "location", "division",
)  # fmt: skip

api = APIRouter(prefix="/api/v1")


def _company(request: Request) -> Company:
    company: Company = request.app.state.company
    return company


Of = Annotated[Company, Depends(_company)]


def find_employee(company: Company, employee_id: str) -> Employee:
    employee = company.find(employee_id)
    if employee is None:
        raise Refused(404, "Employee not found")
    return employee


@api.get("/employees/directory")
async def get_directory(company: Of) -> Json:
    """Only those who are employed now."""
    active = [one for one in company.list_current() if one.fields.get("status") == "Active"]
    if not active:
        raise Refused(404, "No employees")
    fields = [{"id": name, "type": "text", "name": name} for name in DIRECTORY]
    return {"fields": fields, "employees": [company.shown(one, DIRECTORY) for one in active]}


@api.get("/employees/changed")
async def list_changed(company: Of, since: str, type: str = "all") -> Json:
    """Everybody of whom anything changed since then, the deleted too."""
    after = _instant(since)
    changed = [one for one in company.employees.values() if one.last_changed >= after]
    chosen = [one for one in changed if type in ("all", one.action.lower())]
    latest = max((one.last_changed for one in chosen), default=after)
    return {"latest": iso(latest), "employees": {one.id: one.change_as_json() for one in chosen}}


@api.get("/employees/changed/tables/{table}")
async def list_changed_tables(company: Of, table: str, since: str) -> Json:
    after = _instant(since)
    _require_table(table)
    found = {
        one.id: {"lastChanged": iso(one.last_changed), "rows": one.tables[table]}
        for one in company.list_current()
        if one.last_changed >= after
    }
    return {"table": table, "employees": found}


@api.get("/employees")
async def list_employees(
    company: Of,
    request: Request,
    limit: Annotated[int, Query(alias="page[limit]", ge=1, le=PAGE_MAX)] = 50,
    after: Annotated[str | None, Query(alias="page[after]")] = None,
) -> Json:
    """A page of everybody, also of those who left, in the order of their ids."""
    place = _place(after)
    everybody = sorted(company.list_current(), key=lambda one: int(one.id))
    left = [one for one in everybody if int(one.id) > place]
    page = left[:limit]
    cursor = _cursor(page[-1].id) if len(left) > limit else None
    links = {"self": {"href": str(request.url)}}
    if cursor is not None:
        query = urlencode({"page[limit]": limit, "page[after]": cursor})
        links["next"] = {"href": f"{request.url.replace(query='')}?{query}"}
    meta = {"total": len(everybody), "page": {"limit": limit, "nextCursor": cursor, "prevCursor": after}}
    return {"data": [_listed(company, one) for one in page], "meta": meta, "_links": links}


@api.get("/employees/{employee_id}")
async def get_employee(
    employee_id: str,
    company: Of,
    fields: str = "firstName,lastName",
    only_current: Annotated[bool, Query(alias="onlyCurrent")] = True,
) -> Json:
    names = [name for name in fields.split(",") if name]
    if len(names) > FIELDS_MAX:
        raise Refused(400, "Too many fields")
    return company.shown(find_employee(company, employee_id), names, only_current=only_current)


@api.get("/employees/{employee_id}/tables/{table}")
async def get_table(employee_id: str, table: str, company: Of) -> list[Json]:
    """All rows, in no particular order; of everybody if the id is `all`."""
    _require_table(table)
    whose: Sequence[Employee] = (
        company.list_current() if employee_id == "all" else [find_employee(company, employee_id)]
    )
    return [row for one in whose for row in one.tables[table]]


@api.get("/time_off/requests")
async def list_time_off(
    company: Of,
    start: date,
    end: date,
    status: str = "",
    employee_id: Annotated[int | None, Query(alias="employeeId")] = None,
    request_id: Annotated[int | None, Query(alias="id")] = None,
) -> list[Json]:
    """Requests that overlap the days from `start` to `end`."""
    found = [
        one
        for one in company.time_off.values()
        if one.start <= end.isoformat()
        and one.end >= start.isoformat()
        and (not status or one.status in status.split(","))
        and employee_id in (None, int(one.employee_id))
        and request_id in (None, one.id)
    ]
    return [one.as_json(company.employees[one.employee_id].name) for one in found]


@api.get("/time_off/whos_out")
async def list_whos_out(company: Of, start: date | None = None, end: date | None = None) -> list[Json]:
    """Approved time off and holidays, by their first day."""
    first = start or company.now().date()
    last = end or first + WHOS_OUT
    out = [
        {"id": one.id, "type": "timeOff", "employeeId": int(one.employee_id), "start": one.start, "end": one.end}
        | {"name": company.employees[one.employee_id].name}
        for one in company.time_off.values()
        if one.status == "approved"
    ]
    return sorted(
        (one for one in [*out, *company.holidays] if one["start"] <= str(last) and one["end"] >= str(first)),
        key=lambda one: str(one["start"]),
    )


def _listed(company: Company, employee: Employee) -> Json:
    """What a page says of one employee; restricted fields are null, and none is here."""
    names = ("firstName", "lastName", "preferredName", "status")
    own = {name: employee.fields.get(name) for name in names}
    title = company.shown(employee, ("jobTitle",)).get("jobTitle")
    return {"employeeId": employee.id, **own, "photoUrl": None, "jobTitleName": title}


def _require_table(table: str) -> None:
    if table not in TABLES:
        raise Refused(404, "Table not found")


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Refused(400, "since is not a valid ISO 8601 date")
    return found


def _cursor(employee_id: str) -> str:
    return base64.urlsafe_b64encode(employee_id.encode()).decode()


def _place(cursor: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor)) if cursor else 0
    except (ValueError, binascii.Error):
        raise Refused(400, "BadPage") from None
