"""Deciding: what one event earns one member, as a pure function of the configuration and recorded inputs.

A decision keeps its verdict and its inputs; running `decide` again on them gives the same verdict, or the decision
cannot be re-derived. Deciding a batch is deciding its events one by one, each on the Standing that the last one left.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import cel

from domain import challenges, streak_marks
from domain.challenges import Completion
from domain.configuration import Aggregate, Award, Budget, Configuration, Group, Milestone, Period, Rule, RuleState
from domain.counters import NOTHING, CounterKey, Counts, Used, counter_key, counter_keys_back, counts_as_json, name_of
from domain.events import Event
from domain.expressions import context, fields_used, is_read_whole, totals_used
from domain.game import Challenge
from domain.groups import Arithmetic, Weighing, arrange, weigh
from domain.ledger import Grant
from domain.rules import RuleResult, as_json, judge
from domain.schemas import values
from domain.streak_marks import Watcher
from domain.time import NEVER, period_on
from domain.units import expires_at

# Raised when the same inputs could give another verdict.
ENGINE = 1

MAX_CROSSINGS = 100  # of one milestone by one event
UNIT = "points"  # what events earn unless their rules say otherwise

_NONE: Mapping[Any, Any] = {}


@dataclass(frozen=True, slots=True)
class Person:
    """A member as rules see them: the attributes in effect at the event, and their version."""

    id: str
    version: int
    time_zone: str
    attributes: Mapping[str, Any]

    @property
    def has_left(self) -> bool:
        return self.attributes.get("status") == "left"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a decision read: counters (uses, total), lifetime and balance before it, marks of milestones.

    Lifetime and balance are those of points; `others` has those of the other units that its rules award. `counters` are
    the member's, `shared` those of all members together.
    """

    counters: Counts
    lifetime: int
    balance: int
    marks: Mapping[str, int]
    others: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    shared: Counts = field(default_factory=dict)
    # For challenges: when this is decided, and those that the event has completed before, with its number there.
    decided_at: datetime | None = None
    completed: Mapping[str, int | None] = field(default_factory=dict)

    def of(self, unit: str) -> "Inputs":
        """The same with the lifetime and the balance of this unit."""
        if unit == UNIT:
            return self
        lifetime, balance = self.others[unit]
        return replace(self, lifetime=lifetime, balance=balance)


class Verdict(NamedTuple):
    """What an event earns: per rule, by unit, milestones crossed (milestone, n), and the counters that it moves.

    It counts for the streak policies in `marks`, each for so much.

    `moved` are the member's counters, `shared` those of all members together. `shadows` are rules that are only tried:
    what each would have paid alone, within limits that it uses up by itself. `arithmetic` is what groups did, by rule.
    A named tuple, as one is made for every event.
    """

    results: tuple[RuleResult, ...] = ()
    grants: Mapping[str, tuple[Grant, ...]] = _NONE
    crossed: tuple[tuple[Milestone, int], ...] = ()
    moved: Counts = _NONE
    reason: str | None = None
    shared: Counts = _NONE
    completions: tuple[Completion, ...] = ()
    shadows: tuple[RuleResult, ...] = ()
    arithmetic: Mapping[str, Arithmetic] = _NONE
    marks: tuple[tuple[str, int], ...] = ()

    @property
    def points(self) -> int:
        return self.amount(UNIT)

    def amount(self, unit: str) -> int:
        """How much of the unit is earned."""
        return sum(grant.amount for grant in self.grants.get(unit, ()))

    def as_json(self) -> dict[str, Any]:
        """What a decision row keeps: matched rules only; what did not match comes from running the decision again."""
        kept: dict[str, Any] = {"rules": [as_json(result) for result in self.results if result.matched]}
        if others := {unit: self.amount(unit) for unit in self.grants if unit != UNIT}:
            kept["others"] = others
        if made := [challenges.as_json(one) for one in self.completions if one.matched]:
            kept["challenges"] = made
        if self.crossed:
            kept["crossed"] = [[milestone.mark, n] for milestone, n in self.crossed]
        if self.moved:
            kept["moved"] = counts_as_json(self.moved)
        if self.shared:
            kept["shared"] = counts_as_json(self.shared)
        if shadows := [as_json(result) for result in self.shadows if result.matched]:
            kept["shadows"] = shadows
        if self.marks:
            kept["marks"] = [list(mark) for mark in self.marks]
        if self.reason:
            kept["reason"] = self.reason
        return kept


