"""Challenges as callers write them, and as they stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from api.bodies import pointer
from api.problems import Problem
from api.schemas.base import TEXT_PATTERN, Document, Instant, Key, PageQuery, Strict, Text, whole
from domain.challenges import ChallengeState, Claim, ClaimState, Standing
from domain.configuration import Calendar, Rounding, Stacking
from domain.expressions import MAX_EXPRESSION_LENGTH
from domain.game import Fairness
from domain.shapes import Fault
from storage.challenge_commands import Launched
from storage.challenges import StoredChallenge

MAX_POINTS = 1_000_000_000

Expression = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_EXPRESSION_LENGTH, pattern=TEXT_PATTERN), Field(examples=["50"])
]
FieldName = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Title = Annotated[str, StringConstraints(max_length=200, pattern=TEXT_PATTERN)]
Count = Annotated[int, Field(ge=1, le=MAX_POINTS), BeforeValidator(whole)]
Amount = Annotated[int, Field(ge=0, le=MAX_POINTS), BeforeValidator(whole)]
Hours = Annotated[int, Field(ge=0, le=744), BeforeValidator(whole)]
Priority = Annotated[int, Field(ge=-300, le=300), BeforeValidator(whole)]


class ConditionBody(Strict):
    """A condition that a completion fulfils."""

    name: Title = Field(description="What people read when it does not hold.")
    expression: Expression


class GoalBody(Strict):
    """What is to be reached, by each member or by each team together."""

    target: Count
    field: FieldName | None = Field(None, description="The integer field that is summed; none counts completions.")
    team: Key | None = Field(None, description="The attribute that makes a team, as department.")
    streak: Key | None = Field(None, description="A streak policy: the target is a length of it.")
    points: Amount = Field(0, description="For each member who has reached it, or took part in a team that has.")


class PrizeBody(Strict):
    """Points for final ranks."""

    first: Count
    last: Count
    points: Count


class ChallengeText(Strict):
    """A challenge as files say it: docs/configuration.md tells what each field means."""

    starts_at: Instant
    ends_at: Instant
    event_types: list[Key] = Field(default=[], max_length=20)
    title: Title = ""
    description: Annotated[str, StringConstraints(max_length=5_000, pattern=TEXT_PATTERN)] = ""
    when: list[ConditionBody] = Field(default=[], max_length=20)
    audience: Expression | None = None
    multiplier: Expression | None = None
    bonus: Expression | None = None
    rounding: Rounding = Field(Rounding.FLOOR, strict=False)
    late_hours: Hours = 24
    first: Count | None = None
    fairness: Fairness = Field(Fairness.ARRIVAL, strict=False)
    once: bool = False
    member_points: Count | None = None
    budget_points: Count | None = None
    exceptions_points: Count | None = None
    stacking: Stacking = Field(Stacking.SUM, strict=False)
    priority: Priority = 0
    goal: GoalBody | None = None
    prizes: list[PrizeBody] = Field(default=[], max_length=20)
    repeats: Calendar | None = Field(None, strict=False)

    def said(self) -> dict[str, Any]:
        """As a file would say it."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"key"})


class ChallengeBody(ChallengeText):
    """A new challenge; the key stays its own for ever."""

    key: Key


class LaunchBody(Strict):
    """The draft that was read."""

    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Field(examples=["0" * 64])] = Field(
        description="As the draft told it: one that was written anew is not launched."
    )


class ExtensionBody(Strict):
    """A later end."""

    ends_at: Instant


class CancellationOfChallengeBody(Strict):
    """Why a challenge is cancelled."""

    reason: Text


# -- As they are shown ---------------------------------------------------------------------------------------------


class ConditionDocument(Document):
    """A condition that a completion fulfils."""

    name: str
    expression: str


class GoalDocument(Document):
    """What is to be reached."""

    target: int
    field: str | None
    team: str | None
    streak: str | None
    points: int


class PrizeDocument(Document):
    """Points for final ranks."""

    first: int
    last: int
    points: int


