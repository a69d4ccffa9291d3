"""Excuses: why nothing was asked of a member in a period, by the calendar, absences and outages."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from domain.calendars import is_holiday, pattern_of
from domain.days import Days
from domain.deciding import Person
from domain.game import StreakPolicy
from domain.streaks import PROTECTING, Down, Facts, Judgement, Span

_DAY = timedelta(days=1)


def has_caught_up(span: Span, outages: Sequence[Down], as_of: datetime) -> bool:
    """Whether no source that is down may know more of the period."""
    until = min(span.ends_at, as_of)
    return not any(down.ended_at is None and down.began_at < until and _concerns(span.policy, down) for down in outages)


def excuse(span: Span, days: Days, facts: Facts) -> tuple[Judgement | None, str]:
    """Why no working day is left in the period, and by what; None if there is one.

    A day that a traveller never had is none.
    """
    reasons: dict[Judgement, str] = {}
    day = span.first_on
    while day <= span.last_on:
        person = days.person_on(day)
        if day.weekday() in pattern_of(person.attributes, span.policy.working_days) and days.has(day):
            reason, detail = _reason(span, day, person, days, facts)
            if reason is None:
                return None, ""
            reasons.setdefault(reason, detail)
        day += _DAY
    first = next((one for one in PROTECTING if one in reasons), Judgement.DAY_OFF)
    return first, reasons.get(first, "")


def _reason(span: Span, day: date, person: Person, days: Days, facts: Facts) -> tuple[Judgement | None, str]:
    if person.attributes.get("status") == "on_leave":
        return Judgement.ABSENT, "on leave"
    for away in facts.absences:
        if away.starts_on <= day <= away.ends_on and span.may_be_restored_at(away.recorded_at):
            return Judgement.ABSENT, f"told on {away.recorded_at:%Y-%m-%d}"
    if span.policy.holidays and is_holiday(person.attributes.get("country"), day):
        return Judgement.HOLIDAY, person.attributes["country"]
    for down in facts.outages:
        if _concerns(span.policy, down) and _overlaps(down, day, days):
            return Judgement.OUTAGE, down.source
    return None, ""


def _overlaps(down: Down, day: date, days: Days) -> bool:
    begins, ends = days.end_of(day - _DAY), days.end_of(day)
    return down.began_at < ends and (down.ended_at is None or begins < down.ended_at)


def _concerns(policy: StreakPolicy, down: Down) -> bool:
    if policy.sources:
        return down.source in policy.sources
    return any(one.event_type in down.event_types for one in policy.qualifying)
