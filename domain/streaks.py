"""Streaks: how many periods in a row a member has done what a policy asks for, folded from facts alone.

The fold walks from period to period and judges each by what is known now. It has no memory but its tally, so the same
facts give the same streak in whatever order they came, and a fold that goes on from a tally gives what one from the
start gives. A period is, in this order:

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from domain.calendars import is_holiday, pattern_of
from domain.days import Days, first_of, last_of
from domain.deciding import Person
from domain.expressions import ExpressionError, context, evaluate
from domain.game import OnMiss, StreakPolicy

# So many final periods stay ahead of the tally: facts that come a little late do not take a fold from the start.
AHEAD = 1
# How far ahead the end of grace is looked for.
MAX_PERIODS_AHEAD = 100

_DAY = timedelta(days=1)
# When the next day begins, by UTC, where it begins first: 14 hours ahead.
_FIRST_MIDNIGHT = time(hour=10)
_ALWAYS = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


class StreakState(StrEnum):
    """How a streak stands; see docs/states.md."""

    ACTIVE = "active"
    AT_RISK = "at_risk"
    PROTECTED = "protected"
    BROKEN = "broken"


class Judgement(StrEnum):
    """What became of one period."""

    MET = "met"
    DAY_OFF = "day_off"
    ABSENT = "absent"
    HOLIDAY = "holiday"
    OUTAGE = "outage"
    LATE = "late"
    FORGIVEN = "forgiven"
    FROZEN = "frozen"
    MISSED = "missed"
    LEFT = "left"
    OPEN = "open"  # it goes on
    WAITING = "waiting"  # it is over, its hours of grace are not


# Reasons that protect a streak now; a day off is the ordinary week.
_PROTECTING = (Judgement.ABSENT, Judgement.HOLIDAY, Judgement.OUTAGE)


# -- Facts ---------------------------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """An event that counts for so much; `arrived_at` is when it was first told."""

    occurred_at: datetime
    event_id: str
    amount: int
    arrived_at: datetime


class Away(NamedTuple):
    """Days, the last included, on which the member is absent."""

    starts_on: date
    ends_on: date
    recorded_at: datetime


class Down(NamedTuple):
    """When a source could not be heard, which brings events of these types; None while it has not caught up."""

    source: str
    began_at: datetime
    ended_at: datetime | None
    event_types: tuple[str, ...]


class Given(NamedTuple):
    """Freezes that somebody gave."""

    granted_on: date
    amount: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a streak follows from. Versions have the instant since which they are in effect, oldest first.

    The first version stands for all that was before it. A policy keeps its cadence for ever.
    """

    policies: Sequence[tuple[datetime, StreakPolicy]]
    people: Sequence[tuple[datetime, Person]]
    marks: Sequence[Mark] = ()
    absences: Sequence[Away] = ()
    outages: Sequence[Down] = ()
    freezes: Sequence[Given] = ()

    def until(self, as_of: datetime) -> "Facts":
        """What had happened by the instant: an outage that ended later went on, absences that were known stay."""
        return replace(
            self,
            marks=[mark for mark in self.marks if mark.occurred_at <= as_of],
            outages=[_as_it_was(down, as_of) for down in self.outages if down.began_at <= as_of],
        )


def _as_it_was(down: Down, as_of: datetime) -> Down:
    return down._replace(ended_at=None) if down.ended_at and down.ended_at > as_of else down


# -- What follows --------------------------------------------------------------------------------------------------


class Period(NamedTuple):
    """One period as it was judged: what was done and needed, and by which events it was met."""

    first_on: date
    last_on: date
    judgement: Judgement
    amount: int
    needed: int
    length: int
    event_ids: tuple[str, ...] = ()
    detail: str = ""


class Run(NamedTuple):
    """A streak from its first period to the last that was met; `length` is the most that it came to."""

    started_on: date
    last_on: date
    length: int


class Reached(NamedTuple):
    """A length that the policy names, by the event that brought it."""

    length: int
    started_on: date
    reached_on: date
    reached_at: datetime


@dataclass(slots=True)
class Tally:
    """A streak after the last period that nothing but a late fact changes.

    `graces` are the places of forgiven periods among those asked for in the run, `spent` events that counted for the
    period before their own. What happened until `settled_at` is in it.
    """

    through_on: date
    settled_at: datetime
    member_version: int
    current: int = 0
    longest: int = 0
    peak: int = 0
    started_on: date | None = None
    last_on: date | None = None
    asked: int = 0
    kept: int = 0
    freezes: int = 0
    graces: tuple[int, ...] = ()
    # What has kept the streak since it was last met.
    lapse: Judgement | None = None
    spent: tuple[str, ...] = ()
    last_at: datetime | None = None
    last_event_id: str | None = None

    def values(self) -> tuple[Any, ...]:
        """The fields in their order: `Tally(*values)` is a copy, at a tenth of what copying in general costs."""
        values: tuple[Any, ...] = _VALUES(self)
        return values


