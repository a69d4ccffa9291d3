"""Dispatches: what became of a notification on its way into a conversation."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.notifications import Notification


class DispatchState(StrEnum):
    """Where a notification has got to; one without a dispatch is to be decided upon."""

    WAITING = "waiting"  # for the instant at which it is decided upon again
    GATHERED = "gathered"  # for the digest at the instant
    TOLD = "told"
    WITHHELD = "withheld"  # the member does without it, or it is over; decided upon anew when what it is about changes


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is told: a channel or a person of a workspace, in their language."""

    connection_id: str
    conversation: str
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What became of a notification.

    `due_at` while it waits or is gathered, `place` and `told_at` once it is told; one of a digest has no place.
    """

    notification_id: str
    member_id: str | None
    state: DispatchState
    due_at: datetime | None = None
    place: Place | None = None
    told_at: datetime | None = None


def turn_of(told: Notification) -> str:
    """Whose turn it is when it is decided what becomes of the notification, and what its message says."""
    return told.member_id or told.id


def message_key(notification_id: str) -> str:
    """The key of the message that tells the notification."""
    return f"notification/{notification_id}"
