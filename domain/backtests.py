"""Back-tests: recorded decisions made again under other definitions, and what differs.

Each decision is taken up in the order in which it was made, with the fact as it was then, by the same Intake that takes
events in; nothing is written. What a decision read was recorded, so what it reads under the candidate is what was
recorded and by how much the candidate is ahead of it: in the counters of a member and of all together, in value and in
milestones. Under the definitions that were live then it never gets ahead, and the difference is zero.

What the record cannot tell is taken as it was: what members spend, what lapses, what sources say. What Laurel derived
itself (a prize, a streak's length) is taken as recorded where the candidate defines it as it was then, and left out
where it does not. Prizes for places, and the lengths of streaks, are found anew; tiers and badges are not.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

from domain import derived
from domain.backtest_streaks import Marks, differing
from domain.badges import Badges
from domain.challenges import Claim, given_back
from domain.configuration import Configuration, Milestone, Period
from domain.counters import NOTHING, CounterKey, Counts, counts_from_json
from domain.deciding import (
    UNIT,
    Inputs,
    Person,
    as_seen,
    counted_by_back_fill,
    decide,
    keys_needed,
    plan,
    shared_needed,
)
from domain.events import MEMBER_ID, Event, Identity, SourcePolicy
from domain.game import StreakPolicy
from domain.intake import DECIDED, NEW, Fact, Intake, Loaded
from domain.ladders import Crossing, GivenReward, Ladders
from domain.ledger import Account, Book, Transaction, member_account
from domain.streak_book import Kept, StreakKey, Streaks
from domain.streaks import Mark

# Of a ladder that somebody climbed before they are looked at, so many of the highest rungs may be withdrawn.
RUNGS = 20

_REDECIDE = SourcePolicy(amendments="redecide")
_NO_BADGES = Configuration("", 0)
_ALWAYS = datetime.min.replace(tzinfo=UTC)
# Which definition a derived event is about: the section, and the field of its data that names it.
_ABOUT = {
    derived.CHALLENGE_PRIZE: ("challenges", "challenge"),
    derived.STREAK_REACHED: ("streaks", "streak"),
    derived.TIER_CHANGED: ("tiers", "ladder"),
    derived.BADGE_EARNED: ("badges", "badge"),
}


class Step(NamedTuple):
    """One decision as it was recorded, with the fact as it was then.

    `told_at` is when the event was recorded first, `decided_at` when this was decided. `person` is the version of the
    member that was read, None where nothing was; `again` whether the event is decided again or taken back later.
    """

    event_id: str
    event: Event
    revision: int
    kind: str
    member_id: str | None
    points: int
    verdict: Mapping[str, Any]
    inputs: Mapping[str, Any]
    told_at: datetime
    decided_at: datetime
    person: Person | None
    again: bool


class Name(NamedTuple):
    """What something is counted of: a rule's or a challenge's points in a unit, a milestone's crossings, a reward."""

    kind: str
    key: str
    unit: str = ""


@dataclass(slots=True)
class Compared:
    """What was given and what would have been."""

    given: int = 0
    would: int = 0

    @property
    def difference(self) -> int:
        return self.would - self.given

    def add(self, given: int, would: int) -> None:
        self.given += given
        self.would += would


def _compared() -> dict[Any, Compared]:
    return defaultdict(Compared)


@dataclass(slots=True)
class Outcome:
    """What was found: of how many decisions how many differ; by unit, by name, by cohort (attribute, value, unit), and
    the points of each member. By challenge and event, who completed challenges that were not live then."""

    decisions: int = 0
    differing: int = 0
    units: dict[str, Compared] = field(default_factory=_compared)
    named: dict[Name, Compared] = field(default_factory=_compared)
    cohorts: dict[tuple[str, str, str], Compared] = field(default_factory=_compared)
    members: dict[str, Compared] = field(default_factory=_compared)
    claims: dict[tuple[str, str], Claim] = field(default_factory=dict)


