"""Challenges, on paper: what one makes of an event, who was among the first, what the settlement pays, what comes next.

A completion takes the next number of its challenge; the first N numbers are places. By arrival that is final. By the
event's time places are only lent until the late window closes: then they are given anew, once, and what that changes
is told as prizes and retractions of prizes. States and arrows are drawn in docs/states.md.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from math import isfinite
from typing import Any, Final, NamedTuple

import cel

from domain import derived
from domain.configuration import Calendar, Condition, Rounding, Stacking
from domain.counters import NOTHING, CounterKey, Counts, Used, lifetime_key
from domain.derived import STREAK_REACHED
from domain.events import Event
from domain.expressions import ExpressionError, evaluate
from domain.game import Challenge, Fairness
from domain.rules import OUTSIDE
from domain.time import zone

MAX_BONUS = 1_000_000_000  # points by one challenge for one event
MAX_MULTIPLIER = 1_000

NO_PLACE: Final = 0  # the number of a completion that the close gave no place

# Which bound of the challenge itself an event lies outside of, beside rules' OUTSIDE: no condition has such a name.
CALLED_OFF: Final = "cancelled"
KNOWN_LATE: Final = "known too late"
TOLD_LATE: Final = "told too late by its source"

_IN_FLIGHT = timedelta(minutes=1)

# Periods in which every month was met, the shortest February included, and every change of the clocks.
_FOUR_YEARS = {Calendar.WEEK: 209, Calendar.MONTH: 48, Calendar.QUARTER: 16, Calendar.YEAR: 4}

_PREFIX = "challenge:"
_EXCEPTIONS = ":exceptions"
_MODES = {
    Rounding.FLOOR: ROUND_FLOOR,
    Rounding.CEILING: ROUND_CEILING,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
}


# -- States --------------------------------------------------------------------------------------------------------


class IllegalChallenge(Exception):
    """This cannot happen to a challenge in this state."""


class ChallengeState(StrEnum):
    """Where a challenge stands; the comment is what it waits for."""

    DRAFT = "draft"  # its launch
    SCHEDULED = "scheduled"  # its start
    OPEN = "open"  # its end
    CLOSED = "closed"  # what comes late, and the last time zone
    SETTLED = "settled"  # nothing
    CANCELLED = "cancelled"  # nothing


class ChallengeEvent(StrEnum):
    """What happens to a challenge."""

    LAUNCH = "launch"
    BEGIN = "begin"
    EXTEND = "extend"
    END = "end"
    SETTLE = "settle"
    CANCEL = "cancel"


CHALLENGE_ARROWS: Final[Mapping[tuple[ChallengeState, ChallengeEvent], ChallengeState]] = {
    (ChallengeState.DRAFT, ChallengeEvent.LAUNCH): ChallengeState.SCHEDULED,
    (ChallengeState.DRAFT, ChallengeEvent.CANCEL): ChallengeState.CANCELLED,
    (ChallengeState.SCHEDULED, ChallengeEvent.BEGIN): ChallengeState.OPEN,
    (ChallengeState.SCHEDULED, ChallengeEvent.EXTEND): ChallengeState.SCHEDULED,
    (ChallengeState.SCHEDULED, ChallengeEvent.CANCEL): ChallengeState.CANCELLED,
    (ChallengeState.OPEN, ChallengeEvent.EXTEND): ChallengeState.OPEN,
    (ChallengeState.OPEN, ChallengeEvent.END): ChallengeState.CLOSED,
    (ChallengeState.OPEN, ChallengeEvent.CANCEL): ChallengeState.CANCELLED,
    (ChallengeState.CLOSED, ChallengeEvent.SETTLE): ChallengeState.SETTLED,
}
CHALLENGE_ENDED: Final = frozenset({ChallengeState.SETTLED, ChallengeState.CANCELLED})


def challenge_after(state: ChallengeState, event: ChallengeEvent) -> ChallengeState:
    """The challenge's state after the event; raises IllegalChallenge if this state has no such arrow."""
    try:
        return CHALLENGE_ARROWS[state, event]
    except KeyError:
        raise IllegalChallenge(f"a challenge that is {state} cannot {event}") from None


# -- What one makes of an event ------------------------------------------------------------------------------------


