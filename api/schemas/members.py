"""Members as callers write and read them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from api.problems import faults_of_row
from api.schemas.base import NAME_PATTERN, ONLY_NAMED, Address, Country, Document, IdentityBody, Name, Strict, whole
from api.schemas.problems import Fault
from domain.events import Identity
from domain.member_changes import (
    MAX_CUSTOM,
    MAX_CUSTOM_INTEGER,
    MAX_CUSTOM_TEXT_LENGTH,
    MAX_IDENTITIES,
    ChangeStatus,
    MemberResult,
    countries,
)
from domain.members import Balance, HistoryItem, Member, MemberStatus, custom_as_json

MAX_BATCH = 500

DAY_PATTERN = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"
Day = Annotated[str, StringConstraints(pattern=DAY_PATTERN)]
Birthday = Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
# The domain checks these; OpenAPI names them all.
TimeZone = Annotated[Name, Field(json_schema_extra={"enum": sorted(available_timezones())})]
KnownCountry = Annotated[Country, Field(json_schema_extra={"enum": sorted(countries())})]
CustomName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _custom_value(value: Any) -> Any:
    """Of a JSON type that is taken; the domain reads the rest."""
    value = whole(value)
    is_day = isinstance(value, dict) and value.keys() == {"date"} and isinstance(value["date"], str)
    if value is not None and not is_day and not isinstance(value, str | int):
        raise ValueError('must be text, an integer, true, false, null or {"date": "2027-01-31"}')
    if isinstance(value, str) and len(value) > MAX_CUSTOM_TEXT_LENGTH:
        raise ValueError(f"has {len(value)} characters, at most {MAX_CUSTOM_TEXT_LENGTH} are taken")
    if isinstance(value, int) and abs(value) > MAX_CUSTOM_INTEGER:
        raise ValueError(f"must lie within {MAX_CUSTOM_INTEGER} of zero")
    return value


CustomValue = Annotated[
    Any,
    AfterValidator(_custom_value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": MAX_CUSTOM_TEXT_LENGTH, "pattern": NAME_PATTERN},
                {"type": "integer", "minimum": -MAX_CUSTOM_INTEGER, "maximum": MAX_CUSTOM_INTEGER},
                {"type": "boolean"},
                {"type": "null"},
                {
                    "type": "object",
                    "properties": {"date": {"type": "string", "pattern": DAY_PATTERN}},
                    "required": ["date"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class MemberBody(Strict):
    """What to set of a member: what is absent stays as it is, null empties."""

    external_id: Name = Field(description="The program's own name of the member: the same name is the same member.")
    name: Name = Field(default_factory=str, description="Needed for a new member.")
    email: Address | None = None
    time_zone: TimeZone = Field(default_factory=str, description="IANA, such as Europe/Berlin.")
    country: KnownCountry | None = Field(None, description="ISO 3166-1 alpha-2.")
    location: Name | None = None
    department: Name | None = None
    role: Name | None = None
    hired_on: Day | None = None
    probation_ends_on: Day | None = Field(None, description="The last day of probation.")
    birthday: Birthday | None = Field(None, description="Month and day, such as 05-23; years are not taken.")
    manager: Name | None = Field(None, description="The external_id of the manager.")
    performance_tier: Name | None = None
    status: Literal["active", "on_leave", "left"] = Field(default_factory=lambda: "active")
    custom: dict[CustomName, CustomValue] = Field(
        default_factory=dict,
        max_length=MAX_CUSTOM,
        json_schema_extra=ONLY_NAMED,
        description="Attributes of the program's own, for rules to read.",
    )
    identities: list[IdentityBody] = Field(
        default_factory=list, max_length=MAX_IDENTITIES, description="Names in other systems: added, never taken away."
    )

    def row(self) -> dict[str, Any]:
        """What the caller gave, as the domain reads rows."""
        return self.model_dump(exclude_unset=True)


class MembersBody(Strict):
    """Members to create or change, each by its external_id."""

    members: list[MemberBody] = Field(min_length=1, max_length=MAX_BATCH)


class MemberOutcome(Document):
    """What came of one row; a row that was taken may still have a fault, such as a manager who is not known."""

    external_id: str
    status: ChangeStatus
    id: str | None = None
    errors: list[Fault] | None = None


class MemberItemResult(MemberOutcome):
    """What came of one item of a batch."""

    index: int


class MembersResult(Document):
    """One result per item, in order."""

    results: list[MemberItemResult]


class IdentityDocument(Document):
    """A member's name in another system."""

    source: str
    external_id: str


class MemberDocument(Document):
    """A member as it stands."""

    id: str
    external_id: str
    name: str
    email: str | None
    time_zone: str
    country: str | None
    location: str | None
    department: str | None
    role: str | None
    hired_on: date | None
    probation_ends_on: date | None = Field(description="The last day of probation.")
    birthday: str | None = Field(description="Month and day.")
    manager_id: str | None
    merged_into: str | None = Field(description="The member that this one turned out to be.")
    performance_tier: str | None
    status: MemberStatus
    custom: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    identities: list[IdentityDocument]


class BalanceDocument(Document):
    """What a member has of one unit, or had."""

    unit: str
    available: int = Field(description="To spend.")
    held: int = Field(description="Set aside, for orders that are under way or by an integration.")
    pending: int = Field(description="Promised.")
    debt: int = Field(description="Owed, because what was spent was taken back.")
    lifetime: int | None = Field(description="Earned in all, less what was taken back. Null if `at` is given.")
    next_expiry_at: datetime | None
    next_expiry_amount: int
    version: int | None = Field(description="Grows with each change. Null if `at` is given.")


class HistoryDocument(Document):
    """One transaction as the member's account saw it."""

    transaction_id: str
    kind: Literal[
        "earn",
        "confirm",
        "adjust",
        "hold",
        "spend",
        "release",
        "refund",
        "expire",
        "reverse",
        "transfer",
        "convert",
        "merge",
    ]
    amount: int
    balance: int = Field(description="What the account had afterwards.")
    effective_at: datetime
    recorded_at: datetime
    event_id: str | None
    event_type: str | None
    rules: list[str]
    order_id: str | None
    item_name: str | None


def outcome_document(result: MemberResult) -> dict[str, Any]:
    """What came of a row, as MemberOutcome."""
    document: dict[str, Any] = {"external_id": result.external_id, "status": result.status, "id": result.member_id}
    if result.faults:
        document["errors"] = faults_of_row(result.faults)
    return document


def member_document(member: Member, names: Sequence[Identity]) -> dict[str, Any]:
    """A member as MemberDocument."""
    document = {name: getattr(member, name) for name in Member.__dataclass_fields__ if name != "program_id"}
    document["custom"] = custom_as_json(member.custom)
    document["identities"] = [{"source": name.source, "external_id": name.external_id} for name in names]
    return document


def balance_document(balance: Balance) -> dict[str, Any]:
    """A balance as BalanceDocument."""
    return {name: getattr(balance, name) for name in Balance.__dataclass_fields__}


def history_document(item: HistoryItem) -> dict[str, Any]:
    """A transaction as HistoryDocument."""
    return {name: getattr(item, name) for name in HistoryItem.__dataclass_fields__ if name != "position"}
