"""Stories: what happened to an event, a nomination, a reward, an order or a member, as one line of time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Teller(StrEnum):
    """Who knows of a moment."""

    EVENT = "event"
    DECISION = "decision"
    LEDGER = "ledger"
    MILESTONE = "milestone"
    REWARD = "reward"
    NOMINATION = "nomination"
    ORDER = "order"
    NOTIFICATION = "notification"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened; `about` is the row's id or the workflow's. No secrets."""

    at: datetime
    teller: Teller
    about: str
    text: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cast:
    """The rows that a story is about, by id."""

    program_id: str
    events: frozenset[str] = frozenset()
    rewards: frozenset[str] = frozenset()
    orders: frozenset[str] = frozenset()
    nominations: frozenset[str] = frozenset()
