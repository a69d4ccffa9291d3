"""Lint: what rules are allowed to say and hardly mean, each warning with an example event that shows it.

A warning refuses nothing. Rules are tried in situations (domain.trials), and of what cannot be decided there nothing is
said: a warning that may be wrong would teach people not to read them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import combinations
from typing import Any

from domain.configuration import Aggregate, Cap, EventType, Group, Rule, RuleState, Stacking
from domain.definitions import Definitions
from domain.derived import EVENT_TYPES as DERIVED_TYPES
from domain.groups import DEFAULT, Weighing, arrange, weigh
from domain.rules import RuleResult
from domain.samples import ABSENT, AT, MAX_TOTAL, UNUSED, Situation
from domain.shapes import Path
from domain.trials import Choice, Space, Trial, conditions, holds, is_decidable, judged, parts, search, space

# Of an aggregate that counts: what a rule sees that still matches after so many events of a period.
_MANY = range(MAX_TOTAL - 12, MAX_TOTAL + 1)

MAX_RIVALS = 10  # rules of which each leaves another out now and then

_JUDGED = (RuleState.ACTIVE, RuleState.SHADOW)


class LintCode(StrEnum):
    """What a warning is about; docs/configuration.md says what to do."""

    NEVER_MATCHES = "never_matches"
    WINDOW_OVER = "window_over"
    ALWAYS_LEFT_OUT = "always_left_out"
    MULTIPLIES_NOTHING = "multiplies_nothing"
    PAYS_TWICE = "pays_twice"
    CAP_BELOW_AWARD = "cap_below_award"
    UNBOUNDED_MONTH = "unbounded_month"
    EMPTY_AUDIENCE = "empty_audience"


@dataclass(frozen=True, slots=True)
class LintWarning:
    """What is hardly meant, where it stands, and an event, its member and its totals that show it."""

    code: LintCode
    path: Path
    message: str
    example: Mapping[str, Any]


Warned = Iterator[LintWarning]


def lint(definitions: Definitions, as_of: datetime) -> list[LintWarning]:
    """Every warning about definitions that have no faults, in the order of their keys."""
    tried = {key: found for key, rule in definitions.rules.items() if (found := _try(rule, definitions))}
    return [
        *(warning for one in tried.values() for warning in _about(one, definitions, as_of)),
        *(warning for event_type in _event_types(definitions) for warning in _together(event_type, tried, definitions)),
    ]


def audiences(definitions: Definitions) -> dict[Path, str]:
    """The audiences that somebody should meet, by their paths."""
    rules = {("rules", key): one.audience for key, one in definitions.rules.items() if one.state in _JUDGED}
    challenges = {("challenges", key): one.audience for key, one in definitions.challenges.items()}
    return {(*path, "audience"): text for path, text in {**rules, **challenges}.items() if text is not None}


def empty_audience(definitions: Definitions, path: Path) -> LintWarning:
    """The warning that no member meets the audience at the path, with one who would."""
    section, key, _ = map(str, path)
    one = definitions.rules[key] if section == "rules" else definitions.challenges[key]
    event_type = one.event_type if isinstance(one, Rule) else next(iter(one.event_types), "")
    found = _try(Rule("", 0, event_type, audience=one.audience), definitions)
    example = found.example(found.trial.nearest) if found else {}
    return LintWarning(LintCode.EMPTY_AUDIENCE, path, "no member of the program is in this audience", example)


def _event_types(definitions: Definitions) -> Mapping[str, EventType]:
    return {**definitions.event_types, **DERIVED_TYPES}


# -- One rule ------------------------------------------------------------------------------------------------------


_Match = tuple[Choice, RuleResult]


@dataclass(frozen=True, slots=True)
class _Tried:
    """A rule, its situations, and those in which it matches."""

    rule: Rule
    where: Space
    trial: Trial

    def matches(self) -> Iterator[_Match]:
        """Choices in which the rule matches, those next to the first included, with what it gives there."""
        beside = self.where.beside(self.trial.nearest) if self.trial.found else ()
        for choice in (*self.trial.found, *beside):
            result = judged(self.rule, self.where.situation(choice))
            if result.matched:
                yield choice, result

    def example(self, choice: Choice) -> dict[str, Any]:
        return _example(self.where.situation(choice))


def _try(rule: Rule, definitions: Definitions) -> _Tried | None:
    event_type = _event_types(definitions).get(rule.event_type)
    if rule.state not in _JUDGED or event_type is None:
        return None
    where = space([rule], event_type, definitions.aggregates, (rule.starts_at, rule.ends_at))
    return _Tried(rule, where, search(where, parts(rule))) if where else None


def _about(one: _Tried, definitions: Definitions, as_of: datetime) -> Warned:
    rule, path = one.rule, ("rules", one.rule.key)
    if rule.ends_at and rule.ends_at <= as_of:
        message = f"its window is over since {rule.ends_at.isoformat()}: retire it"
        yield LintWarning(LintCode.WINDOW_OVER, (*path, "ends_at"), message, one.example(one.trial.nearest))
    elif not one.trial.found:
        yield from _never_matches(one)
    else:
        matches = list(one.matches())
        yield from _caps_below_award(one, matches, definitions)
        yield from _unbounded_month(one, matches, definitions)


def _never_matches(one: _Tried) -> Warned:
    wanted, path = conditions(one.rule), ("rules", one.rule.key)
    if not is_decidable(wanted.values()):
        return
    example = one.example(one.trial.nearest)
    places = _places(one.rule)
    for name, text in wanted.items():
        if not search(one.where, [text]).found:
            yield LintWarning(LintCode.NEVER_MATCHES, places[name], f"no event meets this: {text}", example)
            return
    situation = one.where.situation(one.trial.nearest)
    failing = next(name for name, text in wanted.items() if not holds(text, situation))
    message = f"no event meets all its conditions: this example comes closest, and fails {failing!r}"
    yield LintWarning(LintCode.NEVER_MATCHES, path, message, example)


def _places(rule: Rule) -> dict[str, Path]:
    path = ("rules", rule.key)
    named: dict[str, Path] = {one.name: (*path, "when", n, "expression") for n, one in enumerate(rule.when)}
    return {name: named.get(name, (*path, "audience")) for name in conditions(rule)}


def _caps_below_award(one: _Tried, matches: Sequence[_Match], definitions: Definitions) -> Warned:
    """Whatever limits so few that even the least award is cut."""
    given = [(result.rounded, n, choice) for n, (choice, result) in enumerate(matches) if result.rounded > 0]
    if one.rule.award is None or not given:
        return
    least, _, choice = min(given, key=lambda award: award[:2])
    for path, limit in _limits(one.rule, definitions):
        if limit < least:
            message = f"is less than rule {one.rule.key} awards at once: {limit} of {least}"
            yield LintWarning(LintCode.CAP_BELOW_AWARD, path, message, one.example(choice))


def _limits(rule: Rule, definitions: Definitions) -> Iterator[tuple[Path, int]]:
    """What the points of the rule's caps, budgets and groups are limited to, with the paths."""
    for n, cap in enumerate(rule.caps):
        yield from _limit(("rules", rule.key, "caps", n), cap)
    for n, budget in enumerate(rule.budgets):
        yield ("rules", rule.key, "budgets", n, "points"), budget.points
    for group in _groups_of(rule, definitions):
        for n, cap in enumerate(group.caps):
            yield from _limit(("groups", group.key, "caps", n), cap)


