"""Derived events: what Laurel itself finds (a streak's length, a new tier, a prize), told through the one door.

What is derived leaves an outbox row in the transaction that found it; the relay hands the event to intake, where rules
decide like for any other. Recognition alone is told to intake at once, in the transaction in which it is given. The
external id says what was found, so it is told once, however often it is found. What turns out not to hold is retracted,
for good: what holds again is found under another name. The types of these events and the rule for prizes are part of
every snapshot.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.configuration import Award, EventType, Field, Rule
from domain.events import MEMBER_ID, Event, Identity, SourcePolicy
from domain.nominations import MAX_AMOUNT
from domain.outbox import Kind, Lane, OutboxRow
from domain.sentences import Sentence, Value, english, sentence

SOURCE = "laurel"
MAX_YEARS = 100  # of one employment
MAX_THANKS = 1_000_000  # of a unit, by one member to one other at once

STREAK_REACHED = "streak.reached"
TIER_CHANGED = "tier.changed"
BADGE_EARNED = "badge.earned"
CHALLENGE_PRIZE = "challenge.prize"
RECOGNITION_RECEIVED = "recognition.received"
RECOGNITION_GIVEN = "recognition.given"
WORK_ANNIVERSARY = "work.anniversary"
MEMBER_PROMOTED = "member.promoted"
PROBATION_ENDED = "probation.ended"
MEMBER_BIRTHDAY = "member.birthday"
NOMINATION_APPROVED = "nomination.approved"

_KEY = Field("string", required=True)
_DAY = Field("date", required=True)
_COUNT = Field("integer", required=True, minimum=0)
_THANKS = {
    "amount": Field(
        "integer",
        required=True,
        minimum=1,
        maximum=MAX_THANKS,
        description="What was spent on it of the giver's allowance.",
    ),
    "value": Field("string", description="The company's value that it stands for."),
    "public": Field("boolean", required=True),
}
_AMOUNT = Field("integer", required=True, minimum=0, maximum=MAX_AMOUNT)
_YEARS = Field("integer", required=True, minimum=1, maximum=MAX_YEARS)

EVENT_TYPES: Mapping[str, EventType] = {
    one.key: one
    for one in (
        EventType(
            STREAK_REACHED,
            0,
            {"streak": _KEY, "length": _COUNT, "started_on": _DAY, "reached_on": _DAY},
            "A streak has reached a length that its policy names.",
        ),
        EventType(
            TIER_CHANGED,
            0,
            {
                "ladder": _KEY,
                "tier": Field("string"),
                "before": Field("string"),
                "upgraded": Field("boolean", required=True),
            },
            "A member has come to another tier; without one, below the lowest.",
        ),
        EventType(BADGE_EARNED, 0, {"badge": _KEY}, "A badge was earned."),
        EventType(
            CHALLENGE_PRIZE,
            0,
            {"challenge": _KEY, "points": _COUNT, "reason": _KEY, "rank": Field("integer", minimum=1)},
            "A challenge pays: for a goal, a final rank, or a place among the first that its close has found.",
        ),
        EventType(
            RECOGNITION_RECEIVED,
            0,
            _THANKS | {"giver": Field("string", required=True, description="The id of the member who gave it.")},
            "A colleague has thanked the member.",
        ),
        EventType(
            RECOGNITION_GIVEN,
            0,
            _THANKS | {"receiver": Field("string", required=True, description="The id of the member who was thanked.")},
            "The member has thanked a colleague.",
        ),
        EventType(WORK_ANNIVERSARY, 0, {"years": _YEARS, "on": _DAY}, "A year more since the day of hire."),
        EventType(
            MEMBER_PROMOTED,
            0,
            {"on": _DAY, "role": Field("string", required=True), "before": Field("string")},
            "A member has come to another role by promotion.",
        ),
        EventType(MEMBER_BIRTHDAY, 0, {"on": _DAY}, "A member has their birthday."),
        EventType(PROBATION_ENDED, 0, {"on": _DAY}, "A member's probation has ended."),
        EventType(
            NOMINATION_APPROVED,
            0,
            {"nomination": _KEY, "category": _KEY, "amount": _AMOUNT, "nominator": _KEY},
            "A nomination of the member was approved, for the amount.",
        ),
    )
}

_PRIZE = "laurel.challenge-prize"
# As members read of it, to whom it happens.
_TITLES: Mapping[str, Sentence] = {_PRIZE: sentence("What a challenge promised")}
_HAPPENED: Mapping[str, Sentence] = {
    STREAK_REACHED: sentence("The length of a streak"),
    TIER_CHANGED: sentence("Another tier"),
    BADGE_EARNED: sentence("A badge"),
    CHALLENGE_PRIZE: sentence("The prize of a challenge"),
    RECOGNITION_RECEIVED: sentence("Thanks from a colleague"),
    RECOGNITION_GIVEN: sentence("Thanks to a colleague"),
    WORK_ANNIVERSARY: sentence("A work anniversary"),
    MEMBER_PROMOTED: sentence("A promotion"),
    MEMBER_BIRTHDAY: sentence("A birthday"),
    PROBATION_ENDED: sentence("The end of probation"),
    NOMINATION_APPROVED: sentence("An approved nomination"),
}

RULES: Mapping[str, Rule] = {
    _PRIZE: Rule(_PRIZE, 0, CHALLENGE_PRIZE, english(_TITLES[_PRIZE]), award=Award("event.points"))
}


def described(event_type: str, known: Mapping[str, EventType]) -> Value:
    """What events of the type are to a member: as Laurel says it of its own, else in the program's words."""
    declared = known.get(event_type)
    words = declared.description.rstrip(".") if declared else ""
    return _HAPPENED.get(event_type) or words or event_type


