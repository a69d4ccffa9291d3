"""Reasons: one short paragraph that says why an event earned what it earned, from the decision that was recorded."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from connectors.slack.markup import Markup, bold, joined
from connectors.slack.texts import Texts, later
from domain.answers import Reasons
from domain.challenges import Refusal
from domain.configuration import POINTS, Period, RuleState
from domain.derived import titled
from domain.explanations import CapExplained, ChallengeExplained, DecisionExplained, RuleExplained
from domain.intake import DECIDED, QUARANTINED
from domain.rules import AUDIENCE, OUTSIDE
from domain.sentences import Value

MAX_RULES = 3  # that the paragraph tells of, of each sort

_PER: Mapping[str, str] = {
    "event": later("for one event"),
    Period.DAY: later("a day"),
    Period.WEEK: later("a week"),
    Period.MONTH: later("a month"),
    Period.QUARTER: later("a quarter"),
    Period.YEAR: later("a year"),
    Period.LIFETIME: later("in all"),
}
_REFUSED: Mapping[str, str] = {
    Refusal.ONCE: later("The challenge “{challenge}” adds nothing: it counts once for each person."),
    Refusal.OUTWEIGHED: later("The challenge “{challenge}” adds nothing: another challenge pays for this."),
    Refusal.PLACES: later("The challenge “{challenge}” adds nothing: its places were taken."),
    Refusal.MEMBER_POINTS: later("The challenge “{challenge}” adds nothing: you have had the most that it pays."),
    Refusal.BUDGET: later("The challenge “{challenge}” adds nothing: its budget is spent."),
}


def paragraph(reasons: Reasons, texts: Texts) -> Markup:
    """What came of the event, by which rule, how that was computed, and what cut it."""
    return joined(" ", [_opening(reasons, texts), *_sentences(reasons, texts)])


def _opening(reasons: Reasons, texts: Texts) -> str:
    what = bold(texts.written(reasons.description))
    when = texts.instant(reasons.occurred_at, reasons.time_zone)
    if reasons.takes_back:
        return texts.say("On {when} this was taken back: {what}.", when=when, what=what)
    if not reasons.earned and not reasons.rewards:
        return texts.say("{what}, on {when}, earned you nothing.", what=what, when=when)
    earned = [texts.amount(n, unit) for unit, n in reasons.earned]
    earned += [texts.say("the reward “{reward}”", reward=title) for title in reasons.rewards]
    return texts.say("{what}, on {when}, earned you {earned}.", what=what, when=when, earned=texts.listed(earned))


def _sentences(reasons: Reasons, texts: Texts) -> Iterator[str]:
    decision = reasons.decision
    if reasons.takes_back:
        lost = [texts.amount(-n, unit) for unit, n in reasons.earned if n < 0]
        if lost:
            yield texts.say("With it went {amount}, which it had earned.", amount=texts.listed(lost))
    elif reasons.state == QUARANTINED:
        yield texts.say("It could not be decided yet: an administrator looks at it, and nothing is lost.")
    elif reasons.state != DECIDED:
        yield texts.say("It was taken back later, so it counts for nothing.")
    elif decision is None or decision.not_derived:
        yield texts.say("How that was computed cannot be shown any more.")
    elif decision.reason:
        yield texts.say("You had left when it happened.")
    else:
        yield from _decided(decision, texts)


def _decided(decision: DecisionExplained, texts: Texts) -> Iterator[str]:
    judged = [rule for rule in decision.rules if rule.state == RuleState.ACTIVE]
    paying = [rule for rule in judged if rule.matched and not rule.multiplies]
    titles = {rule.rule: texts.written(titled(rule.rule, rule.title)) for rule in judged}
    for rule in paying[:MAX_RULES]:
        yield from _matched(rule, titles, texts)
    if not paying:
        yield from _unmatched([rule for rule in judged if not rule.matched], texts)
    if more := len(paying[MAX_RULES:]):
        yield texts.count("{n} more rule had a say.", "{n} more rules had a say.", more)
    refused = {made["challenge"]: made.get("refused") for made in decision.verdict.get("challenges", ())}
    for challenge in [one for one in decision.challenges if one.matched][:MAX_RULES]:
        yield _challenge(challenge, refused.get(challenge.challenge), texts)


# -- Rules that matched --------------------------------------------------------------------------------------------


def _matched(rule: RuleExplained, titles: Mapping[str, str], texts: Texts) -> Iterator[str]:
    title = titles[rule.rule]
    if rule.left_out is not None:
        yield texts.say("The rule “{rule}” fits too, but another of its group pays instead.", rule=title)
    elif rule.expression is None:
        yield texts.say("The rule “{rule}” gives a reward.", rule=title)
    else:
        yield _arithmetic(rule, title, titles, texts)
        yield from (_cut(cap, texts) for cap in rule.caps if cap.bit)
    if rule.withheld is not None:
        yield texts.say("Its reward was not given: its limit was reached.")


def _arithmetic(rule: RuleExplained, title: str, titles: Mapping[str, str], texts: Texts) -> str:
    """From what the expression gave to the whole number that limits are applied to."""
    steps = [] if _is_plain(rule.expression) else [f"`{rule.expression}` = {_number(rule.raw, texts)}"]
    if rule.multiplied:
        by = texts.listed(titles.get(one, one) for step in rule.multiplied for one in step.by)
        steps.append(f"\N{MULTIPLICATION SIGN} {_number(Decimal(rule.multiplied[-1].after), texts)} ({by})")
    if steps and rule.raw != rule.rounded and rule.rounding:
        steps.append(f"→ {texts.number(rule.rounded)}")
    given = texts.number(rule.rounded) if rule.unit != POINTS.key else texts.points(rule.rounded)
    if not steps:
        return texts.say("The rule “{rule}” gives {given}.", rule=title, given=given)
    return texts.say("The rule “{rule}” gives {given}: {steps}.", rule=title, given=given, steps=" ".join(steps))


def _is_plain(expression: str | None) -> bool:
    return (expression or "").strip().isdigit()


def _number(value: float | Decimal | None, texts: Texts) -> str:
    return texts.number(value or 0)


def _cut(cap: CapExplained, texts: Texts) -> str:
    """What a limit let through."""
    per = texts.say(_PER[cap.per])
    left: dict[str, Value] = {"after": cap.after, "before": cap.before, "per": per}
    if cap.kind == "budget":
        return texts.say(
            "All together may have {limit} {per} by it, so {after} of {before} were left.",
            limit=texts.points(cap.points or 0),
            **left,
        )
    if cap.times is not None and cap.used_times >= cap.times:
        return texts.count("It pays once {per}.", "It pays {n} times {per}.", cap.times, per=per)
    return texts.say(
        "You may have {limit} {per} by it and had {used}, so {after} of {before} were left.",
        limit=texts.number(cap.points or 0),
        used=cap.used_points,
        **left,
    )


# -- Rules that did not, and challenges ----------------------------------------------------------------------------


def _unmatched(rules: Sequence[RuleExplained], texts: Texts) -> Iterator[str]:
    if not rules:
        yield texts.say("No rule is about this.")
        return
    yield texts.say("No rule fits it.")
    yield from (_failed(rule, texts) for rule in rules[:MAX_RULES])


def _failed(rule: RuleExplained, texts: Texts) -> str:
    title = texts.written(titled(rule.rule, rule.title))
    if rule.error is not None:
        return texts.say("“{rule}” could not be computed.", rule=title)
    if rule.failed == OUTSIDE:
        return texts.say("“{rule}” was not in force then.", rule=title)
    if rule.failed == AUDIENCE:
        return texts.say("“{rule}” is not meant for you.", rule=title)
    return texts.say("“{rule}” asks for this: {condition}.", rule=title, condition=rule.failed or "")


def _challenge(challenge: ChallengeExplained, refused: str | None, texts: Texts) -> str:
    title = challenge.title or challenge.challenge
    if refused:
        return texts.say(_REFUSED[refused], challenge=title)
    added = texts.points(challenge.points)
    if challenge.points < challenge.rounded:
        return texts.say(
            "The challenge “{challenge}” adds {added} of {worth}: its limits leave no more.",
            challenge=title,
            added=added,
            worth=challenge.rounded,
        )
    return texts.say("The challenge “{challenge}” adds {added}.", challenge=title, added=added)
