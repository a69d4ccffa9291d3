"""Groups, on paper: rules of one event type weighed against each other, after each has been judged by itself.

A group's multipliers multiply what its rules and those of the groups within it award, bounded by its ceiling; each
product is rounded once, as the group of its rule says, and then meets the rule's caps and budgets. Of what would pay
something the group's stacking chooses, from the innermost group outwards, and the group's caps cut what is left, in the
order of priority. Multiplying is decimal arithmetic: floats never decide.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal

from domain.configuration import Cap, Combining, Group, Rounding, Rule, Stacking
from domain.counters import Used
from domain.rules import MAX_AWARD, RuleResult, cap_name, capped

DEFAULT = "default"  # the group of rules that name none
MAX_DEPTH = 5  # groups within each other

_EXACT = Context(prec=100)  # digits of a product: more than five of the longest floats have together
_MODES = {
    Rounding.FLOOR: ROUND_FLOOR,
    Rounding.CEILING: ROUND_CEILING,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
}


@dataclass(frozen=True, slots=True)
class Weighing:
    """A group with what of one event type is in it, in the order of priority: rules that award, and groups.

    One that `pays_all` leaves out nothing of what is in it.
    """

    group: Group
    multipliers: tuple[Rule, ...]
    inside: "tuple[Rule | Weighing, ...]"
    pays_all: bool

    def groups(self) -> "Iterator[Weighing]":
        """The group and all within it."""
        yield self
        for one in self.inside:
            if isinstance(one, Weighing):
                yield from one.groups()

    def rules(self) -> Iterator[Rule]:
        """The rules that award, in the order in which caps cut."""
        for one in self.inside:
            if isinstance(one, Weighing):
                yield from one.rules()
            else:
                yield one


@dataclass(frozen=True, slots=True)
class Multiplied:
    """What one group's multipliers (by rule) did to a factor, within the group's ceiling."""

    group: str
    combining: Combining
    by: tuple[tuple[str, Decimal], ...]
    ceiling: Decimal | None
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Cut:
    """What a cap of a group left of an award, and (times, points) that were used of it before this award."""

    group: Group
    cap: Cap
    used: tuple[int, int]
    before: int
    after: int


@dataclass(slots=True)
class Arithmetic:
    """How groups made of one rule's award what it pays; the product is rounded by `rounding`."""

    multiplied: tuple[Multiplied, ...] = ()
    rounding: Rounding = Rounding.FLOOR
    cuts: list[Cut] = field(default_factory=list)


def plain(number: Decimal) -> str:
    """The number without an exponent and without zeros at its end."""
    return f"{number.normalize(_EXACT):f}"


# -- Arranging -----------------------------------------------------------------------------------------------------


def arrange(groups: Mapping[str, Group], rules: Sequence[Rule]) -> Weighing | None:
    """How these rules are weighed; None if each of them pays what it gives, whatever the others do."""
    if DEFAULT not in groups and not any(rule.group or rule.multiplier for rule in rules):
        return None
    known = {DEFAULT: Group(DEFAULT, 0), **groups}
    by_group: dict[str, list[Rule]] = {}
    for rule in rules:
        by_group.setdefault(rule.group or DEFAULT, []).append(rule)
    return _weighing(Group("", 0), (), _within(None, known, by_group))


def _within(key: str | None, groups: Mapping[str, Group], rules: Mapping[str, Sequence[Rule]]) -> tuple[Weighing, ...]:
    """The groups that stand within this one and have rules, in order."""
    inner = sorted((g for g in groups.values() if g.within == key), key=lambda group: (group.priority, group.key))
    found = (_arranged(group, groups, rules) for group in inner)
    return tuple(weighing for weighing in found if weighing.inside)


def _arranged(group: Group, groups: Mapping[str, Group], rules: Mapping[str, Sequence[Rule]]) -> Weighing:
    own = rules.get(group.key, ())
    awarding = (rule for rule in own if rule.multiplier is None)
    inside: list[Rule | Weighing] = [*awarding, *_within(group.key, groups, rules)]
    ordered = sorted(inside, key=_order)
    return _weighing(group, tuple(rule for rule in own if rule.multiplier is not None), tuple(ordered))


def _weighing(group: Group, multipliers: tuple[Rule, ...], inside: tuple[Rule | Weighing, ...]) -> Weighing:
    stacking = [one.group.stacking for one in inside if isinstance(one, Weighing)]
    pays_all = group.stacking is Stacking.SUM and Stacking.EXCLUSIVE not in stacking
    return Weighing(group, multipliers, inside, pays_all)


def _order(one: Rule | Weighing) -> tuple[int, str]:
    named = one.group if isinstance(one, Weighing) else one
    return named.priority, named.key


# -- Weighing ------------------------------------------------------------------------------------------------------


def weigh(
    weighing: Weighing, results: Sequence[RuleResult], used: Used
) -> tuple[tuple[RuleResult, ...], dict[str, Arithmetic]]:
    """What each rule gives beside the others, in the same order, and how that came about, by rule."""
    scales = _Scales({result.rule: result for result in results}, used)
    scales.multiply(weighing, ())
    scales.choose(weighing)
    return tuple(scales.results[result.rule] for result in results), scales.arithmetic


