"""Back-tests: recorded decisions made again under other definitions, and what differs.

Each decision is taken up in the order in which it was made, with the fact as it was then, by the same Intake that takes
events in; nothing is written. What a decision read was recorded, so what it reads under the candidate is what was
recorded and by how much the candidate is ahead of it: in the counters of a member and of all together, in value, in
milestones, tiers and badges. Under the definitions that were live then it never gets ahead, and the difference is zero.

What the record cannot tell is taken as it was: what members spend, what lapses, what sources say. So is which
challenges an event had completed before the candidate first decides it. What Laurel derived itself (a prize, a streak's
length, a tier, a badge) is taken as recorded where the candidate comes to it as well, and left out where it does not;
what only the candidate comes to is told besides.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

from domain import derived
from domain.backtest_badges import BadgeBook, GivenBadge
from domain.backtest_counters import (
    ALL,
    EVENTS,
    Counted,
    Moves,
    Read,
    Tally,
    added,
    counted_then,
    moves_of,
    read_alone,
)
from domain.backtest_members import Members, Placed
from domain.backtest_outcomes import NOTHING_DONE, Did, Outcome, Words, cohort_of, what_was_done
from domain.backtest_streaks import Marks, differing
from domain.backtest_tiers import GivenTier, OtherGain, TierFound, Tiers
from domain.challenges import Claim, given_back
from domain.configuration import Configuration
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
from domain.game import Fairness, StreakPolicy, says_the_same
from domain.intake import DECIDED, NEW, Fact, Intake, Loaded
from domain.ladders import GivenReward, Ladders
from domain.ledger import Book, Transaction
from domain.streak_book import Kept, StreakKey, Streaks
from domain.streaks import Mark
from domain.time import ALWAYS

_REDECIDE = SourcePolicy(amendments="redecide")
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


Candidate = Callable[[Configuration], Configuration]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the record has beside its decisions: which rewards were ordered, and what became of badges and tiers.

    Without `tiers` they are left as they were: what counts for them is more than the steps that are taken.
    """

    placed: Placed
    badges: Sequence[GivenBadge]
    tiers: Sequence[GivenTier] | None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A decision that was taken up: the candidate's fact (None: it has none), and what either side did.

    `earned_at` is when what it gave took effect, `covered` what the record counted where it was decided.
    """

    event_id: str
    earned_at: datetime
    fact: Fact | None
    person: Person
    live: Configuration
    recorded: Did
    candidate: Did
    covered: Collection[CounterKey] = ()
    rewards: Sequence[GivenReward] = ()


class _Untold(NamedTuple):
    """Something that the candidate has found and the record has not, until it is told."""

    found: Event
    at: datetime
    person: Person
    live: Configuration


class Replay:
    """Takes steps in order; `outcome` has what came of those decided from `begins_at` on, once it is `closed`.

    `candidate` gives the definitions that take the place of those that were live. `by` are the attributes by which
    members make cohorts.
    """

    def __init__(
        self, candidate: Candidate, *, begins_at: datetime, recorded: Recorded, by: Sequence[str] = ()
    ) -> None:
        self.outcome = Outcome()
        self._candidate = candidate
        self._begins_at = begins_at
        self._by = by
        self._number = count(1)
        # By the number of what was live.
        self._counted_alone: dict[int, Counted] = {}
        self._candidates: dict[int, Configuration] = {}
        self._words: dict[int, Words] = {}
        self._new_words: dict[int, Words] = {}
        self._members = Members(self._id, recorded.placed)
        self._people: dict[str, Person] = {}  # as they were last seen
        self._kept: dict[str, _Kept] = {}
        self._paid: dict[str, _Kept] = {}  # by external id, what only the candidate has found
        self._untold: deque[_Untold] = deque()
        # By how much the candidate is ahead of what was counted then, what it alone counts, and what was recorded of
        # the counters of derived events.
        self._ahead = Tally()
        self._own = Tally()
        self._seen: dict[tuple[str, CounterKey], tuple[int, int]] = {}
        self._tiers = Tiers(recorded.tiers or ())
        self._climbing = recorded.tiers is not None
        self._badges = BadgeBook(recorded.badges)
        # What counts for streak policies that were not live.
        self._marks = Marks()
        self._last: Configuration | None = None
        self._now = ALWAYS

    def take(self, step: Step, live: Configuration | None) -> None:
        """Take up one step; `live` is the configuration that decided it, None where nothing was decided."""
        self._last = live or self._last
        self._pass_to(step.decided_at)
        if step.event.source == derived.SOURCE:
            self._tell_found()
        in_window = step.decided_at >= self._begins_at
        if live is not None and in_window:
            self._introduce(live, step.decided_at)
        if step.kind == "retraction":
            self._retract(step)
        elif live is not None and step.person is not None:
            self._people[step.person.id] = step.person
            if not in_window:
                self._believe(step, live, step.person)
            elif self._is_told(step.event, live):
                self._decide(step, live, step.person)
            else:
                self._leave_out(step, live, step.person)
        self._hear(step)

    def hear_gains(self, gains: Iterable[OtherGain]) -> None:
        """Know what was earned by no decision, in order and before the steps that come after it."""
        self._tiers.hear_gains(gains)

    def close(self, until: datetime) -> None:
        """All steps are taken, and time has passed until here."""
        self._pass_to(until)
        self._tell_found()
        if self._last is not None:
            candidate = self._under(self._last)
            self._tiers.compare(candidate, self.outcome)
            self._badges.compare(candidate, self.outcome)

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
        self._untold.append(_Untold(length, length.occurred_at, person, self._last))
        self._tell_found()

    def _under(self, live: Configuration) -> Configuration:
        if live.number not in self._candidates:
            self._candidates[live.number] = self._candidate(live)
        return self._candidates[live.number]

    def _alone(self, live: Configuration) -> Counted:
        """The counters of events that the candidate reads where the record does not show them."""
        if live.number not in self._counted_alone:
            self._counted_alone[live.number] = read_alone(self._under(live), live)
        return self._counted_alone[live.number]

    # -- Time and what is found ------------------------------------------------------------------------------------

    def _pass_to(self, at: datetime) -> None:
        """Come to an instant: what was found before it is told, days end."""
        if at <= self._now or self._last is None:
            return
        self._tell_found()
        self._now = at
        candidate = self._under(self._last)
        self._badges.pass_to(at)
        if candidate.tiers and self._climbing:
            self._take_tiers(self._tiers.pass_to(at, candidate), self._last)
            self._tell_found()

    def _introduce(self, live: Configuration, at: datetime) -> None:
        candidate = self._under(live)
        if candidate.tiers and self._climbing:
            self._tiers.introduce(candidate, live, at)
        if candidate.badges:
            self._badges.introduce(candidate, live, at)

    def _hear(self, step: Step) -> None:
        """What the decision changed of tiers and badges stands in the record."""
        for event_id in (step.event_id, step.verdict.get("retracts")):
            if event_id is not None:
                self._tiers.hear(event_id, step.decided_at)
                self._badges.hear(event_id, step.decided_at)

    def _take_tiers(self, found: Iterable[TierFound], live: Configuration) -> None:
        for one in found:
            if (person := self._people.get(one.change.member_id)) is not None:
                self._untold.append(_Untold(one.event, one.at, person, live))

    def _tell_found(self) -> None:
        """Take up what the candidate has found and the record has not, and what is found by that in turn."""
        while self._untold:
            found, at, person, live = self._untold.popleft()
            if found.retracts is None:
                self._paid[found.external_id] = self._pay(found, at, live, person)
            elif (kept := self._paid.pop(found.retracts, None)) is not None:
                self._undo(kept, found, at)

    # -- Steps -----------------------------------------------------------------------------------------------------

    def _believe(self, step: Step, live: Configuration, person: Person) -> None:
        """What was decided before the window stands; only what the candidate alone counts is counted."""
        candidate, recorded = self._under(live), self._recorded(step, live)
        if (before := self._kept.pop(step.event_id, None)) is not None:
            self._disbelieve(before)
        event = as_seen(candidate, step.event)
        counted = counted_by_back_fill(candidate, event, person, {}) if self._alone(live) else {}
        alone = {key: by for key, by in counted.items() if key[:2] in self._alone(live)}
        for key, by in alone.items():
            self._own.add(person.id, key, by)
        self._mark_believed(step, live, event, person, before)
        fact, moved = None, {**recorded.moved, **alone}
        covered = _covered(step, live, person) if step.again else ()
        if step.again:
            fact = self._new_fact(step, person)
            fact.state, fact.points, fact.shared, fact.moved = DECIDED, step.points, recorded.shared, moved
            fact.earnings = {unit: (self._earning(step), amount) for unit, amount in recorded.amounts.items() if amount}
        did = replace(recorded, moved=moved)
        kept = _Kept(step.event_id, event.occurred_at, fact, person, live, recorded, did, covered)
        self._see(step, live, person)
        self._earn(kept, 1)
        if candidate.badges:
            known = counts_from_json(step.inputs.get("counters", ()))
            totals = {key: added(known.get(key, NOTHING), by) for key, by in recorded.moved.items()}
            self._badges.believe(person.id, event, totals | {key: self._own.of(person.id, key) for key in alone})
        if step.again:
            self._kept[step.event_id] = kept

    def _disbelieve(self, kept: _Kept) -> None:
        """What was decided before the window is taken back, or decided again."""
        alone = self._alone(kept.live)
        for key, (uses, total) in kept.candidate.moved.items():
            if key[:2] in alone:
                self._own.add(kept.person.id, key, (-uses, -total))
        self._earn(kept, -1)
        if kept.fact is not None:
            self._badges.doubt(kept.person.id, kept.fact.event, kept.candidate.moved)

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

    def _decide(self, step: Step, live: Configuration, person: Person) -> None:
        candidate, recorded = self._under(live), self._recorded(step, live)
        before = self._kept.pop(step.event_id, None)
        undone = before.recorded if before is not None and before.person.id == person.id else NOTHING_DONE
        self._members.stand_as_recorded(person.id, step.inputs, undone)
        fact, covered = self._fact_of(step, live, person, before), _covered(step, live, person)
        read = self._read(step, candidate, person, fact.claims, covered, undone)
        others = [before.person] if before is not None and before.person.id != person.id else []
        intake = self._intake(candidate, step.decided_at, fact, [person, *others], read, before)
        intake.take(replace(step.event, member=Identity(MEMBER_ID, person.id)), _REDECIDE)

        did = self._done(intake)
        moves = _moves(before, -1) + moves_of(recorded, person.id, 1)
        self._get_ahead(intake, read, moves, covered, self._alone(live))
        self._members.keep(intake, [person, *others])
        given = intake.ladders.given_for(step.event_id) if step.again else []
        kept = _Kept(step.event_id, step.event.occurred_at, fact, person, live, recorded, did, covered, given)
        self._see(step, live, person)
        self._replace(before, kept)
        self._members.show(person.id, step.inputs, step.verdict)
        if step.again:
            self._kept[step.event_id] = kept
        if before is not None:
            self._marks.remove(before.person.id, step.event_id)
        for stored in intake.streaks.new_marks:
            self._mark(live, person.id, [(stored.key[1], stored.mark.amount)], stored.mark)
        self._note_claims(intake, live)
        self._find(intake, step.event_id, live, person)

    def _leave_out(self, step: Step, live: Configuration, person: Person) -> None:
        """A fact that Laurel derived then, and would not have derived like this: what it gave is the record's alone."""
        recorded = self._recorded(step, live)
        before = self._kept.pop(step.event_id, None)
        for (who, key), (uses, total) in (_moves(before, -1) + moves_of(recorded, person.id, 1)).items():
            self._ahead.add(who, key, (-uses, -total))
        kept = _Kept(step.event_id, step.event.occurred_at, None, person, live, recorded, NOTHING_DONE)
        self._see(step, live, person)
        self._replace(before, kept)
        if step.again:
            self._kept[step.event_id] = kept
        self._tell_badges(self._badges.take(None, step.event_id, step.decided_at), live, person)

    def _retract(self, step: Step) -> None:
        kept = self._kept.pop(step.verdict.get("retracts", ""), None)
        if kept is None or step.verdict.get("was") != DECIDED:
            return
        self._marks.remove(kept.person.id, step.verdict["retracts"])
        if step.decided_at < self._begins_at:
            self._disbelieve(kept)
        else:
            self._undo(kept, step.event, step.decided_at)

    def _undo(self, kept: _Kept, retraction: Event, at: datetime) -> None:
        """Take back what a fact did on both sides."""
        moves = _moves(kept, -1)
        if kept.fact is None:
            for (who, key), (uses, total) in moves.items():
                self._ahead.add(who, key, (-uses, -total))
            self._tell(kept, -1)
            return
        read = Read(self._badges.counters(kept.person.id, kept.candidate.moved), {})
        intake = self._intake(self._under(kept.live), at, kept.fact, [kept.person], read, kept)
        new = Fact(self._id("evt"), retraction, b"", NEW, at)
        intake.facts[new.key] = new
        intake.take(replace(retraction, retracts=kept.fact.event.external_id), _REDECIDE)
        self._get_ahead(intake, read, moves, kept.covered, self._alone(kept.live))
        self._note_claims(intake, kept.live)
        self._members.keep(intake, [kept.person])
        self._tell(kept, -1)
        self._find(intake, kept.event_id, kept.live, kept.person)

    def _note_claims(self, intake: Intake, live: Configuration) -> None:
        self.outcome.claims |= {key: one for key, one in intake.claims.items() if key[0] not in live.challenges}

    def _find(self, intake: Intake, event_id: str, live: Configuration, person: Person) -> None:
        """Note what a decision has found that the record does not have: prizes of challenges, badges."""
        for found in intake.derived:
            if found.retracts is not None or not self._is_defined(found, live):
                self._untold.append(_Untold(found, self._now, person, live))
        self._tell_badges(self._badges.take(intake.badges, event_id, self._now), live, person)
        changed = {key: now for (member, key), now in intake.changed_counters.items() if member == person.id}
        if intake.configuration.badges:
            self._badges.count(person.id, changed)

    def _tell_badges(self, found: Iterable[Event], live: Configuration, person: Person) -> None:
        self._untold.extend(_Untold(one, self._now, person, live) for one in found)

    def _pay(self, found: Event, at: datetime, live: Configuration, person: Person) -> _Kept:
        candidate = self._under(live)
        fact = Fact(self._id("evt"), found, b"", NEW, at)
        covered = counted_then(live, found, person, at, ())
        read = self._read_now(candidate, found, person, at, covered)
        intake = self._intake(candidate, at, fact, [person], read)
        intake.take(found, _REDECIDE)
        did = self._done(intake)
        self._get_ahead(intake, read, Moves(), covered, self._alone(live))
        self._members.keep(intake, [person])
        kept = _Kept(fact.event_id, found.occurred_at, fact, person, live, NOTHING_DONE, did, covered)
        self._tell(kept, 1)
        self._members[person.id].differs = True
        self._find(intake, fact.event_id, live, person)
        return kept

    def _is_told(self, event: Event, live: Configuration) -> bool:
        """Whether a derived event is what the candidate comes to as well; every other event is."""
        if event.source != derived.SOURCE:
            return True
        if self._tiers.is_own(self._under(live), event):
            return self._tiers.is_found(event)
        if self._badges.is_own(event):
            return self._badges.is_found(event)
        return self._is_defined(event, live)

    def _is_defined(self, event: Event, live: Configuration) -> bool:
        """Whether a derived event is about what the candidate defines as it was then."""
        section, name = _ABOUT.get(event.type, ("", ""))
        if not section:
            return True
        key, candidate = event.data.get(name), self._under(live)
        then, now = getattr(live, section).get(key), getattr(candidate, section).get(key)
        return now is not None and says_the_same(now, then)

    # -- What a decision reads -------------------------------------------------------------------------------------

    def _read(
        self,
        step: Step,
        candidate: Configuration,
        person: Person,
        completed: Collection[str],
        covered: Collection[CounterKey],
        undone: Did,
    ) -> Read:
        """The counters that the candidate reads or moves, before what is undone was undone."""
        at = step.decided_at
        by_member = counts_from_json(step.inputs.get("counters", ()))
        by_all = counts_from_json(step.inputs.get("shared", ()))
        event, returned = as_seen(candidate, step.event), given_back(undone.shared)
        return Read(
            self._badges.counters(person.id, undone.moved)
            | {
                (person.id, key): self._count(person.id, key, by_member, covered, undone.moved)
                for key in keys_needed(candidate, event, person, at, completed)
            },
            {
                key: self._count(ALL, key, by_all, covered, returned)
                for key in shared_needed(candidate, event, at, completed)
            },
        )

    def _count(
        self, who: str, key: CounterKey, recorded: Counts, covered: Collection[CounterKey], undone: Counts
    ) -> tuple[int, int]:
        own = self._own.of(who, key)
        if key not in covered:
            return own
        then = added(recorded.get(key, NOTHING), undone.get(key, NOTHING))
        counted = added(then, self._ahead.of(who, key))
        # What counts events was filled when it was declared, what counts the use of caps and budgets began at nothing.
        return counted if key[0].startswith(EVENTS) else added(counted, own)

    def _see(self, step: Step, live: Configuration, person: Person) -> None:
        """Know what a derived event has left of the counters that others of its kind read."""
        if step.event.source != derived.SOURCE:
            return
        for who, inputs, moved in ((person.id, "counters", "moved"), (ALL, "shared", "shared")):
            read = counts_from_json(step.inputs.get(inputs, ()))
            by = counts_from_json(step.verdict.get(moved, ()))
            for key in read.keys() | by.keys():
                self._seen[who, key] = added(read.get(key, NOTHING), by.get(key, NOTHING))

    def _read_now(
        self, candidate: Configuration, found: Event, person: Person, at: datetime, covered: Collection[CounterKey]
    ) -> Read:
        """The counters that deciding what was found reads or moves, as they are under the candidate."""
        event = as_seen(candidate, found)

        def now(who: str, key: CounterKey) -> tuple[int, int]:
            seen = self._seen.get((who, key), NOTHING)
            return self._count(who, key, {key: seen}, covered, {})

        return Read(
            {(person.id, key): now(person.id, key) for key in keys_needed(candidate, event, person, at, ())},
            {key: now(ALL, key) for key in shared_needed(candidate, event, at, ())},
        )

    def _intake(
        self,
        candidate: Configuration,
        at: datetime,
        fact: Fact,
        people: Sequence[Person],
        read: Read,
        before: _Kept | None = None,
    ) -> Intake:
        """An Intake of one fact and of the people whose it is or was."""
        units = {UNIT, *plan(candidate, fact.event.type).others, *fact.earnings}
        accounts = [self._members.account(one.id, unit) for one in people for unit in units]
        standing, marks = self._members.crossings(people, at)
        rewards = [*before.rewards] if before else []
        loaded = Loaded(
            facts={fact.key: fact},
            members={Identity(MEMBER_ID, person.id): person.id for person in people},
            people={person.id: [(ALWAYS, person)] for person in people},
            counters=dict(read.by_member),
            shared=defaultdict(lambda: NOTHING, read.by_all),
            ladders=Ladders(candidate.milestones, self._id, marks, standing, rewards),
            streaks=Streaks(self._id, kept=defaultdict(Kept)),
            badges=self._badges.of(candidate, [person.id for person in people]),
            book=Book(candidate.program_id, self._id, at, accounts),
        )
        return Intake(candidate, loaded)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._number)}"

    def _fact_of(self, step: Step, live: Configuration, person: Person, before: _Kept | None) -> Fact:
        """The candidate's fact; as recorded are what it had completed before the candidate first decides it, and the
        places that a close may have given anew."""
        fact = before.fact if before is not None and before.fact is not None else self._new_fact(step, person)
        for key, number in step.inputs.get("completed", {}).items():
            if not fact.decisions:
                fact.claims[key] = Claim(key, fact.event_id, person.id, fact.event.occurred_at, number)
            elif key in fact.claims and self._is_placed_as_then(key, live):
                fact.claims[key] = replace(fact.claims[key], number=number)
        return fact

    def _is_placed_as_then(self, challenge: str, live: Configuration) -> bool:
        """Whether the event's time gives its places at a close, which the candidate leaves as it was recorded."""
        now = self._under(live).challenges.get(challenge)
        if now is None or now.fairness is not Fairness.EVENT_TIME:
            return False
        return says_the_same(now, live.challenges.get(challenge))

    def _new_fact(self, step: Step, person: Person) -> Fact:
        event = replace(step.event, member=Identity(MEMBER_ID, person.id))
        return Fact(step.event_id, event, b"", NEW, step.told_at, person.id, step.revision)

    def _earning(self, step: Step) -> Transaction:
        return Transaction(self._id("txn"), "earn", "", step.event.occurred_at, step.event_id)

    def _recorded(self, step: Step, live: Configuration) -> Did:
        if live.number not in self._words:
            self._words[live.number] = Words.of(live)
        return what_was_done(step.points, step.verdict, self._words[live.number])

    def _done(self, intake: Intake) -> Did:
        decision, number = intake.decisions[-1], intake.configuration.number
        if number not in self._new_words:
            self._new_words[number] = Words.of(intake.configuration)
        return what_was_done(decision.points, decision.verdict, self._new_words[number])

    # -- What came of it -------------------------------------------------------------------------------------------

    def _get_ahead(
        self, intake: Intake, read: Read, recorded: Moves, covered: Collection[CounterKey], alone: Counted
    ) -> None:
        """Note by how much the candidate has moved counters more than the record, or alone."""
        moved = {
            (member, key): added(now, read.by_member.get((member, key), NOTHING), -1)
            for (member, key), now in intake.changed_counters.items()
        }
        for key, now in intake.changed_shared.items():
            moved[ALL, key] = added(now, read.by_all.get(key, NOTHING), -1)
        for who, key in moved.keys() | recorded.keys():
            by = moved.get((who, key), NOTHING)
            is_recorded = (who, key) in recorded or key in covered
            if is_recorded:
                self._ahead.add(who, key, added(by, recorded.get((who, key), NOTHING), -1))
            if not is_recorded or key[:2] in alone:
                self._own.add(who, key, by)

    def _replace(self, before: _Kept | None, kept: _Kept) -> None:
        """Count what both sides did in place of what they did before."""
        if before is not None:
            self._tell(before, -1)
        self._tell(kept, 1)
        self.outcome.decisions += 1
        if not kept.recorded.gives_the_same(kept.candidate):
            self.outcome.differing += 1
            self._members[kept.person.id].differs = True

    def _tell(self, kept: _Kept, sign: int) -> None:
        """Add what both sides did, or take it out again."""
        found, recorded, candidate = self.outcome, kept.recorded, kept.candidate
        for unit in recorded.amounts.keys() | candidate.amounts.keys():
            given, would = sign * recorded.amounts.get(unit, 0), sign * candidate.amounts.get(unit, 0)
            self._members[kept.person.id].ahead[unit] += would - given
            found.units[unit].add(given, would)
            if unit == UNIT:
                found.members[kept.person.id].add(given, would)
            for attribute in self._by:
                found.cohorts[attribute, cohort_of(kept.person, attribute), unit].add(given, would)
        for name in recorded.named.keys() | candidate.named.keys():
            found.named[name].add(sign * recorded.named.get(name, 0), sign * candidate.named.get(name, 0))
        if sign > 0:
            for name in recorded.crossed.keys() | candidate.crossed.keys():
                found.named[name].add(recorded.crossed.get(name, 0), candidate.crossed.get(name, 0))
        self._earn(kept, sign)

    def _earn(self, kept: _Kept, sign: int) -> None:
        """Let the member rise on the candidate's ladders by what it gave, or by what was taken back be in doubt."""
        candidate = self._under(kept.live)
        if not candidate.tiers or not self._climbing:
            return
        for unit in sorted(kept.recorded.amounts.keys() | kept.candidate.amounts.keys()):
            amounts = sign * kept.recorded.amounts.get(unit, 0), sign * kept.candidate.amounts.get(unit, 0)
            found = self._tiers.earn(
                candidate, kept.person.id, unit, amounts, kept.earned_at, by=kept.event_id, at=self._now
            )
            self._take_tiers(found, kept.live)


def _covered(step: Step, live: Configuration, person: Person) -> set[CounterKey]:
    return counted_then(live, step.event, person, step.decided_at, step.inputs.get("completed", {}))


def _moves(kept: _Kept | None, sign: int) -> Moves:
    return moves_of(kept.recorded, kept.person.id, sign) if kept is not None else Moves()