def titled(rule: str, title: str) -> Value:
    """What the rule of this key is called, likewise."""
    return _TITLES.get(rule) or title or rule


# How what is derived is told: what is known already stays as it was told first.
POLICY = SourcePolicy(amendments="ignore", is_laurel=True)


def is_forged(found: Event, policy: SourcePolicy) -> bool:
    """Whether somebody else tells what only Laurel can have found."""
    is_ours = found.source == SOURCE or (found.type in EVENT_TYPES and found.retracts is None)
    return is_ours and not policy.is_laurel


def event(kind: str, name: str, member_id: str, occurred_at: datetime, data: Mapping[str, Any]) -> Event:
    """The fact of this kind; `name` says which, and is unique among all that the kind ever has in the program."""
    return Event(SOURCE, fact(kind, name), kind, Identity(MEMBER_ID, member_id), occurred_at, data)


def retraction(kind: str, name: str, member_id: str, occurred_at: datetime) -> Event:
    """The fact that `event` makes of this kind and name does not hold."""
    original = fact(kind, name)
    return Event(SOURCE, f"{original}:gone", kind, Identity(MEMBER_ID, member_id), occurred_at, {}, retracts=original)


def fact(kind: str, name: str) -> str:
    """The external id of the fact of this kind and name."""
    return f"{kind}:{name}"


def outbox_row(program_id: str, found: Event) -> OutboxRow:
    """What makes the relay tell the fact; facts of one member are told in the order in which they were found."""
    payload = {
        "external_id": found.external_id,
        "type": found.type,
        "member_id": found.member.external_id,
        "occurred_at": found.occurred_at.isoformat(),
        "data": dict(found.data),
        "retracts": found.retracts,
    }
    return OutboxRow(program_id, Lane.INTAKE, Kind.DERIVED, payload, order_key=found.member.external_id)


def from_payload(payload: Mapping[str, Any]) -> Event:
    """The fact that an outbox row holds."""
    return Event(
        SOURCE,
        payload["external_id"],
        payload["type"],
        Identity(MEMBER_ID, payload["member_id"]),
        datetime.fromisoformat(payload["occurred_at"]),
        payload["data"],
        retracts=payload["retracts"],
    )
