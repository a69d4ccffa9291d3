"""Ladders: the milestones that members have crossed and the rewards given, as one transaction finds and changes them.

The crossings of one milestone are the rungs of a ladder. They are withdrawn from the highest down to the first that
was placed or still stands; the next one is counted from the highest that stands.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from domain.configuration import Milestone


@dataclass(slots=True)
class Crossing:
    """A milestone that a member crossed for the n-th time; placed once its reward was ordered."""

    id: str
    member_id: str
    mark: str
    n: int
    event_id: str | None
    state: str = "standing"
    placed: bool = False


@dataclass(slots=True)
class GivenReward:
    """A reward that a crossing or a rule gave."""

    id: str
    member_id: str
    reward: str
    event_id: str | None
    crossing_id: str | None = None
    rule: str | None = None
    state: str = "unlocked"


@dataclass(slots=True)
class Ladders:
    """What the transaction has locked and read of them, and in the last four lists what it must write.

    `marks` is the n of the highest crossing that stands, by (member, mark); the withdrawn may be among the new.
    """

    milestones: Collection[Milestone]
    new_id: Callable[[str], str]
    marks: dict[tuple[str, str], int] = field(default_factory=dict)
    crossings: list[Crossing] = field(default_factory=list)
    rewards: list[GivenReward] = field(default_factory=list)
    new_crossings: list[Crossing] = field(default_factory=list, init=False)
    new_rewards: list[GivenReward] = field(default_factory=list, init=False)
    withdrawn_crossings: list[Crossing] = field(default_factory=list, init=False)
    withdrawn_rewards: list[GivenReward] = field(default_factory=list, init=False)

    def marks_of(self, member_id: str) -> dict[str, int]:
        """How far the member has come on each milestone, those not crossed yet left out."""
        return {one.mark: n for one in self.milestones if (n := self.marks.get((member_id, one.mark), 0))}

    def cross(self, member_id: str, milestone: Milestone, n: int, event_id: str | None = None) -> None:
        """Cross the milestone for the n-th time and give its reward."""
        crossing = Crossing(self.new_id("crs"), member_id, milestone.mark, n, event_id)
        self.crossings.append(crossing)
        self.new_crossings.append(crossing)
        self.marks[member_id, milestone.mark] = max(n, self.marks.get((member_id, milestone.mark), 0))
        self.give(member_id, milestone.reward, event_id, crossing_id=crossing.id)

    def give(
        self,
        member_id: str,
        reward: str,
        event_id: str | None,
        *,
        crossing_id: str | None = None,
        rule: str | None = None,
    ) -> None:
        """Give a reward for a crossing or by a rule."""
        given = GivenReward(self.new_id("rwd"), member_id, reward, event_id, crossing_id, rule)
        self.rewards.append(given)
        self.new_rewards.append(given)

    def given_for(self, event_id: str) -> list[GivenReward]:
        """What an event has brought, the withdrawn included."""
        return [reward for reward in self.rewards if reward.event_id == event_id]

    def withdraw(self, member_id: str, stands: Callable[[Crossing], bool]) -> None:
        """Take away the rungs of the member's ladders that stand no longer, with what they gave."""
        standing = [one for one in self.crossings if one.member_id == member_id and one.state == "standing"]
        for mark in dict.fromkeys(crossing.mark for crossing in standing):
            ladder = sorted((one for one in standing if one.mark == mark), key=lambda one: one.n)
            while ladder and not (ladder[-1].placed or stands(ladder[-1])):
                self._withdraw(ladder.pop())
                self.marks[member_id, mark] = ladder[-1].n if ladder else 0

    def withdraw_reward(self, reward: GivenReward) -> None:
        """Take a reward back unless it was ordered or ended before."""
        if reward.state in ("unlocked", "offered"):
            reward.state = "withdrawn"
            self.withdrawn_rewards.append(reward)

    def _withdraw(self, crossing: Crossing) -> None:
        crossing.state = "withdrawn"
        self.withdrawn_crossings.append(crossing)
        for reward in self.rewards:
            if reward.crossing_id == crossing.id:
                self.withdraw_reward(reward)
