"""What a demonstration saw, for its story and for judging it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.demo.outside import Json
from storage.verification import Check


@dataclass(frozen=True, slots=True)
class Standing:
    """What the program has at one moment: each member's balance by e-mail, its events and its orders."""

    balances: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    orders: list[Json] = field(default_factory=list)

    def event(self, name: str) -> Json:
        """The event about the deal of this name."""
        return next(event for event in self.events if event["data"].get("name") == name)

    @property
    def effects(self) -> tuple[Any, ...]:
        """All that a repeat must not change."""
        return (
            {email: (one["available"], one["held"], one["lifetime"]) for email, one in self.balances.items()},
            sorted((event["id"], event["state"], event["points"], event["revision"]) for event in self.events),
            sorted(order["id"] for order in self.orders),
        )


@dataclass(slots=True)
class Played:
    """What was seen of the streak before and after the sick leave, and of the race for the places."""

    at_risk: Json = field(default_factory=dict)
    saved: Json = field(default_factory=dict)
    went_on: Json = field(default_factory=dict)
    claims: list[Json] = field(default_factory=list)
    earned: list[int] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Talked:
    """What came of the nomination and of the thanks in Slack, and what each person was told there directly."""

    nominated: int = 0
    thanked: int = 0
    spent: int = 0
    told: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Month:
    """How many facts were told of a month that is made up, and what was verified of it."""

    facts: int = 0
    checks: Sequence[Check] = ()


@dataclass(slots=True)
class Record:
    """All that was seen, for the story and for judging it."""

    program_id: str
    earned: Standing = field(default_factory=Standing)
    repeated: Standing = field(default_factory=Standing)
    final: Standing = field(default_factory=Standing)
    repeats_sent: int = 0
    retracted_points: int = 0
    played: Played = field(default_factory=Played)
    talked: Talked = field(default_factory=Talked)
    explanation: Sequence[str] = ()
    orders: list[Json] = field(default_factory=list)
    issued_before: int = 0
    cards: Json = field(default_factory=dict)
    checks: Sequence[Check] = ()
    month: Month = field(default_factory=Month)
    seconds: float = 0.0
