"""Members in back-tests: what each has under the candidate, and the milestones that stand for them.

What a member has is what was recorded and by how much the candidate is ahead of it. Until something differs their
crossings stand as recorded.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.backtest_outcomes import Did
from domain.deciding import UNIT, Person
from domain.intake import Intake
from domain.ladders import Crossing
from domain.ledger import Account, member_account

# Of a ladder that somebody climbed before they are looked at, so many of the highest rungs may be withdrawn.
RUNGS = 20

# When the reward of a crossing (member, mark, n) was ordered, after which it is withdrawn no more.
Placed = Mapping[tuple[str, str, int], datetime]
Values = dict[str, tuple[int, int]]


@dataclass(slots=True)
class Member:
    """Value by unit (lifetime, balance) under the candidate and by how much it is ahead, and the crossings that
    stand."""

    value: Values = field(default_factory=dict)
    ahead: Counter[str] = field(default_factory=Counter)
    crossings: list[Crossing] = field(default_factory=list)
    # The marks that the record has shown, and what its decisions since have crossed.
    shown: dict[str, int] = field(default_factory=dict)
    differs: bool = False


class Members:
    """Every member of whom a decision has told."""

    def __init__(self, new_id: Callable[[str], str], placed: Placed) -> None:
        self._new_id = new_id
        self._placed = placed
        self._members: dict[str, Member] = defaultdict(Member)

    def __getitem__(self, member_id: str) -> Member:
        return self._members[member_id]

    def stand_as_recorded(self, member_id: str, inputs: Mapping[str, Any], undone: Did) -> None:
        """Bring the member to what was recorded before the decision, and to what the candidate is ahead of it."""
        member = self._members[member_id]
        recorded: Values = {UNIT: (inputs["lifetime"], inputs["balance"])}
        recorded |= {unit: tuple(standing) for unit, standing in inputs.get("others", {}).items()}
        for unit, (lifetime, balance) in recorded.items():
            more = undone.amounts.get(unit, 0) + member.ahead[unit]
            member.value[unit] = lifetime + more, balance + more
        marks = inputs.get("marks", {})
        for mark, n in marks.items():
            stands = max((one.n for one in member.crossings if one.mark == mark), default=0)
            if (n > member.shown.get(mark, 0) and n > stands) or (not member.differs and n != stands):
                member.crossings = [one for one in member.crossings if one.mark != mark]
                member.crossings += self._rungs(member_id, mark, n)
        if not member.differs:
            member.crossings = [one for one in member.crossings if one.mark in marks]

    def _rungs(self, member_id: str, mark: str, n: int) -> list[Crossing]:
        lowest = max(1, n - RUNGS + 1)
        return [Crossing(self._new_id("crs"), member_id, mark, rung, None) for rung in range(lowest, n + 1)]

    def show(self, member_id: str, inputs: Mapping[str, Any], verdict: Mapping[str, Any]) -> None:
        """Know what marks the record has after the decision."""
        shown = dict(inputs.get("marks", {}))
        for mark, n in verdict.get("crossed", ()):
            shown[mark] = max(n, shown.get(mark, 0))
        self._members[member_id].shown = shown

    def crossings(self, people: Iterable[Person], at: datetime) -> tuple[list[Crossing], dict[tuple[str, str], int]]:
        """The crossings of these people that stand, placed if their reward was ordered by then, and the highest."""
        standing = [one for person in people for one in self._members[person.id].crossings]
        marks: dict[tuple[str, str], int] = {}
        for one in standing:
            ordered_at = self._placed.get((one.member_id, one.mark, one.n))
            one.placed = ordered_at is not None and ordered_at <= at
            marks[one.member_id, one.mark] = max(one.n, marks.get((one.member_id, one.mark), 0))
        return standing, marks

    def account(self, member_id: str, unit: str) -> Account:
        """The member's account as the candidate has it."""
        lifetime, balance = self._members[member_id].value.get(unit, (0, 0))
        return Account(member_account(member_id, unit), unit, True, balance=balance, lifetime=lifetime)

    def keep(self, intake: Intake, people: Iterable[Person]) -> None:
        """Keep the value that these people have now, and the crossings that stand."""
        for person in people:
            member = self._members[person.id]
            member.crossings = [
                one for one in intake.ladders.crossings if one.member_id == person.id and one.state == "standing"
            ]
            for account in intake.book.accounts.values():
                if account.running and account.id == member_account(person.id, account.unit):
                    member.value[account.unit] = account.lifetime, account.balance
