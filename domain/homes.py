"""Homes: what a member has, what waits for them and how they stand, at a glance; every list is bounded."""

from dataclasses import dataclass
from datetime import datetime

from domain.account_statements import Category
from domain.answers import Balances, NoPlaces, OpenChallenges, Places, Shop, Streaks
from domain.configuration import UnitKind
from domain.nominations import NominationState
from domain.sentences import Value

MAX_APPROVALS = 5
MAX_PROPOSED = 5
MAX_CHALLENGES = 5
MAX_ACTIVITY = 10


@dataclass(frozen=True, slots=True)
class Approval:
    """A nomination that waits for the member's decision."""

    nomination_id: str
    category: str
    amount: int
    nominee: str
    nominator: str
    reason: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """A nomination that the member has made, which they can take back while it is pending."""

    nomination_id: str
    category: str
    amount: int
    nominee: str
    state: NominationState = NominationState.PENDING


@dataclass(frozen=True, slots=True)
class Activity:
    """Points that came or went, by one transaction; `about` says for what, if it is known."""

    category: Category
    amount: int
    happened_at: datetime
    about: Value = ""


@dataclass(frozen=True, slots=True)
class Home:
    """All that one member's home shows, as of one instant; `more_approvals` wait that are not among these.

    Of what the member has `proposed` it shows what waits.
    """

    name: str
    time_zone: str
    balances: Balances
    shop: Shop
    approvals: tuple[Approval, ...]
    streaks: Streaks
    challenges: OpenChallenges
    board: Places | NoPlaces
    activity: tuple[Activity, ...]
    proposed: tuple[Proposed, ...] = ()
    has_recognition: bool = False
    has_nominations: bool = False
    more_approvals: bool = False
    more_proposed: bool = False

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever given to the member but an allowance."""
        own = (one.balance for one in self.balances.holdings if one.unit.kind is not UnitKind.ALLOWANCE)
        return not self.activity and not any(one.available or one.held or one.pending for one in own)
