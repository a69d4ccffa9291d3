"""Answers: what is said to a member who asked (`domain.asks`), as data: numbers, instants and reasons, no sentences.

Nothing here is about anybody else but for the names around a member on a board, as boards show them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain import asks
from domain.catalog import Denomination, Listing
from domain.configuration import Calendar, Unit
from domain.explanations import DecisionExplained
from domain.game import Board, Cadence, Challenge
from domain.members import Balance
from domain.sentences import Value
from domain.streaks import StreakState
from domain.vendors import Money

# -- What a member has ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holding:
    """What the member has of a unit; of an allowance, how often it is refilled, and when next."""

    unit: Unit
    balance: Balance
    per: Calendar | None = None
    refilled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Balances:
    """Points, then whatever else the member has or may give away."""

    holdings: tuple[Holding, ...]
    time_zone: str


# -- Why -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why an event of the member earned what it earned: its last decision, if it was decided.

    `description` says what events of its type are; `earned` what stands of each unit, points first. `rewards` are the
    titles of what it gave. One that `takes_back` retracts an earlier event.
    """

    event_id: str
    description: Value
    state: str
    occurred_at: datetime
    decision: DecisionExplained | None
    earned: Sequence[tuple[Unit, int]] = ()
    rewards: tuple[str, ...] = ()
    takes_back: bool = False
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class NothingKnown:
    """There is nothing to explain: no event of this reference is the member's, or none earned nothing, or none came."""

    asked: asks.Why


# -- The game ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreakStanding:
    """A streak now: what was `done` of what is `needed` in the period that ends at the deadline.

    `counts` says what counts, type by type.
    """

    title: str
    cadence: Cadence
    state: StreakState
    current: int
    longest: int
    done: int
    needed: int
    deadline: datetime | None
    breaks_at: datetime | None
    freezes: int
    counts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Streaks:
    """Each streak that the program keeps."""

    standings: tuple[StreakStanding, ...]
    time_zone: str


@dataclass(frozen=True, slots=True)
class Line:
    """A place as the member may see it: without a rank, in the part that is not numbered."""

    rank: int | None
    name: str
    amount: int
    is_own: bool


@dataclass(frozen=True, slots=True)
class Places:
    """The member's place with those around it."""

    board: Board
    unit: Unit
    cohort: tuple[str, ...]
    lines: tuple[Line, ...]
    percentile: int | None


class Unplaced(StrEnum):
    """Why there is no place to show; the comment is the reason."""

    AWAY = "away"  # boards cannot be read at the moment
    HIDDEN = "hidden"  # the member wants no place
    NO_PLACE = "no_place"  # nothing was earned, or too few have a place to show anybody's
    NO_BOARD = "no_board"  # none of this name


@dataclass(frozen=True, slots=True)
class NoPlaces:
    """No place, and the boards that there are."""

    reason: Unplaced
    boards: Sequence[Board]


@dataclass(frozen=True, slots=True)
class Progress:
    """A challenge that is open, and what the member, or the member's team, has brought; `rank` None is nothing yet.

    `places_left` is how many of the first are still to be had.
    """

    challenge: Challenge
    amount: int = 0
    completions: int = 0
    points: int = 0
    rank: int | None = None
    places_left: int | None = None


@dataclass(frozen=True, slots=True)
class OpenChallenges:
    """Those that are for the member, by their end, but for so many `more`."""

    progress: tuple[Progress, ...]
    time_zone: str
    more: int = 0


# -- Rewards -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """A reward that waits for the member's choice among these items."""

    reward_id: str
    title: str
    value: Money
    price_points: int
    expires_at: datetime | None
    items: tuple[Listing, ...]


@dataclass(frozen=True, slots=True)
class Shop:
    """What the member can have where the member is: offers, and the catalog with what it costs.

    Without `recipient_email` the member says where a card goes.
    """

    points: int
    offers: tuple[Offer, ...]
    listings: tuple[Listing, ...]
    recipient_email: str | None
    time_zone: str

    def affordable(self) -> list[tuple[Listing, Denomination]]:
        """What the points pay for, each item in the most that they do; the dearest first."""
        found = []
        for listing in self.listings:
            paid = [one for one in cheapest_first(listing) if one.price_points <= self.points]
            found += [(listing, paid[-1])] if paid else []
        return sorted(found, key=lambda one: (-one[1].price_points, one[0].name))

    def next_price(self) -> int | None:
        """The least that anything costs, if it is more than there is."""
        prices = [one.price_points for listing in self.listings for one in cheapest_first(listing)]
        least = min(prices, default=0)
        return least if least > self.points else None


def cheapest_first(listing: Listing) -> list[Denomination]:
    """The values in which the item is listed, the ends of its ranges included."""
    ends = [end for one in listing.ranges for end in (one.least, one.most)]
    return sorted([*listing.denominations, *ends], key=lambda one: one.price_points)


Answer = (
    Balances | Reasons | NothingKnown | Streaks | Places | NoPlaces | OpenChallenges | Shop | asks.Help | asks.Unknown
)