@dataclass(frozen=True, slots=True)
class Plan:
    """What deciding an event type needs to read and moves: made once per configuration.

    `rules` are the active ones, `weighing` how their groups weigh them, if any does.
    """

    rules: tuple[Rule, ...]
    shadows: tuple[Rule, ...]
    weighing: Weighing | None
    read: tuple[Aggregate, ...]
    counted: tuple[Aggregate, ...]
    # What counts the use of caps, of shadows too, in which periods, and the rules whose awards it counts.
    capped: tuple[tuple[str, Period, tuple[str, ...]], ...]
    budgeted: tuple[tuple[Rule, Budget], ...]
    # The fields of event and member that its expressions name, None for all: to show them all costs more than to
    # evaluate the expressions.
    event_fields: frozenset[str] | None
    member_fields: frozenset[str] | None
    # The units besides points that its rules award.
    others: tuple[str, ...]
    # What is read or moved, and in which periods, in the order of their keys: of the member, and of all together.
    counters: tuple[tuple[str, str, Period], ...]
    shared: tuple[tuple[str, str, Period], ...]
    # What is read of the event's day and those before it, and how many these are.
    rolling: tuple[tuple[str, int], ...]
    # The challenges that such an event may complete, by priority.
    watching: tuple[Challenge, ...]
    # The streak policies that it may count for.
    streaks: tuple[Watcher, ...]


def plan(configuration: Configuration, event_type: str) -> Plan:
    """The plan of an event type, from the configuration's cache."""
    found = configuration.plans.get(event_type)
    if found is None:
        found = configuration.plans[event_type] = _make_plan(configuration, event_type)
    return found


def _make_plan(configuration: Configuration, event_type: str) -> Plan:
    declared = configuration.rules.get(event_type, ())
    rules = tuple(rule for rule in declared if rule.state is RuleState.ACTIVE)
    shadows = tuple(rule for rule in declared if rule.state is RuleState.SHADOW)
    weighing = arrange(configuration.groups, rules)
    texts = [text for rule in (*rules, *shadows) for text in _expressions(rule)]
    watching = challenges.watching(configuration.challenges.values(), event_type)
    texts += [text for one in watching for text in challenges.texts(one)]
    streaks = streak_marks.watchers(configuration, event_type)
    texts += streak_marks.texts(streaks)
    names = sorted(set().union(*map(totals_used, texts)) if texts else set())
    read = tuple(configuration.aggregates[name] for name in names if name in configuration.aggregates)
    counted = tuple(a for a in configuration.aggregates.values() if a.event_type == event_type)
    capped = tuple(_capped((*rules, *shadows), weighing))
    counters = {(counter_name(one), one.counted_per) for one in (*read, *counted)}
    counters |= {(name, per) for name, per, _ in capped}
    budgeted = tuple((rule, budget) for rule in (*rules, *shadows) for budget in rule.budgets)
    return Plan(
        rules=rules,
        shadows=shadows,
        weighing=weighing,
        read=read,
        counted=counted,
        capped=capped,
        budgeted=budgeted,
        event_fields=_fields_named(texts, "event"),
        member_fields=_fields_named(texts, "member"),
        others=tuple(sorted({rule.award.unit for rule in rules if rule.award} - {UNIT})),
        counters=_in_order(counters),
        rolling=tuple((counter_name(one), one.days) for one in read if one.days is not None),
        shared=_in_order({(name_of(rule), budget.per) for rule, budget in budgeted}),
        watching=watching,
        streaks=streaks,
    )


def _in_order(counted: Iterable[tuple[str, Period]]) -> tuple[tuple[str, str, Period], ...]:
    return tuple(sorted((name, per.value, per) for name, per in counted))


def _capped(rules: Sequence[Rule], weighing: Weighing | None) -> Iterator[tuple[str, Period, tuple[str, ...]]]:
    limited: list[tuple[Rule | Group, Iterable[Rule]]] = [(rule, [rule]) for rule in rules]
    limited += [(inside.group, inside.rules()) for inside in weighing.groups()] if weighing else []
    for one, counted in limited:
        keys = tuple(rule.key for rule in counted)
        yield from ((name_of(one), cap.per, keys) for cap in one.caps if cap.per is not None)


