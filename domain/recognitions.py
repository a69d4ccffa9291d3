"""Recognitions: members thank colleagues out of an allowance, with the company's values and their own words.

Thanks under one key make one recognition for each receiver, all of them or none. The giver spends as much of the
allowance as every receiver is told to have received; what that is worth to a receiver, rules decide. Of a sign that
comes and goes (a reaction) the newest word says whether it is there: there it is one gift, gone it is none, in whatever
order the words come. What is withdrawn is taken back from both sides; what is there again is given anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from domain import derived
from domain.commands import Refused, Reverse, Spend
from domain.configuration import Configuration, Period, Unit
from domain.deciding import Person
from domain.derived import MAX_THANKS, RECOGNITION_GIVEN, RECOGNITION_RECEIVED
from domain.events import Event
from domain.expiry import OWN_REFERENCES
from domain.notifications import Telling
from domain.sentences import Amount, Value, sentence
from domain.time import ALWAYS, period_on
from domain.units import begins_at, shown

MAX_KEY = 200  # characters
MAX_REASON = 2_000  # characters
MAX_RECEIVERS = 50  # of one thanks

IN_SLACK = "slack:"  # how the key begins of what somebody has done there; the key of their request follows
RECEIVED = "recognition_received"  # the kind of notification that tells a receiver
TAKEN_BACK = sentence("These thanks were taken back.")  # what a receiver reads instead of them then


# -- What a program declares ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PairCap:
    """One member thanks one other so many `times` per period at most, and with so much (`amount`) in all."""

    per: Period
    times: int | None = None
    amount: int | None = None

    def since(self, at: datetime, time_zone: str) -> datetime:
        """When the period began that holds the instant."""
        return ALWAYS if self.per is Period.LIFETIME else begins_at(period_on(self.per, at, time_zone), time_zone)


@dataclass(frozen=True, slots=True)
class RecognitionPolicy:
    """How members thank each other, out of which unit: an allowance; a program has one policy at most.

    `amount` goes to each receiver where nothing else is said, `emoji` has the amounts of those that stand for one. In
    the `channels` thanks are read from what is typed and from reactions. Unless `external`, people of other companies
    and guests neither give nor receive.
    """

    key: str
    version: int
    unit: str
    title: str = ""
    amount: int = 1
    values: tuple[str, ...] = ()
    reason_at_least: int = 0
    receivers: int = 10
    pair_caps: tuple[PairCap, ...] = ()
    emoji: Mapping[str, int] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    external: bool = False


def policy_of(configuration: Configuration) -> RecognitionPolicy | None:
    """How the program's members thank each other, if they do."""
    return next(iter(configuration.recognition.values()), None)


def as_declared(policy: RecognitionPolicy, value: str) -> str:
    """The company's value that somebody means, in whatever case they write it; what is none, as it was written."""
    return next((one for one in policy.values if one.casefold() == value.casefold()), value)


# -- Giving --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """Who wants to thank whom: under a key that is unique in the program for ever, whatever comes of it.

    Each receiver gets `amount`, or what the policy says. Without a `reason` (None) it is a sign that has no place for
    words, of which none are asked.
    """

    key: str
    giver_id: str
    receiver_ids: tuple[str, ...]
    actor: str
    amount: int | None = None
    value: str | None = None
    reason: str | None = None
    public: bool = True

    def __post_init__(self) -> None:
        if not 1 <= len(self.key) <= MAX_KEY:
            raise ValueError(f"a key has 1 to {MAX_KEY} characters")
        if refused := next(_excesses(self.receiver_ids, self.amount, self.reason), None):
            raise ValueError(refused.detail)


def asked(*, receiver_ids: Sequence[str], amount: int | None, reason: str | None, **said: Any) -> Giving | Refused:
    """The giving that somebody has written, or why it would be one in no program."""
    refused = next(_excesses(receiver_ids, amount, reason), None)
    return refused or Giving(receiver_ids=tuple(receiver_ids), amount=amount, reason=reason, **said)


def _excesses(receiver_ids: Sequence[str], amount: int | None, reason: str | None) -> Iterator[Refused]:
    if not receiver_ids:
        yield Refused("nobody_thanked", "somebody is thanked")
    if amount is not None and not 1 <= amount <= MAX_THANKS:
        yield Refused("amount_out_of_range", f"each gets 1 to {MAX_THANKS}", numbers={"limit": MAX_THANKS})
    if (length := len(reason or "")) > MAX_REASON:
        numbers = {"characters": length, "limit": MAX_REASON}
        yield Refused("reason_too_long", f"{length} characters say why, at most {MAX_REASON} do", numbers=numbers)


class RecognitionState(StrEnum):
    """Whether a recognition stands."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Recognition:
    """One member's thanks to one other, with the spending that paid it and the event that told the receiver's rules."""

    id: str
    key: str
    giver_id: str
    receiver_id: str
    unit: str
    amount: int
    value: str | None
    reason: str | None
    public: bool
    transaction_id: str
    event_id: str
    given_at: datetime
    state: RecognitionState = RecognitionState.GIVEN
    withdrawn_at: datetime | None = None

    @property
    def stands(self) -> bool:
        """Whether it was not taken back."""
        return self.state is RecognitionState.GIVEN