class Refusal(StrEnum):
    """Why a completion is not paid; the comment is the end of a sentence."""

    ONCE = "once"  # it was completed before, and pays once
    OUTWEIGHED = "outweighed"  # another challenge pays instead
    PLACES = "places"  # the places were taken
    MEMBER_POINTS = "member_points"  # the member has had the most that it pays one
    BUDGET = "budget"  # its budget is spent


class Completion(NamedTuple):
    """What one challenge made of one event.

    `failed` names the condition that did not hold, `error` why one could not be computed. `raw` is the multiplier or
    the bonus, `rounded` the points that it comes to, `points` what is paid after limits (`limits` has those that bit).
    `number` is the completion's among all, from 1, where places or a budget are counted. `lent` points are paid as a
    prize, which the close may take back. `amount` counts towards the goal, for `team` if it is a team's.
    """

    challenge: str
    version: int
    failed: str | None = None
    error: str | None = None
    raw: int | float | None = None
    rounded: int = 0
    points: int = 0
    amount: int = 0
    number: int | None = None
    team: str | None = None
    refused: Refusal | None = None
    limits: tuple[str, ...] = ()
    lent: bool = False

    @property
    def matched(self) -> bool:
        return self.failed is None

    @property
    def is_claim(self) -> bool:
        """Whether it counts for the challenge, paid or not."""
        return self.failed is None and self.refused not in (Refusal.ONCE, Refusal.OUTWEIGHED)


def name_of(key: str) -> str:
    """What is counted of a challenge is counted under this, for each member and for all together."""
    return _PREFIX + key


def exceptions_name(key: str) -> str:
    """What was honoured beyond the places is counted under this."""
    return name_of(key) + _EXCEPTIONS


def counter(challenge: Challenge) -> CounterKey:
    """What is counted of it: completions that were numbered or paid, and points."""
    return lifetime_key(name_of(challenge.key))


def watched(challenge: Challenge) -> tuple[str, ...]:
    """The event types that can complete it."""
    return (STREAK_REACHED,) if challenge.goal and challenge.goal.streak else challenge.event_types


def counts_members(challenge: Challenge) -> bool:
    """Whether it must know what a member has had of it."""
    return challenge.once or challenge.member_points is not None


def counts_all(challenge: Challenge) -> bool:
    """Whether it must know what all members together have had of it."""
    return challenge.first is not None or challenge.budget_points is not None


def moves(
    watching: Sequence[Challenge], made: Sequence[Completion], known: Mapping[str, int | None]
) -> tuple[dict[CounterKey, tuple[int, int]], dict[CounterKey, tuple[int, int]]]:
    """How the completions move the counters of the member, and of all members together."""
    by_member, by_all = {}, {}
    for challenge, one in zip(watching, made, strict=True):
        if one.is_claim and one.refused is None and counts_members(challenge):
            by_member[counter(challenge)] = (1, one.points)
        if one.is_claim and counts_all(challenge) and (one.number is not None or one.points):
            by_all[counter(challenge)] = (int(known.get(one.challenge) is None and one.number is not None), one.points)
    return by_member, by_all


def given_back(moved: Counts) -> Counts:
    """What taking back moves of the counters of all members: budgets get their points back, numbers stay given."""
    return {key: (0 if _gives_numbers(key) else uses, total) for key, (uses, total) in moved.items()}


def _gives_numbers(key: CounterKey) -> bool:
    return key[0].startswith(_PREFIX) and not key[0].endswith(_EXCEPTIONS)


def watching(known: Iterable[Challenge], event_type: str) -> tuple[Challenge, ...]:
    """Those that an event of this type may complete, in the order in which they are weighed."""
    found = (one for one in known if event_type in watched(one))
    return tuple(sorted(found, key=lambda one: (one.priority, one.key)))


def keys(
    watching: Iterable[Challenge],
    occurred_at: datetime,
    decided_at: datetime,
    known: Collection[str],
    counts: Callable[[Challenge], bool],
) -> list[CounterKey]:
    """The counters of those that an event of then may complete: what is over asks for none."""
    return [
        counter(one)
        for one in watching
        if counts(one) and _outside(one, occurred_at, decided_at, one.key in known) is None
    ]


