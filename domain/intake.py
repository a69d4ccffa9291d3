"""Taking events in, on paper: facts as they stand, decided one by one in the order in which they came.

An Intake holds what one database transaction has locked and loaded, and collects what it must write. A fact is taken
once: a repeat replays, another fingerprint amends or conflicts, a retraction takes back, before or after its original.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from domain import derived
from domain.badges import Badges
from domain.challenges import Claim, as_claimed, as_placed, claim, given_back, number_kept, prize, withdrawn
from domain.configuration import Aggregate, Configuration, Milestone
from domain.counters import CounterKey, Counts, counts_as_json
from domain.deciding import (
    ENGINE,
    UNIT,
    Inputs,
    Person,
    Verdict,
    aggregate_keys,
    as_seen,
    counted_from,
    decide,
    keys_needed,
    person_at,
    plan,
    shared_needed,
    still_crossed,
)
from domain.derived import CHALLENGE_PRIZE
from domain.events import Event, Identity, SourcePolicy, fingerprint, member_named
from domain.game import Challenge
from domain.ladders import Crossing, Ladders
from domain.ledger import Book, Transaction, member_account
from domain.outcomes import AMENDED, CONFLICT, RECORDED, REPLAYED, Outcome
from domain.streak_book import Streaks

NEW = "new"
AWAITED = "awaited"
DECIDED = "decided"
PARKED = "parked"
QUARANTINED = "quarantined"
RETRACTED = "retracted"
CLOSED = "closed"

FactKey = tuple[str, str]


class ReversedInPart(Exception):
    """A person has taken back a part of what an event earned: the rest is theirs to decide as well."""


@dataclass(slots=True)
class Fact:
    """One event as the book has it.

    `moved`, `shared`, `points` and `earnings` (by unit) are what its last decision did.
    """

    event_id: str
    event: Event
    fingerprint: bytes
    state: str
    recorded_at: datetime
    member_id: str | None = None
    revision: int = 1
    retracted_by: str | None = None
    error: str | None = None
    decisions: int = 0
    points: int = 0
    moved: Counts = field(default_factory=dict)
    shared: Counts = field(default_factory=dict)
    earnings: Mapping[str, tuple[Transaction, int]] = field(default_factory=dict)
    reversed_in_part: bool = False
    # What it has completed, by challenge, and those of them that are settled.
    claims: dict[str, Claim] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    changed: bool = False

    @property
    def key(self) -> FactKey:
        return self.event.source, self.event.external_id

    def placed(self, moved: Counts, configuration: Configuration) -> Counts:
        """What these moves of its member's counters are once its challenges have closed."""
        return as_placed(moved, configuration.challenges, [self.claims[key] for key in sorted(self.settled)])


class DecisionRow(NamedTuple):
    """What is kept of one decision; `n` counts the decisions of one event."""

    event_id: str
    n: int
    revision: int
    member_id: str | None
    kind: str
    points: int
    verdict: Mapping[str, Any]
    inputs: Mapping[str, Any]
    transaction_id: str | None


@dataclass(frozen=True, slots=True)
class Revision:
    """A fact as it was before an amendment."""

    event_id: str
    revision: int
    event: Event
    fingerprint: bytes


@dataclass(slots=True)
class Loaded:
    """What the transaction has locked and read for these facts."""

    facts: dict[FactKey, Fact]
    members: Mapping[Identity, str]
    people: Mapping[str, Sequence[tuple[datetime, Person]]]
    counters: dict[tuple[str, CounterKey], tuple[int, int]]
    shared: dict[CounterKey, tuple[int, int]]
    ladders: Ladders
    streaks: Streaks
    badges: Badges
    book: Book


