"""Reports of back-tests: what a candidate would have cost, by what and for whom, and what would follow from it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice

from domain.backtest_outcomes import Badged, Compared, Elsewhere, Name, Outcome
from domain.configuration import Reward

MOST_NAMED = 10  # winners, and losers


@dataclass(frozen=True, slots=True)
class Line:
    """What was given and what would have been: of a rule, say, in a unit; or so many times, without one."""

    key: str
    unit: str
    given: int
    would: int
    difference: int


@dataclass(frozen=True, slots=True)
class CohortLine:
    """A unit's value to the members who have this value of an attribute."""

    attribute: str
    value: str
    unit: str
    given: int
    would: int
    difference: int


@dataclass(frozen=True, slots=True)
class RewardLine:
    """How often a reward is given: automatic ones are ordered at once for so much each, of others members choose."""

    key: str
    automatic: bool
    value_minor: int
    currency: str
    given: int
    would: int
    difference: int


@dataclass(frozen=True, slots=True)
class TierLine:
    """How many members stand on a level of a ladder at the end."""

    ladder: str
    level: str
    given: int
    would: int
    difference: int


@dataclass(frozen=True, slots=True)
class BadgeLine:
    """How many members have a badge at the end, and of those to whom it makes a difference the first."""

    key: str
    given: int
    would: int
    difference: int
    gaining: tuple[str, ...]
    losing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LevelLine:
    """Somebody who would stand on another level of a ladder at the end; None is below the lowest."""

    ladder: str
    member_id: str
    given: str | None
    would: str | None


@dataclass(frozen=True, slots=True)
class MemberLine:
    """Somebody's points."""

    member_id: str
    given: int
    would: int
    difference: int


@dataclass(frozen=True, slots=True)
class Report:
    """Of `decisions` made again, `differing` give something else. `gaining` and `losing` members would have more, or
    less; the first of them are named, those with the largest difference first. `elsewhere` would stand on another level
    of a ladder at the end; the first of each ladder are named."""

    decisions: int
    differing: int
    units: tuple[Line, ...]
    rules: tuple[Line, ...]
    challenges: tuple[Line, ...]
    milestones: tuple[Line, ...]
    rewards: tuple[RewardLine, ...]
    cohorts: tuple[CohortLine, ...]
    tiers: tuple[TierLine, ...]
    badges: tuple[BadgeLine, ...]
    elsewhere: int
    levels: tuple[LevelLine, ...]
    gaining: int
    losing: int
    winners: tuple[MemberLine, ...]
    losers: tuple[MemberLine, ...]


def report(outcome: Outcome, rewards: Mapping[str, Reward]) -> Report:
    """The report of a back-test; `rewards` are those of the candidate and of what is live."""
    members = sorted(outcome.members.items(), key=lambda one: (one[1].difference, one[0]))
    losing = [one for one in members if one[1].difference < 0]
    gaining = [one for one in reversed(members) if one[1].difference > 0]
    return Report(
        decisions=outcome.decisions,
        differing=outcome.differing,
        units=tuple(Line(unit, unit, *_figures(found)) for unit, found in sorted(outcome.units.items())),
        rules=_lines(outcome.named, "rule"),
        challenges=_lines(outcome.named, "challenge"),
        milestones=_lines(outcome.named, "milestone"),
        rewards=tuple(
            _reward(name.key, found, rewards.get(name.key)) for name, found in _of_kind(outcome.named, "reward")
        ),
        cohorts=tuple(CohortLine(*cohort, *_figures(found)) for cohort, found in sorted(outcome.cohorts.items())),
        tiers=tuple(TierLine(*level, *_figures(found)) for level, found in sorted(outcome.tiers.items())),
        badges=tuple(_badge(key, found, outcome.badged) for key, found in sorted(outcome.badges.items())),
        elsewhere=len(outcome.elsewhere),
        levels=tuple(_levels(outcome.elsewhere)),
        gaining=len(gaining),
        losing=len(losing),
        winners=_named(gaining),
        losers=_named(losing),
    )


def _figures(found: Compared) -> tuple[int, int, int]:
    return found.given, found.would, found.difference


def _of_kind(named: Mapping[Name, Compared], kind: str) -> list[tuple[Name, Compared]]:
    return sorted((name, found) for name, found in named.items() if name.kind == kind and (found.given or found.would))


def _lines(named: Mapping[Name, Compared], kind: str) -> tuple[Line, ...]:
    return tuple(Line(name.key, name.unit, *_figures(found)) for name, found in _of_kind(named, kind))


def _reward(key: str, found: Compared, reward: Reward | None) -> RewardLine:
    if reward is None:
        return RewardLine(key, False, 0, "", *_figures(found))
    return RewardLine(key, reward.automatic, reward.value_minor, reward.currency, *_figures(found))


def _badge(key: str, found: Compared, badged: Iterable[Badged]) -> BadgeLine:
    whose = [one for one in badged if one.badge == key]
    gaining, losing = ([one.member_id for one in whose if one.would is would] for would in (True, False))
    return BadgeLine(key, *_figures(found), tuple(gaining[:MOST_NAMED]), tuple(losing[:MOST_NAMED]))


def _levels(elsewhere: Iterable[Elsewhere]) -> Iterator[LevelLine]:
    """The first of each ladder."""
    by_ladder = sorted(elsewhere, key=lambda one: (one.ladder, one.member_id))
    for _, of_ladder in groupby(by_ladder, key=lambda one: one.ladder):
        yield from (LevelLine(*one) for one in islice(of_ladder, MOST_NAMED))


def _named(members: Iterable[tuple[str, Compared]]) -> tuple[MemberLine, ...]:
    return tuple(MemberLine(member_id, *_figures(found)) for member_id, found in islice(members, MOST_NAMED))