def _limit(path: Path, cap: Cap) -> Iterator[tuple[Path, int]]:
    if cap.points is not None:
        yield (*path, "points"), cap.points


def _groups_of(rule: Rule, definitions: Definitions) -> Iterator[Group]:
    """The group of the rule and those around it."""
    group = definitions.groups.get(rule.group or DEFAULT)
    while group is not None:
        yield group
        group = definitions.groups.get(group.within or "")


def _unbounded_month(one: _Tried, matches: Sequence[_Match], definitions: Definitions) -> Warned:
    rule = one.rule
    if rule.state is not RuleState.ACTIVE or rule.multiplier is not None or rule.event_type in DERIVED_TYPES:
        return
    if _is_limited(rule) or any(_is_capped(group.caps) for group in _groups_of(rule, definitions)):
        return
    if any(not _matches_at_many(one, aggregate) for aggregate in _counts(one, definitions.aggregates)):
        return
    choice, result = max(matches, key=lambda match: match[1].points)
    gets = f"{result.points:,} {rule.award.unit}" if rule.award else f"the reward {rule.reward}"
    message = f"nothing limits what a member gets of this in a month: {gets} for each event like the example"
    yield LintWarning(LintCode.UNBOUNDED_MONTH, ("rules", rule.key), message, one.example(choice))


