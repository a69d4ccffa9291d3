"""Explanations: why an event earned what it earned, rule by rule, from running its decision again.

A decision keeps its verdict and its inputs, not the explanation. Whatever is shown as an explanation comes from a run
that gave the recorded verdict again; if it did not, or cannot be run, only the recorded facts are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from domain.challenges import Completion, told
from domain.configuration import Configuration, Rule, RuleState, Stacking
from domain.counters import Used, counts_from_json
from domain.deciding import ENGINE, UNIT, Inputs, Person, Verdict, as_seen, decide, totals_read, what_was_used
from domain.events import Event
from domain.groups import Arithmetic, Cut, Multiplied, plain
from domain.rules import AUDIENCE, RuleResult, cap_name, capped

_NOT_JUDGED = {RuleState.DRAFT: "a draft is not judged", RuleState.RETIRED: "it is retired"}
_LEFT_OUT = {
    Stacking.BEST: "group {} pays only what comes to most",
    Stacking.FIRST: "group {} pays only what comes first",
    Stacking.EXCLUSIVE: "group {} pays alone",
}


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A decision as it was written down: the event as it was then, what it gave and what it read."""

    n: int
    revision: int
    kind: str  # award, amendment, retraction
    points: int
    verdict: Mapping[str, Any]
    inputs: Mapping[str, Any]
    event: Event
    member_id: str | None
    transaction_id: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class CapExplained:
    """A limit of a rule's award, what was used of it before this award, and the points before and after it.

    Its `kind` is a cap of the rule, a budget of the rule for all members together, or a cap of the `group`.
    """

    per: str
    points: int | None
    times: int | None
    used_points: int
    used_times: int
    before: int
    after: int
    bit: bool
    kind: str = "cap"  # cap, budget, group
    group: str | None = None


@dataclass(frozen=True, slots=True)
class MultipliedExplained:
    """What a group's multipliers, by rule, made of the factor of an award, within the group's ceiling; in decimals."""

    group: str
    combining: str
    by: Mapping[str, str]
    ceiling: str | None
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RuleExplained:
    """What one rule made of the event; without `failed` it matched.

    `failed` names the condition that did not hold, `expression` is that condition's, or of a rule that matched the
    award's; `error` says why it could not be computed. Raw, rounded and points are of the award's `unit`.

    The award goes from raw, times the last factor of `multiplied` if there is one, to rounded, and through `caps` one
    after the other to points; what is `left_out` comes to nothing. `withheld` is a reward that was not given with it.
    A rule that `multiplies` gives nothing itself: its raw is what it multiplies by. A shadow gives nothing either:
    `would_pay` is what it would.
    """

    rule: str
    version: int
    title: str
    failed: str | None = None
    expression: str | None = None
    error: str | None = None
    raw: int | float | None = None
    rounding: str | None = None
    rounded: int = 0
    caps: tuple[CapExplained, ...] = ()
    points: int = 0
    unit: str = UNIT
    expires_after_days: int | None = None
    reward: str | None = None
    withheld: str | None = None
    state: str = RuleState.ACTIVE.value
    multiplies: bool = False
    multiplied: tuple[MultipliedExplained, ...] = ()
    left_out: str | None = None
    would_pay: int | None = None

    @property
    def matched(self) -> bool:
        return self.failed is None


@dataclass(frozen=True, slots=True)
class ChallengeExplained:
    """What one challenge made of the event; `told` says it in words. `raw` is its multiplier or bonus."""

    challenge: str
    version: int
    title: str
    matched: bool
    told: str
    raw: int | float | None
    rounded: int
    points: int
    number: int | None


@dataclass(frozen=True, slots=True)
class DecisionExplained:
    """One decision about an event; `not_derived` says why there are only the recorded facts, without rules' reasons.

    `verdict` is what was recorded. `totals`, `lifetime` and `balance` are what rules and milestones saw.
    """

    n: int
    revision: int
    kind: str
    points: int
    member_id: str | None
    transaction_id: str | None
    recorded_at: datetime
    verdict: Mapping[str, Any]
    data: Mapping[str, Any]
    configuration: int | None = None
    member_version: int | None = None
    engine: int | None = None
    lifetime: int | None = None
    balance: int | None = None
    totals: Mapping[str, int] = field(default_factory=dict)
    rules: tuple[RuleExplained, ...] = ()
    challenges: tuple[ChallengeExplained, ...] = ()
    reason: str | None = None
    not_derived: str | None = None