def _outside(challenge: Challenge, occurred_at: datetime, decided_at: datetime, known: bool) -> str | None:
    """Which bound in time the event lies outside of; one that is `known` has completed it before, and still may."""
    if challenge.is_called_off and not known:
        return CALLED_OFF
    if not challenge.starts_at <= occurred_at < challenge.until:
        return OUTSIDE
    if decided_at >= challenge.known_until and not known:
        return KNOWN_LATE
    return None


def texts(challenge: Challenge) -> list[str]:
    """Its expressions."""
    given = (challenge.audience, challenge.multiplier, challenge.bonus)
    return [*(condition.expression for condition in challenge.when), *(text for text in given if text is not None)]


def overlay(
    watching: Sequence[Challenge],
    event: Event,
    member: Mapping[str, Any],
    using: cel.Context,
    *,
    awarded: int,
    counted_from: datetime,
    decided_at: datetime,
    used: Used,
    known: Mapping[str, int | None],
) -> tuple[Completion, ...]:
    """What each challenge makes of an event for which rules have awarded so many points, after stacking.

    It counts from `counted_from`, which is later than it occurred where its source was too late with it. `known` has
    the challenges that the event has completed before, each with the number that it has there.
    """
    judged = [
        _judge(one, event, member, using, awarded, counted_from, decided_at, one.key in known) for one in watching
    ]
    limited = [_limit(one, made, used, known.get(one.key)) for one, made in zip(watching, judged, strict=True)]
    return tuple(_stack(watching, limited))


def _judge(
    challenge: Challenge,
    event: Event,
    member: Mapping[str, Any],
    using: cel.Context,
    awarded: int,
    counted_from: datetime,
    decided_at: datetime,
    known: bool,
) -> Completion:
    made = Completion(challenge.key, challenge.version)
    if (missed := _missed(challenge, event, counted_from, decided_at, known)) is not None:
        return made._replace(failed=missed)
    try:
        if (failed := _first_false(challenge, using)) is not None:
            return made._replace(failed=failed)
        raw = _raw(challenge, using)
    except _Broken as broken:
        return made._replace(failed=broken.name, error=broken.cause)
    return made._replace(
        raw=raw,
        rounded=_rounded(challenge, raw, awarded),
        amount=_amount(challenge, event),
        team=team_of(challenge, member),
    )


def _missed(
    challenge: Challenge, event: Event, counted_from: datetime, decided_at: datetime, known: bool
) -> str | None:
    """Which bound of the challenge itself the event lies outside of."""
    if (outside := _outside(challenge, event.occurred_at, decided_at, known)) is not None:
        return outside
    if counted_from >= challenge.until:
        return TOLD_LATE
    goal = challenge.goal
    if goal and goal.streak and (event.data["streak"] != goal.streak or event.data["length"] < goal.target):
        return "the streak of its goal"
    return None


class _Broken(Exception):
    def __init__(self, name: str, cause: str):
        self.name = name
        self.cause = cause


def _first_false(challenge: Challenge, using: cel.Context) -> str | None:
    audience = [Condition("audience", challenge.audience)] if challenge.audience is not None else []
    for condition in (*audience, *challenge.when):
        try:
            value = evaluate(condition.expression, using)
        except ExpressionError as error:
            raise _Broken(condition.name, str(error)) from None
        if value is False:
            return condition.name
        if value is not True:
            raise _Broken(condition.name, f"gave {type(value).__name__}, not true or false")
    return None


def _raw(challenge: Challenge, using: cel.Context) -> int | float | None:
    for name, text, least, most in (
        ("multiplier", challenge.multiplier, 1, MAX_MULTIPLIER),
        ("bonus", challenge.bonus, 0, MAX_BONUS),
    ):
        if text is None:
            continue
        try:
            value = evaluate(text, using)
        except ExpressionError as error:
            raise _Broken(name, str(error)) from None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise _Broken(name, f"gave {value!r:.50}, not a number")
        if not least <= value <= most:
            raise _Broken(name, f"gave {value!r:.50}, not between {least} and {most}")
        return value
    return None


def _rounded(challenge: Challenge, raw: int | float | None, awarded: int) -> int:
    """The points on top of what rules award; a float is read by its shortest decimal form."""
    if raw is None:
        return 0
    exact = Decimal(repr(raw)) if challenge.multiplier is None else (Decimal(repr(raw)) - 1) * awarded
    return int(exact.quantize(Decimal(1), rounding=_MODES[challenge.rounding]))


