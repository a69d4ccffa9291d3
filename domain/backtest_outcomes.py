"""What came of a back-test: what was given beside what would have been, by what it was given and to whom."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.challenges import Claim
from domain.configuration import Configuration, Milestone
from domain.counters import Counts, counts_from_json
from domain.deciding import UNIT, Person


class Name(NamedTuple):
    """What something is counted of: a rule's or a challenge's points in a unit, a milestone's crossings, a reward."""

    kind: str
    key: str
    unit: str = ""


@dataclass(slots=True)
class Compared:
    """What was given and what would have been."""

    given: int = 0
    would: int = 0

    @property
    def difference(self) -> int:
        return self.would - self.given

    def add(self, given: int, would: int) -> None:
        self.given += given
        self.would += would


class Elsewhere(NamedTuple):
    """Somebody who stands on another level of the ladder at the end than they would; None is below the lowest."""

    ladder: str
    member_id: str
    given: str | None
    would: str | None


class Badged(NamedTuple):
    """Somebody who has the badge at the end and would not, or would and has not."""

    badge: str
    member_id: str
    would: bool


def _compared() -> dict[Any, Compared]:
    return defaultdict(Compared)


@dataclass(slots=True)
class Outcome:
    """What was found: of how many decisions how many differ; by unit, by name, by cohort (attribute, value, unit), and
    the points of each member.

    By challenge and event, who completed challenges that were not live then. At the end, how many stand on each level
    (ladder, level) and have each badge, and who stands elsewhere.
    """

    decisions: int = 0
    differing: int = 0
    units: dict[str, Compared] = field(default_factory=_compared)
    named: dict[Name, Compared] = field(default_factory=_compared)
    cohorts: dict[tuple[str, str, str], Compared] = field(default_factory=_compared)
    members: dict[str, Compared] = field(default_factory=_compared)
    claims: dict[tuple[str, str], Claim] = field(default_factory=dict)
    tiers: dict[tuple[str, str], Compared] = field(default_factory=_compared)
    badges: dict[str, Compared] = field(default_factory=_compared)
    elsewhere: list[Elsewhere] = field(default_factory=list)
    badged: list[Badged] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Did:
    """What one decision about an event did, until it is undone; crossings stay counted whatever becomes of them."""

    amounts: Mapping[str, int] = field(default_factory=dict)
    moved: Counts = field(default_factory=dict)
    shared: Counts = field(default_factory=dict)
    named: Mapping[Name, int] = field(default_factory=dict)
    crossed: Mapping[Name, int] = field(default_factory=dict)

    def gives_the_same(self, other: "Did") -> bool:
        """Whether nobody would notice, whatever was counted."""
        return (self.amounts, self.named, self.crossed) == (other.amounts, other.named, other.crossed)


NOTHING_DONE = Did()


class Words(NamedTuple):
    """What verdicts name: the unit of each rule's award, and milestones by their marks."""

    units: Mapping[str, str]
    milestones: Mapping[str, Milestone]

    @classmethod
    def of(cls, configuration: Configuration) -> "Words":
        rules = (rule for of_type in configuration.rules.values() for rule in of_type)
        units = {rule.key: rule.award.unit for rule in rules if rule.award}
        return cls(units, {milestone.mark: milestone for milestone in configuration.milestones})


def what_was_done(points: int, verdict: Mapping[str, Any], words: Words) -> Did:
    """What a decision did, as its verdict tells it, in the words of the configuration that made it."""
    named: Counter[Name] = Counter()
    for rule in verdict.get("rules", ()):
        named[Name("rule", rule["rule"], words.units.get(rule["rule"], UNIT))] += rule["points"]
        if rule.get("reward"):
            named[Name("reward", rule["reward"])] += 1
    for made in verdict.get("challenges", ()):
        if not made.get("lent"):
            named[Name("challenge", made["challenge"], UNIT)] += made["points"]
    crossed: Counter[Name] = Counter()
    for mark, _ in verdict.get("crossed", ()):
        crossed[Name("milestone", words.milestones[mark].key)] += 1
        crossed[Name("reward", words.milestones[mark].reward)] += 1
    return Did(
        amounts={unit: amount for unit, amount in {UNIT: points, **verdict.get("others", {})}.items() if amount},
        moved=counts_from_json(verdict.get("moved", ())),
        shared=counts_from_json(verdict.get("shared", ())),
        named={name: amount for name, amount in named.items() if amount},
        crossed=crossed,
    )


def cohort_of(person: Person, attribute: str) -> str:
    """The member's cohort by an attribute, of those that the program has added too."""
    value = person.attributes.get(attribute, (person.attributes.get("custom") or {}).get(attribute))
    return "" if value is None else str(value)