Candidate = Callable[[Configuration], Configuration]
# When the reward of a crossing (member, mark, n) was ordered, after which it is withdrawn no more.
Placed = Mapping[tuple[str, str, int], datetime]
Values = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Did:
    """What one decision about an event did, until it is undone; crossings stay counted whatever becomes of them."""

    amounts: Mapping[str, int] = field(default_factory=dict)
    moved: Counts = field(default_factory=dict)
    shared: Counts = field(default_factory=dict)
    named: Mapping[Name, int] = field(default_factory=dict)
    crossed: Mapping[Name, int] = field(default_factory=dict)


_NOTHING_DONE = _Did()


@dataclass(slots=True)
class _Kept:
    """An event that is decided again later: the candidate's fact (None: it has none), and what either side did."""

    fact: Fact | None
    person: Person
    live: Configuration
    recorded: _Did
    candidate: _Did
    rewards: list[GivenReward]


@dataclass(slots=True)
class _Member:
    """Value by unit (lifetime, balance) under the candidate and by how much it is ahead, and the crossings that stand.

    Until something differs a member stands as recorded.
    """

    value: Values = field(default_factory=dict)
    ahead: Counter[str] = field(default_factory=Counter)
    crossings: list[Crossing] = field(default_factory=list)
    # The marks that the record has shown, and what its decisions since have crossed.
    shown: dict[str, int] = field(default_factory=dict)
    differs: bool = False


