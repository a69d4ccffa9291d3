"""An event's explanation for people: each rule with its arithmetic or its reason, and what came of it."""

from collections.abc import Iterator
from typing import Any

from rich.markup import escape

from cli.tabular import moment
from domain.challenges import ordinal
from domain.configuration import Combining, RuleState
from domain.explanations import (
    CapExplained,
    ChallengeExplained,
    DecisionExplained,
    MultipliedExplained,
    RuleExplained,
)
from domain.rules import AUDIENCE, OUTSIDE
from storage.explanations import Explanation


def told(explanation: Explanation) -> Iterator[str]:
    """The explanation line by line, in rich's markup."""
    event = explanation.event
    whose = event.member_id or "nobody known"
    yield f"[bold]{event.id}[/bold] {escape(event.type)} of {whose}"
    yield f"  {escape(event.source)} {escape(event.external_id)}, as {escape(_name(explanation))}"
    yield f"  occurred {moment(event.occurred_at)}, recorded {moment(event.recorded_at)}"
    yield f"  [bold]{escape(explanation.summary)}[/bold]"
    if (found := explanation.finding) is not None:
        by = f", by {found.event_id}" if found.event_id else ""
        yield f"  {found.kind} {escape(found.key)} (version {found.version}, configuration {found.configuration}){by}:"
        yield f"    {escape(found.told)}"
    for decision in explanation.decisions:
        yield from _decision(decision)
    yield from _consequences(explanation)


def _name(explanation: Explanation) -> str:
    return f"{explanation.event.identity_source}:{explanation.event.identity_external_id}"


def _decision(decision: DecisionExplained) -> Iterator[str]:
    made_by = [f"configuration {decision.configuration}"] if decision.configuration is not None else []
    made_by += [f"engine {decision.engine}"] if decision.engine is not None else []
    made_by += [f"member version {decision.member_version}"] if decision.member_version is not None else []
    yield ""
    earned = {"points": decision.points, **decision.verdict.get("others", {})}
    earned_and_by = [*(f"{amount:+} {unit}" for unit, amount in earned.items()), *made_by]
    yield f"Decision {decision.n} ({decision.kind}), {', '.join(earned_and_by)}"
    if decision.data and decision.kind != "retraction":
        yield "  event   " + ", ".join(
            f"{escape(name)} = {_shown(value)}" for name, value in sorted(decision.data.items())
        )
    if decision.totals:
        yield "  totals  " + ", ".join(f"{escape(name)} = {total}" for name, total in decision.totals.items())
    if decision.not_derived:
        yield from _recorded_only(decision)
    for rule in decision.rules:
        yield from _matched(rule) if rule.matched else _unmatched(rule)
    for challenge in decision.challenges:
        yield _challenge(challenge)
    for mark, n in decision.verdict.get("crossed", ()):
        yield f"  crossed {escape(mark)} for the {ordinal(n)} time, from {decision.lifetime} lifetime points"


def _recorded_only(decision: DecisionExplained) -> Iterator[str]:
    yield f"  [yellow]This cannot be re-derived: {escape(decision.not_derived or '')}. Recorded was:[/yellow]"
    for rule in decision.verdict.get("rules", ()):
        reward = f", reward {escape(rule['reward'])}" if rule.get("reward") else ""
        yield f"  {escape(rule['rule'])} (version {rule['version']}): {rule['points']} points{reward}"


def _matched(rule: RuleExplained) -> Iterator[str]:
    yield f"  {_sign(rule)} {_rule(rule)}: {_gives(rule)}"
    if rule.expression is not None and rule.raw is not None and rule.expression != str(rule.raw):
        yield f"      {escape(rule.expression)} = {rule.raw}{'' if rule.multiplied else _rounded(rule)}"
    for step in rule.multiplied:
        yield f"      {escape(_multiplied(step))}"
    if rule.multiplied:
        yield f"      {rule.raw} times {rule.multiplied[-1].after}, {rule.rounding} gives {rule.rounded}"
    if rule.left_out:
        yield f"      left out: {escape(rule.left_out)}"
    for cap in rule.caps:
        yield f"      {_cap(cap, rule.unit)}"
    if rule.expires_after_days and rule.points:
        yield f"      expires after {rule.expires_after_days} days"