def _amount(challenge: Challenge, event: Event) -> int:
    goal = challenge.goal
    if goal is None or not (goal.field or goal.streak):
        return 1
    return int(event.data.get("length" if goal.streak else goal.field or "", 0))


def team_of(challenge: Challenge, member: Mapping[str, Any]) -> str | None:
    """For which team a member of these attributes takes part, if it is a team's challenge."""
    team = member.get(challenge.goal.team) if challenge.goal and challenge.goal.team else None
    return None if team is None else str(team)


def _limit(challenge: Challenge, made: Completion, used: Used, known: int | None) -> Completion:
    """What is left of a completion after the challenge's own limits, and its number if it takes one."""
    if not made.matched:
        return made
    key = counter(challenge)
    by_member, by_all = used.by_member.get(key, NOTHING), used.by_all.get(key, NOTHING)
    if known == NO_PLACE:
        return made._replace(refused=Refusal.PLACES)
    if challenge.once and by_member[0]:
        return made._replace(refused=Refusal.ONCE)
    number = known or (by_all[0] + 1 if counts_all(challenge) else None)
    made = made._replace(number=number, lent=challenge.first is not None and challenge.fairness is Fairness.EVENT_TIME)
    if challenge.first is not None and number is not None and number > challenge.first:
        return made._replace(refused=Refusal.PLACES)
    points, bit = made.rounded, []
    for name, limit, (_, had) in (
        (Refusal.MEMBER_POINTS, challenge.member_points, by_member),
        (Refusal.BUDGET, challenge.budget_points, by_all),
    ):
        if limit is not None and points > (left := max(0, limit - had)):
            points = left
            bit.append(name)
    if bit and not points:
        # What pays nothing takes no place from those whom it can still pay.
        return made._replace(refused=bit[-1], number=known, limits=tuple(bit))
    return made._replace(points=points, limits=tuple(bit))


def _stack(watching: Sequence[Challenge], made: Sequence[Completion]) -> list[Completion]:
    """Those that pay side by side: all of `sum`, of `best` and of `first` one each, of `exclusive` what is alone."""
    paying = [n for n, one in enumerate(made) if one.matched and one.refused is None]
    if len(paying) < 2:
        return list(made)
    of: dict[Stacking, list[int]] = {}
    for n in paying:
        of.setdefault(watching[n].stacking, []).append(n)
    kept = {*of.get(Stacking.SUM, ()), *of.get(Stacking.FIRST, ())[:1]}
    if best := of.get(Stacking.BEST):
        kept.add(max(best, key=lambda n: (made[n].points, -n)))
    return [
        one._replace(refused=Refusal.OUTWEIGHED, points=0, number=None, lent=False)
        if n in paying and n not in kept
        else one
        for n, one in enumerate(made)
    ]


def as_json(made: Completion) -> dict[str, Any]:
    """A completion as a decision keeps it."""
    kept: dict[str, Any] = {"challenge": made.challenge, "version": made.version, "points": made.points}
    if made.rounded != made.points or made.raw != made.points:
        kept |= {"raw": made.raw, "rounded": made.rounded}
    kept |= {name: value for name in ("number", "team", "refused", "lent") if (value := getattr(made, name))}
    return kept | ({"limits": list(made.limits)} if made.limits else {})


def told(challenge: Challenge, made: Completion) -> str:
    """What became of a completion, or why it was none, in one sentence for people."""
    if made.error is not None:
        return f"{made.failed} could not be computed: {made.error}"
    if made.failed is not None:
        return f"not so: {made.failed}"
    refusals = {
        Refusal.ONCE: "it was completed before, and counts once for each member",
        Refusal.OUTWEIGHED: "another challenge pays for this event",
        Refusal.PLACES: f"{_places(challenge)} taken{_came(made.number)}",
        Refusal.MEMBER_POINTS: f"the {challenge.member_points} points for one member were had",
        Refusal.BUDGET: f"its budget of {challenge.budget_points} points is spent",
    }
    if made.refused is not None:
        return refusals[made.refused]
    place = f", place {made.number} of {challenge.first}" if challenge.first is not None else ""
    cut = f", cut by {' and '.join(made.limits)} from {made.rounded}" if made.limits else ""
    until = ", until its late window closes" if made.lent else ""
    return f"{made.points} points{cut}{place}{until}"


