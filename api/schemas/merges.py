"""Merges of members as callers order and read them."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import Document, MemberId, PageQuery, Strict, Text
from api.schemas.ledger import OptionalMember
from domain.merges import Merge


class MergeBody(Strict):
    """Into whom a member is merged."""

    into_member_id: MemberId
    reason: Text = Field(description="Why, for the record.")


class UndoingBody(Strict):
    """Why two members were two after all."""

    reason: Text = Field(description="Why, for the record.")


class MergeQuery(PageQuery):
    """Which merges to list."""

    member_id: OptionalMember = None


class MergeDocument(Document):
    """One member who became an alias of another, or (`undoes`) became a member again."""

    id: str
    from_member_id: str
    to_member_id: str
    undoes: str | None
    actor: str
    reason: str
    recorded_at: datetime


def merge_document(merge: Merge) -> dict[str, Any]:
    """A merge as MergeDocument."""
    return {name: getattr(merge, name) for name in MergeDocument.model_fields}
