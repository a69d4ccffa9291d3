"""Configurations as callers see them: what changed when, by whom, and what is proposed."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.base import Document, PageQuery
from domain.configuration import Configuration
from domain.definitions import Change, change_as_json
from domain.proposals import Proposal, ProposalState
from storage.configurations import MAX_NUMBER, Applied, Snapshot

SnapshotNumber = Annotated[int, Field(ge=0, le=MAX_NUMBER, examples=[11])]


class ChangedFieldDocument(Document):
    """A field that differs, by its path in the definition."""

    field: str
    before: str | int | bool | None
    after: str | int | bool | None


class ChangeDocument(Document):
    """A definition that is added, removed or changed."""

    section: str
    key: str
    kind: Literal["added", "removed", "changed"]
    fields: list[ChangedFieldDocument]


class ConfigurationDocument(Document):
    """A snapshot, and what it changed in the one before."""

    number: int
    applied_by: str
    applied_at: datetime
    changes: list[ChangeDocument]


class ProposalDocument(Document):
    """A proposal, and what it changes."""

    id: str
    state: ProposalState
    expected: int = Field(description="The number of the snapshot that was active when it was proposed.")
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    published_as: int | None = Field(description="The number of the snapshot that it became.")
    changes: list[ChangeDocument]


class RollbackDocument(Document):
    """What a rollback came to: another active snapshot, or a proposal of one."""

    active: int = Field(description="The number of the snapshot that is active now.")
    proposal: str | None = Field(description="The proposal's id, where a second person publishes.")
    changes: list[ChangeDocument]


class HistoryQuery(PageQuery):
    """Snapshots are read whole, so that a page is short."""

    limit: int = Field(20, ge=1, le=50, description="Items of a page.")


class ProposalsQuery(PageQuery):
    """Which proposals."""

    state: ProposalState | None = None


def configuration_document(one: Snapshot) -> dict[str, Any]:
    """A snapshot as ConfigurationDocument."""
    told = {"number": one.number, "applied_by": one.applied_by, "applied_at": one.applied_at}
    return told | {"changes": _told(one.changes)}


def proposal_document(one: Proposal) -> dict[str, Any]:
    """A proposal as ProposalDocument."""
    shown = ("id", "state", "expected", "proposed_by", "proposed_at", "decided_by", "decided_at", "published_as")
    return {name: getattr(one, name) for name in shown} | {"changes": list(one.changes)}


def rollback_document(made: Applied | Proposal) -> dict[str, Any]:
    """What became of a rollback as RollbackDocument."""
    if isinstance(made, Proposal):
        return {"active": made.expected, "proposal": made.id, "changes": list(made.changes)}
    active: Configuration = made.configuration
    return {"active": active.number, "proposal": None, "changes": _told(made.changes)}


def _told(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [change_as_json(change) for change in changes]