def _places(challenge: Challenge) -> str:
    return "the only place was" if challenge.first == 1 else f"the {challenge.first} places were"


def _came(number: int | None) -> str:
    return " by others at the close" if number is None else f"; yours was the {ordinal(number)}"


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, ... 11th, 12th, 13th."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


# -- Claims, and who was among the first ---------------------------------------------------------------------------


class ClaimState(StrEnum):
    """What a completion is to its challenge."""

    STANDING = "standing"  # it counts, and is paid what it is worth
    BEYOND = "beyond"  # it counts, and came after the places were taken
    HONOURED = "honoured"  # it fell out of the places at the close, and keeps what it was paid as an exception
    DISPLACED = "displaced"  # it fell out of the places at the close, and what it was paid is taken back
    WITHDRAWN = "withdrawn"  # its event was taken back


@dataclass(frozen=True, slots=True)
class Claim:
    """A completion as the challenge has it. `occurred_at` is from when its event counts, which is when it was told
    where its source was too late with it. `due` is what it would be paid at a place, `prize` the name of the prize by
    which it was paid, if it was not paid with its event."""

    challenge: str
    event_id: str
    member_id: str
    occurred_at: datetime
    number: int | None = None
    place: int | None = None
    state: ClaimState = ClaimState.STANDING
    amount: int = 1
    points: int = 0
    due: int = 0
    team: str | None = None
    prize: str | None = None


def claim(made: Completion, first: int | None, before: Claim, revision: int) -> Claim:
    """The claim that a completion makes of what its event had before; number and place stay what they were at first."""
    number = before.number or made.number
    now = replace(before, number=number, amount=made.amount, points=made.points, due=made.rounded, team=made.team)
    if made.refused is Refusal.PLACES:
        return _beyond(now, before, revision)
    placed = first is not None and not made.lent and made.refused is None
    return replace(
        now,
        place=before.place or (number if placed else None),
        state=ClaimState.STANDING,
        prize=place_prize(now, revision) if made.lent and made.points else None,
    )


def _beyond(now: Claim, before: Claim, revision: int) -> Claim:
    """A completion without a place: what the close has made of it stays, an exception of no more than it is worth."""
    if before.state is ClaimState.HONOURED and now.due:
        points = min(before.points, now.due)
        prize = before.prize if points == before.points else place_prize(now, revision)
        return replace(now, points=points, prize=prize)
    displaced = before.state is ClaimState.DISPLACED
    return replace(now, state=before.state if displaced else ClaimState.BEYOND, prize=None)


def withdrawn(before: Claim) -> Claim:
    """The claim once its event does not complete the challenge any more; its number stays taken."""
    return replace(before, state=ClaimState.WITHDRAWN, points=0, prize=None)


def as_claimed(moved: Counts, claims: Collection[Claim]) -> Counts:
    """What a decision's moves of the counters of all members have become: the close may have given points anew."""
    if not claims:
        return moved
    now = dict(moved)
    for one in claims:
        key = lifetime_key(name_of(one.challenge))
        if key in now:
            now[key] = now[key][0], one.points if one.state is ClaimState.STANDING else 0
        if one.state is ClaimState.HONOURED:
            now[lifetime_key(exceptions_name(one.challenge))] = 1, one.points
    return now


def as_placed(moved: Counts, known: Mapping[str, Challenge], closed: Iterable[Claim]) -> Counts:
    """What a decision's moves of the member's counters are after a close: of challenges whose places it gave, what
    their claims have."""
    now = dict(moved)
    for one in closed:
        challenge = known[one.challenge]
        if challenge.fairness is Fairness.EVENT_TIME and counts_members(challenge):
            now.pop(counter(challenge), None)
            if one.state is ClaimState.STANDING:
                now[counter(challenge)] = 1, one.points
    return now


def place_prize(claim: Claim, revision: int) -> str:
    """What the prize for a place by the event's time is called."""
    return f"{claim.challenge}:place:{claim.event_id}:{revision}"


