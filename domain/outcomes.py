"""Outcomes: what intake answers for one event, as data that the API renders and that a repeat replays."""

from dataclasses import dataclass

RECORDED = "recorded"
REPLAYED = "replayed"
AMENDED = "amended"
CONFLICT = "conflict"
REJECTED = "rejected"
QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one event, in the order of the batch.

    `status` is what this call did; `state` is how the event stands now (decided, parked, quarantined, retracted,
    awaited, closed; empty when rejected). `points` is what it earns as it stands. `code` and `detail` explain conflict,
    rejected and quarantined.
    """

    status: str
    event_id: str | None = None
    state: str = ""
    member_id: str | None = None
    points: int = 0
    rewards: tuple[str, ...] = ()
    code: str | None = None
    detail: str | None = None