class _Tally:
    """Counters of whoever counts: of members by id, of all together under the empty name."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, CounterKey], tuple[int, int]] = {}

    def of(self, who: str, key: CounterKey) -> tuple[int, int]:
        return self._counted.get((who, key), NOTHING)

    def add(self, who: str, key: CounterKey, by: tuple[int, int]) -> None:
        now = _sum(self.of(who, key), by)
        if now == NOTHING:
            self._counted.pop((who, key), None)
        else:
            self._counted[who, key] = now


_ALL = ""
_EVENTS = "event:"  # begins the names of counters of events


class Replay:
    """Takes steps in order; `outcome` has what came of those decided from `begins_at` on.

    `candidate` gives the definitions that take the place of those that were live. `by` are the attributes by which
    members make cohorts.
    """

    def __init__(
        self, candidate: Candidate, *, begins_at: datetime, placed: Placed | None = None, by: Sequence[str] = ()
    ) -> None:
        self.outcome = Outcome()
        self._candidate = candidate
        self._begins_at = begins_at
        self._placed = placed or {}
        self._by = by
        self._number = count(1)
        # By the number of what was live.
        self._counted_alone: dict[int, frozenset[tuple[str, str]]] = {}
        self._candidates: dict[int, Configuration] = {}
        self._words: dict[int, _Words] = {}
        self._new_words: dict[int, _Words] = {}
        self._members: dict[str, _Member] = defaultdict(_Member)
        self._kept: dict[str, _Kept] = {}
        self._prizes: dict[str, _Kept] = {}
        # By how much the candidate is ahead of what was counted then, and what it alone counts.
        self._ahead = _Tally()
        self._own = _Tally()
        # What counts for streak policies that were not live.
        self._marks = Marks()
        self._last: Configuration | None = None

    def take(self, step: Step, live: Configuration | None) -> None:
        """Take up one step; `live` is the configuration that decided it, None where nothing was decided."""
        self._last = live or self._last
        if step.kind == "retraction":
            self._retract(step)
        elif live is None or step.person is None:
            return
        elif step.decided_at < self._begins_at:
            self._believe(step, live, step.person)
        elif self._is_defined(step.event, live):
            self._decide(step, live, step.person)
        else:
            self._leave_out(step, live, step.person)

    @property
    def streaks(self) -> Mapping[StreakKey, Mapping[str, Mark]]:
        """Whose streaks, of policies that were not live, something counts for, with the marks by event."""
        return self._marks.of

    def policy(self, key: str) -> StreakPolicy:
        """The candidate's policy of this key."""
        assert self._last is not None, "something was decided"
        return self._under(self._last).streaks[key]

    def tell_length(self, length: Event, person: Person) -> None:
        """Take up a length that a streak has reached under the candidate, once all steps are taken."""
        assert self._last is not None, "something was decided"
        self._pay(length, length.occurred_at, self._last, person)

    def _under(self, live: Configuration) -> Configuration:
        if live.number not in self._candidates:
            self._candidates[live.number] = self._candidate(live)
        return self._candidates[live.number]

    def _alone(self, live: Configuration) -> frozenset[tuple[str, str]]:
        """The counters of events that the candidate reads where the record does not show them."""
        if live.number not in self._counted_alone:
            self._counted_alone[live.number] = _read_alone(self._under(live), live)
        return self._counted_alone[live.number]

    # -- Steps -----------------------------------------------------------------------------------------------------

    def _believe(self, step: Step, live: Configuration, person: Person) -> None:
        """What was decided before the window stands; only what the candidate alone counts is counted."""
        candidate, recorded = self._under(live), self._recorded(step, live)
        if (before := self._kept.pop(step.event_id, None)) is not None:
            self._uncount(before)
        event = as_seen(candidate, step.event)
        counted = counted_by_back_fill(candidate, event, person, {}) if self._alone(live) else {}
        alone = {key: by for key, by in counted.items() if key[:2] in self._alone(live)}
        for key, by in alone.items():
            self._own.add(person.id, key, by)
        self._mark_believed(step, live, event, person, before)
        if step.again:
            fact = self._new_fact(step, person)
            fact.state, fact.points, fact.shared = DECIDED, step.points, recorded.shared
            fact.moved = {**recorded.moved, **alone}
            fact.earnings = {unit: (self._earning(step), amount) for unit, amount in recorded.amounts.items() if amount}
            self._kept[step.event_id] = _Kept(fact, person, live, recorded, replace(recorded, moved=fact.moved), [])

    def _mark_believed(
        self, step: Step, live: Configuration, event: Event, person: Person, before: _Kept | None
    ) -> None:
        candidate = self._under(live)
        if before is not None:
            self._marks.remove(before.person.id, step.event_id)
        if differing(candidate, live).isdisjoint(one.policy for one in plan(candidate, event.type).streaks):
            return
        others = dict.fromkeys(plan(candidate, event.type).others, (0, 0))
        inputs = Inputs({}, 0, 0, {}, others, decided_at=step.decided_at)
        verdict = decide(candidate, event, person, inputs, step.told_at)
        self._mark(live, person.id, verdict.marks, Mark(event.occurred_at, step.event_id, 0, step.told_at))

    def _mark(self, live: Configuration, member_id: str, found: Iterable[tuple[str, int]], mark: Mark) -> None:
        concerned = differing(self._under(live), live)
        for policy, amount in found:
            if policy in concerned:
                self._marks.add((member_id, policy), mark._replace(amount=amount))

    def _uncount(self, kept: _Kept) -> None:
        alone = self._alone(kept.live)
        for key, (uses, total) in kept.candidate.moved.items():
            if key[:2] in alone:
                self._own.add(kept.person.id, key, (-uses, -total))

    def _decide(self, step: Step, live: Configuration, person: Person) -> None:
        candidate, recorded = self._under(live), self._recorded(step, live)
        before = self._kept.pop(step.event_id, None)
        undone = before.recorded if before is not None and before.person.id == person.id else _NOTHING_DONE
        self._stand_as_recorded(person.id, step.inputs, undone)
        fact = before.fact if before is not None and before.fact is not None else self._new_fact(step, person)
        covered = _counted_then(live, step.event, person)
        read = self._read(step, candidate, person, covered, undone)
        others = [before.person] if before is not None and before.person.id != person.id else []
        intake = self._intake(candidate, step.decided_at, fact, [person, *others], read, before)
        intake.take(replace(step.event, member=Identity(MEMBER_ID, person.id)), _REDECIDE)

        did = self._done(intake)
        moves = _moves(before, -1) + _moves_of(recorded, person.id, 1)
        self._get_ahead(intake, read, moves, covered, self._alone(live))
        self._take_rungs(intake, [person, *others])
        if before is not None:
            self._tell(before.person, before.recorded, before.candidate, -1)
        self._tell(person, recorded, did, 1)
        self._compare(person.id, recorded, did)
        self._show(person.id, step)
        if step.again:
            given = intake.ladders.given_for(step.event_id)
            self._kept[step.event_id] = _Kept(fact, person, live, recorded, did, given)
        if before is not None:
            self._marks.remove(before.person.id, step.event_id)
        for stored in intake.streaks.new_marks:
            self._mark(live, person.id, [(stored.key[1], stored.mark.amount)], stored.mark)
        self._note_claims(intake, live)
        self._tell_prizes(intake, step.decided_at, live, person)

    def _leave_out(self, step: Step, live: Configuration, person: Person) -> None:
        """A fact that Laurel derived then, and would not have derived like this: what it gave is the record's alone."""
        recorded = self._recorded(step, live)
        before = self._kept.pop(step.event_id, None)
        if before is not None:
            self._tell(before.person, before.recorded, before.candidate, -1)
        self._tell(person, recorded, _NOTHING_DONE, 1)
        for (who, key), (uses, total) in (_moves(before, -1) + _moves_of(recorded, person.id, 1)).items():
            self._ahead.add(who, key, (-uses, -total))
        self._compare(person.id, recorded, _NOTHING_DONE)
        if step.again:
            self._kept[step.event_id] = _Kept(None, person, live, recorded, _NOTHING_DONE, [])

    def _retract(self, step: Step) -> None:
        kept = self._kept.pop(step.verdict.get("retracts", ""), None)
        if kept is None or step.verdict.get("was") != DECIDED:
            return
        self._marks.remove(kept.person.id, step.verdict["retracts"])
        if step.decided_at < self._begins_at:
            self._uncount(kept)
            return
        self._undo(kept, step.event, step.decided_at)

    def _undo(self, kept: _Kept, retraction: Event, at: datetime) -> None:
        """Take back what a fact did on both sides."""
        moves = _moves(kept, -1)
        if kept.fact is None:
            for (who, key), (uses, total) in moves.items():
                self._ahead.add(who, key, (-uses, -total))
        else:
            read = _Read({}, {})
            intake = self._intake(self._under(kept.live), at, kept.fact, [kept.person], read, kept)
            new = Fact(self._id("evt"), retraction, b"", NEW, at)
            intake.facts[new.key] = new
            intake.take(replace(retraction, retracts=kept.fact.event.external_id), _REDECIDE)
            self._get_ahead(intake, read, moves, set(), self._alone(kept.live))
            self._note_claims(intake, kept.live)
            self._take_rungs(intake, [kept.person])
        self._tell(kept.person, kept.recorded, kept.candidate, -1)

    def _note_claims(self, intake: Intake, live: Configuration) -> None:
        self.outcome.claims |= {key: one for key, one in intake.claims.items() if key[0] not in live.challenges}

    def _tell_prizes(self, intake: Intake, at: datetime, live: Configuration, person: Person) -> None:
        """Take up what the candidate derives and the record does not have: prizes of challenges that were not then."""
        for found in intake.derived:
            if found.retracts is not None:
                if (kept := self._prizes.pop(found.retracts, None)) is not None:
                    self._undo(kept, found, at)
            elif not self._is_defined(found, live):
                self._prizes[found.external_id] = self._pay(found, at, live, person)

    def _pay(self, prize: Event, at: datetime, live: Configuration, person: Person) -> _Kept:
        fact, read = Fact(self._id("evt"), prize, b"", NEW, at), _Read({}, {})
        intake = self._intake(self._under(live), at, fact, [person], read)
        intake.take(prize, _REDECIDE)
        did = self._done(intake)
        self._get_ahead(intake, read, _Moves(), set(), self._alone(live))
        self._take_rungs(intake, [person])
        self._tell(person, _NOTHING_DONE, did, 1)
        self._members[person.id].differs = True
        return _Kept(fact, person, live, _NOTHING_DONE, did, [])

    def _is_defined(self, event: Event, live: Configuration) -> bool:
        """Whether a derived event is about what the candidate defines as it was then; every other event is."""
        section, name = _ABOUT.get(event.type, ("", ""))
        if event.source != derived.SOURCE or not section:
            return True
        key, candidate = event.data.get(name), self._under(live)
        then, now = getattr(live, section).get(key), getattr(candidate, section).get(key)
        return then is not None and now is not None and replace(then, version=now.version) == now

    # -- What a decision reads -------------------------------------------------------------------------------------

    def _stand_as_recorded(self, member_id: str, inputs: Mapping[str, Any], undone: _Did) -> None:
        """Bring the member to what was recorded before the decision, and to what the candidate is ahead of it."""
        member = self._members[member_id]
        recorded: Values = {UNIT: (inputs["lifetime"], inputs["balance"])}
        recorded |= {unit: tuple(standing) for unit, standing in inputs.get("others", {}).items()}
        for unit, (lifetime, balance) in recorded.items():
            more = undone.amounts.get(unit, 0) + member.ahead[unit]
            member.value[unit] = lifetime + more, balance + more
        marks = inputs.get("marks", {})
        for mark, n in marks.items():
            stands = max((one.n for one in member.crossings if one.mark == mark), default=0)
            if (n > member.shown.get(mark, 0) and n > stands) or (not member.differs and n != stands):
                member.crossings = [one for one in member.crossings if one.mark != mark]
                member.crossings += self._rungs(member_id, mark, n)
        if not member.differs:
            member.crossings = [one for one in member.crossings if one.mark in marks]

    def _rungs(self, member_id: str, mark: str, n: int) -> list[Crossing]:
        lowest = max(1, n - RUNGS + 1)
        return [Crossing(self._id("crs"), member_id, mark, rung, None) for rung in range(lowest, n + 1)]

    def _show(self, member_id: str, step: Step) -> None:
        """What marks the record is known to have after the step."""
        shown = dict(step.inputs.get("marks", {}))
        for mark, n in step.verdict.get("crossed", ()):
            shown[mark] = max(n, shown.get(mark, 0))
        self._members[member_id].shown = shown

    def _read(
        self, step: Step, candidate: Configuration, person: Person, covered: set[CounterKey], undone: _Did
    ) -> "_Read":
        """The counters that the candidate reads or moves, before what is undone was undone."""
        by_member = counts_from_json(step.inputs.get("counters", ()))
        by_all = counts_from_json(step.inputs.get("shared", ()))
        event, returned = as_seen(candidate, step.event), given_back(undone.shared)
        return _Read(
            {
                (person.id, key): self._count(person.id, key, by_member, covered, undone.moved)
                for key in keys_needed(candidate, event, person)
            },
            {key: self._count(_ALL, key, by_all, covered, returned) for key in shared_needed(candidate, event)},
        )

    def _count(
        self, who: str, key: CounterKey, recorded: Counts, covered: set[CounterKey], undone: Counts
    ) -> tuple[int, int]:
        own = self._own.of(who, key)
        if key not in covered:
            return own
        then = _sum(recorded.get(key, NOTHING), undone.get(key, NOTHING))
        counted = _sum(then, self._ahead.of(who, key))
        # What counts events was filled when it was declared, what counts the use of caps and budgets began at nothing.
        return counted if key[0].startswith(_EVENTS) else _sum(counted, own)

    def _intake(
        self,
        candidate: Configuration,
        at: datetime,
        fact: Fact,
        people: Sequence[Person],
        read: "_Read",
        before: _Kept | None = None,
    ) -> Intake:
        """An Intake of one fact and of the people whose it is or was."""
        units = {UNIT, *plan(candidate, fact.event.type).others, *fact.earnings}
        standing = [one for person in people for one in self._members[person.id].crossings]
        marks: dict[tuple[str, str], int] = {}
        for one in standing:
            ordered_at = self._placed.get((one.member_id, one.mark, one.n))
            one.placed = ordered_at is not None and ordered_at <= at
            marks[one.member_id, one.mark] = max(one.n, marks.get((one.member_id, one.mark), 0))
        loaded = Loaded(
            facts={fact.key: fact},
            members={Identity(MEMBER_ID, person.id): person.id for person in people},
            people={person.id: [(_ALWAYS, person)] for person in people},
            counters=dict(read.by_member),
            shared=defaultdict(lambda: NOTHING, read.by_all),
            ladders=Ladders(candidate.milestones, self._id, marks, standing, [*before.rewards] if before else []),
            streaks=Streaks(self._id, kept=defaultdict(Kept)),
            badges=Badges(_NO_BADGES),
            book=Book(
                candidate.program_id, self._id, at, [self._account(one.id, unit) for one in people for unit in units]
            ),
        )
        return Intake(candidate, loaded)

    def _account(self, member_id: str, unit: str) -> Account:
        lifetime, balance = self._members[member_id].value.get(unit, (0, 0))
        return Account(member_account(member_id, unit), unit, True, balance=balance, lifetime=lifetime)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._number)}"

    def _new_fact(self, step: Step, person: Person) -> Fact:
        event = replace(step.event, member=Identity(MEMBER_ID, person.id))
        return Fact(step.event_id, event, b"", NEW, step.told_at, person.id, step.revision)

    def _earning(self, step: Step) -> Transaction:
        return Transaction(self._id("txn"), "earn", "", step.event.occurred_at, step.event_id)

    def _recorded(self, step: Step, live: Configuration) -> _Did:
        if live.number not in self._words:
            self._words[live.number] = _Words.of(live)
        return _what_was_done(step.points, step.verdict, self._words[live.number])

    def _done(self, intake: Intake) -> _Did:
        decision, number = intake.decisions[-1], intake.configuration.number
        if number not in self._new_words:
            self._new_words[number] = _Words.of(intake.configuration)
        return _what_was_done(decision.points, decision.verdict, self._new_words[number])

    # -- What came of it -------------------------------------------------------------------------------------------

    def _get_ahead(
        self,
        intake: Intake,
        read: "_Read",
        recorded: "_Moves",
        covered: set[CounterKey],
        alone: frozenset[tuple[str, str]],
    ) -> None:
        """Note by how much the candidate has moved counters more than the record, or alone."""
        moved = {
            (member, key): _sum(now, read.by_member.get((member, key), NOTHING), -1)
            for (member, key), now in intake.changed_counters.items()
        }
        for key, now in intake.changed_shared.items():
            moved[_ALL, key] = _sum(now, read.by_all.get(key, NOTHING), -1)
        for who, key in moved.keys() | recorded.keys():
            by = moved.get((who, key), NOTHING)
            is_recorded = (who, key) in recorded or key in covered
            if is_recorded:
                self._ahead.add(who, key, _sum(by, recorded.get((who, key), NOTHING), -1))
            if not is_recorded or key[:2] in alone:
                self._own.add(who, key, by)

    def _take_rungs(self, intake: Intake, people: Iterable[Person]) -> None:
        """Keep the value that the members have now, and the crossings that stand."""
        for person in people:
            member = self._members[person.id]
            member.crossings = [
                one for one in intake.ladders.crossings if one.member_id == person.id and one.state == "standing"
            ]
            for account in intake.book.accounts.values():
                if account.running and account.id == member_account(person.id, account.unit):
                    member.value[account.unit] = account.lifetime, account.balance

    def _tell(self, person: Person, recorded: _Did, candidate: _Did, sign: int) -> None:
        """Add what both sides did, or take it out again."""
        found = self.outcome
        for unit in recorded.amounts.keys() | candidate.amounts.keys():
            given, would = sign * recorded.amounts.get(unit, 0), sign * candidate.amounts.get(unit, 0)
            self._members[person.id].ahead[unit] += would - given
            found.units[unit].add(given, would)
            if unit == UNIT:
                found.members[person.id].add(given, would)
            for attribute in self._by:
                found.cohorts[attribute, _value(person, attribute), unit].add(given, would)
        for name in recorded.named.keys() | candidate.named.keys():
            found.named[name].add(sign * recorded.named.get(name, 0), sign * candidate.named.get(name, 0))
        if sign > 0:
            for name in recorded.crossed.keys() | candidate.crossed.keys():
                found.named[name].add(recorded.crossed.get(name, 0), candidate.crossed.get(name, 0))

    def _compare(self, member_id: str, recorded: _Did, candidate: _Did) -> None:
        self.outcome.decisions += 1
        if replace(recorded, moved={}, shared={}) != replace(candidate, moved={}, shared={}):
            self.outcome.differing += 1
            self._members[member_id].differs = True


