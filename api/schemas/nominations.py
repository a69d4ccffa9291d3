"""Nominations as callers propose and decide them, and as they stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from api.schemas.base import TEXT_PATTERN, Document, Key, MemberId, PageQuery, Strict, whole
from domain.nominations import (
    MAX_AMOUNT,
    MAX_EVIDENCE,
    MAX_REASON,
    Approver,
    Because,
    Decision,
    Nomination,
    NominationState,
    Proposal,
    Ruling,
    Verdict,
)

Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT), BeforeValidator(whole)]
Words = Annotated[str, StringConstraints(max_length=MAX_REASON, pattern=TEXT_PATTERN)]
Said = Annotated[str, StringConstraints(min_length=1, max_length=MAX_REASON, pattern=TEXT_PATTERN)]
# What else makes a link is said by the domain: dialects of patterns do not agree on what a space is.
Link = Annotated[str, StringConstraints(max_length=MAX_EVIDENCE, pattern=r"^https://[^\u0000]+$")]
Who = Annotated[
    MemberId | None, Field(description="The member who does it; without one it is done as an administrator.")
]


class NominationBody(Strict):
    """Whom a member nominates, for what and why."""

    nominator_id: MemberId
    nominee_id: MemberId
    category: Key
    reason: Said
    evidence: Link | None = Field(None, description="Where one can see it.")
    amount: Amount | None = Field(None, description="The award proposed; without one it is the category's default.")

    def proposal(self) -> Proposal:
        return Proposal(**self.model_dump())


class ApprovalBody(Strict):
    """Who approves, perhaps another amount."""

    member_id: Who = None
    amount: Amount | None = Field(None, description="Another amount than the nomination's.")
    comment: Words = ""

    def ruling(self, actor: str) -> Ruling:
        return Ruling(Verdict.APPROVED, self.member_id, actor, self.amount, self.comment)


class DeclineBody(Strict):
    """Who declines, and why: the nominator reads it."""

    member_id: Who = None
    comment: Said

    def ruling(self, actor: str) -> Ruling:
        return Ruling(Verdict.DECLINED, self.member_id, actor, comment=self.comment)


class WithdrawalBody(Strict):
    """Who takes it back."""

    member_id: Who = None


# -- As they are shown ---------------------------------------------------------------------------------------------


class ApproverDocument(Document):
    """Who decides for `approver_id`, whom the level names; `asked_at` is absent for who could not be asked."""

    level: int
    approver_id: str
    member_id: str
    because: Because
    asked_at: datetime | None


class DecisionDocument(Document):
    """One decision; an administrator's stands for the whole level, and names no approver."""

    level: int
    approver_id: str | None
    decided_by: str | None
    actor: str
    verdict: Verdict
    amount: int | None
    comment: str
    decided_at: datetime


class NominationDocument(Document):
    """A nomination and where it stands; `closing` says why it ended without an award."""

    id: str
    nominator_id: str
    nominee_id: str
    category: str
    reason: str
    evidence: str | None
    proposed_amount: int
    amount: int
    state: NominationState
    level: int
    level_since: datetime
    event_id: str | None
    closing: str | None
    created_at: datetime
    updated_at: datetime


class NominationStoryDocument(Document):
    """A nomination, who was asked, and what was decided."""

    nomination: NominationDocument
    approvers: list[ApproverDocument]
    decisions: list[DecisionDocument]


class NominationsQuery(PageQuery):
    """Which nominations to list."""

    state: NominationState | None = None
    nominator_id: MemberId | None = None
    nominee_id: MemberId | None = None
    approver_id: MemberId | None = Field(None, description="Those that wait for this member's decision.")


def nomination_document(nomination: Nomination) -> dict[str, Any]:
    """A nomination as NominationDocument."""
    return {name: getattr(nomination, name) for name in NominationDocument.model_fields}


def story_document(
    nomination: Nomination, approvers: Sequence[Approver], decisions: Sequence[Decision]
) -> dict[str, Any]:
    """All of it as NominationStoryDocument."""
    return {
        "nomination": nomination_document(nomination),
        "approvers": [{name: getattr(one, name) for name in ApproverDocument.model_fields} for one in approvers],
        "decisions": [{name: getattr(one, name) for name in DecisionDocument.model_fields} for one in decisions],
    }
