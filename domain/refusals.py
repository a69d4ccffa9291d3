"""Refusals: what callers have ordered of the ledger in vain, and why not. They are evidence, sealed like postings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """One command that was refused: its reference, by which stable code, for which member, by whom it was ordered."""

    reference: str
    kind: str
    code: str
    actor: str
    recorded_at: datetime
    member_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