def _is_limited(rule: Rule) -> bool:
    return bool(rule.budgets) or _is_capped(rule.caps)


def _is_capped(caps: Sequence[Cap]) -> bool:
    return any(cap.per is not None for cap in caps)


def _counts(one: _Tried, aggregates: Mapping[str, Aggregate]) -> Iterator[str]:
    """The aggregates that count the rule's own events, of those that it reads."""
    for part, name in one.where.candidates:
        if part == "totals" and aggregates[name].field is None and aggregates[name].event_type == one.rule.event_type:
            yield name


def _matches_at_many(one: _Tried, aggregate: str) -> bool:
    """Whether it still matches when many of its events have been counted."""
    return bool(search(one.where.only(("totals", aggregate), _MANY), parts(one.rule)).found)


# -- Rules beside each other ---------------------------------------------------------------------------------------


def _together(event_type: str, tried: Mapping[str, _Tried], definitions: Definitions) -> Warned:
    """What rules of one event type do to each other; only the active ones do."""
    active = [
        one
        for one in tried.values()
        if one.rule.event_type == event_type and one.rule.state is RuleState.ACTIVE and one.trial.found
    ]
    weighing = arrange(definitions.groups, [one.rule for one in active])
    for one, other in combinations(active, 2):
        yield from _pays_twice(one, other, definitions)
    if weighing is not None:
        for one in active:
            yield from _multiplies_nothing(one, weighing)
            yield from _always_left_out(one, active, definitions)


def _pays_twice(one: _Tried, other: _Tried, definitions: Definitions) -> Warned:
    """Two that look like copies, and pay the same event."""
    first, second = one.rule, other.rule
    if _likeness(first) != _likeness(second):
        return
    where = space([first, second], one.where.event_type, definitions.aggregates, _overlap(first, second))
    found = search(where, parts(first)).found if where else ()
    for choice in found[:1]:
        situation = where.situation(choice) if where else one.where.situation(choice)
        results = _weighed([first, second], situation, definitions.groups)
        if all(result.pays or (result.matched and result.raw and first.multiplier) for result in results):
            does = "multiply" if first.multiplier else "pay"
            message = f"rules {first.key} and {second.key} ask for the same, and both {does} for the same event"
            yield LintWarning(LintCode.PAYS_TWICE, ("rules", second.key), message, _example(situation))


def _likeness(rule: Rule) -> tuple[Any, ...]:
    """What is equal of rules of which one may be a copy of the other."""
    unit = rule.award.unit if rule.award else None
    asked = frozenset("".join(text.split()) for text in parts(rule))
    multiplies = rule.multiplier is not None
    return asked, unit, rule.reward, multiplies, rule.group if multiplies else None


def _overlap(first: Rule, second: Rule) -> tuple[datetime | None, datetime | None]:
    starts = [at for at in (first.starts_at, second.starts_at) if at]
    ends = [at for at in (first.ends_at, second.ends_at) if at]
    return max(starts, default=None), min(ends, default=None)


