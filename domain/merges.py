"""Merges: two members who turn out to be one, and may be parted again.

What moved is kept, and how both stood, so that each can be left with what they would have had alone. Only what was
ordered meanwhile stays with whoever ordered it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from domain.configuration import Configuration
from domain.deciding import Inputs, crossings, still_crossed
from domain.ladders import Crossing, Ladders


@dataclass(frozen=True, slots=True)
class Stood:
    """Before a merge, in one unit: both lifetimes, and the version of the other member's account."""

    from_lifetime: int
    to_lifetime: int
    to_version: int


@dataclass(slots=True)
class Moved:
    """What a merge moved to the other member, by name, and how both stood by unit.

    `counters` are (name, period, first day, uses, total); `twins` are crossings that both had, of which one went.
    """

    units: dict[str, Stood] = field(default_factory=dict)
    identities: list[tuple[str, str]] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    counters: list[tuple[str, str, str, int, int]] = field(default_factory=list)
    crossings: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    rewards: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """What is kept of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """The inverse of `as_json`."""
        return cls(**{**kept, "units": {unit: Stood(**stood) for unit, stood in kept["units"].items()}})


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge, or (`undoes`) the end of one."""

    id: str
    from_member_id: str
    to_member_id: str
    undoes: str | None
    actor: str
    reason: str
    recorded_at: datetime


def unite(theirs: Sequence[Crossing], ours: Sequence[Crossing]) -> tuple[list[Crossing], list[Crossing]]:
    """Of who is merged: the crossings that go along, and those that the other member has as well."""
    known = {(one.mark, one.n) for one in ours}
    twins = [one for one in theirs if (one.mark, one.n) in known]
    return [one for one in theirs if one not in twins], twins


def recount(
    configuration: Configuration,
    ladders: Ladders,
    member_id: str,
    lifetimes: Mapping[str, tuple[int, int]],
    lost: Iterable[tuple[str, int]] = (),
) -> None:
    """Leave a member who was parted with the crossings of their own lifetime.

    By unit, `lifetimes` are theirs before the merge and now. What they do not reach alone is withdrawn unless it was
    placed; `lost` (mark, n) is theirs but went to the other, and is crossed anew, as is what they have passed since.
    """
    milestones = {one.mark: one for one in configuration.milestones}

    def stands(mark: str, n: int) -> bool:
        milestone = milestones.get(mark)
        if milestone is None or milestone.on != "lifetime":
            return True
        return still_crossed(milestone, n, lifetimes[milestone.unit][1])

    ladders.withdraw(member_id, lambda crossing: stands(crossing.mark, crossing.n))
    for mark, n in sorted(lost):
        if mark in milestones and stands(mark, n):
            ladders.cross(member_id, milestones[mark], n)
    for unit, (before, now) in lifetimes.items():
        inputs = Inputs({}, before, 0, ladders.marks_of(member_id))
        for milestone, n in crossings(configuration, unit, inputs, max(now - before, 0)):
            if milestone.on == "lifetime":
                ladders.cross(member_id, milestone, n)
