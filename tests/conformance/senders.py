"""Outside systems that send to us, each in its own wire format, for the one suite that all sources pass."""

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx
import orjson
from fastapi import FastAPI
from sqlalchemy import select

from activities.bamboohr import BambooHRActivities
from activities.hubspot import HubSpotActivities
from domain import derived
from domain.connections import Connection
from domain.notices import ObjectToFetch
from domain.outbox import Kind
from sandbox.bamboohr.company import Company, Employee
from sandbox.bamboohr.control import Promotion, promoted
from sandbox.bamboohr.notices import sign as sign_employee
from sandbox.hubspot.crm import Deal
from sandbox.hubspot.notices import sign
from storage import intake, tables
from storage.database import Database

PUBLIC_URL = "http://127.0.0.1:8700"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request as a sender makes it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Sender(Protocol):
    """One outside system with facts about members, which it tells, repeats and takes back.

    One that brings its members along never tells of somebody unknown.
    """

    is_signed_with_time: bool
    brings_members: bool

    def tell(self, member: str = "ada") -> Outgoing:
        """Tells a new fact about the member."""
        ...

    def take_back(self, fact: Outgoing) -> Outgoing:
        """Tells that the fact holds no more."""
        ...

    def with_body(self, body: bytes) -> Outgoing:
        """A request as well made as the others, with this body."""
        ...

    def signed_by_a_stranger(self, request: Outgoing) -> Outgoing:
        """The same request with credentials of nobody."""
        ...

    def signed_at(self, request: Outgoing, at: datetime) -> Outgoing:
        """The same request as signed at another time."""
        ...

    @property
    def body_max_bytes(self) -> int: ...

    async def settle(self) -> None:
        """Lets everything follow that follows from what was told."""
        ...


@dataclass
class HubSpotSender:
    """HubSpot: notices about deals in the sandbox's CRM."""

    connection: Connection
    crm: Any
    database: Database
    activities: HubSpotActivities
    now: datetime
    body_max_bytes: int
    is_signed_with_time: bool = True
    brings_members: bool = False
    _told: list[dict[str, Any]] = field(default_factory=list)
    _deals: dict[bytes, Deal] = field(default_factory=dict)
    _event_id: int = 0

    def tell(self, member: str = "ada") -> Outgoing:
        owner = self.crm.add_owner(f"{member}@example.com", member, "")
        deal = self.crm.create({"amount": "50", "hubspot_owner_id": owner.id})
        self.crm.update(deal, {"dealstage": "closedwon"})
        request = self._notify(deal)
        self._deals[request.body] = deal
        return request

    def take_back(self, fact: Outgoing) -> Outgoing:
        deal = self._deals[fact.body]
        self.crm.update(deal, {"dealstage": "contractsent"})
        return self._notify(deal)

    def with_body(self, body: bytes) -> Outgoing:
        return self._signed(body, self.now, self.connection.secrets["client_secret"])

    def signed_by_a_stranger(self, request: Outgoing) -> Outgoing:
        return self._signed(request.body, self.now, "a stranger's")

    def signed_at(self, request: Outgoing, at: datetime) -> Outgoing:
        return self._signed(request.body, at, self.connection.secrets["client_secret"])

    async def settle(self) -> None:
        async with self.database.begin() as session:
            open_ones = select(tables.notices.c.object_id).where(tables.notices.c.state == "open").distinct()
            deals = list((await session.execute(open_ones)).scalars())
        for deal_id in deals:
            target = ObjectToFetch(self.connection.program_id, self.connection.id, deal_id, "hubspot")
            await self.activities.fetch_object(target)

    def _notify(self, deal: Deal) -> Outgoing:
        self._event_id += 1
        notification = {
            "eventId": self._event_id,
            "subscriptionId": 1,
            "portalId": 4242,
            "appId": 77,
            "occurredAt": int(self.now.timestamp() * 1000),
            "subscriptionType": "deal.propertyChange",
            "attemptNumber": 0,
            "objectId": int(deal.id),
            "propertyName": "dealstage",
            "propertyValue": deal.value("dealstage"),
            "changeSource": "CRM_UI",
        }
        return self.with_body(orjson.dumps([notification]))

    def _signed(self, body: bytes, at: datetime, secret: str) -> Outgoing:
        path = f"/intake/{self.connection.id}"
        timestamp = str(int(at.timestamp() * 1000))
        headers = {
            "content-type": "application/json",
            "x-hubspot-request-timestamp": timestamp,
            "x-hubspot-signature-v3": sign(secret, "POST", PUBLIC_URL + path, body, timestamp),
        }
        return Outgoing("POST", path, headers, body)