@dataclass(frozen=True, slots=True)
class Given:
    """What stands under a key, or stood; `is_new` if it was given just now."""

    recognitions: tuple[Recognition, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Nothing stands under the key; these were taken back just now."""

    recognitions: tuple[Recognition, ...] = ()


# -- Signs that come and go ----------------------------------------------------------------------------------------


class Presence(NamedTuple):
    """What was told of a sign, by the time of the event that says so."""

    told_at: datetime
    is_present: bool

    def overrules(self, known: "Presence | None") -> bool:
        """Whether it is newer than what is known; of two at one instant the removal is: nothing is removed before."""
        return known is None or (self.told_at, not self.is_present) > (known.told_at, not known.is_present)


# -- Deciding ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Thanks:
    """A giving that may be: who gives, to whom, and how much of which unit to each."""

    giving: Giving
    giver: Person
    receiver_ids: tuple[str, ...]
    unit: str
    amount: int

    @property
    def needed(self) -> int:
        """What it takes of the giver's allowance."""
        return self.amount * len(self.receiver_ids)


def judge(
    policy: RecognitionPolicy, giving: Giving, people: Mapping[str, Person], into: Mapping[str, str]
) -> Thanks | Refused:
    """Whether it may be, by who takes part and what is said; `into` are those who were merged into others."""
    giver_id = into.get(giving.giver_id, giving.giver_id)
    receivers = tuple(dict.fromkeys(into.get(one, one) for one in giving.receiver_ids))
    if refused := next(_faults(policy, giving, giver_id, receivers, people), None):
        return refused
    return Thanks(giving, people[giver_id], receivers, policy.unit, giving.amount or policy.amount)


def _faults(
    policy: RecognitionPolicy,
    giving: Giving,
    giver_id: str,
    receivers: Sequence[str],
    people: Mapping[str, Person],
) -> Iterator[Refused]:
    for member in (giver_id, *receivers):
        if member not in people:
            yield Refused("member_not_found", f"no member {member}")
        elif people[member].has_left:
            yield Refused("member_inactive", f"{member} has left", member)
    if giver_id in receivers:
        yield Refused("self_recognition", "nobody thanks themselves", giver_id)
    if (number := len(receivers)) > policy.receivers:
        numbers = {"receivers": number, "limit": policy.receivers}
        yield Refused("too_many_receivers", f"{number} are thanked, at most {policy.receivers} are", giver_id, numbers)
    if giving.reason is not None and (length := len(giving.reason.strip())) < policy.reason_at_least:
        least = policy.reason_at_least
        numbers = {"characters": length, "least": least}
        yield Refused("reason_too_short", f"{length} characters say why, at least {least} do", giver_id, numbers)
    if giving.value is not None and giving.value not in policy.values:
        known = ", ".join(policy.values) or "none"
        yield Refused("value_not_declared", f"the company's values are {known}", giver_id)


def beyond(cap: PairCap, thanks: Thanks, receiver_id: str, given: tuple[int, int]) -> Refused | None:
    """Why the cap does not allow it, where the giver has given to this receiver so often and so much in its period."""
    times, amount = given
    limits = ((cap.times, times, 1, "times"), (cap.amount, amount, thanks.amount, "in all"))
    for limit, used, more, what in limits:
        if limit is not None and used + more > limit:
            detail = f"{receiver_id} was thanked {used} of {limit} {what} this {cap.per}, {more} more is too much"
            numbers = {"used": used, "limit": limit, "needed": more}
            return Refused("pair_limit_reached", detail, thanks.giver.id, numbers)
    return None


def short(unit: Unit, thanks: Thanks, available: int) -> Refused | None:
    """Why the allowance does not suffice."""
    if available >= thanks.needed:
        return None
    detail = f"{shown(unit, max(available, 0))} are left, {shown(unit, thanks.needed)} are needed"
    return Refused("allowance_short", detail, thanks.giver.id, {"available": available, "needed": thanks.needed})


def says_the_same(giving: Giving, known: Sequence[Recognition], into: Mapping[str, str]) -> bool:
    """Whether the giving is what the key has given before; words that were erased are any."""
    one = known[0]
    members = {into.get(member, member) for member in giving.receiver_ids}
    return (
        into.get(giving.giver_id, giving.giver_id) == into.get(one.giver_id, one.giver_id)
        and members == {into.get(other.receiver_id, other.receiver_id) for other in known}
        and giving.amount in (None, one.amount)
        and (giving.value, giving.public) == (one.value, one.public)
        and (one.reason is None or giving.reason == one.reason)
    )


# -- What follows --------------------------------------------------------------------------------------------------


def spending(thanks: Thanks, recognition_id: str) -> Spend:
    """What the giver pays for one receiver."""
    return Spend(
        reference=_reference(recognition_id),
        actor=thanks.giving.actor,
        member_id=thanks.giver.id,
        unit=thanks.unit,
        amount=thanks.amount,
    )


def returning(found: Recognition, actor: str) -> Reverse:
    """The giver's payment back into the lots that it came from."""
    return Reverse(reference=f"{_reference(found.id)}:withdrawn", actor=actor, transaction_id=found.transaction_id)


def _reference(recognition_id: str) -> str:
    return f"{OWN_REFERENCES}recognition:{recognition_id}"


def events(thanks: Thanks, recognition_id: str, receiver_id: str, occurred_at: datetime) -> tuple[Event, Event]:
    """What the receiver has received, and what the giver has given."""
    said: dict[str, Any] = {"amount": thanks.amount, "public": thanks.giving.public}
    if thanks.giving.value is not None:
        said["value"] = thanks.giving.value
    received, given = said | {"giver": thanks.giver.id}, said | {"receiver": receiver_id}
    return (
        derived.event(RECOGNITION_RECEIVED, recognition_id, receiver_id, occurred_at, received),
        derived.event(RECOGNITION_GIVEN, recognition_id, thanks.giver.id, occurred_at, given),
    )


def retractions(found: Recognition, at: datetime) -> tuple[Event, Event]:
    """That neither holds any more."""
    return (
        derived.retraction(RECOGNITION_RECEIVED, found.id, found.receiver_id, at),
        derived.retraction(RECOGNITION_GIVEN, found.id, found.giver_id, at),
    )


def recognition(
    thanks: Thanks, recognition_id: str, receiver_id: str, *, transaction_id: str, event_id: str, given_at: datetime
) -> Recognition:
    """What joins a payment and the event that it was told by."""
    giving = thanks.giving
    return Recognition(
        id=recognition_id,
        key=giving.key,
        giver_id=thanks.giver.id,
        receiver_id=receiver_id,
        unit=thanks.unit,
        amount=thanks.amount,
        value=giving.value,
        reason=giving.reason or None,
        public=giving.public,
        transaction_id=transaction_id,
        event_id=event_id,
        given_at=given_at,
    )


def announcement_key(key: str) -> str | None:
    """What names the message in Slack by which thanks under this key were announced; None of what no form began."""
    asked_by = key.removeprefix(IN_SLACK)
    return None if asked_by == key else f"{asked_by}/announced"


def telling(found: Recognition, giver_name: str, unit: Unit) -> Telling:
    """What the receiver is told; once for the event that they can ask about."""
    what: Value = Amount(found.amount, unit)
    if found.value:
        what = sentence("{amount} for {value}", amount=what, value=found.value)
    subject, body = sentence("{name} thanked you", name=giver_name), sentence("{what}.", what=what)
    if found.reason:
        body = sentence("{what}: {reason}", what=what, reason=found.reason)
    return Telling(found.receiver_id, subject, body, f"{found.event_id}/{found.id}")