def _expressions(rule: Rule) -> Iterator[str]:
    yield from (condition.expression for condition in rule.when)
    yield from (text for text in (rule.audience, rule.multiplier, rule.award and rule.award.expression) if text)


def _fields_named(texts: list[str], of: str) -> frozenset[str] | None:
    if any(is_read_whole(text, of) for text in texts):
        return None
    return frozenset(field for text in texts for field in fields_used(text, of))


def counter_name(aggregate: Aggregate) -> str:
    """What an aggregate is counted under; aggregates of one event type and field share their counters."""
    return f"event:{aggregate.event_type}" + (f".{aggregate.field}" if aggregate.field else "")


def aggregate_keys(aggregate: Aggregate, at: datetime, time_zone: str) -> list[CounterKey]:
    """The counters that an aggregate adds up for what occurs at the instant."""
    name = counter_name(aggregate)
    if aggregate.days is not None:
        return counter_keys_back(name, aggregate.days, at, time_zone)
    return [counter_key(name, aggregate.counted_per, at, time_zone)]


def person_at(versions: Sequence[tuple[datetime, Person]], at: datetime) -> Person:
    """The member in the version in effect at the instant; the first version stands for all that was before it."""
    return next((person for since, person in reversed(versions) if since <= at), versions[0][1])


def counted_by_back_fill(
    configuration: Configuration, event: Event, person: Person, moved: Counts
) -> dict[CounterKey, tuple[int, int]]:
    """How a back-fill has counted an event whose decision, which `moved` counters, is older than some aggregates."""
    if person.has_left:
        return {}
    known = {key[:2] for key in moved}
    counted = _counted(plan(configuration, event.type), event, person.time_zone)
    return {key: by for key, by in counted.items() if key[:2] not in known}


def keys_needed(
    configuration: Configuration, event: Event, person: Person, decided_at: datetime, known: Collection[str]
) -> list[CounterKey]:
    """The counters that deciding this event then reads or moves, in order; `known` it has completed before."""
    needs, at, zone = plan(configuration, event.type), event.occurred_at, person.time_zone
    keys = [(name, per, period_on(period, at, zone)) for name, per, period in needs.counters]
    keys += [key for name, days in needs.rolling for key in counter_keys_back(name, days, at, zone)]
    if not needs.watching:
        return keys
    return keys + challenges.keys(needs.watching, at, decided_at, known, challenges.counts_members)


def shared_needed(
    configuration: Configuration, event: Event, decided_at: datetime, known: Collection[str]
) -> list[CounterKey]:
    """The counters of all members together that deciding this event then reads or moves, in order."""
    needs, at, zone = plan(configuration, event.type), event.occurred_at, configuration.time_zone
    keys = [(name, per, period_on(period, at, zone)) for name, per, period in needs.shared]
    if not needs.watching:
        return keys
    return keys + challenges.keys(needs.watching, at, decided_at, known, challenges.counts_all)


def as_seen(configuration: Configuration, event: Event) -> Event:
    """The event with its data as expressions see them."""
    event_type = configuration.event_types.get(event.type)
    data = values(event_type, event.data) if event_type else event.data
    return event if data is event.data else replace(event, data=data)


def counted_from(configuration: Configuration, event: Event, recorded_at: datetime) -> datetime:
    """From when the event counts among others: from when it was told, if its source was too late with it."""
    source = configuration.sources.get(event.source)
    if source is None or recorded_at <= event.occurred_at + timedelta(hours=source.late_hours):
        return event.occurred_at
    return recorded_at


