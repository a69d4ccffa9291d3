"""Rewards as they are shown."""

from datetime import datetime
from typing import Any

from api.schemas.base import Document, Money, PageQuery
from domain.configuration import Reward
from domain.rewards import GivenReward, RewardState


class RewardDocument(Document):
    """What a milestone or a rule gave a member; `items` are the keys from which one is chosen."""

    id: str
    member_id: str
    reward: str
    title: str
    items: list[str]
    value: Money
    price_points: int
    state: RewardState
    reason: str | None
    event_id: str | None
    rule: str | None
    order_id: str | None
    offered_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


class RewardQuery(PageQuery):
    """Which of a member's rewards to list."""

    state: RewardState | None = None


_SHOWN = (
    "id", "member_id", "reward", "state", "reason", "event_id", "rule", "order_id", "offered_at", "expires_at",
    "created_at", "updated_at",
)  # fmt: skip


def reward_document(given: GivenReward, definition: Reward) -> dict[str, Any]:
    """A reward as RewardDocument."""
    return {name: getattr(given, name) for name in _SHOWN} | {
        "title": definition.title,
        "items": definition.items,
        "value": {"amount_minor": definition.value_minor, "currency": definition.currency},
        "price_points": definition.price_points,
    }
