"""Steps: what a fold gives where there was nothing but time and events, found at half its cost.

Most streaks were met in each period since their tally, and nothing else is known of the time since: what follows is
counted. Of anything else a step says nothing, and the streak is walked (`domain.streak_fold`), which is what says how
streaks are: a step never differs from it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.days import Days, Stretch, stretches
from domain.game import StreakPolicy
from domain.streak_excuses import excuse
from domain.streak_periods import by_period, due, enough
from domain.streaks import AHEAD, PROTECTING, Facts, Mark, Reached, Run, Span, Streak, StreakState, Tally

# More periods are walked.
MAX_PERIODS = 8


class _Met(NamedTuple):
    """A period that was met, the instant at which it had enough, and its last mark."""

    period: Stretch
    at: datetime
    last: Mark


def step(facts: Facts, as_of: datetime, tally: Tally) -> Streak | None:
    """The fold from the tally on, if every period since that is over was met; else None."""
    if not tally.current or tally.spent or facts.absences or facts.outages or facts.freezes:
        return None
    days, (since, policy) = Days(facts.people, tally.through_on), facts.policies[-1]
    person = days.only
    if person is None:
        return None
    periods = stretches(policy.cadence, person.time_zone, tally.through_on, as_of, MAX_PERIODS)
    if not periods or (len(facts.policies) > 1 and since > periods[0].starts_at):
        return None
    marks, needed = by_period(facts, days), due(policy, person.attributes)
    met: list[_Met] = []
    open_with: Sequence[Mark] | None = None
    for period in periods:
        done: Sequence[Mark] = marks.get(period.first_on, ())
        counted, amount = enough(done, needed)
        if amount >= needed:
            met.append(_Met(period, counted[-1].occurred_at, done[-1]))
        elif period is periods[-1]:
            open_with = done
        else:
            return None
    if tally.lapse and not met:
        return None
    is_protected = False
    if open_with is not None:
        span = Span(*periods[-1], policy, person, needed)
        is_protected = excuse(span, days, facts)[0] in PROTECTING
    return _streak(policy, tally, periods[-1], met, open_with or (), is_protected)


def _streak(
    policy: StreakPolicy, tally: Tally, open: Stretch, met: Sequence[_Met], open_with: Sequence[Mark], protected: bool
) -> Streak:
    assert tally.started_on is not None
    assert tally.last_on is not None
    current, last = tally.current + len(met), met[-1] if met else None
    peak = current if current > tally.peak else tally.peak
    final = len(met) - (last is not None and last.period is open)
    last_at, last_event_id = _last(tally, open_with[-1] if open_with else last.last if last else None)
    return Streak(
        state=StreakState.PROTECTED if protected else StreakState.ACTIVE,
        current=current,
        longest=current if current > tally.longest else tally.longest,
        started_on=tally.started_on,
        last_qualifying_at=last_at,
        last_event_id=last_event_id,
        next_deadline_at=open.ends_at,
        freezes=_freezes(policy, tally, len(met)),
        tally=_after(policy, tally, met[: final - AHEAD]) if final > AHEAD else tally,
        runs=(Run(tally.started_on, last.period.last_on if last else tally.last_on, peak),),
        reached=tuple(_reached(policy, tally, met)) if current > tally.peak else (),
    )


def _after(policy: StreakPolicy, tally: Tally, met: Sequence[_Met]) -> Tally:
    """The tally after these periods were met."""
    n, (period, _, mark) = len(met), met[-1]
    current = tally.current + n
    last_at, last_event_id = _last(tally, mark)
    return Tally(
        through_on=period.last_on,
        settled_at=policy.grace.ends_at(period.ends_at),
        member_version=tally.member_version,
        current=current,
        longest=max(tally.longest, current),
        peak=max(tally.peak, current),
        started_on=tally.started_on,
        last_on=period.last_on,
        asked=tally.asked + n,
        kept=tally.kept + n,
        freezes=_freezes(policy, tally, n),
        graces=tally.graces,
        last_at=last_at,
        last_event_id=last_event_id,
    )


def _freezes(policy: StreakPolicy, tally: Tally, n: int) -> int:
    """Those that are left after so many more periods were kept."""
    every = policy.freezes.every
    gained = (tally.kept + n) // every - tally.kept // every if every else 0
    return min(policy.freezes.at_most, tally.freezes + gained) if gained else tally.freezes


def _last(tally: Tally, mark: Mark | None) -> tuple[datetime | None, str | None]:
    if mark is None or (tally.last_at is not None and mark.occurred_at < tally.last_at):
        return tally.last_at, tally.last_event_id
    return mark.occurred_at, mark.event_id


def _reached(policy: StreakPolicy, tally: Tally, met: Sequence[_Met]) -> Iterator[Reached]:
    assert tally.started_on is not None
    for length, one in enumerate(met, tally.current + 1):
        if length > tally.peak and policy.names(length):
            yield Reached(length, tally.started_on, one.period.first_on, one.at)
