"""Merges: two members who turn out to be one. What moved is kept, so that a merge can be undone by another."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from domain.ladders import Crossing


@dataclass(slots=True)
class Moved:
    """What a merge moved to the other member: by unit what stood in the account, and the names of all else.

    `counters` are (name, period, first day, uses, total); `twins` are crossings that both had, of which one went.
    """

    units: dict[str, int] = field(default_factory=dict)
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
        return cls(**kept)


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
