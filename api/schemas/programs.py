"""A program as its administrators see and set it."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import Currency, Document, Minor, Strict
from domain.programs import Program, ProgramKind


class ProgramBody(Strict):
    """What an administrator sets; all of it together."""

    orders_paused: bool = Field(description="While true no order is sent to a vendor; what was sent goes on.")
    daily_limit_minor: Minor | None = Field(description="The value of a day's orders; null is no limit.")
    monthly_limit_minor: Minor | None = Field(description="The value of a month's orders; null is no limit.")
    limit_currency: Currency


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
    created_at: datetime


def program_document(program: Program) -> dict[str, Any]:
    """A program as ProgramDocument."""
    return {name: getattr(program, name) for name in Program.__dataclass_fields__}
