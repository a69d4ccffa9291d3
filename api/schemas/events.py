"""Events as callers send them, and what they are told."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, TypeAdapter

from api.bodies import CHOICE
from api.schemas.base import (
    ONLY_NAMED,
    Document,
    IdentityBody,
    Instant,
    Int64,
    Name,
    PageQuery,
    Scalar,
    SourceName,
    Strict,
    TypeKey,
)
from api.schemas.problems import ProblemDocument
from domain.events import Event, Identity, SourcePolicy
from domain.outcomes import Outcome
from storage.events import RecordedEvent

MAX_FIELDS = 100
MAX_TEXT = 10_000
MAX_INTEGER = 2**53 - 1
MAX_BATCH = 500

# A fact that names its version may be amended by a newer one; any other is told once.
TOLD_ONCE = SourcePolicy(amendments="conflict")
VERSIONED = SourcePolicy(amendments="redecide")


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        if len(value) > MAX_TEXT or "\0" in value:
            raise ValueError(f"text has at most {MAX_TEXT} characters, and none is U+0000")
    elif isinstance(value, bool):
        pass
    elif not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > MAX_INTEGER:
        raise ValueError("must be text, true, false or a number within 2^53 - 1 of zero")
    return value


FieldName = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Data = Annotated[
    dict[FieldName, Annotated[Scalar, AfterValidator(_scalar)]],
    Field(max_length=MAX_FIELDS, json_schema_extra=ONLY_NAMED),
]


class _Fact(Strict):
    source: SourceName = Field(description="Which system says so.")
    external_id: Name = Field(description="The business fact's own name there; the same name is the same fact.")
    type: TypeKey = Field(description="An event type of the program's configuration.")
    member: IdentityBody = Field(description="Whose fact it is, by any of the member's identities.")
    occurred_at: Instant = Field(description="When it happened, RFC 3339 with an offset.")

    def _event(self, data: Mapping[str, Any], version: int | None = None, retracts: str | None = None) -> Event:
        member = Identity(self.member.source, self.member.external_id)
        return Event(
            self.source, self.external_id, self.type, member, self.occurred_at, data, version, retracts
        )  # fmt: skip


class EventBody(_Fact):
    """A fact."""

    data: Data = Field({}, description="What the event type's schema declares.")
    version: Int64 | None = Field(
        None,
        description="The source's modification version. With one, the same fact with other content and a newer version "
        "amends it; without one that is a conflict.",
    )

    @property
    def policy(self) -> SourcePolicy:
        return TOLD_ONCE if self.version is None else VERSIONED

    def event(self) -> Event:
        """As intake takes it."""
        return self._event(self.data, self.version)


class RetractionBody(_Fact):
    """Takes back an earlier fact of the same source, whether or not that one has arrived yet."""

    retracts: Name = Field(description="The external_id of the fact that is taken back.")

    @property
    def policy(self) -> SourcePolicy:
        return TOLD_ONCE

    def event(self) -> Event:
        """As intake takes it."""
        return self._event({}, retracts=self.retracts)


def _kind(value: Any) -> str:
    return f"{CHOICE}retraction" if isinstance(value, dict) and "retracts" in value else f"{CHOICE}event"


AnyFact = Annotated[
    Annotated[EventBody, Tag(f"{CHOICE}event")] | Annotated[RetractionBody, Tag(f"{CHOICE}retraction")],
    Discriminator(_kind),
]
FACT: TypeAdapter[EventBody | RetractionBody] = TypeAdapter(AnyFact)


class BatchBody(Strict):
    """Facts in the order in which they are to be decided."""

    events: list[AnyFact] = Field(min_length=1, max_length=MAX_BATCH)


class EventOutcome(Document):
    """What came of one event."""

    status: Literal["recorded", "replayed", "amended"] = Field(description="What this request did.")
    id: str
    state: Literal["decided", "parked", "quarantined", "retracted", "awaited", "closed"] = Field(
        description="How the event stands now; parked waits for its member to become known."
    )
    member_id: str | None = None
    points: int = Field(description="What it earns as it stands.")
    rewards: list[str] = Field([], description="Ids of the rewards that it gave.")


class ItemResult(Document):
    """What came of one item of a batch: an outcome, or a problem."""

    index: int
    status: int = Field(description="The HTTP status that the item alone would have been answered with.")
    event: EventOutcome | None = None
    problem: ProblemDocument | None = None


class BatchResult(Document):
    """One result per item, in order."""

    results: list[ItemResult]


class EventDocument(Document):
    """An event as it stands."""

    id: str
    source: str
    external_id: str
    type: str
    state: str
    member_id: str | None
    member: dict[str, str]
    occurred_at: datetime
    recorded_at: datetime
    data: dict[str, Any]
    revision: int
    version: int | None
    retracts: str | None
    retracted_by: str | None
    error: str | None
    points: int


class EventQuery(PageQuery):
    """Which events to list."""

    state: Literal["decided", "parked", "quarantined", "retracted", "awaited", "closed"] | None = None
    member_id: Annotated[str, StringConstraints(pattern=r"^mem_[0-9a-z]{26}$")] | None = None


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """An outcome that is no refusal, as EventOutcome."""
    return {
        "status": outcome.status,
        "id": outcome.event_id,
        "state": outcome.state,
        "member_id": outcome.member_id,
        "points": outcome.points,
        "rewards": outcome.rewards,
    }


def event_document(event: RecordedEvent) -> dict[str, Any]:
    """An event as EventDocument."""
    hidden = ("identity_source", "identity_external_id", "source_version")
    document = {name: getattr(event, name) for name in RecordedEvent.__dataclass_fields__ if name not in hidden}
    document["member"] = {"source": event.identity_source, "external_id": event.identity_external_id}
    document["version"] = event.source_version
    return document
