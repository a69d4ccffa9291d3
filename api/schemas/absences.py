"""Absences as callers say them, and as they stand."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from api.bodies import CHOICE
from api.schemas.base import Document, IdentityBody, Name, PageQuery, SourceName, Strict
from api.schemas.members import Day
from api.schemas.problems import Fault
from domain.absences import Absence, AbsenceChange, AbsenceKind, AbsenceState, AbsenceStatus, read_away
from domain.events import MEMBER_ID, Identity

MAX_BATCH = 500


class _Named(Strict):
    source: SourceName = Field(description="Which system says so.")
    external_id: Name = Field(description="The absence's own name there: the same name is the same absence.")


class AbsenceBody(_Named):
    """Days on which a member is away; what was said of this absence before is replaced."""

    kind: Literal["pto", "sick", "parental", "holiday", "other"]
    starts_on: Day = Field(description="The first day.")
    ends_on: Day = Field(description="The last day, which is one of them.")

    def of(self, member: Identity) -> AbsenceChange:
        """As the domain takes it; raises InvalidAbsence."""
        away = read_away(member, self.kind, self.starts_on, self.ends_on)
        return AbsenceChange(self.source, self.external_id, away)

    def of_member(self, member_id: str) -> AbsenceChange:
        """The same of the member of this id."""
        return self.of(Identity(MEMBER_ID, member_id))


class AbsenceItem(AbsenceBody):
    """An absence of whichever member."""

    member: IdentityBody = Field(description="Who is away, by any of the member's identities.")

    def change(self) -> AbsenceChange:
        """As the domain takes it; raises InvalidAbsence."""
        return self.of(Identity(self.member.source, self.member.external_id))


class WithdrawalItem(_Named):
    """An absence that is none after all."""

    withdrawn: Literal[True]

    def change(self) -> AbsenceChange:
        """As the domain takes it."""
        return AbsenceChange(self.source, self.external_id, None)


def _kind(value: Any) -> str:
    return f"{CHOICE}withdrawal" if isinstance(value, dict) and "withdrawn" in value else f"{CHOICE}absence"


AnyAbsence = Annotated[
    Annotated[AbsenceItem, Tag(f"{CHOICE}absence")] | Annotated[WithdrawalItem, Tag(f"{CHOICE}withdrawal")],
    Discriminator(_kind),
]


class AbsencesBody(Strict):
    """Absences of any members, taken in order."""

    absences: list[AnyAbsence] = Field(min_length=1, max_length=MAX_BATCH)


class AbsenceQuery(PageQuery):
    """Which versions to list."""

    ended: bool = Field(False, description="Also the versions that were replaced or withdrawn.")


class AbsenceDocument(Document):
    """One version of an absence, known from `recorded_at` until `ended_at`."""

    id: str
    member_id: str
    source: str
    external_id: str
    kind: AbsenceKind
    starts_on: date
    ends_on: date
    state: AbsenceState
    recorded_at: datetime
    ended_at: datetime | None


class AbsenceOutcome(Document):
    """What a change did: `updated` replaced an earlier version."""

    status: AbsenceStatus
    absence: AbsenceDocument


class AbsenceItemResult(Document):
    """What came of one item of a batch; `absence` is null where an unknown one was withdrawn."""

    index: int
    status: AbsenceStatus
    absence: AbsenceDocument | None = None
    errors: list[Fault] | None = None


class AbsencesResult(Document):
    """One result per item, in order."""

    results: list[AbsenceItemResult]


def absence_document(absence: Absence) -> dict[str, Any]:
    """An absence as AbsenceDocument."""
    return {name: getattr(absence, name) for name in Absence.__dataclass_fields__}
