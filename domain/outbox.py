"""The outbox: what must follow a committed change elsewhere, as one row per effect.

A row is written in the transaction of the change and acted upon by the relay at least once. Rows of one order key in
one lane take effect in the order in which they were written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Lane(StrEnum):
    """Effects that wait for the same system, and pause together while it is away."""

    TEMPORAL = "temporal"
    REDIS = "redis"
    NOTIFY = "notify"
    INTAKE = "intake"
    CHECKPOINTS = "checkpoints"
    SLACK = "slack"


class Kind(StrEnum):
    """One kind of effect; the comment is its payload."""

    START_REWARD = "start_reward"  # reward_id, about: a line for people
    START_ORDER = "start_order"  # order_id, about
    WAKE_REWARD = "wake_reward"  # reward_id
    WAKE_ORDER = "wake_order"  # order_id
    START_CHALLENGE = "start_challenge"  # challenge_id, about
    WAKE_CHALLENGE = "wake_challenge"  # challenge_id
    START_GRACE = "start_grace"  # grace_id, about
    WAKE_GRACE = "wake_grace"  # grace_id
    START_NOMINATION = "start_nomination"  # nomination_id, about
    WAKE_NOMINATION = "wake_nomination"  # nomination_id
    START_CLOCK = "start_clock"  # policy
    WAKE_CLOCK = "wake_clock"  # policy
    FETCH_OBJECT = "fetch_object"  # connection_id, object_id, kind
    SAY = "say"  # connection_id, conversation_id, turn
    SCORE = "score"  # member_id
    NOTIFICATION = "notification"  # notification_id
    RETELL = "retell"  # notification_id
    GATHERED = "gathered"  # member_id
    CONFIRMATION = "confirmation"  # nomination_id
    IDENTITY_ARRIVED = "identity_arrived"  # identities: [[source, external_id], ...]
    DECIDE = "decide"  # event_ids
    STREAKS_DUE = "streaks_due"  # after: [member_id, policy]
    DERIVED = "derived"  # external_id, type, member_id, occurred_at, data, retracts
    CHECKPOINT = "checkpoint"  # size
    SLACK_ENVELOPE = "slack_envelope"  # envelope_id


LANES: Mapping[str, str] = {
    Kind.START_REWARD: Lane.TEMPORAL,
    Kind.START_ORDER: Lane.TEMPORAL,
    Kind.WAKE_REWARD: Lane.TEMPORAL,
    Kind.WAKE_ORDER: Lane.TEMPORAL,
    Kind.START_CHALLENGE: Lane.TEMPORAL,
    Kind.WAKE_CHALLENGE: Lane.TEMPORAL,
    Kind.START_GRACE: Lane.TEMPORAL,
    Kind.WAKE_GRACE: Lane.TEMPORAL,
    Kind.START_NOMINATION: Lane.TEMPORAL,
    Kind.WAKE_NOMINATION: Lane.TEMPORAL,
    Kind.START_CLOCK: Lane.TEMPORAL,
    Kind.WAKE_CLOCK: Lane.TEMPORAL,
    Kind.FETCH_OBJECT: Lane.TEMPORAL,
    Kind.SAY: Lane.TEMPORAL,
    Kind.SCORE: Lane.REDIS,
    Kind.NOTIFICATION: Lane.NOTIFY,
    Kind.RETELL: Lane.NOTIFY,
    Kind.GATHERED: Lane.NOTIFY,
    Kind.CONFIRMATION: Lane.NOTIFY,
    Kind.IDENTITY_ARRIVED: Lane.INTAKE,
    Kind.DECIDE: Lane.INTAKE,
    Kind.STREAKS_DUE: Lane.INTAKE,
    Kind.DERIVED: Lane.INTAKE,
    Kind.CHECKPOINT: Lane.CHECKPOINTS,
    Kind.SLACK_ENVELOPE: Lane.SLACK,
}

# A later row of these says everything that an earlier one said, so a dead one does not hold up its key.
SUPERSEDABLE = frozenset({Kind.SCORE})


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One effect to come. `order_key` names a row that the writer holds locked, so that ids follow its commits."""

    program_id: str
    lane: str
    kind: str
    payload: Mapping[str, Any]
    order_key: str | None = None

    def __post_init__(self) -> None:
        if LANES.get(self.kind) != self.lane:
            raise ValueError(f"{self.kind} belongs to lane {LANES.get(self.kind)}, not {self.lane}")


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A row that one relay may act upon until its lease ends; `attempts` were answered with a refusal before."""

    id: int
    program_id: str
    lane: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int

    @property
    def ids(self) -> dict[str, Any]:
        """The row's own id and those that its payload names, for log lines."""
        named = {name: value for name, value in self.payload.items() if name.endswith(("_id", "_ids"))}
        return {"outbox_id": self.id, "program_id": self.program_id} | named


@dataclass(frozen=True, slots=True)
class DeadRow:
    """A row that was refused too often and waits for an operator."""

    id: int
    program_id: str
    lane: str
    kind: str
    payload: Mapping[str, Any]
    order_key: str | None
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much of one lane is left to do: open rows, dead rows, and how long the oldest open row has been waiting."""

    lane: str
    open: int
    dead: int
    oldest_seconds: float