def decide(
    configuration: Configuration, event: Event, person: Person, inputs: Inputs, recorded_at: datetime
) -> Verdict:
    """What the event earns; grants lapse as their rules or their units say, counted from `recorded_at`.

    Each rule is judged by itself, groups weigh what they would give, and whatever lies over the rules comes last: it
    sees what each rule gives, and adds to the grants, before milestones are looked at.
    """
    if person.has_left:
        return Verdict(reason="member_left")
    needs, at, zone = plan(configuration, event.type), event.occurred_at, person.time_zone
    moved = _counted(needs, event, zone)
    if not needs.rules and not needs.shadows and not needs.watching and not needs.streaks:
        return Verdict(moved=moved)
    using = context(
        _shown(_event_view(event), needs.event_fields),
        _shown(person.attributes, needs.member_fields),
        _totals(needs, event, zone, inputs, moved),
    )

    used = what_was_used(configuration, event, person, inputs)
    results, arithmetic = _by_rules(needs, at, using, used)
    shadows = tuple([judge(rule, at, using, used) for rule in needs.shadows])
    grants = _grants(configuration, needs.rules, results, zone, recorded_at)
    since = counted_from(configuration, event, recorded_at)
    completions = _overlay(needs, event, since, person, inputs, using, used, grants) if needs.watching else ()
    if completions and (more := sum(made.points for made in completions if not made.lent)):
        grants = _with_more(configuration, grants, more, zone, recorded_at)
    crossed = [
        crossing
        for unit, granted in grants.items()
        for crossing in crossings(configuration, unit, inputs.of(unit), sum(grant.amount for grant in granted))
    ]
    _count_uses(needs, results + shadows, at, zone, moved)
    shared = _spent(needs, results + shadows, at, configuration.time_zone) if needs.budgeted else _NONE
    if completions:
        by_member, by_all = challenges.moves(needs.watching, completions, inputs.completed)
        moved, shared = {**moved, **by_member}, {**shared, **by_all}
    return Verdict(
        results,
        grants,
        tuple(crossed),
        moved,
        shared=shared,
        completions=completions,
        shadows=shadows,
        arithmetic=arithmetic,
        marks=tuple(streak_marks.marks(needs.streaks, event, using)) if needs.streaks else (),
    )


def _by_rules(
    needs: Plan, at: datetime, using: cel.Context, used: Used
) -> tuple[tuple[RuleResult, ...], Mapping[str, Arithmetic]]:
    """What each rule gives, beside the others where groups weigh them, and how groups came to it."""
    results = tuple([judge(rule, at, using, used) for rule in needs.rules])
    return (results, _NONE) if needs.weighing is None else weigh(needs.weighing, results, used)


def _overlay(
    needs: Plan,
    event: Event,
    counted_from: datetime,
    person: Person,
    inputs: Inputs,
    using: cel.Context,
    used: Used,
    grants: Mapping[str, tuple[Grant, ...]],
) -> tuple[Completion, ...]:
    """What challenges make of the event, on top of the points that rules award for it."""
    assert inputs.decided_at is not None, "an event that challenges watch is decided at an instant"
    return challenges.overlay(
        needs.watching,
        event,
        person.attributes,
        using,
        awarded=sum(grant.amount for grant in grants.get(UNIT, ())),
        counted_from=counted_from,
        decided_at=inputs.decided_at,
        used=used,
        known=inputs.completed,
    )


def totals_read(configuration: Configuration, event: Event, person: Person, inputs: Inputs) -> dict[str, int]:
    """What the expressions of the event's rules saw as `totals`, the event itself included."""
    needs = plan(configuration, event.type)
    return _totals(needs, event, person.time_zone, inputs, _counted(needs, event, person.time_zone))


def what_was_used(configuration: Configuration, event: Event, person: Person, inputs: Inputs) -> Used:
    """What was used of caps and budgets before the event."""
    return Used(inputs.counters, inputs.shared, event.occurred_at, person.time_zone, configuration.time_zone)