_VALUES = attrgetter(*(field.name for field in fields(Tally)))


@dataclass(frozen=True, slots=True)
class Streak:
    """A member's streak: how it stands, and what the fold has seen: runs, lengths reached and periods.

    `next_deadline_at` is when the passing of time changes it next, `grace_until` when it breaks unless something is
    done. Of what a fold from a tally has seen, only runs and lengths after the tally are there, and no periods.
    """

    state: StreakState = StreakState.BROKEN
    current: int = 0
    longest: int = 0
    started_on: date | None = None
    last_qualifying_at: datetime | None = None
    last_event_id: str | None = None
    grace_until: datetime | None = None
    next_deadline_at: datetime | None = None
    freezes: int = 0
    tally: Tally | None = None
    runs: tuple[Run, ...] = ()
    reached: tuple[Reached, ...] = ()
    periods: tuple[Period, ...] = ()


def fold(facts: Facts, as_of: datetime, tally: Tally | None = None) -> Streak:
    """The streak at the instant; from the tally on, if it is given, of facts that it does not know yet."""
    return _Walk(facts, as_of, tally).run()


def knows(tally: Tally, happened_at: datetime) -> bool:
    """Whether the tally has judged the time in which this happened, so that another fact of it is too late."""
    return happened_at <= tally.settled_at


def needed_since(tally: Tally) -> datetime:
    """Marks of what happened before this are in the tally, wherever the member was."""
    return datetime.combine(tally.through_on, _FIRST_MIDNIGHT, UTC)


def due(policy: StreakPolicy, attributes: Mapping[str, Any]) -> int:
    """How much the policy asks of this member in a period; 1 where its expression gives nothing that can be asked."""
    if (number := _number(policy.at_least)) is not None:
        return number
    try:
        wanted = evaluate(policy.at_least, context({}, attributes, {}))
    except ExpressionError:
        return 1
    return wanted if type(wanted) is int and wanted >= 1 else 1


@lru_cache(maxsize=1_000)
def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


# -- The walk ------------------------------------------------------------------------------------------------------


class _Span(NamedTuple):
    """A period with all that judging it needs; [starts_at, ends_at) is the member's."""

    first_on: date
    last_on: date
    starts_at: datetime
    ends_at: datetime
    policy: StreakPolicy
    person: Person
    needed: int