def explain(
    recorded: RecordedDecision, configuration: Configuration | None, person: Person | None
) -> DecisionExplained:
    """The decision with each rule's reason; `configuration` and `person` are those that its inputs name."""
    plain = _recorded_facts(recorded)
    if recorded.kind == "retraction" or not recorded.inputs:
        return plain
    if recorded.inputs.get("engine") != ENGINE:
        return replace(plain, not_derived=f"it was made by engine {recorded.inputs.get('engine')}, this is {ENGINE}")
    if configuration is None or person is None:
        return replace(plain, not_derived="the configuration or the member's attributes of then are not there any more")
    try:
        event, inputs = as_seen(configuration, recorded.event), _inputs(recorded.inputs)
    except (TypeError, ValueError, KeyError):
        return replace(plain, not_derived="what was recorded has another shape")
    verdict = decide(configuration, event, person, inputs, recorded.recorded_at)
    if verdict.as_json() != recorded.verdict or verdict.points != recorded.points:
        return replace(plain, not_derived="running it again on the recorded inputs gives another verdict")
    return replace(
        plain,
        totals=totals_read(configuration, event, person, inputs),
        rules=_explained(configuration, event, person, inputs, verdict),
        challenges=tuple(_completion(configuration, made) for made in verdict.completions),
    )


def _recorded_facts(recorded: RecordedDecision) -> DecisionExplained:
    inputs = recorded.inputs
    return DecisionExplained(
        n=recorded.n,
        revision=recorded.revision,
        kind=recorded.kind,
        points=recorded.points,
        member_id=recorded.member_id,
        transaction_id=recorded.transaction_id,
        recorded_at=recorded.recorded_at,
        verdict=recorded.verdict,
        data=recorded.event.data,
        configuration=inputs.get("configuration"),
        member_version=inputs.get("member_version"),
        engine=inputs.get("engine"),
        lifetime=inputs.get("lifetime"),
        balance=inputs.get("balance"),
        reason=recorded.verdict.get("reason"),
    )


def _inputs(kept: Mapping[str, Any]) -> Inputs:
    counters, shared = (counts_from_json(kept.get(name, ())) for name in ("counters", "shared"))
    others = {unit: (lifetime, balance) for unit, (lifetime, balance) in kept.get("others", {}).items()}
    decided_at = datetime.fromisoformat(kept["decided_at"]) if "decided_at" in kept else None
    standing = kept["lifetime"], kept["balance"], kept.get("marks", {})
    return Inputs(counters, *standing, others, shared, decided_at, kept.get("completed", {}))


def _explained(
    configuration: Configuration, event: Event, person: Person, inputs: Inputs, verdict: Verdict
) -> tuple[RuleExplained, ...]:
    """Every rule of the event type, in the order of their keys; none if it was not for rules to say."""
    if verdict.reason:
        return ()
    used = what_was_used(configuration, event, person, inputs)
    results = {result.rule: result for result in (*verdict.results, *verdict.shadows)}
    return tuple(
        _rule(rule, results[rule.key], used, verdict.arithmetic.get(rule.key, Arithmetic()))
        if rule.key in results
        else RuleExplained(rule.key, rule.version, rule.title, _NOT_JUDGED[rule.state], state=rule.state.value)
        for rule in configuration.rules.get(event.type, ())
    )


def _rule(rule: Rule, result: RuleResult, used: Used, arithmetic: Arithmetic) -> RuleExplained:
    if not result.matched:
        return _unmatched(rule, result)
    explained = _multiplier(rule, result) if rule.multiplier else _matched(rule, result, used)
    if arithmetic.multiplied:
        steps = tuple(map(_multiplied, arithmetic.multiplied))
        explained = replace(explained, rounding=arithmetic.rounding.value, multiplied=steps)
    if rule.state is RuleState.SHADOW:
        return replace(explained, would_pay=explained.points, points=0, reward=None, withheld=None)
    return replace(explained, caps=(*explained.caps, *map(_cut, arithmetic.cuts)))