def crossings(configuration: Configuration, unit: str, inputs: Inputs, gained: int) -> Iterator[tuple[Milestone, int]]:
    """The unit's milestones that a member crosses who earns so much more, each with how often."""
    for milestone in configuration.milestones if gained else ():
        if milestone.unit != unit:
            continue
        before = inputs.lifetime if milestone.on == "lifetime" else inputs.balance
        mark = inputs.marks.get(milestone.mark, 0)
        if milestone.every:
            first = max(mark, before // milestone.every) + 1
            last = min((before + gained) // milestone.every, first + MAX_CROSSINGS - 1)
            yield from ((milestone, n) for n in range(first, last + 1))
        elif milestone.at is not None and mark == 0 and before < milestone.at <= before + gained:
            yield milestone, 1


def still_crossed(milestone: Milestone, n: int, lifetime: int) -> bool:
    """Whether a crossing on lifetime points stands at this lifetime."""
    return lifetime >= n * milestone.every if milestone.every else lifetime >= (milestone.at or 0)


def _shown(values: Mapping[str, Any], fields: frozenset[str] | None) -> Mapping[str, Any]:
    return values if fields is None else {name: values[name] for name in fields if name in values}


def _event_view(event: Event) -> dict[str, Any]:
    return {**event.data, "type": event.type, "source": event.source, "occurred_at": event.occurred_at}


def _counted(needs: Plan, event: Event, zone: str) -> dict[CounterKey, tuple[int, int]]:
    moved: dict[CounterKey, tuple[int, int]] = {}
    for aggregate in needs.counted:
        amount = event.data.get(aggregate.field, 0) if aggregate.field else 1
        # Data of an earlier schema may hold anything; a back-fill reads it in the same way.
        amount = int(amount) if isinstance(amount, int | float) and not isinstance(amount, bool) else 0
        moved[counter_key(counter_name(aggregate), aggregate.counted_per, event.occurred_at, zone)] = (1, amount)
    return moved


def _totals(needs: Plan, event: Event, zone: str, inputs: Inputs, moved: Counts) -> dict[str, int]:
    totals = {}
    for aggregate in needs.read:
        keys = aggregate_keys(aggregate, event.occurred_at, zone)
        counted = [inputs.counters.get(key, NOTHING)[1] + moved.get(key, NOTHING)[1] for key in keys]
        totals[aggregate.name] = sum(counted)
    return totals


def _count_uses(
    needs: Plan,
    results: tuple[RuleResult, ...],
    at: datetime,
    zone: str,
    moved: dict[CounterKey, tuple[int, int]],
) -> None:
    by_rule = {result.rule: result for result in results}
    for name, per, rules in needs.capped:
        paying = [by_rule[rule].points for rule in rules if by_rule[rule].pays]
        if paying:
            moved[counter_key(name, per, at, zone)] = (1, sum(paying))


def _spent(needs: Plan, results: tuple[RuleResult, ...], at: datetime, zone: str) -> Counts:
    by_rule = {result.rule: result.points for result in results}
    return {
        counter_key(name_of(rule), budget.per, at, zone): (1, by_rule[rule.key])
        for rule, budget in needs.budgeted
        if by_rule[rule.key]
    }


def _grants(
    configuration: Configuration,
    rules: tuple[Rule, ...],
    results: tuple[RuleResult, ...],
    time_zone: str,
    recorded_at: datetime,
) -> dict[str, tuple[Grant, ...]]:
    """By unit, points first, one grant for each expiry among the awards, the soonest first."""
    amounts: dict[str, dict[datetime | None, int]] = {}
    for rule, result in zip(rules, results, strict=True):
        if result.points and rule.award:
            lapses_at = _lapses_at(configuration, rule.award, time_zone, recorded_at)
            of_unit = amounts.setdefault(rule.award.unit, {})
            of_unit[lapses_at] = of_unit.get(lapses_at, 0) + result.points
    return {unit: _soonest_first(amounts[unit]) for unit in sorted(amounts, key=lambda unit: (unit != UNIT, unit))}


def _with_more(
    configuration: Configuration,
    grants: Mapping[str, tuple[Grant, ...]],
    points: int,
    time_zone: str,
    recorded_at: datetime,
) -> dict[str, tuple[Grant, ...]]:
    """The grants with so many points more, which lapse as their unit says."""
    unit = configuration.unit(UNIT)
    assert unit is not None, "every program has points"
    amounts = {grant.expires_at: grant.amount for grant in grants.get(UNIT, ())}
    lapses_at = expires_at(unit, recorded_at, time_zone)
    amounts[lapses_at] = amounts.get(lapses_at, 0) + points
    return {UNIT: _soonest_first(amounts)} | {unit: of for unit, of in grants.items() if unit != UNIT}


def _soonest_first(amounts: Mapping[datetime | None, int]) -> tuple[Grant, ...]:
    ordered = sorted(amounts.items(), key=lambda item: (item[0] is None, item[0] or NEVER))
    return tuple(Grant(amount, lapses_at) for lapses_at, amount in ordered)


def _lapses_at(configuration: Configuration, award: Award, time_zone: str, recorded_at: datetime) -> datetime | None:
    if award.expires_after_days is not None:
        return recorded_at + timedelta(days=award.expires_after_days)
    unit = configuration.unit(award.unit)
    assert unit is not None, "an award's unit is declared"
    return expires_at(unit, recorded_at, time_zone)
