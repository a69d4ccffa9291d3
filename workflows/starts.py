"""How each workflow is named and started; the relay and Reconcile start the same thing in the same way.

The argument of a workflow is a `Subject`, the row that it is about; everything else it reads. What is about no single
row is begun by a schedule. What an outside system only says has changed is fetched by a standalone activity instead.
"""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import SearchAttributeKey

from domain.challenges import ChallengeState
from domain.grace import GraceState
from domain.nominations import NominationState
from domain.orders import OrderState
from domain.rewards import RewardState

WAKE = "wake"
FETCH_OBJECT = "fetch_object"
SAY = "say"

# The schedule of the whole deployment's expiry runs, and how often one begins.
POINTS_EXPIRY = "points-expiry"
EXPIRY_EVERY = timedelta(minutes=10)
# How often a campaign looks whether its next challenge is to be made: periods are a week at least.
CAMPAIGN_EVERY = timedelta(days=1)

# The schedule of the whole deployment's employment runs: each member's day is met by one, wherever they are.
LEADERBOARD_SETTLE = "leaderboard-settle"
SETTLE_EVERY = timedelta(hours=1)
EMPLOYMENT = "employment"
EMPLOYMENT_EVERY = timedelta(hours=6)

# Each connection to an HRIS has a schedule of its own.
SYNC_EVERY = timedelta(hours=1)

# Kept in clear by Temporal, so never anything about a person.
PROGRAM = SearchAttributeKey.for_keyword("LaurelProgram")
STATUS = SearchAttributeKey.for_keyword("LaurelStatus")
REFERENCE = SearchAttributeKey.for_keyword("LaurelRef")
SEARCH_ATTRIBUTES = (PROGRAM, STATUS, REFERENCE)


@dataclass(frozen=True, slots=True)
class Subject:
    """The row that a workflow is about."""

    program_id: str
    id: str


@dataclass(frozen=True, slots=True)
class Start:
    """A workflow to be running: its type's name, its id, its one argument, the status that most begin with, a line for
    people to read."""

    workflow: str
    workflow_id: str
    subject: Subject
    status: str
    summary: str


def sync_schedule(connection_id: str) -> str:
    """The schedule that reads the connection."""
    return f"sync/{connection_id}"


def sync_run(connection_id: str, *, asked: bool = False) -> str:
    """The workflow that reads the connection, by its schedule or because somebody asked."""
    return f"sync-{'asked' if asked else 'run'}/{connection_id}"


def campaign(challenge_id: str) -> str:
    """The schedule of a campaign, and what begins the ids of its runs."""
    return f"campaign/{challenge_id}"


def order(program_id: str, order_id: str, about: str = "") -> Start:
    """The workflow that sees an order through; `about` is what people read of it, if it is known."""
    placed = OrderState.PLACED
    return Start(
        "OrderWorkflow", f"order/{order_id}", Subject(program_id, order_id), placed, about or f"Order {order_id}"
    )


def reward(program_id: str, reward_id: str, about: str = "") -> Start:
    """The workflow that turns an unlocked reward into an order, or ends it; `about` is what people read of it."""
    unlocked = RewardState.UNLOCKED
    return Start(
        "RewardWorkflow",
        f"reward/{reward_id}",
        Subject(program_id, reward_id),
        unlocked,
        about or f"Reward {reward_id}",
    )


def challenge(program_id: str, challenge_id: str, about: str = "") -> Start:
    """The workflow that sees a challenge from its launch to its settlement; `about` is what people read of it."""
    return Start(
        "ChallengeWorkflow",
        f"challenge/{challenge_id}",
        Subject(program_id, challenge_id),
        ChallengeState.SCHEDULED,
        about or f"Challenge {challenge_id}",
    )


def nomination(program_id: str, nomination_id: str, about: str = "") -> Start:
    """The workflow that sees a nomination to a decision; `about` is what people read of it."""
    return Start(
        "NominationWorkflow",
        f"nomination/{nomination_id}",
        Subject(program_id, nomination_id),
        NominationState.PENDING,
        about or f"Nomination {nomination_id}",
    )


def clock(program_id: str, policy: str) -> Start:
    """The workflow that settles the streaks of a policy when their deadlines come."""
    subject = Subject(program_id, policy)
    return Start("StreakClockWorkflow", f"streaks/{program_id}/{policy}", subject, "running", f"Streaks of {policy}")


def grace(program_id: str, grace_id: str, about: str = "") -> Start:
    """The workflow that waits for what saves a streak; `about` is what people read of it."""
    summary = about or f"Grace window {grace_id}"
    return Start("GraceWindowWorkflow", f"grace/{grace_id}", Subject(program_id, grace_id), GraceState.OPEN, summary)