# -- What decisions did --------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """Counters before a decision, of members and of all together."""

    by_member: Mapping[tuple[str, CounterKey], tuple[int, int]]
    by_all: Counts


def _read_alone(candidate: Configuration, live: Configuration) -> frozenset[tuple[str, str]]:
    """The counters of events that some event's rules read, or count, under the candidate and did not then."""
    found = set()
    for event_type in candidate.event_types:
        now, then = plan(candidate, event_type), plan(live, event_type)
        shown = {(name, per) for name, per, _ in then.counters}
        found |= {(name, per) for name, per, _ in now.counters if name.startswith(_EVENTS)} - shown
        back = dict(sorted(then.rolling, key=lambda one: one[1]))
        found |= {(name, Period.DAY.value) for name, days in now.rolling if days > back.get(name, 1)}
    return frozenset(found)


class _Words(NamedTuple):
    """What verdicts name: the unit of each rule's award, and milestones by their marks."""

    units: Mapping[str, str]
    milestones: Mapping[str, Milestone]

    @classmethod
    def of(cls, configuration: Configuration) -> "_Words":
        rules = (rule for of_type in configuration.rules.values() for rule in of_type)
        units = {rule.key: rule.award.unit for rule in rules if rule.award}
        return cls(units, {milestone.mark: milestone for milestone in configuration.milestones})


