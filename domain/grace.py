"""Grace windows: from the end of a period that was not kept to the moment at which the streak breaks for it.

A window belongs to a streak that is worth protecting. It is opened, moved and closed with the streak's row, in the
transaction that folds it: `follow` says how. A streak that breaks without any grace has a window without a length, so
that whoever loses a streak is told, and told again if late facts restore it. States and arrows are drawn in
docs/states.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from domain.streaks import Streak, StreakState
from domain.time import zone

# When people may be reminded, by their own clocks.
DAY_BEGINS, DAY_ENDS = time(9), time(20)


class GraceState(StrEnum):
    """What became of a window; see docs/states.md."""

    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    RESTORED = "restored"


class GraceEvent(StrEnum):
    """What happens to a window."""

    KEEP = "keep"
    BREAK = "break"
    RESTORE = "restore"


GRACE_ARROWS: Final[Mapping[tuple[GraceState, GraceEvent], GraceState]] = {
    (GraceState.OPEN, GraceEvent.KEEP): GraceState.KEPT,
    (GraceState.OPEN, GraceEvent.BREAK): GraceState.BROKEN,
    (GraceState.BROKEN, GraceEvent.RESTORE): GraceState.RESTORED,
}


@dataclass(frozen=True, slots=True)
class GraceWindow:
    """One window of a member's streak; `length` and `started_on` are the streak's when it opened."""

    id: str
    program_id: str
    member_id: str
    policy: str
    state: GraceState
    length: int
    started_on: date
    opened_at: datetime
    ends_at: datetime
    remind_at: datetime | None
    reminded_at: datetime | None
    closed_at: datetime | None


def about(window: GraceWindow) -> str:
    """What a window is, in a line without a person's name."""
    return f"{window.length} in a row of {window.policy} by {window.member_id} at risk, window {window.id}"


class Step(NamedTuple):
    """What follows for a streak's windows: the latest one moves, and another is opened (or broken at once)."""

    event: GraceEvent | None = None
    ends_at: datetime | None = None
    opens: GraceState | None = None


NOTHING = Step()


def concerns(before: Streak | None, after: Streak, worth: int) -> bool:
    """Whether `follow` may have something to say; most changes of streaks are far from any window."""
    if before is None:
        return after.state is StreakState.AT_RISK and after.current >= worth
    at_risk = StreakState.AT_RISK in (before.state, after.state)
    return at_risk or (before.current == 0) != (after.current == 0) or _grew_backwards(before, after)


def follow(before: Streak | None, after: Streak, latest: GraceWindow | None, worth: int) -> Step:
    """What a change of a streak means for its latest window; `worth` is the length from which it is protected."""
    if latest is not None and latest.state is GraceState.OPEN:
        return _follow_open(after, latest)
    alive = latest is not None and latest.state is GraceState.BROKEN and _is_alive(latest, after)
    restored = GraceEvent.RESTORE if alive else None
    if after.state is StreakState.AT_RISK and after.current >= worth and after.grace_until is not None:
        return Step(restored, after.grace_until, GraceState.OPEN)
    if after.current == 0 and before is not None and before.current >= worth:
        return Step(opens=GraceState.BROKEN)
    return Step(restored)


def _follow_open(after: Streak, latest: GraceWindow) -> Step:
    if after.current == 0:
        return Step(GraceEvent.BREAK)
    if after.state is not StreakState.AT_RISK or after.grace_until is None:
        return Step(GraceEvent.KEEP)
    return Step(ends_at=after.grace_until) if after.grace_until != latest.ends_at else NOTHING


def _is_alive(window: GraceWindow, after: Streak) -> bool:
    """Whether the run that was broken goes on: it, or a longer one that it is part of."""
    return after.started_on is not None and after.started_on <= window.started_on


def _grew_backwards(before: Streak, after: Streak) -> bool:
    return before.started_on is not None and after.started_on is not None and after.started_on < before.started_on


def remind_at(opened_at: datetime, ends_at: datetime, time_zone: str, hours: int) -> datetime | None:
    """When to remind: `hours` before the window ends, or earlier, so that it is day where the member is.

    None if no day is left for it, or none is wanted (0 hours).
    """
    if not hours:
        return None
    latest = _in_daytime((ends_at - timedelta(hours=hours)), time_zone)
    if latest >= opened_at:
        return latest
    return opened_at if _in_daytime(opened_at, time_zone) == opened_at else None


def _in_daytime(at: datetime, time_zone: str) -> datetime:
    """The instant, or the last one before it at which it was day in the zone."""
    local = at.astimezone(zone(time_zone))
    if local.time() < DAY_BEGINS:
        local = datetime.combine(local.date() - timedelta(days=1), DAY_ENDS, local.tzinfo)
    elif local.time() > DAY_ENDS:
        local = datetime.combine(local.date(), DAY_ENDS, local.tzinfo)
    return local.astimezone(at.tzinfo)