@dataclass
class XapiSender:
    """A learning system: statements of completed courses."""

    connection: Connection
    now: datetime
    body_max_bytes: int
    is_signed_with_time: bool = False
    brings_members: bool = False
    _ids: int = 0

    def tell(self, member: str = "ada") -> Outgoing:
        statement = {
            "id": self._new_id(),
            "actor": {"mbox": f"mailto:{member}@example.com"},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
            "object": {"id": "https://lms.example.com/courses/7"},
            "timestamp": (self.now - timedelta(minutes=1)).isoformat(),
        }
        return self.with_body(orjson.dumps(statement))

    def take_back(self, fact: Outgoing) -> Outgoing:
        voiding = {
            "id": self._new_id(),
            "actor": {"mbox": "mailto:admin@example.com"},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
            "object": {"objectType": "StatementRef", "id": orjson.loads(fact.body)["id"]},
        }
        return self.with_body(orjson.dumps(voiding))

    def with_body(self, body: bytes) -> Outgoing:
        return self._shown(body, self.connection.secrets["token"])

    def signed_by_a_stranger(self, request: Outgoing) -> Outgoing:
        return self._shown(request.body, "a stranger's")

    def signed_at(self, request: Outgoing, at: datetime) -> Outgoing:
        raise NotImplementedError("credentials have no time")

    async def settle(self) -> None:
        """A statement is complete: nothing follows."""

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:08x}-0000-4000-8000-000000000000"

    def _shown(self, body: bytes, token: str) -> Outgoing:
        credentials = base64.b64encode(f"{self.connection.id}:{token}".encode()).decode()
        headers = {
            "authorization": f"Basic {credentials}",
            "content-type": "application/json",
            "x-experience-api-version": "1.0.3",
        }
        return Outgoing("POST", "/xapi/statements", headers, body)


@dataclass
class BambooHRSender:
    """BambooHR: notices about employees who are promoted."""

    connection: Connection
    company: Company
    database: Database
    activities: BambooHRActivities
    now: datetime
    body_max_bytes: int
    is_signed_with_time: bool = True
    brings_members: bool = True
    _employees: dict[str, Employee] = field(default_factory=dict)
    _rows: dict[bytes, tuple[Employee, str]] = field(default_factory=dict)
    _told: int = 0

    def tell(self, member: str = "ada") -> Outgoing:
        if member not in self._employees:
            fields = {"firstName": member, "workEmail": f"{member}@example.com", "jobTitle": "Engineer"}
            self._employees[member] = self.company.hire(fields | {"hireDate": "2020-01-01"})
        employee = self._employees[member]
        on = (self.now - timedelta(days=len(self._rows))).date()
        row, _ = promoted(self.company, employee.id, Promotion(on=on, title=f"Engineer {len(self._rows)}"))
        request = self._notify(employee)
        self._rows[request.body] = employee, row["id"]
        return request

    def take_back(self, fact: Outgoing) -> Outgoing:
        employee, row_id = self._rows[fact.body]
        self.company.delete_row(employee, "jobInfo", row_id)
        return self._notify(employee)

    def with_body(self, body: bytes) -> Outgoing:
        return self._signed(body, self.now, self.connection.secrets["webhook_key"])

    def signed_by_a_stranger(self, request: Outgoing) -> Outgoing:
        return self._signed(request.body, self.now, "a stranger's")

    def signed_at(self, request: Outgoing, at: datetime) -> Outgoing:
        return self._signed(request.body, at, self.connection.secrets["webhook_key"])

    async def settle(self) -> None:
        async with self.database.begin() as session:
            open_ones = select(tables.notices.c.object_id).where(tables.notices.c.state == "open").distinct()
            employees = list((await session.execute(open_ones)).scalars())
        for employee_id in employees:
            target = ObjectToFetch(self.connection.program_id, self.connection.id, employee_id, "bamboohr")
            await self.activities.fetch_object(target)
        async with self.database.begin() as session:
            found = select(tables.outbox.c.payload).where(tables.outbox.c.kind == Kind.DERIVED)
            told = (await session.execute(found.order_by(tables.outbox.c.id))).scalars().all()
        for payload in told:
            event = derived.from_payload(payload)
            await intake.record_batch(
                self.database, self.connection.program_id, [event], derived.POLICY, as_of=self.now
            )

    def _notify(self, employee: Employee) -> Outgoing:
        self._told += 1
        timestamp = self.now - timedelta(seconds=self._told)
        data = {"companyId": "4242", "employeeId": employee.id, "changedFields": ["jobTitle"]}
        return self.with_body(
            orjson.dumps({"type": "employee.updated", "timestamp": timestamp.isoformat(), "data": data})
        )

    def _signed(self, body: bytes, at: datetime, secret: str) -> Outgoing:
        timestamp = str(int(at.timestamp()))
        headers = {
            "content-type": "application/json",
            "x-bamboohr-timestamp": timestamp,
            "x-bamboohr-signature": sign_employee(secret, body, timestamp),
        }
        return Outgoing("POST", f"/intake/{self.connection.id}", headers, body)


def sending(app: FastAPI) -> httpx.AsyncClient:
    """Calls the API without a key."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PUBLIC_URL)
