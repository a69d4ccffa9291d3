"""What all bodies and answers share: strict models, and text, numbers and instants with their limits."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.functional_validators import AfterValidator
from starlette.convertors import StringConvertor, register_url_convertor

from api import cursors

INT64_MAX = 2**63 - 1
MAX_PAGE = 100
DEFAULT_PAGE = 50

# PostgreSQL's text holds every character but U+0000; names hold no control
# characters at all, and something that can be seen.
TEXT_PATTERN = r"^[^\u0000]*$"
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
NAME_PATTERN = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Strict(BaseModel):
    """A request's body: no unknown members, no conversions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Document(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


def _rfc3339(value: Any) -> Any:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be a date and time with an offset (RFC 3339)")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar") from None


# Keys of a mapping fit its pattern, or are refused.
ONLY_NAMED: dict[str, JsonValue] = {"additionalProperties": False}

# The form was checked before, so text may be converted.
Instant = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc3339), AfterValidator(_utc)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NAME_PATTERN)]
SourceName = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")]
TypeKey = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")]


def whole(value: Any) -> Any:
    """JSON knows one kind of number: 5.0 is the integer 5. Named after the bounds, or OpenAPI would not tell them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Int64 = Annotated[int, Field(ge=-INT64_MAX - 1, le=INT64_MAX), BeforeValidator(whole)]


# {name:any} in a path matches slashes and line breaks too, unlike {name:path}.
# Of more digits than any number has, Python's own reading would fail.
register_url_convertor("snapshot", type("SnapshotConvertor", (StringConvertor,), {"regex": "[0-9]{1,18}"})())
register_url_convertor("any", type("AnyConvertor", (StringConvertor,), {"regex": "(?s:.+)"})())


EXAMPLE_ID = "01a1fd1cfa630081c74091f5d2"


def identifier(prefix: str) -> Any:
    """The type of an id with this prefix; in paths {event_id:evt} matches nothing else, so that is not found."""
    pattern = rf"{prefix}_[0-9a-z]{{26}}"
    register_url_convertor(prefix, type("IdConvertor", (StringConvertor,), {"regex": pattern})())
    return Annotated[str, StringConstraints(pattern=f"^{pattern}$"), Field(examples=[f"{prefix}_{EXAMPLE_ID}"])]


MemberId = identifier("mem")
EventId = identifier("evt")
OrderId = identifier("ord")
RewardId = identifier("rwd")
NotificationId = identifier("ntf")
HoldId = identifier("hld")
PendingId = identifier("pnd")
TransactionId = identifier("txn")
AdjustmentId = identifier("adj")
MergeId = identifier("mrg")
ChallengeId = identifier("chl")
AbsenceId = identifier("abs")
RecognitionId = identifier("rcg")
ProposalId = identifier("prp")
NominationId = identifier("nom")

Item = TypeVar("Item")


class Page(Document, Generic[Item]):
    """One page of a list; `next_cursor` is absent on the last."""

    items: list[Item]
    next_cursor: str | None = None


class PageQuery(BaseModel):
    """Where a list begins, and how long a page is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cursor: Annotated[str, StringConstraints(pattern=cursors.PATTERN)] | None = Field(
        None, description="`next_cursor` of the page before."
    )
    limit: int = Field(DEFAULT_PAGE, ge=1, le=MAX_PAGE, description="Items of a page.")


Key = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")]
Address = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254, pattern=NAME_PATTERN),
    Field(json_schema_extra={"format": "email"}),
]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=TEXT_PATTERN)]
Minor = Annotated[int, Field(ge=1, le=10**12, description="Minor units of the currency."), BeforeValidator(whole)]


class Money(Document):
    """An amount in minor units of an ISO 4217 currency."""

    amount_minor: int
    currency: str


class IdentityBody(Strict):
    """A member's name in another system."""

    source: Name
    external_id: Name


Scalar = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": 10_000, "pattern": TEXT_PATTERN},
                {"type": "integer", "minimum": -(2**53) + 1, "maximum": 2**53 - 1},
                {"type": "number", "minimum": -(2**53) + 1, "maximum": 2**53 - 1},
                {"type": "boolean"},
            ]
        }
    ),
]
