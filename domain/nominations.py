"""Nominations: a member proposes a colleague for an award, and approvers decide, level by level.

A category says who approves. Its levels are decided one after the other, those whose `from_amount` the amount reaches;
each by the first decision of anybody it names, by a quorum, or by all. For every approver that a level names one
decision counts, whoever makes it: the approver, or who stands in. Nobody decides on what they have proposed themselves
or would get. States and arrows are drawn in docs/states.md; whatever is no arrow there raises IllegalNomination.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from domain.configuration import Calendar

MAX_REASON = 2_000  # characters, of a comment as well
MAX_EVIDENCE = 500  # characters
MAX_AMOUNT = 1_000_000_000
MAX_APPROVERS = 20  # whom one level names
MAX_STEPS = 10  # up the chain of managers, to somebody who can decide


# -- What a category declares --------------------------------------------------------------------------------------


class Chain(StrEnum):
    """Approvers by their place above the nominee."""

    MANAGER = "manager"
    MANAGER_OF_MANAGER = "manager_of_manager"


class Needs(StrEnum):
    """What decides a level: the first decision of anybody, so many approvals, or everybody's."""

    ONE_OF = "one_of"
    QUORUM = "quorum"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Level:
    """Who approves from an amount on: by their place above the nominee, by external id, or by an audience (CEL).

    Who has not decided `remind_hours` after the level began is reminded, `escalate_hours` after it their manager is
    asked as well (0: never), and `expire_hours` after it the nomination expires.
    """

    approver: Chain | None = None
    members: tuple[str, ...] = ()
    audience: str | None = None
    needs: Needs = Needs.ONE_OF
    quorum: int | None = None
    from_amount: int = 0
    remind_hours: int = 48
    escalate_hours: int = 96
    expire_hours: int = 336


@dataclass(frozen=True, slots=True)
class NominatorLimit:
    """At most so many nominations of the category by one member in a calendar period of theirs."""

    times: int
    per: Calendar = Calendar.MONTH


@dataclass(frozen=True, slots=True)
class NominationCategory:
    """What colleagues may be nominated for, how much it may be worth, and who approves it."""

    key: str
    version: int
    title: str
    levels: tuple[Level, ...]
    description: str = ""
    default_amount: int = 0
    max_amount: int = 0
    min_reason: int = 20
    limit: NominatorLimit | None = None

    def level_after(self, number: int, amount: int) -> int | None:
        """The next level above this one (0: none yet) that decides on the amount; None if that was the last."""
        above = enumerate(self.levels[number:], number + 1)
        return next((n for n, level in above if level.from_amount <= amount), None)


# -- States --------------------------------------------------------------------------------------------------------


class IllegalNomination(Exception):
    """This cannot happen to a nomination in this state."""


class NominationState(StrEnum):
    """Where a nomination stands; the comment is what it waits for."""

    PENDING = "pending"  # the decisions of its level
    APPROVED = "approved"  # its event to be decided, and both to be told
    GIVEN = "given"  # nothing
    DECLINED = "declined"  # nothing
    WITHDRAWN = "withdrawn"  # nothing: by the nominator, or because the nominee has left
    EXPIRED = "expired"  # nothing: nobody has decided in time


class NominationEvent(StrEnum):
    """What happens to a nomination."""

    RAISE = "raise"
    APPROVE = "approve"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    GIVE = "give"


NOMINATION_ARROWS: Final[Mapping[tuple[NominationState, NominationEvent], NominationState]] = {
    # One level has approved, and the next begins.
    (NominationState.PENDING, NominationEvent.RAISE): NominationState.PENDING,
    (NominationState.PENDING, NominationEvent.APPROVE): NominationState.APPROVED,
    (NominationState.PENDING, NominationEvent.DECLINE): NominationState.DECLINED,
    (NominationState.PENDING, NominationEvent.WITHDRAW): NominationState.WITHDRAWN,
    (NominationState.PENDING, NominationEvent.EXPIRE): NominationState.EXPIRED,
    (NominationState.APPROVED, NominationEvent.GIVE): NominationState.GIVEN,
}
NOMINATION_ENDED: Final = frozenset(NominationState) - {NominationState.PENDING, NominationState.APPROVED}