def number_kept(claim: Claim, challenge: Challenge, *, is_settled: bool) -> int | None:
    """The number by which the claim's event is decided again: what the close has decided stays decided."""
    if is_settled and challenge.fairness is Fairness.EVENT_TIME:
        return claim.place or NO_PLACE
    return claim.number


def adjudicate(challenge: Challenge, claims: Iterable[Claim], revisions: Mapping[str, int]) -> list[Claim]:
    """The claims after the places were given by the event's time; arrival decides between the same instants.

    Where each member counts once, the earliest claim is the one that does. Whoever was paid and falls out is honoured
    while the budget of exceptions lasts, else displaced. Whoever gets in is paid what the budget and the member's
    maximum leave. `revisions` are those of the claims' events, for new prizes.
    """
    assert challenge.first is not None, "only places are given"
    counted = [one for one in claims if one.state is not ClaimState.WITHDRAWN and one.number is not None]
    ordered = sorted(counted, key=lambda one: (one.occurred_at, one.number or 0))
    candidates, others = _first_of_each(ordered) if challenge.once else (ordered, [])
    inside, outside = candidates[: challenge.first], [*candidates[challenge.first :], *others]
    spent = _Spent(challenge, inside)
    return [
        *(spent.let_in(one, n, revisions.get(one.event_id, 1)) for n, one in enumerate(inside, 1)),
        *(spent.put_out(one) for one in outside),
    ]


def _first_of_each(ordered: Iterable[Claim]) -> tuple[list[Claim], list[Claim]]:
    """Each member's first claim, and all others."""
    firsts: dict[str, Claim] = {}
    others = [one for one in ordered if firsts.setdefault(one.member_id, one) is not one]
    return list(firsts.values()), others


class _Spent:
    """What is left to pay while places are given anew."""

    def __init__(self, challenge: Challenge, inside: Sequence[Claim]) -> None:
        self._challenge = challenge
        self._all = sum(one.points for one in inside)
        self._exceptions = 0
        self._by_member: dict[str, int] = {}
        for one in inside:
            self._by_member[one.member_id] = self._by_member.get(one.member_id, 0) + one.points

    def let_in(self, claim: Claim, place: int, revision: int) -> Claim:
        if claim.points:
            return replace(claim, place=place, state=ClaimState.STANDING)
        had = self._by_member.get(claim.member_id, 0)
        points = min(
            claim.due,
            _left(self._challenge.budget_points, self._all, claim.due),
            _left(self._challenge.member_points, had, claim.due),
        )
        self._all += points
        self._by_member[claim.member_id] = had + points
        prize = place_prize(claim, revision) if points else None
        return replace(claim, place=place, state=ClaimState.STANDING, points=points, prize=prize)

    def put_out(self, claim: Claim) -> Claim:
        if not claim.points:
            return replace(claim, state=ClaimState.BEYOND)
        exceptions = self._challenge.exceptions_points
        if exceptions is not None and self._exceptions + claim.points <= exceptions:
            self._exceptions += claim.points
            return replace(claim, state=ClaimState.HONOURED)
        return replace(claim, state=ClaimState.DISPLACED, points=0, prize=None)


def _left(limit: int | None, spent: int, wanted: int) -> int:
    return wanted if limit is None else max(0, limit - spent)


# -- The settlement ------------------------------------------------------------------------------------------------

