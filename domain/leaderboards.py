"""Leaderboards: members in the order of their lifetime points; whoever got there first stands higher among equals.

Boards are kept in Redis and may be lost at any moment, so each standing is absolute: it says all that its board needs,
and which of two standings of one member is newer. Places are therefore the same in whatever order, and however often,
standings arrive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

# A Redis score is a double: whole numbers are exact to this bound, and who has more is ranked as having this many.
MAX_POINTS = 2**53 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a member has earned in one unit, since when, and on which boards it counts.

    `version` is the account's version and the member's together: both only grow, and both are read or written under the
    member's lock, so a greater sum is a newer standing. Who is not listed (has left) is on no board, nor is who has
    earned nothing.
    """

    member_id: str
    unit: str
    points: int
    reached_at: datetime
    version: int
    department: str | None = None
    listed: bool = True

    @property
    def ranks(self) -> bool:
        """Whether it has a place on any board."""
        return self.listed and self.points > 0

    @property
    def entry(self) -> str:
        """The member as a board holds it."""
        return _entry(self.reached_at, self.member_id)

    def as_payload(self) -> dict[str, Any]:
        """The standing as an outbox row carries it."""
        return {
            "member_id": self.member_id,
            "unit": self.unit,
            "score": self.points,
            "reached_at": self.reached_at.isoformat(),
            "version": self.version,
            "department": self.department,
            "listed": self.listed,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The inverse of `as_payload`."""
        return cls(
            member_id=payload["member_id"],
            unit=payload["unit"],
            points=payload["score"],
            reached_at=datetime.fromisoformat(payload["reached_at"]),
            version=payload["version"],
            department=payload["department"],
            listed=payload["listed"],
        )


@dataclass(frozen=True, slots=True)
class Place:
    """One line of a board; ranks begin at 1 and are never shared."""

    rank: int
    member_id: str
    points: int
    reached_at: datetime

    @property
    def entry(self) -> str:
        """The member as the board holds it."""
        return _entry(self.reached_at, self.member_id)


def place(rank: int, entry: str, points: int) -> Place:
    """The place of a board's entry."""
    instant, _, member_id = entry.partition(":")
    return Place(rank, member_id, points, _EPOCH + int(instant, 16) * _MICROSECOND)


def _entry(reached_at: datetime, member_id: str) -> str:
    """Equal points are ordered by this text, so the instant comes first: exact to the microsecond."""
    return f"{(reached_at - _EPOCH) // _MICROSECOND:016x}:{member_id}"
