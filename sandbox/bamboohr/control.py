"""Not BambooHR's: plays the company's HR department. Unauthenticated, for loopback only."""

from datetime import date
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sandbox.bamboohr.company import TABLES, Company, Json
from sandbox.bamboohr.errors import Refused
from sandbox.bamboohr.routes import Of, find_employee
from sandbox.shared.notices import Listener

control = APIRouter(prefix="/_control")


Fields = dict[str, str | None]


class Hire(BaseModel):
    """An employee's fields by BambooHR's names; one with an id takes the place of the employee who had it."""

    fields: Fields
    id: str | None = Field(None, pattern="^[0-9]{1,9}$")


class Edit(BaseModel):
    fields: Fields


class On(BaseModel):
    on: date


class Promotion(BaseModel):
    """A new title from a day on, and the change of pay whose reason says why."""

    on: date
    title: str
    reason: str = "Promotion"


class TimeOffInput(BaseModel):
    employee_id: str
    start: date
    end: date
    type: str = "Vacation"
    status: Literal["approved", "denied", "superceded", "requested", "canceled"] = "approved"
    unit: Literal["days", "hours"] = "days"


class Decision(BaseModel):
    status: Literal["approved", "denied", "superceded", "requested", "canceled"]


class Holiday(BaseModel):
    name: str
    on: date


@control.post("/employees", status_code=201)
async def hire(body: Hire, company: Of, webhook: Listener) -> Json:
    employee = company.hire(body.fields, body.id)
    await webhook.changed()
    return {"id": employee.id}


@control.post("/employees/{employee_id}/edit")
async def edit(employee_id: str, body: Edit, company: Of, webhook: Listener) -> Json:
    company.edit(find_employee(company, employee_id), body.fields)
    await webhook.changed()
    return {"id": employee_id}


@control.post("/employees/{employee_id}/tables/{table}", status_code=201)
async def add_row(employee_id: str, table: str, body: Edit, company: Of, webhook: Listener) -> Json:
    if table not in TABLES or not body.fields.get(TABLES[table]):
        raise Refused(400, "no such table, or a row without its day")
    row = company.add_row(find_employee(company, employee_id), table, body.fields)
    await webhook.changed()
    return row


@control.delete("/employees/{employee_id}/tables/{table}/{row_id}")
async def delete_row(employee_id: str, table: str, row_id: str, company: Of, webhook: Listener) -> Json:
    if table not in TABLES or not company.delete_row(find_employee(company, employee_id), table, row_id):
        raise Refused(404, "no such row")
    await webhook.changed()
    return {"id": row_id}


@control.post("/employees/{employee_id}/promote")
async def promote(employee_id: str, body: Promotion, company: Of, webhook: Listener) -> Json:
    rows = promoted(company, employee_id, body)
    await webhook.changed()
    return {"jobInfo": rows[0]["id"], "compensation": rows[1]["id"]}


def promoted(company: Company, employee_id: str, body: Promotion) -> tuple[Json, Json]:
    """The two rows that a promotion is."""
    employee, on = find_employee(company, employee_id), body.on.isoformat()
    return (
        company.add_row(employee, "jobInfo", {"date": on, "jobTitle": body.title}),
        company.add_row(employee, "compensation", {"startDate": on, "reason": body.reason}),
    )


@control.post("/employees/{employee_id}/terminate")
async def terminate(employee_id: str, body: On, company: Of, webhook: Listener) -> Json:
    company.terminate(find_employee(company, employee_id), body.on.isoformat())
    await webhook.changed()
    return {"id": employee_id}


@control.post("/employees/{employee_id}/rehire")
async def rehire(employee_id: str, body: On, company: Of, webhook: Listener) -> Json:
    company.rehire(find_employee(company, employee_id), body.on.isoformat())
    await webhook.changed()
    return {"id": employee_id}


@control.post("/employees/{employee_id}/delete")
async def delete(employee_id: str, company: Of, webhook: Listener) -> Json:
    company.delete(find_employee(company, employee_id))
    await webhook.changed()
    return {"id": employee_id}


@control.post("/time_off", status_code=201)
async def request_time_off(body: TimeOffInput, company: Of) -> Json:
    employee = find_employee(company, body.employee_id)
    given = {"start": body.start.isoformat(), "end": body.end.isoformat()}
    request = company.request_time_off(employee, **given, type=body.type, status=body.status, unit=body.unit)
    return request.as_json(employee.name)


@control.post("/time_off/{request_id}")
async def decide_time_off(request_id: int, body: Decision, company: Of) -> Json:
    if request_id not in company.time_off:
        raise Refused(404, "no such request")
    request = company.time_off[request_id]
    request.status, request.last_changed = body.status, company.now().date().isoformat()
    return request.as_json(company.employees[request.employee_id].name)


@control.post("/holidays", status_code=201)
async def add_holiday(body: Holiday, company: Of) -> Json:
    on = body.on.isoformat()
    holiday = {"id": len(company.holidays) + 1, "type": "holiday", "name": body.name, "start": on, "end": on}
    company.holidays.append(holiday)
    return holiday
