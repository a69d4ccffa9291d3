"""Recognitions as members give them, and as they stand."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from api.schemas.base import TEXT_PATTERN, Document, MemberId, Name, PageQuery, Strict, whole
from api.schemas.ledger import OptionalMember
from domain.derived import MAX_THANKS
from domain.recognitions import MAX_REASON, MAX_RECEIVERS, Giving, Recognition

Thanks = Annotated[int, Field(ge=1, le=MAX_THANKS), BeforeValidator(whole)]
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON, pattern=TEXT_PATTERN)]


class GivingBody(Strict):
    """Who thanks whom; all receivers or none."""

    key: Name = Field(
        description="The caller's name for it, unique in the program for ever: the same again is no more."
    )
    giver_id: MemberId
    receiver_ids: list[MemberId] = Field(min_length=1, max_length=MAX_RECEIVERS)
    amount: Thanks | None = Field(
        None, description="For each receiver, of the giver's allowance; else what the policy says."
    )
    value: Name | None = Field(None, description="One of the company's values.")
    reason: Reason = Field("", description="In the giver's words.")
    public: bool = Field(default=True, description="Whether colleagues may see it.")

    def giving(self, actor: str) -> Giving:
        """As the domain takes it."""
        return Giving(
            key=self.key,
            giver_id=self.giver_id,
            receiver_ids=tuple(self.receiver_ids),
            actor=actor,
            amount=self.amount,
            value=self.value,
            reason=self.reason,
            public=self.public,
        )


class RecognitionQuery(PageQuery):
    """Which recognitions to list."""

    giver_id: OptionalMember = None
    receiver_id: OptionalMember = None
    public: bool = Field(default=False, description="Only what stands and colleagues may see.")


class RecognitionDocument(Document):
    """One member's thanks to one other."""

    id: str
    key: str
    giver_id: str
    receiver_id: str
    unit: str
    amount: int = Field(description="What the giver spent on it.")
    value: str | None
    reason: str | None = Field(description="Null where there are no words, or they were erased.")
    public: bool
    state: Literal["given", "withdrawn"]
    transaction_id: str = Field(description="The spending.")
    event_id: str = Field(description="The event `recognition.received`, whose explanation says what it was worth.")
    given_at: datetime
    withdrawn_at: datetime | None


class GivenDocument(Document):
    """What stands under a key, or stood: a recognition for each receiver."""

    recognitions: list[RecognitionDocument]


def recognition_document(found: Recognition) -> dict[str, Any]:
    """A recognition as RecognitionDocument."""
    return {name: getattr(found, name) for name in RecognitionDocument.model_fields}
