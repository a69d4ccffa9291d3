"""The streaks that one transaction has locked: marks are begun and ended, then each streak concerned is folded anew.

Lengths that a streak owes are compared with those that were told: a told length stands for one run that overlaps its
days, what no told length stands for is told as an event, and what stands for nothing is taken back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from domain.deciding import Person
from domain.game import Absorbed, StreakPolicy
from domain.streak_fold import fold
from domain.streaks import Away, Down, Facts, Given, Mark, Reached, Run, Streak, Tally, knows

# A member and a policy.
StreakKey = tuple[str, str]
Versions = Sequence[tuple[datetime, StreakPolicy]]


@dataclass(slots=True)
class StoredMark:
    """A mark as a row; `ended` by this transaction."""

    id: str
    key: StreakKey
    mark: Mark
    ended: bool = False


@dataclass(slots=True)
class Award:
    """A length that was told to have been reached, and the run for which it stands."""

    key: StreakKey
    length: int
    n: int
    started_on: date
    reached_on: date

    @property
    def days(self) -> tuple[date, date]:
        return self.started_on, self.reached_on


@dataclass(slots=True)
class Kept:
    """What is known of one streak: how it was stored, and the facts since its tally, or all without one."""

    stored: Streak | None = None
    tally: Tally | None = None
    marks: dict[str, Mark] = field(default_factory=dict)
    absences: list[Away] = field(default_factory=list)
    freezes: list[Given] = field(default_factory=list)
    awards: list[Award] = field(default_factory=list)


class Folded(NamedTuple):
    """A streak before, as it was stored, and after."""

    key: StreakKey
    before: Streak | None
    after: Streak


class Settlement(NamedTuple):
    """What lengths reached come to: those to tell, told ones that stand for another run now, and those to take back."""

    owed: tuple[Reached, ...]
    moved: tuple[tuple[Award, Reached], ...]
    gone: tuple[Award, ...]


_NOTHING = Settlement((), (), ())


@dataclass(slots=True)
class Streaks:
    """What the transaction has locked and read of streaks, and what became of it."""

    new_id: Callable[[str], str]
    policies: Mapping[str, Versions] = field(default_factory=dict)
    people: Mapping[str, Sequence[tuple[datetime, Person]]] = field(default_factory=dict)
    kept: dict[StreakKey, Kept] = field(default_factory=dict)
    outages: Sequence[Down] = ()
    # By event, the marks of facts that stand.
    standing: dict[str, list[StoredMark]] = field(default_factory=dict)
    new_marks: list[StoredMark] = field(default_factory=list, init=False)
    ended_marks: list[StoredMark] = field(default_factory=list, init=False)
    # Those that marks have changed, in order.
    touched: dict[StreakKey, None] = field(default_factory=dict, init=False)

    def mark(
        self, member_id: str, event_id: str, at: datetime, arrived_at: datetime, found: Iterable[tuple[str, int]]
    ) -> None:
        """The event counts for these policies, each for so much."""
        for policy, amount in found:
            key, mark = (member_id, policy), Mark(at, event_id, amount, arrived_at)
            if not self._reinstate(key, mark):
                stored = StoredMark(self.new_id("mrk"), key, mark)
                self.new_marks.append(stored)
                self.standing.setdefault(event_id, []).append(stored)
            self.kept[key].marks[event_id] = mark
            self.touched[key] = None

    def unmark(self, event_id: str) -> None:
        """The event counts for nothing any more."""
        for stored in self.standing.get(event_id, ()):
            if not stored.ended:
                stored.ended = True
                self.ended_marks.append(stored)
                if stored.key in self.kept:  # its policy is in force
                    self.kept[stored.key].marks.pop(event_id, None)
                    self.touched[stored.key] = None

    def fold(self, as_of: datetime, keys: Iterable[StreakKey]) -> list[Folded]:
        """The streaks of these keys as they are now."""
        return [self._fold(key, as_of) for key in keys]

    def _fold(self, key: StreakKey, as_of: datetime) -> Folded:
        kept = self.kept[key]
        return Folded(key, kept.stored, fold(self.facts(key), as_of, kept.tally))

    def facts(self, key: StreakKey) -> Facts:
        """The facts that are known of the streak."""
        member_id, policy = key
        kept = self.kept[key]
        marks, people = list(kept.marks.values()), self.people[member_id]
        return Facts(self.policies[policy], people, marks, kept.absences, self.outages, kept.freezes)

    def settle(self, folded: Folded) -> Settlement:
        """The lengths that the streak owes against those that were told of the same days."""
        policy = self.policies[folded.key[1]][-1][1]
        return settle(policy, folded.after, self.kept[folded.key].awards)

    def _reinstate(self, key: StreakKey, mark: Mark) -> bool:
        """Let a mark that this transaction has ended stand as before, if the new one says the same."""
        for stored in self.ended_marks:
            if stored.key == key and stored.mark == mark:
                stored.ended = False
                self.ended_marks.remove(stored)
                return True
        return False


def is_late(tally: Tally, instants: Iterable[datetime]) -> bool:
    """Whether something that happened at one of these instants is too late for a fold from the tally."""
    return any(knows(tally, at) for at in instants)


def settle(policy: StreakPolicy, streak: Streak, awards: Sequence[Award]) -> Settlement:
    """Match lengths reached with awards of the same length, each with one whose days overlap the run's.

    What is left was told of a run that is part of another now, for which another award stands: it is kept where the
    policy says so, and stands for that run too. Or it was told of none that there is.
    """
    if not (streak.reached or awards):
        return _NOTHING
    runs = {run.started_on: run for run in streak.runs}
    left = sorted(awards, key=lambda award: (award.reached_on, award.n))
    owed: list[Reached] = []
    stands: list[tuple[Award, Reached]] = []
    for reached in streak.reached:
        award = next((one for one in left if _stands_for(one, reached, runs[reached.started_on])), None)
        if award is None:
            owed.append(reached)
        else:
            left.remove(award)
            stands.append((award, reached))
    absorbed = [(award, _absorbing(award, streak, runs)) for award in left]
    if policy.absorbed is Absorbed.KEEP:
        stands += [(award, reached) for award, reached in absorbed if reached]
        absorbed = [(award, reached) for award, reached in absorbed if not reached]
    moved = tuple((award, reached) for award, reached in stands if award.days != reached[1:3])
    return Settlement(tuple(owed), moved, tuple(award for award, _ in absorbed))


def _stands_for(award: Award, reached: Reached, run: Run) -> bool:
    overlaps = award.started_on <= run.last_on and run.started_on <= award.reached_on
    return award.length == reached.length and overlaps


def _absorbing(award: Award, streak: Streak, runs: Mapping[date, Run]) -> Reached | None:
    """The same length of a run that holds the award's days."""
    return next((one for one in streak.reached if _stands_for(award, one, runs[one.started_on])), None)
