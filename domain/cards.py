"""Cards: what a notification shows in a conversation, as it stands now and without a word of any language."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain.answers import Places
from domain.challenges import ChallengeState
from domain.configuration import Unit
from domain.grace import GraceState
from domain.nominations import Because, NominationState, Verdict
from domain.rewards import RewardState
from domain.sentences import Sentence, Value

# Kinds of notifications whose messages change with what they are about.
REMINDER, ESCALATED = "nomination_reminder", "nomination_escalated"
APPROVALS = ("nomination_to_approve", REMINDER, ESCALATED)
OFFERS = ("reward_offered", "reward_reminder")
AT_RISK = "streak_at_risk"

MAX_FIRST = 3  # places of a challenge that are named
MAX_WORDS_SHOWN = 20  # of colleagues, beneath one celebration


@dataclass(frozen=True, slots=True)
class Plain:
    """What was told, as it was told; `event_id` is what was decided, if it tells an award.

    Unless it `stands`, it was taken back.
    """

    subject: Sentence
    body: Sentence
    event_id: str | None = None
    stands: bool = True


@dataclass(frozen=True, slots=True)
class Decided:
    """Who decided what of a nomination, with which words; an approval names the amount."""

    name: str
    verdict: Verdict
    amount: int | None
    comment: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A nomination before one of its approvers; `is_open` while this one can still decide.

    `kind` is what is told: that they are asked, are reminded, or are asked because others have not decided. It has
    `waited` so long for the decision, until which there is time. `in_place_of` names who should decide and does not,
    and `because` says why.
    """

    kind: str
    nomination_id: str
    category: str
    nominator: str
    nominee: str
    reason: str
    evidence: str | None
    amount: int
    state: NominationState
    is_open: bool
    waited: timedelta
    until: datetime
    time_zone: str
    because: Because = Because.NAMED
    in_place_of: str = ""
    decided: Sequence[Decided] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """A reward that its member may choose from, or has; `is_latest` unless it has been offered anew since."""

    reward_id: str
    title: str
    state: RewardState
    expires_at: datetime | None
    price_points: int
    time_zone: str
    is_latest: bool = True


@dataclass(frozen=True, slots=True)
class AtRisk:
    """A streak that breaks at the deadline unless it is kept."""

    title: str
    length: int
    ends_at: datetime
    state: GraceState
    time_zone: str


@dataclass(frozen=True, slots=True)
class Winner:
    """Who has which place of a challenge, a person or a team, and what they brought."""

    rank: int
    name: str
    amount: int


@dataclass(frozen=True, slots=True)
class ChallengeStep:
    """A challenge as everybody reads of it; `kind` is what is told: that it has begun, how far it is, how it ended.

    `counts` describes what completes it. `bonus` and `multiplier` are what a completion adds, where that is the same
    for all. So many `people` take part; nobody is among the `first` who wants no place on boards, or is last.
    """

    kind: str
    title: str
    description: str
    counts: Sequence[Value]
    bonus: int | None
    multiplier: int | None
    until: datetime
    time_zone: str
    state: ChallengeState
    people: int
    places_left: int | None
    first: Sequence[Winner] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """What a colleague wrote for a celebration."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Celebration:
    """A day of a member: their birthday, or so many `years` of work, and what rules gave for it.

    In a channel (`is_public`) colleagues add their words; `more` have written whose words are not shown.
    """

    notification_id: str
    name: str
    years: int | None
    earned: Sequence[tuple[Unit, int]]
    event_id: str | None
    is_public: bool
    words: Sequence[Words] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Week:
    """What a member's week, from its first day to its last, has brought: what was earned, streaks with their lengths,
    challenges that end soon; and the member's place on the program's first board, if boards can be read.
    """

    first_day: date
    last_day: date
    earned: Sequence[tuple[Unit, int]]
    streaks: Sequence[tuple[str, int]]
    ending: Sequence[tuple[str, datetime]]
    time_zone: str
    places: Places | None = None


Card = Plain | Approval | Offer | AtRisk | ChallengeStep | Celebration | Week


def is_over(card: Card | None) -> bool:
    """Whether there is nothing left of it (None: at all) to tell: who was told reads so, who was not hears nothing."""
    match card:
        case None:
            return True
        case Plain():
            return not card.stands
        case Approval():
            return not card.is_open
        case Offer():
            return card.state is not RewardState.OFFERED or not card.is_latest
        case AtRisk():
            return card.state is not GraceState.OPEN
        case ChallengeStep() | Celebration() | Week():
            return False
