"""Rules, on paper: what one rule makes of one event, with the reason when it makes nothing.

A rule that fails at run time did not match: its error is the reason, never an exception.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import cel

from domain.configuration import Cap, Condition, Rounding, Rule
from domain.counters import Used
from domain.expressions import ExpressionError, evaluate

MAX_AWARD = 1_000_000_000  # points by one rule for one event
MAX_MULTIPLIER = 1_000

# What did not hold, where it is no condition that a person has named.
OUTSIDE = "outside its window"
AUDIENCE = "not in its audience"

_TO_NEAREST = (Rounding.HALF_UP, Rounding.HALF_EVEN)


class RuleResult(NamedTuple):
    """What one rule made of one event: a named tuple, because ten of them are made for every event.

    `failed` names the condition that did not hold, `error` why it or the award could not be computed. `raw` is the
    award before rounding and caps, or what a multiplier multiplies by; `caps` are those that bit, as "day" or "event",
    of a group as "group:day"; `budgets` those that did, by their period. `factor` is by what groups multiplied the
    award, `left_out` the group that does not pay it beside others, with its stacking.
    """

    rule: str
    version: int
    failed: str | None = None
    error: str | None = None
    raw: int | float | None = None
    rounded: int = 0
    points: int = 0
    caps: tuple[str, ...] = ()
    reward: str | None = None
    budgets: tuple[str, ...] = ()
    factor: str | None = None
    left_out: tuple[str, str] | None = None

    @property
    def matched(self) -> bool:
        return self.failed is None

    @property
    def pays(self) -> bool:
        return self.points > 0 or self.reward is not None


def judge(rule: Rule, occurred_at: datetime, using: cel.Context, used: Used) -> RuleResult:
    """Whether the rule matches, and what it gives after rounding, caps and budgets."""
    if not _in_window(rule, occurred_at):
        return RuleResult(rule.key, rule.version, failed=OUTSIDE)
    try:
        failed = _first_false(rule.when if rule.audience is None else _with_audience(rule), using)
        if failed is not None:
            return RuleResult(rule.key, rule.version, failed=failed)
        if rule.multiplier is not None:
            return RuleResult(rule.key, rule.version, raw=_number("multiplier", rule.multiplier, MAX_MULTIPLIER, using))
        raw = _number("award", rule.award.expression, MAX_AWARD, using) if rule.award else 0
    except _Broken as broken:
        return RuleResult(rule.key, rule.version, failed=broken.condition, error=broken.cause)
    rounded = round_award(raw, rule.award.rounding) if rule.award else 0
    return capped(rule, raw if rule.award else None, rounded, used)


def round_award(raw: int | float, rounding: Rounding) -> int:
    """The whole number of points, by the declared rounding; a float is read by its shortest decimal form."""
    if isinstance(raw, int):
        return raw
    whole = math.floor(raw)
    part = raw - whole
    if rounding in _TO_NEAREST and abs(part - 0.5) > math.ulp(raw):  # its decimal form is on the same side of the half
        return whole + (part > 0.5)
    if rounding is Rounding.FLOOR:
        return math.floor(Decimal(repr(raw)))
    if rounding is Rounding.CEILING:
        return math.ceil(Decimal(repr(raw)))
    mode = ROUND_HALF_UP if rounding is Rounding.HALF_UP else ROUND_HALF_EVEN
    return int(Decimal(repr(raw)).quantize(Decimal(1), rounding=mode))


class _Broken(Exception):
    def __init__(self, condition: str, cause: str):
        self.condition = condition
        self.cause = cause


def _in_window(rule: Rule, at: datetime) -> bool:
    return (rule.starts_at is None or rule.starts_at <= at) and (rule.ends_at is None or at < rule.ends_at)


def _with_audience(rule: Rule) -> tuple[Condition, ...]:
    return Condition(AUDIENCE, rule.audience or ""), *rule.when


def _first_false(conditions: tuple[Condition, ...], using: cel.Context) -> str | None:
    for condition in conditions:
        try:
            value = evaluate(condition.expression, using)
        except ExpressionError as error:
            raise _Broken(condition.name, str(error)) from None
        if value is False:
            return condition.name
        if value is not True:
            raise _Broken(condition.name, f"gave {type(value).__name__}, not true or false")
    return None


def _number(name: str, expression: str, most: int, using: cel.Context) -> int | float:
    try:
        value = evaluate(expression, using)
    except ExpressionError as error:
        raise _Broken(name, str(error)) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Broken(name, f"gave {value!r:.50}, not a number")
    if not 0 <= value <= most:
        raise _Broken(name, f"gave {value!r:.50}, not between 0 and {most}")
    return value


def capped(rule: Rule, raw: int | float | None, rounded: int, used: Used) -> RuleResult:
    """What a rule that matched gives after its caps and budgets, in their order; one used up bars the reward too."""
    points, bit, barred = rounded, [], False
    for cap in rule.caps:
        times_used, points_used = used.of_cap(rule, cap)
        if cap.times is not None and times_used >= cap.times:
            points, barred = 0, True
            bit.append(cap_name(cap))
        elif cap.points is not None and points > (left := max(0, cap.points - points_used)):
            points, barred = left, barred or left == 0
            bit.append(cap_name(cap))
    spent = []
    for budget in rule.budgets:
        if points > (left := max(0, budget.points - used.of_budget(rule, budget))):
            points, barred = left, barred or left == 0
            spent.append(budget.per.value)
    reward = None if barred else rule.reward
    return RuleResult(rule.key, rule.version, None, None, raw, rounded, points, tuple(bit), reward, tuple(spent))


def cap_name(cap: Cap) -> str:
    """What a cap is called where it bit."""
    return cap.per.value if cap.per else "event"


def as_json(result: RuleResult) -> Mapping[str, Any]:
    """A matched rule as a decision keeps it."""
    kept: dict[str, Any] = {"rule": result.rule, "version": result.version, "points": result.points}
    if result.raw is not None and result.raw != result.points:
        kept |= {"raw": result.raw, "rounded": result.rounded}
    if result.caps:
        kept["caps"] = list(result.caps)
    if result.budgets:
        kept["budgets"] = list(result.budgets)
    if result.factor is not None:
        kept["factor"] = result.factor
    if result.left_out is not None:
        kept["left_out"] = list(result.left_out)
    if result.reward:
        kept["reward"] = result.reward
    return kept
