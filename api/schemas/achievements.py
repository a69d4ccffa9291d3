"""Tiers and badges as they are shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import Document
from domain.game import Badge, TierLadder
from storage.badges import MemberBadge
from storage.tiers import MemberTier


class LevelDocument(Document):
    """One step of a ladder: reached `at` so much, kept while there is at least `kept_at`."""

    key: str
    title: str
    at: int
    kept_at: int


class TierDocument(Document):
    """Where a member stands on a ladder."""

    ladder: str
    title: str
    unit: str
    days: int | None = Field(description="Only what was earned within so many days counts; null: everything.")
    tier: str | None = Field(description="Null below the lowest level.")
    since: datetime | None
    amount: int = Field(description="What counts today.")
    next: str | None = Field(description="The next level; null on the highest.")
    missing: int = Field(description="How much more the next level takes.")
    levels: list[LevelDocument]


class TierChangeDocument(Document):
    """One change of a member's tier; a silent one was told to nobody: the ladder was new, or two members became one."""

    ladder: str
    n: int
    tier: str | None
    before: str | None
    amount: int = Field(description="What counted then.")
    event_id: str | None
    configuration: int
    silent: bool
    recorded_at: datetime


class TiersDocument(Document):
    """A member's tiers, and their last changes, newest first."""

    items: list[TierDocument]
    changes: list[TierChangeDocument]


class BadgeDocument(Document):
    """A badge as it is defined, and how many members have it."""

    badge: str
    title: str
    description: str
    aggregate: str | None
    at_least: int
    streak: str | None
    challenge: str | None
    badges: list[str]
    members: int


class MemberBadgeDocument(Document):
    """A badge that a member has."""

    badge: str
    title: str
    description: str
    earned_at: datetime
    event_id: str | None = Field(description="Null: the member had achieved it when the badge was introduced.")


def tier_document(ladder: TierLadder, stands: MemberTier) -> dict[str, Any]:
    """A member's tier as TierDocument."""
    height = next((n for n, level in enumerate(ladder.levels) if level.key == stands.tier), -1)
    above = ladder.levels[height + 1] if height + 1 < len(ladder.levels) else None
    levels = [{"key": one.key, "title": one.title, "at": one.at, "kept_at": one.kept_at} for one in ladder.levels]
    return {
        "ladder": ladder.key,
        "title": ladder.title,
        "unit": ladder.unit,
        "days": ladder.days,
        "tier": stands.tier,
        "since": stands.since,
        "amount": stands.amount,
        "next": above.key if above else None,
        "missing": max(above.at - stands.amount, 0) if above else 0,
        "levels": levels,
    }


def badge_document(badge: Badge, members: int) -> dict[str, Any]:
    """A badge as BadgeDocument."""
    names = ("title", "description", "aggregate", "at_least", "streak", "challenge")
    shown = {name: getattr(badge, name) for name in names}
    return {"badge": badge.key, **shown, "badges": list(badge.badges), "members": members}


def member_badge_document(has: MemberBadge, badges: Mapping[str, Badge]) -> dict[str, Any]:
    """A member's badge as MemberBadgeDocument, by its key alone if it is defined no more."""
    badge = badges.get(has.badge)
    told = {"title": badge.title, "description": badge.description} if badge else {"title": "", "description": ""}
    return {"badge": has.badge, **told, "earned_at": has.earned_at, "event_id": has.event_id}
