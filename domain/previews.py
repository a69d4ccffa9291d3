"""Previews of challenges: what one would have paid over the last days, to how many people, and the most it can cost.

The challenge is put over a window that has passed, on top of whatever was live then. Its places (by arrival), limits
and stacking are judged by a back-test, goals and final ranks as by its settlement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from domain.backtest_outcomes import Outcome
from domain.challenges import Claim, ClaimState, Standing, prizes, texts
from domain.configuration import Configuration
from domain.deciding import UNIT
from domain.expressions import totals_used
from domain.game import Challenge, Fairness

# No program's file or page can take it.
KEY = "laurel.preview"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a challenge would have paid in [begins_at, ends_at): for completions and, at its settlement, for its goal
    and final ranks.

    `people` would have had any of it. `most` is the most that it can ever cost, by the limit that `bounded_by` names;
    None if nothing bounds it.
    """

    begins_at: datetime
    ends_at: datetime
    decisions: int
    completions: int
    points: int
    prize_points: int
    people: int
    most: int | None
    bounded_by: str | None


def put_over(challenge: Challenge, begins_at: datetime, ends_at: datetime) -> Challenge:
    """The challenge as if it had run in the window, and everything of it had been known in time."""
    return replace(
        challenge,
        key=KEY,
        starts_at=begins_at,
        ends_at=ends_at,
        extended_to=None,
        cancelled_at=None,
        dropped=False,
        repeats=None,
        fairness=Fairness.ARRIVAL,
    )


def beside(challenge: Challenge, live: Configuration) -> Configuration:
    """What was live, and the challenge."""
    return replace(live, challenges={**live.challenges, challenge.key: challenge}, plans={})


def looks_back(challenge: Challenge) -> bool:
    """Whether it reads totals, which events from before the window may make."""
    return any(totals_used(text) for text in texts(challenge))


def preview(challenge: Challenge, outcome: Outcome, members: int) -> Preview:
    """What the back-test of the challenge, put over its window, comes to in a program of so many members."""
    claims = [one for one in outcome.claims.values() if one.state is not ClaimState.WITHDRAWN]
    won = _prizes(challenge, claims)
    paid = {member: found.difference for member, found in outcome.members.items() if found.difference > 0}
    most, bounded_by = the_most(challenge, members)
    return Preview(
        begins_at=challenge.starts_at,
        ends_at=challenge.ends_at,
        decisions=outcome.decisions,
        completions=len(claims),
        points=outcome.units[UNIT].difference,
        prize_points=sum(won.values()),
        people=len(paid.keys() | won.keys()),
        most=most,
        bounded_by=bounded_by,
    )


def _prizes(challenge: Challenge, claims: Iterable[Claim]) -> dict[str, int]:
    """By member, what the settlement would pay."""
    by_team = challenge.goal is not None and challenge.goal.team is not None
    brought: dict[tuple[str | None, str | None], list[Claim]] = {}
    teams: dict[str, set[str]] = {}
    for one in claims:
        if by_team and one.team is None:
            continue
        brought.setdefault((None, one.team) if by_team else (one.member_id, None), []).append(one)
        if one.team is not None:
            teams.setdefault(one.team, set()).add(one.member_id)
    standings = _ranked(challenge, brought)
    won: dict[str, int] = {}
    for owed in prizes(challenge, standings, {team: sorted(whose) for team, whose in teams.items()}):
        won[owed.member_id] = won.get(owed.member_id, 0) + owed.points
    return won


def _ranked(challenge: Challenge, brought: Mapping[tuple[str | None, str | None], list[Claim]]) -> list[Standing]:
    goal = challenge.goal
    total = max if goal is not None and goal.streak is not None else sum
    unranked = [
        (total(one.amount for one in of), max(one.occurred_at for one in of), who, of) for who, of in brought.items()
    ]
    ordered = sorted(unranked, key=lambda one: (-one[0], one[1], one[2][0] or one[2][1] or ""))
    return [
        Standing(
            rank=rank,
            member_id=who[0],
            team=who[1],
            amount=amount,
            completions=len(of),
            points=sum(one.points for one in of),
            reached_at=reached_at,
            reached=goal is not None and amount >= goal.target,
        )
        for rank, (amount, reached_at, who, of) in enumerate(ordered, 1)
    ]


# -- The most ------------------------------------------------------------------------------------------------------


def the_most(challenge: Challenge, members: int) -> tuple[int | None, str | None]:
    """The most that the challenge can cost so many members, and the limit of completions that says so."""
    bounds = list(_bounds(challenge, members))
    if not bounds:
        return None, None
    most, bounded_by = min(bounds)
    return most + _most_of_prizes(challenge, members) + (challenge.exceptions_points or 0), bounded_by


def _bounds(challenge: Challenge, members: int) -> Iterable[tuple[int, str]]:
    """What each limit leaves of completions."""
    if challenge.budget_points is not None:
        yield challenge.budget_points, "budget_points"
    if challenge.member_points is not None:
        yield challenge.member_points * members, "member_points"
        if challenge.first is not None:
            yield challenge.member_points * challenge.first, "first"
    each = int(challenge.bonus) if challenge.bonus is not None and challenge.bonus.isdecimal() else None
    if challenge.bonus is None and challenge.multiplier is None:
        each = 0
    if each is not None:
        if each == 0:
            yield 0, "bonus"
        if challenge.first is not None:
            yield each * challenge.first, "first"
        if challenge.once:
            yield each * members, "once"


def _most_of_prizes(challenge: Challenge, members: int) -> int:
    """Every member, or team member, reaches the goal; a team's rank is worth its prize to each of its members."""
    goal, is_of_teams = challenge.goal, challenge.goal is not None and challenge.goal.team is not None
    most = goal.points * members if goal is not None else 0
    if is_of_teams:
        return most + max((prize.points for prize in challenge.prizes), default=0) * members
    return most + sum(min(members, prize.last - prize.first + 1) * prize.points for prize in challenge.prizes)