class _Moves(dict[tuple[str, CounterKey], tuple[int, int]]):
    """By how much counters are moved, by who counts and key; two are added key by key."""

    def __add__(self, other: "_Moves") -> "_Moves":
        return _Moves(
            {key: _sum(self.get(key, NOTHING), other.get(key, NOTHING)) for key in self.keys() | other.keys()}
        )


def _moves_of(did: _Did, member_id: str, sign: int) -> _Moves:
    shared = did.shared if sign > 0 else given_back(did.shared)
    moved = [((member_id, key), by) for key, by in did.moved.items()]
    moved += [((_ALL, key), by) for key, by in shared.items()]
    return _Moves({key: (sign * uses, sign * total) for key, (uses, total) in moved})


def _moves(kept: _Kept | None, sign: int) -> _Moves:
    return _moves_of(kept.recorded, kept.person.id, sign) if kept is not None else _Moves()


def _sum(one: tuple[int, int], other: tuple[int, int], sign: int = 1) -> tuple[int, int]:
    return one[0] + sign * other[0], one[1] + sign * other[1]


def _counted_then(live: Configuration, event: Event, person: Person) -> set[CounterKey]:
    """What the record counts where the event is decided."""
    seen = as_seen(live, event)
    return {*keys_needed(live, seen, person), *shared_needed(live, seen)}