class Intake:
    """Takes events in order; afterwards its lists hold all that must be written."""

    def __init__(self, configuration: Configuration, loaded: Loaded):
        self.configuration = configuration
        self.facts = loaded.facts
        self.book = loaded.book
        self.ladders = loaded.ladders
        self.streaks = loaded.streaks
        self.badges = loaded.badges
        self.decisions: list[DecisionRow] = []
        self.revisions: list[Revision] = []
        self.changed_counters: dict[tuple[str, CounterKey], tuple[int, int]] = {}
        # By challenge and event; and the facts that Laurel itself has found.
        self.claims: dict[tuple[str, str], Claim] = {}
        self.derived: list[Event] = []
        self.changed_shared: dict[CounterKey, tuple[int, int]] = {}
        self._members = loaded.members
        self._people = loaded.people
        self._counters = loaded.counters
        self._shared = loaded.shared
        self._milestones = {milestone.mark: milestone for milestone in configuration.milestones}

    # -- Doors -----------------------------------------------------------------------------------------------------

    def take(self, event: Event, policy: SourcePolicy) -> Outcome:
        """Take one event as it came from its source, under the source's policy."""
        fact = self.facts[event.source, event.external_id]
        if event.retracts is not None:
            return self._retract(event, fact, policy)
        if fact.state == NEW:
            return self._first(fact, self._member_of(event))
        if fact.state == AWAITED:
            return self._arrive_retracted(event, fact, policy)
        return self._again(event, fact, policy)

    def decide_now(self, fact: Fact) -> Outcome:
        """Decide a fact that was parked or quarantined; it stays parked while its member is unknown."""
        return self._first(fact, self._member_of(fact.event))

    # -- What a fact can meet --------------------------------------------------------------------------------------

    def _first(self, fact: Fact, member_id: str | None) -> Outcome:
        if member_id is None:
            self._stand(fact, PARKED)
        else:
            fact.member_id = member_id
            fact.error = None
            self._stand(fact, DECIDED)
            self._decide(fact, "award")
        return self._outcome(RECORDED, fact)

    def _arrive_retracted(self, event: Event, fact: Fact, policy: SourcePolicy) -> Outcome:
        fact.event = event
        fact.fingerprint = fingerprint(event, policy)
        fact.member_id = self._member_of(event)
        self._stand(fact, RETRACTED)
        self._keep_decision(fact, "award", Verdict(reason="retracted_before_arrival"), {}, None)
        return self._outcome(RECORDED, fact)

    def _again(self, event: Event, fact: Fact, policy: SourcePolicy) -> Outcome:
        if fact.event.retracts is not None:
            return self._conflict(fact)
        if self._is_older(event, fact):
            return self._outcome(REPLAYED, fact)
        if event.source_version is None:
            event = replace(event, source_version=fact.event.source_version)
        arrived = fingerprint(event, policy)
        if arrived != fact.fingerprint:
            return self._differs(event, fact, policy, arrived)
        if event.source_version != fact.event.source_version:
            fact.event = replace(fact.event, source_version=event.source_version)
            fact.changed = True
        if fact.state == PARKED:
            self._name(event, fact)
        return self._outcome(REPLAYED, fact)

    def _name(self, event: Event, fact: Fact) -> None:
        """A repeat may name the member of a parked fact in another way."""
        if event.alternatives:
            fact.event = replace(fact.event, alternatives=event.alternatives)
            fact.changed = True
        self._first(fact, self._member_of(event))

    def _differs(self, event: Event, fact: Fact, policy: SourcePolicy, arrived: bytes) -> Outcome:
        if policy.amendments == "conflict":
            return self._conflict(fact)
        if policy.amendments == "ignore":
            return self._outcome(REPLAYED, fact)
        self.revisions.append(Revision(fact.event_id, fact.revision, fact.event, fact.fingerprint))
        fact.event, fact.fingerprint, fact.revision, fact.changed = event, arrived, fact.revision + 1, True
        if fact.state == DECIDED:
            self._redecide(fact)
        elif fact.state in (PARKED, QUARANTINED):
            self._first(fact, self._member_of(event))
        return self._outcome(AMENDED, fact)

    def _retract(self, event: Event, fact: Fact, policy: SourcePolicy) -> Outcome:
        repeated = fact.event.retracts == event.retracts
        if fact.state not in (NEW, AWAITED) and not (repeated and fact.state == QUARANTINED):
            return self._outcome(REPLAYED, fact) if repeated else self._conflict(fact)
        assert event.retracts is not None
        target = self.facts[event.source, event.retracts]
        was = AWAITED if target.state == NEW else target.state
        # Retractions are final: one that was itself taken back before it came takes back all the same.
        fact.event, fact.fingerprint = event, fingerprint(event, policy)
        fact.retracted_by = fact.error = None
        self._stand(fact, DECIDED)
        fact.member_id = target.member_id
        fact.changed = fact.changed or fact.member_id is not None
        taken, reversal = self._take_back(target, fact)
        verdict: dict[str, Any] = {"retracts": target.event_id, "was": was}
        if others := {unit: -amount for unit, amount in taken.items() if unit != UNIT}:
            verdict["others"] = others
        fact.points = -taken.get(UNIT, 0)
        fact.decisions += 1
        self.decisions.append(
            DecisionRow(
                fact.event_id, fact.decisions, 1, fact.member_id, "retraction", fact.points, verdict, {}, reversal
            )
        )
        return self._outcome(RECORDED, fact)

    def _take_back(self, target: Fact, by: Fact) -> tuple[Mapping[str, int], str | None]:
        """Undo what the target did, whatever state it is in; what of each unit was taken back, the first reversal."""
        undone: tuple[Mapping[str, int], str | None] = {}, None
        if target.event.retracts is not None or target.state in (RETRACTED, CLOSED):
            return undone
        if target.state in (NEW, AWAITED):
            target.state = AWAITED
        elif target.state in (PARKED, QUARANTINED):
            self._stand(target, CLOSED)
        else:
            undone = self._undo(target)
            self._withdraw_claims(target, target.claims)
            self._stand(target, RETRACTED)
            self._withdraw_rewards(target, keep_rules=())
            self._withdraw_crossings(target)
            self._review_badges(target, target.member_id, None)
        target.retracted_by = by.event_id
        target.changed = True
        return undone

    def _redecide(self, fact: Fact) -> None:
        """Compensate and decide again; a reward that both decisions give stays as it is."""
        member_before = fact.member_id
        self._undo(fact)
        fact.member_id = self._member_of(fact.event) or fact.member_id
        moved_person = fact.member_id != member_before
        if moved_person:
            self._withdraw_rewards(fact, keep_rules=())
            self._withdraw_crossings(fact, member_before)
        verdict = self._decide(fact, "amendment")
        if not moved_person:
            kept = tuple(result.rule for result in verdict.results if result.reward)
            self._withdraw_rewards(fact, keep_rules=kept)
            self._withdraw_crossings(fact)
        self._review_badges(fact, member_before, None if moved_person else fact.event)

    # -- Steps -----------------------------------------------------------------------------------------------------

    def _member_of(self, event: Event) -> str | None:
        return member_named(event, self._members)

    def _person(self, member_id: str, at: datetime) -> Person:
        return person_at(self._people[member_id], at)

    def _decide(self, fact: Fact, kind: str) -> Verdict:
        assert fact.member_id is not None
        event = as_seen(self.configuration, fact.event)
        person = self._person(fact.member_id, event.occurred_at)
        inputs = self._inputs(fact, event, person)
        verdict = decide(self.configuration, event, person, inputs, fact.recorded_at)
        transaction = self._earn(fact, verdict)
        self._claim(fact, event, verdict)
        fact.moved = fact.placed(verdict.moved, self.configuration)
        fact.shared = as_claimed(verdict.shared, fact.claims.values())
        self._count(fact.member_id, fact.moved, 1)
        self._count_shared(fact.shared, 1)
        self._cross(fact, verdict)
        self._give_by_rule(fact, verdict)
        self.streaks.mark(fact.member_id, fact.event_id, event.occurred_at, fact.recorded_at, verdict.marks)
        self._earn_badges(fact, event, verdict)
        fact.points = verdict.points
        self._keep_decision(fact, kind, verdict, self._kept_inputs(person, inputs), transaction)
        return verdict

    def _inputs(self, fact: Fact, event: Event, person: Person) -> Inputs:
        account = self.book.accounts[member_account(person.id, UNIT)]
        needs = plan(self.configuration, event.type)
        at, completed = self.book.recorded_at, _completed(fact, needs.watching)
        keys = keys_needed(self.configuration, event, person, at, completed)
        shared = shared_needed(self.configuration, event, at, completed)
        return Inputs(
            {key: self._counters[person.id, key] for key in keys if (person.id, key) in self._counters},
            account.lifetime,
            account.balance,
            self.ladders.marks_of(person.id),
            {unit: self._standing_in(unit, person) for unit in needs.others},
            {key: self._shared[key] for key in shared if key in self._shared},
            decided_at=at if needs.watching else None,
            completed=completed,
        )

    def _standing_in(self, unit: str, person: Person) -> tuple[int, int]:
        account = self.book.accounts[member_account(person.id, unit)]
        return account.lifetime, account.balance

    def _kept_inputs(self, person: Person, inputs: Inputs) -> dict[str, Any]:
        kept: dict[str, Any] = {
            "engine": ENGINE,
            "configuration": self.configuration.number,
            "member_version": person.version,
            "lifetime": inputs.lifetime,
            "balance": inputs.balance,
        }
        if inputs.counters:
            kept["counters"] = counts_as_json(inputs.counters)
        if inputs.shared:
            kept["shared"] = counts_as_json(inputs.shared)
        if inputs.decided_at:
            kept["decided_at"] = inputs.decided_at.isoformat()
        if inputs.completed:
            kept["completed"] = dict(inputs.completed)
        if inputs.marks:
            kept["marks"] = dict(inputs.marks)
        if inputs.others:
            kept["others"] = {unit: list(standing) for unit, standing in inputs.others.items()}
        return kept

    def _earn(self, fact: Fact, verdict: Verdict) -> str | None:
        """Post what is earned, a transaction for each unit; the first one's id."""
        assert fact.member_id is not None
        earnings = {}
        for unit, grants in verdict.grants.items():
            key = f"event:{fact.event_id}:{fact.revision}" + (f":{unit}" if unit != UNIT else "")
            transaction = self.book.earn(
                member=member_account(fact.member_id, unit),
                grants=grants,
                business_key=key,
                effective_at=fact.event.occurred_at,
                event_id=fact.event_id,
            )
            earnings[unit] = transaction, verdict.amount(unit)
        fact.earnings = earnings
        return next((transaction.id for transaction, _ in earnings.values()), None)

    def _undo(self, fact: Fact) -> tuple[Mapping[str, int], str | None]:
        """Reverse what the fact earned and uncount what it moved; what of each unit that was, the first reversal."""
        assert fact.member_id is not None
        if fact.reversed_in_part:
            raise ReversedInPart(f"what {fact.event_id} earned was reversed in part, and is reversed once")
        self._count(fact.member_id, fact.moved, -1)
        self._count_shared(given_back(fact.shared), -1)
        self.streaks.unmark(fact.event_id)
        fact.moved, fact.shared = {}, {}
        reversals = [
            self.book.reverse_earn(
                original,
                member=member_account(fact.member_id, unit),
                amount=amount,
                business_key=f"reverse:{original.id}",
                effective_at=self.book.recorded_at,
            )
            for unit, (original, amount) in fact.earnings.items()
        ]
        taken = {unit: amount for unit, (_, amount) in fact.earnings.items()}
        fact.earnings = {}
        fact.points = 0
        return taken, reversals[0].id if reversals else None

    def _count(self, member_id: str, moved: Counts, sign: int) -> None:
        for key, (uses, total) in moved.items():
            was_uses, was_total = self._counters.get((member_id, key), (0, 0))
            now = (was_uses + sign * uses, was_total + sign * total)
            self._counters[member_id, key] = self.changed_counters[member_id, key] = now

    def _count_shared(self, moved: Counts, sign: int) -> None:
        for key, (uses, total) in moved.items():
            was_uses, was_total = self._shared[key]
            self._shared[key] = self.changed_shared[key] = (was_uses + sign * uses, was_total + sign * total)

    def _claim(self, fact: Fact, event: Event, verdict: Verdict) -> None:
        """Note what the event completes, and what it does not complete any more."""
        assert fact.member_id is not None
        made = {one.challenge: one for one in verdict.completions if one.is_claim}
        self._withdraw_claims(fact, fact.claims.keys() - made.keys())
        since = counted_from(self.configuration, event, fact.recorded_at)
        for key, one in made.items():
            new = Claim(key, fact.event_id, fact.member_id, since)
            before = replace(fact.claims.get(key, new), member_id=fact.member_id, occurred_at=since)
            self._hold(fact, claim(one, self.configuration.challenges[key].first, before, fact.revision))

    def _withdraw_claims(self, fact: Fact, keys: Iterable[str]) -> None:
        for key in sorted(keys):
            self._hold(fact, withdrawn(fact.claims[key]))

    def _hold(self, fact: Fact, now: Claim) -> None:
        """The fact has this claim from now on; a place that may be taken away again is paid by a prize of its own."""
        before = fact.claims.get(now.challenge)
        if before is not None and before.prize not in (None, now.prize):
            taken = derived.retraction(CHALLENGE_PRIZE, before.prize, before.member_id, self.book.recorded_at)
            self.derived.append(taken)
        if now.prize is not None and (before is None or before.prize != now.prize):
            self.derived.append(prize(now.challenge, now.prize, now.member_id, now.occurred_at, now.points, "place"))
        fact.claims[now.challenge] = self.claims[now.challenge, now.event_id] = now

    def _cross(self, fact: Fact, verdict: Verdict) -> None:
        assert fact.member_id is not None
        for milestone, n in verdict.crossed:
            self.ladders.cross(fact.member_id, milestone, n, fact.event_id)

    def _give_by_rule(self, fact: Fact, verdict: Verdict) -> None:
        assert fact.member_id is not None
        given = {reward.rule for reward in self.ladders.given_for(fact.event_id) if reward.state != "withdrawn"}
        for result in verdict.results:
            if result.reward and result.rule not in given:
                self.ladders.give(fact.member_id, result.reward, fact.event_id, rule=result.rule)

    def _earn_badges(self, fact: Fact, event: Event, verdict: Verdict) -> None:
        if self.configuration.badges and not verdict.reason:
            assert fact.member_id is not None
            self.badges.earn(fact.member_id, fact.event_id, event, partial(self._total, fact.member_id))

    def _review_badges(self, fact: Fact, member_id: str | None, event: Event | None) -> None:
        """Let go what the fact had completed for the member and does not any more; `event` is what it still says."""
        if self.configuration.badges and member_id is not None:
            self.badges.review(member_id, fact.event_id, event, partial(self._total, member_id))

    def _total(self, member_id: str, aggregate: Aggregate) -> int:
        keys = aggregate_keys(aggregate, self.book.recorded_at, self.configuration.time_zone)
        return sum(self._counters.get((member_id, key), (0, 0))[1] for key in keys)

    def _withdraw_rewards(self, fact: Fact, *, keep_rules: Iterable[str]) -> None:
        """Withdraw what rules gave for this fact and nobody has ordered yet."""
        for reward in self.ladders.given_for(fact.event_id):
            if reward.rule is not None and reward.rule not in keep_rules:
                self.ladders.withdraw_reward(reward)

    def _withdraw_crossings(self, fact: Fact, member_id: str | None = None) -> None:
        member = member_id or fact.member_id
        assert member is not None
        self.ladders.withdraw(member, lambda crossing: self._stands(crossing, fact))

    def _stands(self, crossing: Crossing, fact: Fact) -> bool:
        milestone: Milestone | None = self._milestones.get(crossing.mark)
        account = self.book.accounts.get(member_account(crossing.member_id, milestone.unit)) if milestone else None
        if milestone is None or account is None:  # nothing was taken back in its unit
            return True
        if milestone.on == "balance":
            earns = fact.state == DECIDED and fact.member_id == crossing.member_id
            return crossing.event_id != fact.event_id or (earns and account.balance >= (milestone.at or 0))
        return still_crossed(milestone, crossing.n, account.lifetime)

    def _keep_decision(
        self, fact: Fact, kind: str, verdict: Verdict, inputs: Mapping[str, Any], transaction_id: str | None
    ) -> None:
        fact.decisions += 1
        self.decisions.append(
            DecisionRow(
                fact.event_id,
                fact.decisions,
                fact.revision,
                fact.member_id,
                kind,
                verdict.points,
                verdict.as_json(),
                inputs,
                transaction_id,
            )
        )

    def _stand(self, fact: Fact, state: str) -> None:
        fact.changed = fact.changed or fact.state != NEW
        fact.state = state

    def _is_older(self, event: Event, fact: Fact) -> bool:
        ours, theirs = fact.event.source_version, event.source_version
        return ours is not None and theirs is not None and theirs < ours

    def _conflict(self, fact: Fact) -> Outcome:
        detail = f"{fact.event.external_id} of {fact.event.source} is already known with other content"
        return replace(self._outcome(CONFLICT, fact), code="event_conflict", detail=detail)

    def _outcome(self, status: str, fact: Fact) -> Outcome:
        rewards = tuple(reward.id for reward in self.ladders.given_for(fact.event_id) if reward.state != "withdrawn")
        return Outcome(status, fact.event_id, fact.state, fact.member_id, fact.points, rewards)


def _completed(fact: Fact, watching: Iterable[Challenge]) -> dict[str, int | None]:
    """The challenges that the fact has completed before, each with the number that it keeps there."""
    return {
        one.key: number_kept(fact.claims[one.key], one, is_settled=one.key in fact.settled)
        for one in watching
        if one.key in fact.claims
    }