def _sign(rule: RuleExplained) -> str:
    return "[yellow]~[/yellow]" if rule.would_pay is not None else "[green]✓[/green]"


def _gives(rule: RuleExplained) -> str:
    if rule.multiplies:
        return f"multiplies by {rule.raw}" + (", but is a shadow" if rule.would_pay is not None else "")
    if rule.would_pay is not None:
        return f"a shadow, would have paid {rule.would_pay} {rule.unit}"
    return f"[bold]{rule.points} {rule.unit}[/bold]{_reward(rule)}"


def _multiplied(step: MultipliedExplained) -> str:
    """For example: group partners multiplies 1 by 2 (twice) and 1.5 (weekend), at most 2.5: 2.5."""
    by = " and ".join(f"{value} ({rule})" for rule, value in step.by.items())
    combined = f"multiplies {step.before} by {by}" if by else f"bounds {step.before}"
    added = ", added up" if step.combining == Combining.ADDITIVE and len(step.by) > 1 else ""
    ceiling = f", at most {step.ceiling}" if step.ceiling else ""
    return f"group {step.group} {combined}{added}{ceiling}: {step.after}"


def _challenge(made: ChallengeExplained) -> str:
    sign = "[green]✓[/green]" if made.matched else "[red]✗[/red]"
    title = f" {escape(made.title)}" if made.title else ""
    return f"  {sign} challenge {escape(made.challenge)} (version {made.version}){title}: {escape(made.told)}"


def _unmatched(rule: RuleExplained) -> Iterator[str]:
    what = "its audience" if rule.failed == AUDIENCE else rule.failed
    why = f"{what} could not be computed: {rule.error}" if rule.error else _why_not(rule)
    yield f"  [red]✗[/red] {_rule(rule)}: {escape(why)}"
    if rule.expression is not None:
        yield f"      {escape(rule.expression)}"


def _why_not(rule: RuleExplained) -> str:
    if rule.failed in (OUTSIDE, AUDIENCE) or rule.state in (RuleState.DRAFT, RuleState.RETIRED):
        return str(rule.failed)
    return f"not so: {rule.failed}"


def _rule(rule: RuleExplained) -> str:
    return f"{escape(rule.rule)} (version {rule.version})" + (f" {escape(rule.title)}" if rule.title else "")


def _reward(rule: RuleExplained) -> str:
    if rule.reward:
        return f" and the reward {escape(rule.reward)}"
    why = "it is left out" if rule.left_out else "a cap is used up"
    return f", without the reward {escape(rule.withheld)}: {why}" if rule.withheld else ""


def _rounded(rule: RuleExplained) -> str:
    return f", {rule.rounding} gives {rule.rounded}" if rule.raw != rule.rounded else ""


def _cap(cap: CapExplained, unit: str) -> str:
    limits = [f"{cap.points} {unit}, {cap.used_points} used"] if cap.points is not None else []
    limits += [f"{cap.times} times, {cap.used_times} used"] if cap.times is not None else []
    bit = f": {cap.before} becomes {cap.after}" if cap.bit else ""
    what = {"cap": "cap", "budget": "budget of all members", "group": f"cap of group {cap.group}"}[cap.kind]
    return escape(f"{what} per {cap.per} ({'; '.join(limits)}){bit}")


def _consequences(explanation: Explanation) -> Iterator[str]:
    if explanation.transactions or explanation.crossings or explanation.rewards:
        yield ""
    for posting in explanation.transactions:
        reverses = f", reverses {posting.reverses_id}" if posting.reverses_id else ""
        yield f"ledger     {posting.id} {posting.kind} {posting.amount} {posting.unit}{reverses}"
    for crossing in explanation.crossings:
        yield f"milestone  {crossing.id} {escape(crossing.milestone)}, {ordinal(crossing.n)} time, {crossing.state}"
    for reward in explanation.rewards:
        order = f", order {reward.order_id}" if reward.order_id else ""
        yield f"reward     {reward.id} {escape(reward.reward)}, {reward.state}{order}"


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return escape(text[:100])