def _what_was_done(points: int, verdict: Mapping[str, Any], words: _Words) -> _Did:
    """What a decision did, as its verdict tells it, in the words of the configuration that made it."""
    named: Counter[Name] = Counter()
    for rule in verdict.get("rules", ()):
        named[Name("rule", rule["rule"], words.units.get(rule["rule"], UNIT))] += rule["points"]
        if rule.get("reward"):
            named[Name("reward", rule["reward"])] += 1
    for made in verdict.get("challenges", ()):
        if not made.get("lent"):
            named[Name("challenge", made["challenge"], UNIT)] += made["points"]
    crossed: Counter[Name] = Counter()
    for mark, _ in verdict.get("crossed", ()):
        crossed[Name("milestone", words.milestones[mark].key)] += 1
        crossed[Name("reward", words.milestones[mark].reward)] += 1
    return _Did(
        amounts={unit: amount for unit, amount in {UNIT: points, **verdict.get("others", {})}.items() if amount},
        moved=counts_from_json(verdict.get("moved", ())),
        shared=counts_from_json(verdict.get("shared", ())),
        named={name: amount for name, amount in named.items() if amount},
        crossed=crossed,
    )


def _value(person: Person, attribute: str) -> str:
    """The member's cohort by an attribute, of those that the program has added too."""
    value = person.attributes.get(attribute, (person.attributes.get("custom") or {}).get(attribute))
    return "" if value is None else str(value)