class ChallengeDocument(Document):
    """A challenge and where it stands; `until` is its end as it is now, `reason` why it was cancelled.

    `fingerprint` is of all that it says: a launch names it.
    """

    id: str
    key: str
    state: ChallengeState
    origin: Literal["file", "page"]
    title: str
    description: str
    event_types: list[str]
    when: list[ConditionDocument]
    audience: str | None
    multiplier: str | None
    bonus: str | None
    rounding: Rounding
    starts_at: datetime
    ends_at: datetime
    until: datetime
    late_hours: int
    first: int | None
    fairness: Fairness
    once: bool
    member_points: int | None
    budget_points: int | None
    exceptions_points: int | None
    stacking: Stacking
    priority: int
    goal: GoalDocument | None
    prizes: list[PrizeDocument]
    repeats: Calendar | None
    reason: str | None
    fingerprint: str
    written_by: str
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None


class LaunchDocument(Document):
    """A challenge that was launched, and what its maker should know: an audience that nobody meets, for example."""

    challenge: ChallengeDocument
    warnings: list[str]


class StandingDocument(Document):
    """Where a member or a team stands; `target` is the goal's, if this is whose goal it is."""

    rank: int
    member_id: str | None
    team: str | None
    amount: int
    target: int | None
    reached: bool
    completions: int
    points: int
    reached_at: datetime


class StandingsDocument(Document):
    """A page of standings; `final` ones do not change any more."""

    items: list[StandingDocument]
    final: bool
    next_cursor: str | None = None


class ClaimDocument(Document):
    """A completion: `number` counts them as they came, `place` is one among the first; `due` is what one pays there.

    `occurred_at` is from when it counts: when it was told, where its source was too late with it.
    """

    event_id: str
    member_id: str
    number: int | None
    place: int | None
    state: ClaimState
    amount: int
    points: int
    due: int
    team: str | None
    occurred_at: datetime


class ChallengesQuery(PageQuery):
    """Which challenges to list."""

    state: ChallengeState | None = None


class StandingsQuery(PageQuery):
    """Whose standings to list."""

    scope: Literal["members", "teams"] = "members"


_STORED = ("id", "key", "state", "reason", "fingerprint", "written_by", "created_at", "updated_at", "settled_at")
_SAID = (
    "origin", "title", "description", "event_types", "when", "audience", "multiplier", "bonus", "rounding", "starts_at",
    "ends_at", "until", "late_hours", "first", "fairness", "once", "member_points", "budget_points",
    "exceptions_points", "stacking", "priority", "goal", "prizes", "repeats",
)  # fmt: skip


def challenge_document(stored: StoredChallenge) -> dict[str, Any]:
    """A challenge as ChallengeDocument."""
    said = {name: getattr(stored.definition, name) for name in _SAID}
    return {name: getattr(stored, name) for name in _STORED} | said


def launch_document(launched: Launched) -> dict[str, Any]:
    """A launch as LaunchDocument."""
    return {"challenge": challenge_document(launched.challenge), "warnings": list(launched.warnings)}


def standing_document(stored: StoredChallenge, scope: str, one: Standing) -> dict[str, Any]:
    """A place as StandingDocument."""
    goal = stored.definition.goal
    own = goal is not None and (goal.team is not None) == (scope == "teams")
    shown = ("rank", "member_id", "team", "amount", "reached", "completions", "points", "reached_at")
    return {name: getattr(one, name) for name in shown} | {"target": goal.target if goal and own else None}


def claim_document(one: Claim) -> dict[str, Any]:
    """A claim as ClaimDocument."""
    shown = (name for name in Claim.__dataclass_fields__ if name not in ("challenge", "prize"))
    return {name: getattr(one, name) for name in shown}


def invalid_challenge(faults: Sequence[Fault]) -> Problem:
    """The problem that tells the faults of a challenge."""
    errors = [{"pointer": pointer(fault.path), "detail": fault.message} for fault in faults]
    return Problem("invalid_challenge", errors=errors)