def nomination_after(state: NominationState, event: NominationEvent) -> NominationState:
    """The nomination's state after the event; raises IllegalNomination if this state has no such arrow."""
    try:
        return NOMINATION_ARROWS[state, event]
    except KeyError:
        raise IllegalNomination(f"a nomination that is {state} cannot {event}") from None


@dataclass(frozen=True, slots=True)
class Nomination:
    """One nomination; its category is that of the configuration of that number.

    `level` counts from 1 and waits since `level_since`; `asked_at` is when its approvers were first looked for.
    `closing` says why it ended without an award: a comment, or one of the codes below.
    """

    id: str
    program_id: str
    nominator_id: str
    nominee_id: str
    category: str
    configuration: int
    reason: str
    evidence: str | None
    proposed_amount: int
    amount: int
    state: NominationState
    level: int
    level_since: datetime
    asked_at: datetime | None
    reminded_at: datetime | None
    escalated_at: datetime | None
    event_id: str | None
    closing: str | None
    created_at: datetime
    updated_at: datetime


NOMINEE_LEFT = "nominee_left"
SAME_MEMBER = "same_member"  # nominator and nominee turned out to be one person


def about(nomination_id: str, category: str, nominee_id: str) -> str:
    """What a nomination is, in a line without a person's name."""
    return f"{category} for {nominee_id}, nomination {nomination_id}"


class Due(NamedTuple):
    """When a level's next steps are due; None for what is done, or never comes."""

    remind_at: datetime | None
    escalate_at: datetime | None
    expire_at: datetime


def due(nomination: Nomination, level: Level) -> Due:
    """What time will do to the nomination while its level is not decided."""

    def after(hours: int, done_at: datetime | None) -> datetime | None:
        return nomination.level_since + timedelta(hours=hours) if hours and done_at is None else None

    return Due(
        after(level.remind_hours, nomination.reminded_at),
        after(level.escalate_hours, nomination.escalated_at),
        nomination.level_since + timedelta(hours=level.expire_hours),
    )


# -- Refusals ------------------------------------------------------------------------------------------------------


class Refusal(StrEnum):
    """Why a nomination, or a decision on one, is not taken."""

    MEMBER_NOT_FOUND = "member_not_found"
    MEMBER_INACTIVE = "member_inactive"
    UNKNOWN_CATEGORY = "unknown_category"
    SELF_NOMINATION = "self_nomination"
    INVALID_NOMINATION = "invalid_nomination"
    AMOUNT_ABOVE_MAXIMUM = "amount_above_maximum"
    NOMINATION_OPEN = "nomination_open"
    LIMIT_REACHED = "nomination_limit_reached"
    NOT_PENDING = "nomination_not_pending"
    NOT_NOMINATOR = "not_nominator"
    NOT_APPROVER = "not_approver"
    ALREADY_DECIDED = "already_decided"


