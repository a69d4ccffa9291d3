"""Streaks as they stand, and as they are explained."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from api.schemas.base import Document
from domain.calendars import ENGINE
from domain.game import Cadence, StreakPolicy
from domain.streaks import Judgement, Period, Streak, StreakState

MAX_PERIODS = 400


class QualifyingDocument(Document):
    """An event that counted."""

    event_id: str
    occurred_at: datetime


class StreakDocument(Document):
    """A member's streak."""

    member_id: str
    streak_type: str = Field(description="The key of its policy.")
    title: str
    cadence: Cadence
    state: StreakState
    current_streak: int = Field(description="Periods in a row; 0 if it is broken.")
    longest_streak: int
    started_on: date | None = Field(description="The first day of its first period.")
    last_qualifying_event: QualifyingDocument | None
    grace_period_until: datetime | None = Field(description="While it is at risk: when it breaks unless it is saved.")
    next_deadline_at: datetime | None = Field(description="When time changes it next; null while only facts can.")
    freezes: int = Field(description="How many are left.")


class StreaksDocument(Document):
    """A member's streaks, by policy."""

    streaks: list[StreakDocument]


class PeriodDocument(Document):
    """A period and what became of it."""

    first_on: date
    last_on: date
    judgement: Judgement
    detail: str = Field(description="What the judgement is by, in words; empty where there is nothing to say.")
    amount: int = Field(description="What was done in it.")
    needed: int = Field(description="What was asked.")
    length: int = Field(description="The streak afterwards.")
    event_ids: list[str] = Field(description="By which events.")


class RunDocument(Document):
    """A streak from its first period to its last."""

    started_on: date
    last_on: date
    length: int


class StreakExplanation(StreakDocument):
    """A streak with how it came to be so: every run, and the last 400 periods, oldest first."""

    version: int = Field(description="Of its policy, as it is in force now.")
    calendar: str = Field(description="Where public holidays are from.")
    runs: list[RunDocument]
    periods: list[PeriodDocument]


def streak_document(member_id: str, policy: StreakPolicy, streak: Streak) -> dict[str, Any]:
    """A streak as StreakDocument."""
    last = {"event_id": streak.last_event_id, "occurred_at": streak.last_qualifying_at}
    return {
        "member_id": member_id,
        "streak_type": policy.key,
        "title": policy.title,
        "cadence": policy.cadence,
        "state": streak.state,
        "current_streak": streak.current,
        "longest_streak": streak.longest,
        "started_on": streak.started_on,
        "last_qualifying_event": last if streak.last_event_id else None,
        "grace_period_until": streak.grace_until,
        "next_deadline_at": streak.next_deadline_at,
        "freezes": streak.freezes,
    }


def explanation_document(member_id: str, policy: StreakPolicy, streak: Streak) -> dict[str, Any]:
    """A streak that was folded from the start as StreakExplanation."""
    return streak_document(member_id, policy, streak) | {
        "version": policy.version,
        "calendar": ENGINE,
        "runs": [run._asdict() for run in streak.runs],
        "periods": [_period(one) for one in streak.periods[-MAX_PERIODS:]],
    }


def _period(period: Period) -> dict[str, Any]:
    return period._asdict() | {"event_ids": list(period.event_ids)}