class _Walk:
    """One fold: judges one period after the other until the one that goes on, or until nothing is left to lose."""

    def __init__(self, facts: Facts, as_of: datetime, tally: Tally | None) -> None:
        self._facts = facts
        self._as_of = as_of
        self._days = Days(facts.people)
        self._cadence = facts.policies[-1][1].cadence
        self._marks = self._by_period(facts.marks)
        self._order = sorted(self._marks)
        self._running = Tally(*tally.values()) if tally else self._nothing_yet()
        self._running.member_version = facts.people[-1][1].version
        self._given = sorted(self._effective(facts.freezes)) if facts.freezes else []
        # Values of the tallies of final periods, the oldest first; once something may yet change, none are added.
        self._begun_from = tally
        self._behind = deque([tally.values()] if tally else [], maxlen=AHEAD + 1)
        self._settled = True
        self._runs: list[Run] = []
        self._reached: list[Reached] = []
        # What the last period was judged to be, and its last day.
        self._judgement: Judgement | None = None
        self._judged_on = self._running.through_on
        # Explanations fold from the start: who goes on from a tally asks for none.
        self._periods: list[Period] | None = None if tally else []

    def run(self) -> Streak:
        first = self._after(self._running.through_on)
        deadline = None
        while first is not None:
            span = self._span(first)
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
        first = self._order[0] if self._order else date.max
        return Tally(first - _DAY, _ALWAYS, member_version=0)

    def _next(self, span: _Span) -> date | None:
        """The period after one that is final, which from here on only a late fact changes."""
        tally = self._running
        tally.through_on, tally.settled_at = span.last_on, self._final_at(span)
        if self._settled:
            self._behind.append(tally.values())
        return self._after(span.last_on)

    def _after(self, day: date) -> date | None:
        """The next period; while there is no streak, the next in which something was done."""
        if self._running.current:
            return day + _DAY
        n = bisect_right(self._order, day)
        return self._order[n] if n < len(self._order) else None

    def _span(self, first: date) -> _Span:
        starts_at = self._days.end_of(first - _DAY)
        policy, person = self._policy_at(starts_at), self._days.person_at(starts_at)
        last = last_of(self._cadence, first)
        needed = due(policy, person.attributes)
        return _Span(first, last, starts_at, self._days.end_of(last), policy, person, needed)

    def _policy_at(self, at: datetime) -> StreakPolicy:
        versions = self._facts.policies
        if len(versions) == 1:
            return versions[0][1]
        return next((policy for since, policy in reversed(versions) if since <= at), versions[0][1])

    def _policy_on(self, first: date) -> StreakPolicy:
        versions = self._facts.policies
        return self._policy_at(self._days.end_of(first - _DAY)) if len(versions) > 1 else versions[0][1]

    @staticmethod
    def _final_at(span: _Span) -> datetime:
        hours = span.policy.grace.hours
        return span.ends_at + timedelta(hours=hours) if hours else span.ends_at

    # -- Judging one period ------------------------------------------------------------------------------------

    def _judge(self, span: _Span) -> datetime | None:
        """Judge the period; if it is not final, the instant at which it will be."""
        self._give(span)
        marks = self._unspent(self._marks.get(span.first_on, ()))
        self._note(marks)
        counted, amount = _enough(marks, span.needed)
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

    def _rescue(self, span: _Span, marks: Sequence[Mark], amount: int) -> datetime | None:
        """Judge a period that is over without enough, of a streak that there is; None if it is final."""
        if self._days.person_at(span.ends_at).has_left:
            self._end_run()
            self._tell(span, Judgement.LEFT, amount, marks)
            return None
        excuse, detail = self._excuse(span)
        if excuse is not None:
            self._tell(span, excuse, amount, marks, detail)
        elif not self._meet_late(span, marks):
            if self._as_of < self._final_at(span):
                self._tell(span, Judgement.WAITING, amount, marks)
                return self._final_at(span)
            self._forgive(span, marks, amount)
        return None

    def _meet_late(self, span: _Span, marks: Sequence[Mark]) -> bool:
        """Count what was done in the hours of grace for this period, if that saves it."""
        after = list(self._marks_after(span))
        counted, amount = _enough([*marks, *self._unspent(after)], span.needed)
        if amount < span.needed:
            return False
        still = (mark.event_id for mark in after if mark.event_id in self._running.spent)
        self._running.spent = (*still, *(mark.event_id for mark in counted[len(marks) :]))
        self._meet(span, Judgement.LATE, counted, amount)
        return True

    def _forgive(self, span: _Span, marks: Sequence[Mark], amount: int) -> None:
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

    def _meet(self, span: _Span, judgement: Judgement, counted: Sequence[Mark], amount: int) -> None:
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
        tally.longest = max(tally.longest, tally.current)
        self._tell(span, judgement, amount, counted)

    def _reach(self, span: _Span, at: datetime) -> None:
        policy, length = span.policy, self._running.current
        if length in policy.reached or (policy.reached_every and length % policy.reached_every == 0):
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

    def _tell(self, span: _Span, judgement: Judgement, amount: int, marks: Sequence[Mark], detail: str = "") -> None:
        self._judgement, self._judged_on = judgement, span.last_on
        if self._periods is not None:
            events = tuple(mark.event_id for mark in marks)
            length = self._running.current
            self._periods.append(
                Period(span.first_on, span.last_on, judgement, amount, span.needed, length, events, detail)
            )

    # -- Marks and freezes -------------------------------------------------------------------------------------

    def _by_period(self, marks: Sequence[Mark]) -> dict[date, list[Mark]]:
        """What was done, by the first day of its period, in the order in which it was done."""
        found: dict[date, list[Mark]] = {}
        for mark in sorted(marks):
            first = first_of(self._cadence, self._days.day_at(mark.occurred_at))
            if self._is_in_time(first, mark.occurred_at, mark.arrived_at):
                found.setdefault(first, []).append(mark)
        return found

    def _is_in_time(self, first: date, happened_at: datetime, known_at: datetime) -> bool:
        """Whether a fact was known before the period could no longer be restored."""
        if known_at <= happened_at:
            return True
        late = known_at - timedelta(days=self._policy_on(first).restore_days)
        return late <= happened_at or late <= self._days.end_of(last_of(self._cadence, first))

    def _marks_after(self, span: _Span) -> Iterator[Mark]:
        """What was done in the hours of grace after the period."""
        until = self._final_at(span)
        first = span.last_on + _DAY
        while self._days.end_of(first - _DAY) < until:
            yield from (mark for mark in self._marks.get(first, ()) if mark.occurred_at < until)
            first = last_of(self._cadence, first) + _DAY

    def _unspent(self, marks: Sequence[Mark]) -> Sequence[Mark]:
        """Those that do not count for the period before their own."""
        spent = self._running.spent
        return [mark for mark in marks if mark.event_id not in spent] if spent else marks

    def _note(self, marks: Sequence[Mark]) -> None:
        tally = self._running
        if marks and (tally.last_at is None or marks[-1].occurred_at >= tally.last_at):
            tally.last_at, tally.last_event_id = marks[-1].occurred_at, marks[-1].event_id

    def _effective(self, freezes: Sequence[Given]) -> Iterator[tuple[date, int]]:
        """Since which day each freeze may be used: those that are given late are too late for some."""
        for given in freezes:
            restore = timedelta(days=self._policy_at(given.recorded_at).restore_days)
            yield max(given.granted_on, self._days.day_at(given.recorded_at - restore)), given.amount

    def _give(self, span: _Span) -> None:
        """Take the freezes that may be used from this period on and were not taken before."""
        tally = self._running
        for since, amount in self._given:
            if tally.through_on < since <= span.last_on:
                tally.freezes = min(span.policy.freezes.at_most, tally.freezes + amount)

    # -- What excuses a period ---------------------------------------------------------------------------------

    def _excuse(self, span: _Span) -> tuple[Judgement | None, str]:
        """Why no working day is left in the period; None if there is one.

        A day that a traveller never had is none.
        """
        if self._is_down(span):
            return Judgement.OUTAGE, "not caught up"
        reasons: dict[Judgement, str] = {}
        day = span.first_on
        while day <= span.last_on:
            person = self._days.person_on(day)
            if self._is_working_day(span, day, person):
                reason, detail = self._reason(span, day, person)
                if reason is None:
                    return None, ""
                reasons.setdefault(reason, detail)
            day += _DAY
        first = next((one for one in _PROTECTING if one in reasons), Judgement.DAY_OFF)
        return first, reasons.get(first, "")

    def _is_working_day(self, span: _Span, day: date, person: Person) -> bool:
        weekdays = pattern_of(person.attributes, span.policy.working_days)
        return day.weekday() in weekdays and self._days.end_of(day - _DAY) < self._days.end_of(day)

    def _is_down(self, span: _Span) -> bool:
        """Whether a source that has not caught up may know more of the period."""
        for down in self._facts.outages:
            ongoing = down.ended_at is None and down.began_at < min(span.ends_at, self._as_of)
            if ongoing and _concerns(span.policy, down):
                self._settled = False
                return True
        return False

    def _reason(self, span: _Span, day: date, person: Person) -> tuple[Judgement | None, str]:
        if person.attributes.get("status") == "on_leave":
            return Judgement.ABSENT, "on leave"
        for away in self._facts.absences:
            if away.starts_on <= day <= away.ends_on and self._is_in_time(
                span.first_on, span.ends_at, away.recorded_at
            ):
                return Judgement.ABSENT, f"told on {away.recorded_at:%Y-%m-%d}"
        if span.policy.holidays and is_holiday(person.attributes.get("country"), day):
            return Judgement.HOLIDAY, person.attributes["country"]
        for down in self._facts.outages:
            if _concerns(span.policy, down) and self._overlaps(down, day):
                return Judgement.OUTAGE, down.source
        return None, ""

    def _overlaps(self, down: Down, day: date) -> bool:
        begins, ends = self._days.end_of(day - _DAY), self._days.end_of(day)
        return down.began_at < ends and (down.ended_at is None or begins < down.ended_at)

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
        if self._judgement in _PROTECTING:
            return StreakState.PROTECTED
        if self._judgement is Judgement.WAITING or self._running.lapse in (Judgement.FORGIVEN, Judgement.MISSED):
            return StreakState.AT_RISK
        return StreakState.PROTECTED if self._running.lapse is Judgement.FROZEN else StreakState.ACTIVE

    def _grace_until(self) -> datetime | None:
        """When the first period ends that nothing forgives, if nothing is done any more."""
        ahead = _Walk(replace(self._facts, marks=()), _NEVER, self._running)
        # The period that goes on has taken its freezes already.
        ahead._given = [(since, amount) for since, amount in ahead._given if since > self._judged_on]
        return ahead.first_miss()

    def first_miss(self) -> datetime | None:
        first = self._after(self._running.through_on)
        for _ in range(MAX_PERIODS_AHEAD):
            assert first is not None
            span = self._span(first)
            self._judge(span)
            if self._judgement in (Judgement.MISSED, Judgement.LEFT):
                return self._final_at(span)
            self._running.through_on = span.last_on
            first = span.last_on + _DAY
        return None


def _enough(marks: Sequence[Mark], needed: int) -> tuple[list[Mark], int]:
    """The first of the marks that make what is needed, or all, and what they come to."""
    counted: list[Mark] = []
    amount = 0
    for mark in marks:
        if amount >= needed:
            break
        counted.append(mark)
        amount += mark.amount
    return counted, amount


def _concerns(policy: StreakPolicy, down: Down) -> bool:
    if policy.sources:
        return down.source in policy.sources
    return any(one.event_type in down.event_types for one in policy.qualifying)
