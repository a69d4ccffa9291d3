"""The fold: from the facts, and from nothing else, the streak that there is.

It walks from period to period and judges each by what is known now. It has no memory but its tally, so the same facts
give the same streak in whatever order they came, and a fold that goes on from a tally gives what one from the start
gives. A period is, in this order:

  met        enough was done in it, whether it was asked for or not
  skipped    no working day of the member's week is left in it: a day off, absent, a public holiday, an outage
  late       enough was done within the hours of grace after its end; those events count for it and not for their own
  forgiven   no more periods than grace allows were missed within its window
  frozen     a freeze was used
  missed     the streak is broken, or decays

A day is the member's own: of the zone in effect at each instant. It ends when its date is over for good, so whoever
travels west has more of it. A fact that arrives more than the policy's `restore_days` after a period's end is kept and
does not change the period.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from domain.days import Days, last_of
from domain.game import OnMiss, StreakPolicy
from domain.streak_excuses import excuse, has_caught_up
from domain.streak_periods import by_period, due, enough, marks_between, policy_at
from domain.streak_steps import step
from domain.streaks import (
    AHEAD,
    PROTECTING,
    Facts,
    Given,
    Judgement,
    Mark,
    Period,
    Reached,
    Run,
    Span,
    Streak,
    StreakState,
    Tally,
)
from domain.time import ALWAYS, NEVER

# How far ahead the end of grace is looked for.
MAX_PERIODS_AHEAD = 100

_DAY = timedelta(days=1)


def fold(facts: Facts, as_of: datetime, tally: Tally | None = None) -> Streak:
    """The streak at the instant; from the tally on, if it is given, of facts that it does not know yet."""
    stepped = step(facts, as_of, tally) if tally else None
    return stepped or walk(facts, as_of, tally)


def walk(facts: Facts, as_of: datetime, tally: Tally | None = None) -> Streak:
    """The fold, period by period."""
    return _Walk(facts, as_of, tally).run()


class _Walk:
    """One fold: judges one period after the other until the one that goes on, or until nothing is left to lose."""

    def __init__(self, facts: Facts, as_of: datetime, tally: Tally | None) -> None:
        self._facts = facts
        self._as_of = as_of
        self._days = Days(facts.people, tally.through_on if tally else None)
        self._cadence = facts.policies[-1][1].cadence
        self._marks = by_period(facts, self._days)
        self._order: list[date] | None = None
        self._running = Tally(*tally.values()) if tally else self._nothing_yet()
        self._running.member_version = facts.people[-1][1].version
        self._given = sorted(self._effective(facts.freezes)) if facts.freezes else []
        # Values of the tallies of final periods, the oldest first; once something may yet change, none are added.
        self._begun_from = tally
        self._behind = deque([tally.values()] if tally else [], maxlen=AHEAD + 1)
        self._settled = True
        self._runs: list[Run] = []
        self._reached: list[Reached] = []
        # The last period, and what it was judged to be.
        self._span: Span | None = None
        self._judgement: Judgement | None = None
        # Explanations fold from the start: who goes on from a tally asks for none.
        self._periods: list[Period] | None = None if tally else []

    def run(self) -> Streak:
        first = self._after(self._running.through_on)
        deadline = None
        while first is not None:
            span = self._begin(first)
            if self._as_of < span.starts_at:
                break
            deadline = self._judge(span)
            if deadline is not None:
                break
            first = self._next(span)
        return self._told(deadline)

    # -- From period to period ---------------------------------------------------------------------------------

    def _nothing_yet(self) -> Tally:
        """What is before the first period in which something was done."""
        return Tally(min(self._marks, default=date.max) - _DAY, ALWAYS, member_version=0)

    def _next(self, span: Span) -> date | None:
        """The period after one that is final, which from here on only a late fact changes."""
        tally = self._running
        tally.through_on, tally.settled_at = span.last_on, span.final_at
        if self._settled:
            self._behind.append(tally.values())
        return self._after(span.last_on)

    def _after(self, day: date) -> date | None:
        """The next period; while there is no streak, the next in which something was done."""
        if self._running.current:
            return day + _DAY
        if self._order is None:
            self._order = sorted(self._marks)
        n = bisect_right(self._order, day)
        return self._order[n] if n < len(self._order) else None

    def _begin(self, first: date) -> Span:
        """The period that begins on this day; mostly where the last one ends."""
        before = self._span
        follows = before is not None and before.last_on + _DAY == first
        starts_at = before.ends_at if before and follows else self._days.end_of(first - _DAY)
        policy, person = policy_at(self._facts, starts_at), self._days.person_at(starts_at)
        same = before is not None and before.policy is policy and before.person is person
        needed = before.needed if before and same else due(policy, person.attributes)
        last = last_of(self._cadence, first)
        self._span = Span(first, last, starts_at, self._days.end_of(last), policy, person, needed)
        return self._span

    # -- Judging one period ------------------------------------------------------------------------------------

    def _judge(self, span: Span) -> datetime | None:
        """Judge the period; if it is not final, the instant at which it will be."""
        if self._given:
            self._give(span)
        marks = self._unspent(self._marks.get(span.first_on, ()))
        if marks:
            self._note(marks[-1])
        counted, amount = enough(marks, span.needed)
        is_open = self._as_of < span.ends_at
        if amount >= span.needed:
            self._meet(span, Judgement.MET, counted, amount)
        elif is_open:
            self._tell(span, self._excuse(span)[0] or Judgement.OPEN, amount, marks)
        elif self._running.current:
            return self._rescue(span, marks, amount)
        else:
            self._tell(span, Judgement.MISSED, amount, marks)
        return span.ends_at if is_open else None

    def _rescue(self, span: Span, marks: Sequence[Mark], amount: int) -> datetime | None:
        """Judge a period that is over without enough, of a streak that there is; None if it is final."""
        if self._days.person_at(span.ends_at).has_left:
            self._end_run()
            self._tell(span, Judgement.LEFT, amount, marks)
            return None
        excuse, detail = self._excuse(span)
        if excuse is not None:
            self._tell(span, excuse, amount, marks, detail)
        elif not self._meet_late(span, marks):
            if self._as_of < span.final_at:
                self._tell(span, Judgement.WAITING, amount, marks)
                return span.final_at
            self._forgive(span, marks, amount)
        return None

    def _excuse(self, span: Span) -> tuple[Judgement | None, str]:
        if self._facts.outages and not has_caught_up(span, self._facts.outages, self._as_of):
            self._settled = False
            return Judgement.OUTAGE, "not caught up"
        return excuse(span, self._days, self._facts)

    def _meet_late(self, span: Span, marks: Sequence[Mark]) -> bool:
        """Count what was done in the hours of grace for this period, if that saves it."""
        after = list(marks_between(self._marks, self._days, self._cadence, span.last_on, span.final_at))
        counted, amount = enough([*marks, *self._unspent(after)], span.needed)
        if amount < span.needed:
            return False
        still = (mark.event_id for mark in after if mark.event_id in self._running.spent)
        self._running.spent = (*still, *(mark.event_id for mark in counted[len(marks) :]))
        self._meet(span, Judgement.LATE, counted, amount)
        return True

    def _forgive(self, span: Span, marks: Sequence[Mark], amount: int) -> None:
        tally, grace = self._running, span.policy.grace
        tally.asked += 1
        recent = tuple(place for place in tally.graces if place > tally.asked - grace.window)
        if len(recent) < grace.missed:
            tally.graces = (*recent, tally.asked)
            tally.lapse = Judgement.FORGIVEN
            detail = f"{len(tally.graces)} of {grace.missed} in {grace.window} periods"
            self._tell(span, Judgement.FORGIVEN, amount, marks, detail)
        elif tally.freezes:
            tally.freezes -= 1
            tally.lapse = Judgement.FROZEN
            self._tell(span, Judgement.FROZEN, amount, marks, f"{tally.freezes} left")
        else:
            self._miss(span.policy)
            self._tell(span, Judgement.MISSED, amount, marks)

    def _meet(self, span: Span, judgement: Judgement, counted: Sequence[Mark], amount: int) -> None:
        tally, freezes = self._running, span.policy.freezes
        if tally.current == 0:
            tally.started_on, tally.peak, tally.asked, tally.kept, tally.graces = span.first_on, 0, 0, 0, ()
            tally.freezes = min(freezes.at_most, tally.freezes + freezes.granted)
        tally.current += 1
        tally.asked += 1
        tally.kept += 1
        tally.last_on, tally.lapse = span.last_on, None
        if freezes.every and tally.kept % freezes.every == 0:
            tally.freezes = min(freezes.at_most, tally.freezes + 1)
        if tally.current > tally.peak:
            tally.peak = tally.current
            self._reach(span, counted[-1].occurred_at)
        if tally.current > tally.longest:
            tally.longest = tally.current
        self._tell(span, judgement, amount, counted)

    def _reach(self, span: Span, at: datetime) -> None:
        length = self._running.current
        if span.policy.names(length):
            assert self._running.started_on is not None
            self._reached.append(Reached(length, self._running.started_on, span.first_on, at))

    def _miss(self, policy: StreakPolicy) -> None:
        tally = self._running
        tally.lapse = Judgement.MISSED
        if policy.on_miss is OnMiss.DECAY and tally.current > policy.decay:
            tally.current -= policy.decay
        else:
            self._end_run()

    def _end_run(self) -> None:
        self._runs.append(self._current_run())
        self._running.current, self._running.started_on = 0, None

    def _current_run(self) -> Run:
        tally = self._running
        assert tally.started_on is not None
        assert tally.last_on is not None
        return Run(tally.started_on, tally.last_on, tally.peak)

    def _tell(self, span: Span, judgement: Judgement, amount: int, marks: Sequence[Mark], detail: str = "") -> None:
        self._judgement = judgement
        if self._periods is not None:
            events = tuple(mark.event_id for mark in marks)
            length = self._running.current
            self._periods.append(
                Period(span.first_on, span.last_on, judgement, amount, span.needed, length, events, detail)
            )

    # -- Marks and freezes -------------------------------------------------------------------------------------

    def _unspent(self, marks: Sequence[Mark]) -> Sequence[Mark]:
        """Those that do not count for the period before their own."""
        spent = self._running.spent
        return [mark for mark in marks if mark.event_id not in spent] if spent else marks

    def _note(self, mark: Mark) -> None:
        tally = self._running
        if tally.last_at is None or mark.occurred_at >= tally.last_at:
            tally.last_at, tally.last_event_id = mark.occurred_at, mark.event_id

    def _effective(self, freezes: Sequence[Given]) -> Iterator[tuple[date, int]]:
        """Since which day each freeze may be used: those that are given late are too late for some."""
        for given in freezes:
            restore = timedelta(days=policy_at(self._facts, given.recorded_at).restore_days)
            yield max(given.granted_on, self._days.day_at(given.recorded_at - restore)), given.amount

    def _give(self, span: Span) -> None:
        """Take the freezes that may be used from this period on and were not taken before."""
        tally = self._running
        for since, amount in self._given:
            if tally.through_on < since <= span.last_on:
                tally.freezes = min(span.policy.freezes.at_most, tally.freezes + amount)

    # -- The streak as it stands -------------------------------------------------------------------------------

    def _told(self, deadline: datetime | None) -> Streak:
        tally, state = self._running, self._state()
        if tally.current:
            self._runs.append(self._current_run())
        return Streak(
            state=state,
            current=tally.current,
            longest=tally.longest,
            started_on=tally.started_on,
            last_qualifying_at=tally.last_at,
            last_event_id=tally.last_event_id,
            grace_until=self._grace_until() if state is StreakState.AT_RISK else None,
            next_deadline_at=deadline if tally.current else None,
            freezes=tally.freezes,
            tally=Tally(*self._behind[0]) if len(self._behind) > AHEAD else self._begun_from,
            runs=tuple(self._runs),
            reached=tuple(self._reached),
            periods=tuple(self._periods or ()),
        )

    def _state(self) -> StreakState:
        if not self._running.current:
            return StreakState.BROKEN
        if self._judgement in PROTECTING:
            return StreakState.PROTECTED
        if self._judgement is Judgement.WAITING or self._running.lapse in (Judgement.FORGIVEN, Judgement.MISSED):
            return StreakState.AT_RISK
        return StreakState.PROTECTED if self._running.lapse is Judgement.FROZEN else StreakState.ACTIVE

    def _grace_until(self) -> datetime | None:
        """When the first period ends that nothing forgives, if nothing is done any more."""
        ahead = _Walk(self._facts._replace(marks=()), NEVER, self._running)
        if self._span is not None:
            # The period that goes on has taken its freezes already.
            judged_on = self._span.last_on
            ahead._given = [(since, amount) for since, amount in ahead._given if since > judged_on]
        return ahead.first_miss()

    def first_miss(self) -> datetime | None:
        first = self._after(self._running.through_on)
        for _ in range(MAX_PERIODS_AHEAD):
            assert first is not None
            span = self._begin(first)
            self._judge(span)
            if self._judgement in (Judgement.MISSED, Judgement.LEFT):
                return span.final_at
            self._running.through_on = span.last_on
            first = span.last_on + _DAY
        return None
