"""BambooHR, a source: its signed notices say which employee changed, its API says who the employee is now.

An employee becomes a member known by (connection's name, employee's id). A promotion is what BambooHR's tables say: a
change of title on the day of a change of pay that gives promotion as its reason. Time off has no notices: it is asked
for.
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

import structlog
from babel import Locale
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from connectors.breakers import Breaker
from connectors.clients import Clients
from connectors.errors import AnswerTooLong, BadSignature, GarbledAnswer, MalformedNotice, Rejected, StaleNotice
from connectors.http import Answer, Bounds, Outside
from connectors.sources import Request, load_json, require_json, require_size
from domain.absences import AbsenceChange, AbsenceKind, Away, InvalidAbsence
from domain.connections import Connection
from domain.employment import Promotion
from domain.events import Identity, SourcePolicy
from domain.member_changes import InvalidMember, MemberChange, countries, read
from domain.members import EMAIL, MemberStatus
from domain.notices import Matters, Notice

KIND = "bamboohr"
POLICY = SourcePolicy(amendments="ignore")
PASSWORD = "x"  # any will do: the key is the user name

BODY_MAX_BYTES = 2**20
WINDOW = timedelta(minutes=5)
DAY = timedelta(days=1)
TIMESTAMP_MAX_DIGITS = 12
CHANGED_FIELDS_MAX = 400
PAGE = 25  # employees, each of up to three requests
BOUNDS = Bounds()

FIELDS = (
    "firstName", "lastName", "preferredName", "workEmail", "jobTitle", "department", "location", "country", "hireDate",
    "terminationDate", "status", "supervisorEId",
)  # fmt: skip
EMPLOYEE_CREATED, EMPLOYEE_UPDATED, EMPLOYEE_DELETED = "employee.created", "employee.updated", "employee.deleted"

# BambooHR writes no day as this one.
_NO_DAY = "0000-00-00"
_DAYS = {"hired_on", "probation_ends_on"}

_Model = TypeVar("_Model")

log = structlog.get_logger()

# -- Notices -------------------------------------------------------------------------------------------------------


def verify(request: Request, secret: str, now: datetime) -> None:
    """Raises TooLarge, BadSignature, StaleNotice or WrongContentType unless BambooHR signed this with `secret`."""
    require_size(request, BODY_MAX_BYTES)
    timestamp = request.headers.get("x-bamboohr-timestamp", "")
    given = request.headers.get("x-bamboohr-signature", "")
    if not hmac.compare_digest(given.encode(errors="replace"), signature(request.body, secret, timestamp).encode()):
        raise BadSignature("the signature does not fit the request")
    if not _is_fresh(timestamp, now):
        raise StaleNotice(f"signed more than {WINDOW.seconds} seconds from now")
    require_json(request)


def signature(body: bytes, secret: str, timestamp: str) -> str:
    """HMAC-SHA256 in hex of the body, directly followed by the timestamp ("Webhooks" in BambooHR's documentation)."""
    return hmac.new(secret.encode(), body + timestamp.encode(errors="replace"), hashlib.sha256).hexdigest()


def _is_fresh(timestamp: str, now: datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= TIMESTAMP_MAX_DIGITS):
        return False
    return abs(now.timestamp() - int(timestamp)) <= WINDOW.total_seconds()


class NoticeData(BaseModel):
    """Whom a notice is about, and which of the fields that the webhook watches changed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    company_id: str = Field("", alias="companyId", max_length=100)
    employee_id: str = Field(alias="employeeId", pattern="^[0-9]{1,18}$")
    changed_fields: tuple[str, ...] = Field((), alias="changedFields", max_length=CHANGED_FIELDS_MAX)


class EmployeeNotice(BaseModel):
    """What BambooHR posts for an event-based webhook; it has no id of its own."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str = Field(max_length=100)
    timestamp: AwareDatetime
    data: NoticeData

    @property
    def key(self) -> str:
        """The same however often it is sent."""
        fields = hashlib.sha256("\n".join(self.data.changed_fields).encode()).hexdigest()[:16]
        return f"{self.type}:{self.data.employee_id}:{self.timestamp.isoformat()}:{fields}"


def notices(request: Request) -> list[Notice]:
    """The one notice of the request; raises MalformedNotice."""
    body = load_json(request.body)
    try:
        told = EmployeeNotice.model_validate(body)
    except ValidationError:
        raise MalformedNotice("not BambooHR's event about an employee") from None
    matters = Matters.ALWAYS if told.type.startswith("employee.") else Matters.NEVER
    return [
        Notice(
            notice_key=told.key,
            object_id=told.data.employee_id,
            kind=told.type,
            occurred_at=told.timestamp,
            matters=matters,
            raw=body,
        )
    ]


# -- The API -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a connection asks for beyond the usual: more fields, and the reason that is a promotion."""

    probation_end_field: str | None = None
    time_zone_field: str | None = None
    birthday_field: str | None = None
    promotion_reason: str | None = None

    @classmethod
    def by(cls, connection: Connection) -> "Wanted":
        """What the connection's configuration says."""
        return cls(**{name: connection.config.get(name) for name in cls.__dataclass_fields__})

    @property
    def fields(self) -> tuple[str, ...]:
        more = self.probation_end_field, self.time_zone_field, self.birthday_field
        return FIELDS + tuple(name for name in more if name)


@dataclass(frozen=True, slots=True)
class Employee:
    """An employee as BambooHR shows it now: fields that may not be seen are not among `fields`."""

    id: str
    fields: Mapping[str, str | None]
    promotions: tuple[Promotion, ...] = ()

    @property
    def manager_id(self) -> str | None:
        return self.fields.get("supervisorEId") or None

    @property
    def has_left(self) -> bool:
        return self.fields.get("status") == "Inactive"


@dataclass(frozen=True, slots=True)
class Page:
    """Some employees' ids, and where the next page begins (None: nowhere)."""

    ids: tuple[str, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Whose records changed since an instant, in the order of their ids, and the latest of the changes."""

    ids: tuple[str, ...]
    latest: datetime | None


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Id = Annotated[str, BeforeValidator(_text), Field(pattern="^[0-9]{1,18}$")]
_Fields = Mapping[str, Annotated[str | None, BeforeValidator(_text)]]


class _Listed(BaseModel):
    employee_id: _Id = Field(alias="employeeId")


class _PageOf(BaseModel):
    next_cursor: str | None = Field(None, alias="nextCursor")


class _Meta(BaseModel):
    page: _PageOf


class _ListAnswer(BaseModel):
    data: list[_Listed]
    meta: _Meta


class _Change(BaseModel):
    id: _Id
    last_changed: AwareDatetime = Field(alias="lastChanged")


class _ChangedAnswer(BaseModel):
    # A server in PHP may write a map without entries as a list.
    employees: Annotated[dict[str, _Change], BeforeValidator(lambda value: {} if value == [] else value)]


class JobRow(BaseModel):
    """A title from a day on; a row may have no day, or none that there is."""

    on: str | None = Field(alias="date")
    title: str | None = Field(None, alias="jobTitle")


class PayRow(BaseModel):
    """Of a change of pay only its day and reason are read."""

    on: str | None = Field(alias="startDate")
    reason: str | None = None


class _Status(BaseModel):
    status: str


class _Type(BaseModel):
    name: str = ""


class TimeOff(BaseModel):
    """One request for time off."""

    id: _Id
    employee_id: _Id = Field(alias="employeeId")
    start: date
    end: date
    status: _Status
    type: _Type = _Type()


class Out(BaseModel):
    """One line of who is out: a member's time off, or a holiday of the company."""

    id: _Id
    kind: Literal["timeOff", "holiday"] = Field(alias="type")
    name: str = ""
    start: date
    end: date


_EMPLOYEE: TypeAdapter[Mapping[str, str | None]] = TypeAdapter(_Fields)
_LIST = TypeAdapter(_ListAnswer)
_CHANGED = TypeAdapter(_ChangedAnswer)
_ROWS = TypeAdapter(list[Any])
_JOBS = TypeAdapter(list[JobRow])
_PAY = TypeAdapter(list[PayRow])
_TIME_OFF = TypeAdapter(TimeOff)
_OUT = TypeAdapter(Out)


class BambooHR:
    """Reads one company's records with an API key. Any call may raise the tree in `connectors.errors`."""

    def __init__(self, api_key: str, breaker: Breaker, base_url: str) -> None:
        credentials = base64.b64encode(f"{api_key}:{PASSWORD}".encode()).decode()
        headers = {"authorization": f"Basic {credentials}", "accept": "application/json"}
        self._outside = Outside(base_url, headers=headers, breaker=breaker, bounds=BOUNDS)

    async def aclose(self) -> None:
        await self._outside.aclose()

    async def list_employees(self, after: str | None) -> Page:
        """A page of everybody, also of who left, from the cursor on."""
        params: dict[str, str | int] = {"page[limit]": PAGE} | ({"page[after]": after} if after else {})
        found = _read(_LIST, await self._outside.read("/api/v1/employees", params))
        return Page(tuple(one.employee_id for one in found.data), found.meta.page.next_cursor)

    async def list_changed(self, since: datetime) -> Changes:
        """Whose record was made, changed or deleted since then."""
        params = {"since": since.isoformat(timespec="seconds")}
        answer = await self._outside.read("/api/v1/employees/changed", params)
        changes = _read(_CHANGED, answer).employees.values()
        latest = max((one.last_changed for one in changes), default=None)
        return Changes(tuple(sorted((one.id for one in changes), key=int)), latest)

    async def get_employee(self, employee_id: str, wanted: Wanted) -> Employee | None:
        """The employee; None if BambooHR knows nobody of this id any more."""
        params = {"fields": ",".join(wanted.fields)}
        try:
            answer = await self._outside.read(f"/api/v1/employees/{employee_id}", params)
        except Rejected as refusal:
            if refusal.status != 404:
                raise
            return None
        employee = Employee(employee_id, without_year_of_birth(_read(_EMPLOYEE, answer), wanted))
        if wanted.promotion_reason is None:
            return employee
        return replace(employee, promotions=await self._promotions(employee_id, wanted.promotion_reason))

    async def _promotions(self, employee_id: str, reason: str) -> tuple[Promotion, ...]:
        path = f"/api/v1/employees/{employee_id}/tables"
        jobs = _read(_JOBS, await self._outside.read(f"{path}/jobInfo"))
        pay = _read(_PAY, await self._outside.read(f"{path}/compensation"))
        return tuple(promotions(jobs, pay, reason))

    async def list_time_off(self, first: date, last: date) -> list[TimeOff]:
        """Requests of any status that touch these days; raises AnswerTooLong if they are too many for one answer."""
        params = {"start": first.isoformat(), "end": last.isoformat(), "excludeNote": "1"}
        return _rows(_TIME_OFF, await self._outside.read("/api/v1/time_off/requests", params))

    async def list_holidays(self, first: date, last: date) -> list[Out]:
        """The company's holidays that touch these days.

        They come with everybody's time off, so they are asked for in halves while that is more than an answer carries.
        """
        params = {"start": first.isoformat(), "end": last.isoformat()}
        try:
            out = _rows(_OUT, await self._outside.read("/api/v1/time_off/whos_out", params))
        except AnswerTooLong:
            if first == last:
                raise
            middle = first + (last - first) // 2
            return [*await self.list_holidays(first, middle), *await self.list_holidays(middle + DAY, last)]
        return [one for one in out if one.kind == "holiday"]


class BambooHRs(Clients[BambooHR]):
    """The companies behind this process's connections."""

    def __init__(self) -> None:
        super().__init__(KIND, _open)


def _open(connection: Connection, breaker: Breaker) -> BambooHR:
    return BambooHR(connection.secrets["api_key"], breaker, base_url(connection))


def base_url(connection: Connection) -> str:
    """Where the company's API answers."""
    return connection.config.get("base_url", f"https://{connection.config['company']}.bamboohr.com")


def _read(model: TypeAdapter[_Model], answer: Answer) -> _Model:
    try:
        return model.validate_python(answer.json())
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
        raise GarbledAnswer(answer.system, f"an answer of another shape: {fields[:500]}") from None


def _rows(model: TypeAdapter[_Model], answer: Answer) -> list[_Model]:
    """The rows that can be read: one that cannot must not keep the others out."""
    rows, found = _read(_ROWS, answer), []
    for row in rows:
        with suppress(ValidationError):
            found.append(model.validate_python(row))
    if len(found) < len(rows):
        log.warning("rows left out", system=answer.system, count=len(rows) - len(found))
    return found


# -- Members -------------------------------------------------------------------------------------------------------


def identity(connection: str, employee_id: str) -> Identity:
    """The name by which an employee is known here."""
    return Identity(connection, employee_id)


def names_of(connection: str, employee: Employee) -> list[Identity]:
    """The names by which the employee may be known already, the surest first."""
    return [identity(connection, employee.id), *filter(None, [address(employee)])]


def address(employee: Employee) -> Identity | None:
    """The e-mail address as a name."""
    email = employee.fields.get("workEmail")
    return Identity(EMAIL, email.lower()) if email else None


def without_address(employee: Employee) -> Employee:
    """The employee with an address that is not shown."""
    return replace(employee, fields={name: value for name, value in employee.fields.items() if name != "workEmail"})


def external_id_of_new(connection: str, employee_id: str) -> str:
    """The external id of a member whom BambooHR was the first to tell of."""
    return f"{connection}:{employee_id}"


@dataclass(frozen=True, slots=True)
class Translated:
    """The change of a member, and the fields that could not be taken."""

    change: MemberChange
    faults: tuple[str, ...] = ()


def translate(connection: str, employee: Employee, external_id: str, manager: str | None, wanted: Wanted) -> Translated:
    """What the employee's record says of the member with this external id, whose manager is `manager`.

    A field that BambooHR does not show is left as it is, one that cannot be read is left out and named.
    """
    shown = {name: employee.fields[of] for of, name in _plain(wanted).items() if of in employee.fields}
    row: dict[str, Any] = {**shown, "external_id": external_id}
    row["identities"] = [{"source": connection, "external_id": employee.id}]
    if name := _full_name(employee):
        row["name"] = name
    if employee.fields.get("status"):
        row["status"] = MemberStatus.LEFT if employee.has_left else MemberStatus.ACTIVE
    if "supervisorEId" in employee.fields:
        row["manager"] = manager
    for day in _DAYS & row.keys():
        row[day] = None if row[day] == _NO_DAY else row[day]
    if not row.get("time_zone"):
        row.pop("time_zone", None)
    if row.get("country"):
        row["country"] = _country_code(row["country"])
    return _taken(row, ())


def without_year_of_birth(fields: Mapping[str, str | None], wanted: Wanted) -> Mapping[str, str | None]:
    """The fields with month and day of the birthday alone: the year goes no further than here."""
    name = wanted.birthday_field
    if name is None or name not in fields:
        return fields
    born = fields[name] or _NO_DAY
    return {**fields, name: None if born == _NO_DAY else born[-len("02-29") :]}


def _plain(wanted: Wanted) -> dict[str, str]:
    fields = {
        "workEmail": "email",
        "jobTitle": "role",
        "department": "department",
        "location": "location",
        "country": "country",
        "hireDate": "hired_on",
    }
    own = {
        wanted.probation_end_field: "probation_ends_on",
        wanted.time_zone_field: "time_zone",
        wanted.birthday_field: "birthday",
    }
    return fields | {shown: name for shown, name in own.items() if shown}


def _taken(row: Mapping[str, Any], faults: tuple[str, ...]) -> Translated:
    """Read the row without the fields that have a fault: one bad address must not keep an employee out."""
    try:
        return Translated(read(row), faults)
    except InvalidMember as error:
        bad = {fault.field for fault in error.faults}
        if not bad & row.keys() - {"external_id"}:
            raise
        kept = {name: value for name, value in row.items() if name not in bad}
        return _taken(kept, (*faults, *sorted(bad)))


def _full_name(employee: Employee) -> str:
    known = employee.fields
    return f"{known.get('preferredName') or known.get('firstName') or ''} {known.get('lastName') or ''}".strip()


# Names in use beside those of CLDR.
_ALSO_CALLED = {
    "czech republic": "CZ", "hong kong": "HK", "ivory coast": "CI", "macau": "MO", "macedonia": "MK", "swaziland": "SZ",
    "turkey": "TR", "united states of america": "US",
}  # fmt: skip


@lru_cache(maxsize=1)
def _countries_by_name() -> dict[str, str]:
    known = countries()
    return _ALSO_CALLED | {_folded(name): code for code, name in Locale("en").territories.items() if code in known}


def _country_code(name: str) -> str:
    """BambooHR gives a country's English name; one that nobody knows stays as it is, for the reader to refuse."""
    return _countries_by_name().get(_folded(name), name)


def _folded(name: str) -> str:
    """The name in small letters without accents and what is in brackets."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub(r"\s*\(.*\)", "", letters).replace("&", "and").replace("\u2019", "'").casefold().strip()


def left(external_id: str) -> MemberChange:
    """Says that the member's record is gone."""
    return read({"external_id": external_id, "status": MemberStatus.LEFT})


def promotions(jobs: Sequence[JobRow], pay: Sequence[PayRow], reason: str) -> Iterable[Promotion]:
    """The changes of title on days on which pay changed for this reason; a first title is no promotion."""
    days = {row.on for row in pay if (row.reason or "").casefold() == reason.casefold()}
    ordered = sorted(jobs, key=lambda row: row.on or "")
    for before, after in pairwise(ordered):
        if after.on in days and after.title and after.title != before.title and (on := _day(after.on)):
            yield Promotion(on, after.title, before.title)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


# -- Absences ------------------------------------------------------------------------------------------------------

APPROVED = "approved"
HOLIDAY = "holiday:"  # begins what an absence by a holiday is called, and the employee's id ends it
_KINDS = {
    AbsenceKind.PARENTAL: ("parental", "maternity", "paternity", "adoption", "elternzeit"),
    AbsenceKind.SICK: ("sick", "illness", "medical", "krank"),
    AbsenceKind.PTO: ("vacation", "pto", "paid time off", "annual", "holiday", "urlaub"),
}


def absence(connection: str, request: TimeOff) -> AbsenceChange | None:
    """What the request says of its employee's absence: one that is not approved is none; None if it makes no sense."""
    if request.status.status != APPROVED:
        return AbsenceChange(connection, request.id, None)
    try:
        away = Away(identity(connection, request.employee_id), _kind(request.type.name), request.start, request.end)
    except InvalidAbsence:
        return None
    return AbsenceChange(connection, request.id, away)


def holiday(connection: str, day_off: Out, employee_id: str) -> AbsenceChange | None:
    """The holiday as an absence of the employee; None if it makes no sense."""
    try:
        away = Away(identity(connection, employee_id), AbsenceKind.HOLIDAY, day_off.start, day_off.end)
    except InvalidAbsence:
        return None
    return AbsenceChange(connection, f"{HOLIDAY}{day_off.id}:{day_off.start}:{employee_id}", away)


def _kind(type_name: str) -> AbsenceKind:
    name = type_name.casefold()
    return next((kind for kind, words in _KINDS.items() if any(word in name for word in words)), AbsenceKind.OTHER)