class NominationRefused(Exception):
    """It is not taken, and nothing was written; the text says why, for whoever asked."""

    def __init__(self, code: Refusal, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a nominator says; without an amount it is the category's default."""

    nominator_id: str
    nominee_id: str
    category: str
    reason: str
    evidence: str | None = None
    amount: int | None = None


def accept(category: NominationCategory | None, said: Proposal) -> int:
    """The amount that is proposed; raises NominationRefused for what the category, or anybody, would not take."""
    if category is None:
        raise NominationRefused(Refusal.UNKNOWN_CATEGORY, f"nobody can be nominated for {said.category[:64]!r}")
    length = len(said.reason.strip())
    if not category.min_reason <= length <= MAX_REASON:
        bounds = f"{category.min_reason} to {MAX_REASON} characters"
        raise NominationRefused(Refusal.INVALID_NOMINATION, f"the reason has {length} characters: write {bounds}")
    if said.evidence is not None and not is_link(said.evidence):
        bounds = f"an https:// address of at most {MAX_EVIDENCE} characters"
        raise NominationRefused(Refusal.INVALID_NOMINATION, f"the evidence is {bounds}")
    amount = category.default_amount if said.amount is None else said.amount
    require_within(category, amount)
    return amount


def require_within(category: NominationCategory, amount: int) -> None:
    """Raises NominationRefused for more than the category gives at most."""
    if not 0 <= amount <= category.max_amount:
        raise NominationRefused(
            Refusal.AMOUNT_ABOVE_MAXIMUM, f"{amount} is not within 0 and {category.max_amount}, the most it gives"
        )


def is_link(text: str) -> bool:
    """Whether it is an address that can be opened safely: https, with a host, and nothing that hides where it leads."""
    if len(text) > MAX_EVIDENCE or not text.isprintable() or any(letter in text for letter in ' <>|"\\'):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc


# -- Who decides ---------------------------------------------------------------------------------------------------


class Because(StrEnum):
    """Why somebody is an approver: the level names them, or they stand in."""

    NAMED = "named"
    CONFLICT = "conflict"  # who was named has nominated, is nominated, or has left
    ABSENCE = "absence"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who decides for `approver_id`, whom the level names; the member themselves first of all.

    `asked_at` is None for who cannot be asked: only somebody who stands in decides for them.
    """

    level: int
    approver_id: str
    member_id: str
    because: Because
    asked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who may be asked, as they are today; `is_party` is whether the nomination is by or for them."""

    member_id: str
    is_party: bool = False
    has_left: bool = False
    is_away: bool = False

    @property
    def can_decide(self) -> bool:
        return not (self.is_party or self.has_left or self.is_away)

    @property
    def hindrance(self) -> Because:
        """Why somebody stands in for whom cannot decide."""
        return Because.CONFLICT if self.is_party or self.has_left else Because.ABSENCE


def stand_in(above: Iterable[Candidate], taken: Collection[str]) -> str | None:
    """The nearest of the managers above who can decide and does so for nobody else on the level (`taken`)."""
    return next((one.member_id for one in above if one.can_decide and one.member_id not in taken), None)


def needed(level: Level, approvers: int) -> int:
    """How many approvals make the level's, of as many approvers as it names."""
    if level.needs is Needs.ALL:
        return max(approvers, 1)
    return level.quorum or 1


# -- What is decided -----------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What somebody decides."""

    APPROVED = "approved"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What somebody says to a nomination: the member who decides, or None for an administrator.

    `actor` is recorded. Who declines says why; who approves may name another amount.
    """

    verdict: Verdict
    member_id: str | None
    actor: str
    amount: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: for `approver_id`, by `decided_by`. An administrator's stands for the level and names neither.

    `amount` is what was approved; None in one that declines.
    """

    n: int
    level: int
    approver_id: str | None
    decided_by: str | None
    actor: str
    verdict: Verdict
    amount: int | None
    comment: str
    decided_at: datetime


def check_ruling(category: NominationCategory, said: Ruling) -> None:
    """Raises NominationRefused for a ruling that nobody may make."""
    if len(said.comment) > MAX_REASON:
        raise NominationRefused(Refusal.INVALID_NOMINATION, f"a comment has at most {MAX_REASON} characters")
    if said.verdict is Verdict.DECLINED and not said.comment.strip():
        raise NominationRefused(Refusal.INVALID_NOMINATION, "who declines says why: write a comment")
    if said.amount is not None:
        require_within(category, said.amount)


def weigh(level: Level, approvers: int, decisions: Sequence[Decision]) -> Verdict | None:
    """What the level has decided, of the decisions on it in their order; None while it has not.

    `approvers` is how many it names. A quorum that cannot be reached any more declines.
    """
    of_administrators = [one.verdict for one in decisions if one.approver_id is None]
    if of_administrators:
        return of_administrators[0]
    if level.needs is Needs.ONE_OF:
        return decisions[0].verdict if decisions else None
    approvals = sum(one.verdict is Verdict.APPROVED for one in decisions)
    declines = len(decisions) - approvals
    if approvals >= needed(level, approvers):
        return Verdict.APPROVED
    return Verdict.DECLINED if declines and approvers - declines < needed(level, approvers) else None


def agreed(decisions: Sequence[Decision]) -> int:
    """The amount of a level that has approved: an administrator's, or the least that its approvals name."""
    approvals = [one for one in decisions if one.amount is not None]
    of_administrators = [one for one in approvals if one.approver_id is None]
    return min(one.amount for one in of_administrators or approvals if one.amount is not None)