class _Scales:
    """The rules' results while they are weighed."""

    def __init__(self, results: dict[str, RuleResult], used: Used):
        self.results = results
        self.arithmetic: dict[str, Arithmetic] = {}
        self._used = used

    def multiply(self, weighing: Weighing, around: tuple[Weighing, ...]) -> None:
        """Multiply what the rules award, innermost group first."""
        chain = (weighing, *around)
        steps = tuple(self._steps(chain))
        for one in weighing.inside:
            if isinstance(one, Weighing):
                self.multiply(one, chain)
            elif steps and self._awards(one):
                self.results[one.key] = self._multiplied(one, weighing.group, steps)

    def choose(self, weighing: Weighing) -> None:
        """Leave out what the stacking does not pay, innermost group first, and cut what is left by the group's caps."""
        for one in weighing.inside:
            if isinstance(one, Weighing):
                self.choose(one)
        if not weighing.pays_all:
            self._choose_among(weighing)
        for cap in weighing.group.caps:
            self._cut(weighing, cap)

    def _choose_among(self, weighing: Weighing) -> None:
        paying = [one for one in weighing.inside if self._pays(one)]
        alone = [one for one in paying if isinstance(one, Weighing) and one.group.stacking is Stacking.EXCLUSIVE]
        if alone and len(paying) > 1:
            self._leave_out(paying, alone[0], (alone[0].group.key, Stacking.EXCLUSIVE))
        elif len(paying) > 1 and weighing.group.stacking is not Stacking.SUM:
            self._leave_out(paying, self._chosen(weighing.group, paying), (weighing.group.key, weighing.group.stacking))

    def _steps(self, chain: Sequence[Weighing]) -> Iterator[Multiplied]:
        factor = Decimal(1)
        for weighing in chain:
            group = weighing.group
            if not weighing.multipliers and group.ceiling is None:
                continue  # exact arithmetic by one, for each event, costs as much as a rule
            found = (self.results[rule.key] for rule in weighing.multipliers)
            by = tuple((result.rule, _exact(result.raw)) for result in found if result.matched)
            ceiling = None if group.ceiling is None else Decimal(group.ceiling)
            product = _EXACT.multiply(factor, _combined(group.combining, [value for _, value in by]))
            bounded = product if ceiling is None else min(product, ceiling)
            if by or bounded != factor:
                yield Multiplied(group.key, group.combining, by, ceiling, factor, bounded)
            factor = bounded

    def _awards(self, rule: Rule) -> bool:
        result = self.results[rule.key]
        return result.matched and result.raw is not None

    def _multiplied(self, rule: Rule, group: Group, steps: tuple[Multiplied, ...]) -> RuleResult:
        self.arithmetic[rule.key] = Arithmetic(steps, group.rounding)
        raw, factor = self.results[rule.key].raw, steps[-1].after
        product = _EXACT.multiply(_exact(raw), factor)
        if product > MAX_AWARD:
            error = f"gave {plain(product)} after multiplying, not between 0 and {MAX_AWARD}"
            return RuleResult(rule.key, rule.version, failed="award", error=error)
        rounded = int(product.quantize(Decimal(1), rounding=_MODES[group.rounding], context=_EXACT))
        return capped(rule, raw, rounded, self._used)._replace(factor=plain(factor))

    def _rules(self, one: Rule | Weighing) -> list[Rule]:
        return list(one.rules()) if isinstance(one, Weighing) else [one]

    def _pays(self, one: Rule | Weighing) -> bool:
        return any(self.results[rule.key].pays for rule in self._rules(one))

    def _amount(self, one: Rule | Weighing) -> int:
        return sum(self.results[rule.key].points for rule in self._rules(one))

    def _chosen(self, group: Group, paying: Sequence[Rule | Weighing]) -> Rule | Weighing:
        return max(paying, key=self._amount) if group.stacking is Stacking.BEST else paying[0]

    def _leave_out(self, paying: Sequence[Rule | Weighing], chosen: Rule | Weighing, by: tuple[str, Stacking]) -> None:
        for rule in (rule for one in paying if one is not chosen for rule in self._rules(one)):
            result = self.results[rule.key]
            if result.pays:
                self.results[rule.key] = result._replace(points=0, reward=None, left_out=(by[0], by[1].value))

    def _cut(self, weighing: Weighing, cap: Cap) -> None:
        """Let the cap through to the rules that pay, one after the other; a cap that is used up bars rewards too."""
        times, points = self._used.of_cap(weighing.group, cap)
        over = cap.times is not None and times >= cap.times
        for rule in weighing.rules():
            result = self.results[rule.key]
            if not result.pays:
                continue
            left = 0 if over else max(0, cap.points - points) if cap.points is not None else result.points
            arithmetic = self.arithmetic.setdefault(rule.key, Arithmetic())
            arithmetic.cuts.append(Cut(weighing.group, cap, (times, points), result.points, min(left, result.points)))
            if over or result.points > left:
                bit = (*result.caps, f"{weighing.group.key}:{cap_name(cap)}")
                self.results[rule.key] = result._replace(points=left, caps=bit, reward=result.reward if left else None)
            points += self.results[rule.key].points


def _exact(raw: int | float | None) -> Decimal:
    """A number by its shortest decimal form."""
    return Decimal(repr(raw))


def _combined(combining: Combining, values: Sequence[Decimal]) -> Decimal:
    combined = Decimal(1)
    for value in values:
        if combining is Combining.ADDITIVE:
            combined = _EXACT.add(combined, _EXACT.subtract(value, 1))
        else:
            combined = _EXACT.multiply(combined, value)
    return max(combined, Decimal(0))
