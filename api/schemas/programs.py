"""A program as its administrators see and set it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from pydantic.functional_validators import AfterValidator

from api.schemas.base import Currency, Document, Minor, Strict
from domain.programs import MAX_ORIGIN_LENGTH, MAX_ORIGINS, ORIGIN, Program, ProgramKind, check_origins


def _origin(text: str) -> str:
    (origin,) = check_origins([text])
    return origin


Origin = Annotated[
    str,
    AfterValidator(_origin),
    Field(max_length=MAX_ORIGIN_LENGTH, json_schema_extra={"pattern": ORIGIN}),  # pydantic's own know no lookahead
]


class ProgramBody(Strict):
    """What an administrator sets; all of it together."""

    orders_paused: bool = Field(description="While true no order is sent to a vendor; what was sent goes on.")
    daily_limit_minor: Minor | None = Field(description="The value of a day's orders; null is no limit.")
    monthly_limit_minor: Minor | None = Field(description="The value of a month's orders; null is no limit.")
    limit_currency: Currency


class OriginsBody(Strict):
    """The web sites whose pages may use member tokens; all of them together."""

    origins: list[Origin] = Field(
        max_length=MAX_ORIGINS, description="As browsers write them; none closes all pages out."
    )


class OriginsDocument(Document):
    """The web sites whose pages may use the program's member tokens."""

    origins: list[str]


class ProgramDocument(Document):
    """The program of the caller's key."""

    id: str
    name: str
    kind: ProgramKind
    time_zone: str
    configuration: int = Field(description="The number of the active configuration; 0 before the first.")
    orders_paused: bool
    daily_limit_minor: int | None
    monthly_limit_minor: int | None
    limit_currency: str
    origins: list[str] = Field(description="Web pages of these origins may read with member tokens.")
    second_person_publishes: bool = Field(description="Whether what one person proposes, another one publishes.")
    created_at: datetime


def program_document(program: Program) -> dict[str, Any]:
    """A program as ProgramDocument."""
    return {name: getattr(program, name) for name in Program.__dataclass_fields__}