# What the final standings pay for.
GOAL, RANK = "goal", "rank"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member or a team stands: the more the better, and whoever got there first comes first.

    `members` are those who took part for a team.
    """

    rank: int
    member_id: str | None
    team: str | None
    amount: int
    completions: int
    points: int
    reached_at: datetime
    reached: bool = False


@dataclass(frozen=True, slots=True)
class Owed:
    """A prize that a member has won; `name` says which, and is unique among all prizes."""

    name: str
    member_id: str
    points: int
    reason: str
    rank: int | None = None


def prizes(challenge: Challenge, standings: Sequence[Standing], teams: Mapping[str, Sequence[str]]) -> list[Owed]:
    """What the final standings (of teams where the goal is a team's) pay; `teams` are the members of each team."""
    return [owed for standing in standings for owed in _owed(challenge, standing, teams)]


def _owed(challenge: Challenge, standing: Standing, teams: Mapping[str, Sequence[str]]) -> Iterable[Owed]:
    key, goal = challenge.key, challenge.goal
    whose = [standing.member_id] if standing.member_id else teams.get(standing.team or "", ())
    for member_id in whose:
        if goal and goal.points and standing.reached:
            yield Owed(_won(key, GOAL, member_id), member_id, goal.points, GOAL)
        for prize in challenge.prizes:
            if prize.first <= standing.rank <= prize.last:
                yield Owed(_won(key, RANK, member_id), member_id, prize.points, RANK, standing.rank)


def won(key: str, member_id: str) -> list[str]:
    """The names of all that the final standings of the challenge may pay the member."""
    return [_won(key, reason, member_id) for reason in (GOAL, RANK)]


def _won(key: str, reason: str, member_id: str) -> str:
    return f"{key}:{reason}:{member_id}"


def prize(
    key: str, name: str, member_id: str, occurred_at: datetime, points: int, reason: str, rank: int | None = None
) -> Event:
    """The event that pays a prize of the challenge."""
    data: dict[str, Any] = {"challenge": key, "points": points, "reason": reason}
    return derived.event(
        derived.CHALLENGE_PRIZE, name, member_id, occurred_at, data | ({} if rank is None else {"rank": rank})
    )


# -- Time ----------------------------------------------------------------------------------------------------------


class Checkpoint(StrEnum):
    """What is told while a challenge runs."""

    HALF_TIME = "half_time"
    LAST_DAY = "last_day"


def checkpoints(challenge: Challenge) -> list[tuple[datetime, Checkpoint]]:
    """When what is told, in order; the last day only of challenges that run for more than two."""
    length = challenge.until - challenge.starts_at
    told = [(challenge.starts_at + length / 2, Checkpoint.HALF_TIME)]
    if length > timedelta(days=2):
        told.append((challenge.until - timedelta(days=1), Checkpoint.LAST_DAY))
    return told


def settles_at(challenge: Challenge, time_zone: str) -> datetime:
    """When nothing can change any more: the late window is over, and the last day, in the program's zone, everywhere.

    The last zone of the world is twelve hours behind UTC. Whoever was told at the last moment may still be waiting for
    a transaction, so a little is added.
    """
    last_day: date = (challenge.until - timedelta(microseconds=1)).astimezone(zone(time_zone)).date()
    over_everywhere = datetime.combine(last_day + timedelta(days=1), time(12), UTC)
    return max(challenge.known_until, over_everywhere) + _IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Campaign:
    """The first challenge of those that repeat."""

    program_id: str
    challenge_id: str


def following(challenge: Challenge, periods: int, time_zone: str) -> tuple[str, datetime, datetime]:
    """Key, start and end of what comes so many periods later, at the same local time of the program's zone."""
    assert challenge.repeats is not None, "only what repeats is followed"
    starts_at = _later(challenge.starts_at, challenge.repeats, periods, time_zone)
    ends_at = _later(challenge.ends_at, challenge.repeats, periods, time_zone)
    return f"{challenge.key}.{starts_at.astimezone(zone(time_zone)):%Y-%m-%d}", starts_at, ends_at


def overlaps(challenge: Challenge, time_zone: str) -> bool:
    """Whether one of those that follow would begin before the one ahead of it has ended, in the program's zone."""
    ends_at = challenge.ends_at
    for periods in range(1, 1 + _FOUR_YEARS[challenge.repeats] if challenge.repeats else 0):
        _, starts_at, next_ends_at = following(challenge, periods, time_zone)
        if starts_at < ends_at:
            return True
        ends_at = next_ends_at
    return False


def next_due(first: Challenge, as_of: datetime, time_zone: str) -> tuple[str, datetime, datetime]:
    """The first that begins after the instant; asked each day, it is made a period before its start."""
    periods = 1
    while (found := following(first, periods, time_zone))[1] <= as_of:
        periods += 1
    return found


def _later(at: datetime, per: Calendar, periods: int, time_zone: str) -> datetime:
    local = at.astimezone(zone(time_zone))
    if per is Calendar.WEEK:
        return (local + timedelta(weeks=periods)).astimezone(UTC)
    months = local.month - 1 + periods * {Calendar.MONTH: 1, Calendar.QUARTER: 3, Calendar.YEAR: 12}[per]
    year, month = local.year + months // 12, months % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return local.replace(year=year, month=month, day=min(local.day, last)).astimezone(UTC)
