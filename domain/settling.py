"""Settling: what of the boards and tiers is due because time has passed."""

from dataclasses import dataclass
from enum import StrEnum


class SettleKind(StrEnum):
    """A board's period that has ended everywhere, or a ladder on which somebody may have too little for their level."""

    BOARD = "board"
    TIERS = "tiers"


@dataclass(frozen=True, slots=True)
class SettleDue:
    """What is to be settled: the board or the ladder of this key; `first_day` (ISO) is that of the board's period."""

    program_id: str
    kind: SettleKind
    key: str
    first_day: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """How many places were written or members changed, and whether there may be more."""

    done: int
    more: bool = False