def _multiplies_nothing(one: _Tried, weighing: Weighing) -> Warned:
    rule = one.rule
    if rule.multiplier is not None and not any(rule in group.multipliers for group in weighing.groups()):
        message = f"no active rule of group {rule.group or DEFAULT} awards anything for {rule.event_type}"
        example = one.example(one.trial.nearest)
        yield LintWarning(LintCode.MULTIPLIES_NOTHING, ("rules", rule.key, "multiplier"), message, example)


def _always_left_out(one: _Tried, active: Sequence[_Tried], definitions: Definitions) -> Warned:
    """Wherever the rule would pay, others that nothing can use up pay instead of it.

    Others are taken in one by one, as they are seen to pay: those that are seen leave it out everywhere, or it has a
    turn.
    """
    rule, groups = one.rule, definitions.groups
    others = [other.rule for other in active if other is not one and _goes_on_paying(other.rule, definitions)]
    choosing = any(group.stacking is not Stacking.SUM for group in groups.values())
    if not choosing or not others or rule.multiplier is not None:
        return
    rivals: list[Rule] = []
    example = None
    while (turn := _turn(rule, rivals, definitions, one.where.event_type)) is not None:
        results = _weighed([rule, *others], turn, groups)
        left_out = results[0].left_out
        if left_out is None or len(rivals) == MAX_RIVALS:
            return
        winner = next(other for other, result in zip(others, results[1:], strict=True) if result.pays)
        if winner in rivals:
            return
        rivals.append(winner)
        example = example or (turn, left_out, winner)
    if example:
        situation, (group, stacking), winner = example
        message = (
            f"group {group} ({stacking}) always leaves it out: wherever it would pay, others do, as {winner.key} here"
        )
        yield LintWarning(LintCode.ALWAYS_LEFT_OUT, ("rules", rule.key), message, _example(situation))


def _turn(rule: Rule, rivals: Sequence[Rule], definitions: Definitions, event_type: EventType) -> Situation | None:
    """A situation in which the rule pays although the rivals are there."""
    where = space([rule, *rivals], event_type, definitions.aggregates, (rule.starts_at, rule.ends_at))
    for situation in _paying(rule, where) if where else ():
        if _weighed([rule, *rivals], situation, definitions.groups)[0].left_out is None:
            return situation
    return None


def _goes_on_paying(rule: Rule, definitions: Definitions) -> bool:
    limited = _is_limited(rule) or any(_is_capped(group.caps) for group in _groups_of(rule, definitions))
    return not limited and rule.multiplier is None and is_decidable(parts(rule))


def _paying(rule: Rule, where: Space) -> Iterator[Situation]:
    """Situations in which the rule alone would pay, and those that differ in one or two values."""
    found = search(where, parts(rule)).found
    near = (*where.beside(found[0]), *where.further(found[0])) if found else ()
    situations = (where.situation(choice) for choice in (*found, *near))
    return (situation for situation in situations if judged(rule, situation).pays)


def _weighed(rules: Sequence[Rule], situation: Situation, groups: Mapping[str, Group]) -> tuple[RuleResult, ...]:
    """What the rules give beside each other while nothing is used of any cap."""
    results = tuple(judged(rule, situation) for rule in rules)
    uncapped = {key: replace(group, caps=()) for key, group in groups.items()}
    weighing = arrange(uncapped, rules)
    return weigh(weighing, results, UNUSED)[0] if weighing else results


# -- Examples ------------------------------------------------------------------------------------------------------


def _example(situation: Situation) -> dict[str, Any]:
    """An event as it would be sent, and what rules read of its member and of totals."""
    event = situation.event
    seen = {name: value for name, value in situation.differing.items() if value is not ABSENT}
    member = {name: value for (of, name), value in seen.items() if of == "member"}
    custom = {name: value for (of, name), value in seen.items() if of == "member.custom"}
    shown = {
        "event": {
            "type": event["type"],
            "source": event["source"],
            "occurred_at": event[AT[1]].isoformat(),
            "data": dict(situation.data),
        },
        "member": member | ({"custom": custom} if custom else {}),
        "totals": dict(situation.totals),
    }
    return {name: value for name, value in shown.items() if value}