def _completion(configuration: Configuration, made: Completion) -> ChallengeExplained:
    challenge = configuration.challenges[made.challenge]
    return ChallengeExplained(
        made.challenge,
        made.version,
        challenge.title,
        made.matched,
        told(challenge, made),
        made.raw,
        made.rounded,
        made.points,
        made.number,
    )


def _unmatched(rule: Rule, result: RuleResult) -> RuleExplained:
    expressions = {condition.name: condition.expression for condition in rule.when}
    expressions |= {AUDIENCE: rule.audience or "", "multiplier": rule.multiplier or ""}
    expressions |= {"award": rule.award.expression} if rule.award else {}
    return RuleExplained(
        rule=rule.key,
        version=rule.version,
        title=rule.title,
        failed=result.failed,
        expression=expressions.get(result.failed or ""),
        error=result.error,
        state=rule.state.value,
    )


def _multiplier(rule: Rule, result: RuleResult) -> RuleExplained:
    expression, state = rule.multiplier, rule.state.value
    return RuleExplained(
        rule.key, rule.version, rule.title, expression=expression, raw=result.raw, multiplies=True, state=state
    )


def _matched(rule: Rule, result: RuleResult, used: Used) -> RuleExplained:
    award = rule.award
    return RuleExplained(
        rule=rule.key,
        version=rule.version,
        title=rule.title,
        expression=award.expression if award else None,
        raw=result.raw,
        rounding=award.rounding.value if award else None,
        rounded=result.rounded,
        caps=(
            *(_cap(rule, n, result, used) for n in range(len(rule.caps))),
            *(_budget(rule, n, result, used) for n in range(len(rule.budgets))),
        ),
        points=result.points,
        unit=award.unit if award else UNIT,
        expires_after_days=award.expires_after_days if award else None,
        reward=result.reward,
        withheld=rule.reward if result.reward is None else None,
        state=rule.state.value,
        left_out=_LEFT_OUT[Stacking(result.left_out[1])].format(result.left_out[0]) if result.left_out else None,
    )


def _cap(rule: Rule, n: int, result: RuleResult, used: Used) -> CapExplained:
    """The n-th cap of a rule that matched, from what the caps before it left."""
    cap = rule.caps[n]
    before, after = (
        capped(replace(rule, caps=rule.caps[:end], budgets=()), result.raw, result.rounded, used).points
        for end in (n, n + 1)
    )
    used_times, used_points = used.of_cap(rule, cap)
    return CapExplained(
        per=cap_name(cap),
        points=cap.points,
        times=cap.times,
        used_points=used_points,
        used_times=used_times,
        before=before,
        after=after,
        bit=cap_name(cap) in result.caps,
    )


def _budget(rule: Rule, n: int, result: RuleResult, used: Used) -> CapExplained:
    """The n-th budget of a rule that matched, from what its caps and the budgets before it left."""
    budget = rule.budgets[n]
    before, after = (
        capped(replace(rule, budgets=rule.budgets[:end]), result.raw, result.rounded, used).points for end in (n, n + 1)
    )
    spent = used.of_budget(rule, budget)
    bit = budget.per.value in result.budgets
    return CapExplained(budget.per.value, budget.points, None, spent, 0, before, after, bit, "budget")


def _cut(cut: Cut) -> CapExplained:
    (times, points), bit = cut.used, cut.after < cut.before
    limits = cap_name(cut.cap), cut.cap.points, cut.cap.times
    return CapExplained(*limits, points, times, cut.before, cut.after, bit, "group", cut.group.key)


def _multiplied(step: Multiplied) -> MultipliedExplained:
    ceiling = None if step.ceiling is None else plain(step.ceiling)
    by = {rule: plain(value) for rule, value in step.by}
    return MultipliedExplained(step.group, step.combining.value, by, ceiling, plain(step.before), plain(step.after))
